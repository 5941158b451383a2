#include "tersor/solvers/awq.hpp"

#include "tersor/formats/integer.hpp"
#include "tersor/quantizers/blockwise.hpp"
#include "tersor/quantizers/zero_point.hpp"
#include "tersor/solvers/awq_grid.hpp"
#include "tersor/solvers/channel_scaling.hpp"
#include "tests/common/errors.hpp"
#include "tests/common/golden.hpp"
#include "tests/common/isas.hpp"
#include "tests/solvers/random_matrix.hpp"

#include <unsupported/Eigen/CXX11/ThreadPool>

#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

using namespace tersor;

namespace {

using matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using matrix_d = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using awq4 = blockwise<awq_grid<uint4>, 32>;
using awq3 = blockwise<awq_grid<uint3>, 32>;
using plain4 = blockwise<zero_point<uint4>, 64>;

constexpr double u = 0x1p-24;

matrix read(const golden::file& file, const std::string& name) {
    std::vector<float> values = file.tensor<float>(name);
    const auto shape = file.shape(name);
    return Eigen::Map<matrix>(values.data(), shape[0], shape[1]);
}

// |X D^T|^2, the squared error of all outputs, and the same of magnitudes.
double squared_error(const matrix& x, const matrix& d) {
    return (x.cast<double>() * d.cast<double>().transpose()).squaredNorm();
}
double squared_magnitudes(const matrix& x, const matrix& d) {
    return (x.cast<double>().cwiseAbs() * d.cast<double>().cwiseAbs().transpose()).squaredNorm();
}

// Quantized W diag(s), divided by s, minus W.
template <class Q>
matrix difference(const matrix& w, const std::vector<float>& s) {
    matrix v = w;
    multiply_columns(v, s);
    matrix q = dequantize(quantize<Q>(v));
    divide_columns(q, s);
    return q - w;
}

// Twice the rows times what the peer computes: its outputs are sums of n float products, ours those of a float Hessian
// (1026 u relative to its magnitudes) and a chain of n more.
double loss_bound(const matrix& x, const matrix& w, const matrix& d) {
    const auto n = static_cast<double>(x.cols());
    const matrix_d e = x.cast<double>() * d.cast<double>().transpose();
    const matrix_d delta =
        2.0 * n * u * (x.cast<double>().cwiseAbs() * w.cast<double>().cwiseAbs().transpose());
    const double peer = (2.0 * e.cwiseAbs().cwiseProduct(delta) + delta.cwiseProduct(delta)).sum();
    return 2.0 / static_cast<double>(x.rows()) * (peer + (n + 1040.0) * u * squared_magnitudes(x, d));
}

template <class Q>
void expect_recorded_search(const golden::file& file, const std::string& name) {
    SCOPED_TRACE(name);
    const matrix w = read(file, "W"), x = read(file, "X");
    const auto result = awq<Q>(w, x, {.mode = quantize_mode::reference, .clip_tokens = 128});
    EXPECT_EQ(result.ratio, file.tensor<double>(name + ".best_ratio")[0]);
    const double per_loss = 2.0 * static_cast<double>(w.rows());
    const auto losses = file.tensor<double>(name + ".losses");
    ASSERT_EQ(result.losses.size(), losses.size());
    channel_statistics statistics(x.cols());
    statistics.observe(x);
    for (std::size_t i = 0; i < losses.size(); ++i) {
        const auto s = awq_scales(statistics.mean_magnitude(), static_cast<double>(i) / 20.0);
        const matrix d = difference<Q>(w, s);
        EXPECT_NEAR(result.losses[i], losses[i] * per_loss, loss_bound(x, w, d)) << i;
        EXPECT_LE(loss_bound(x, w, d), 0.02 * result.losses[i]) << i;
    }
    // The peer's mean is a float sum of the tokens in some order, its power good to a unit, and three roundings follow.
    const auto recorded_scales = file.tensor<float>(name + ".best_scales");
    const double scale_bound = (static_cast<double>(x.rows()) + 10.0) * u;
    for (std::size_t j = 0; j < recorded_scales.size(); ++j) {
        EXPECT_NEAR(result.scales[j], recorded_scales[j], scale_bound * static_cast<double>(recorded_scales[j])) << j;
    }
    // Clipping both ends of a group puts its zero point halfway between two codes, where the last bit of a scale
    // decides: the bounds are those of the recorded scales.
    const auto tokens = static_cast<tersor::index>(file.shape("X")[0]) / 2;
    const matrix every_second = Eigen::Map<const matrix, 0, Eigen::OuterStride<>>(x.data(), tokens, x.cols(),
                                                                                  Eigen::OuterStride<>(2 * x.cols()));
    hessian h(x.cols(), {.precision = hessian_precision::fp64});
    h.accumulate(every_second);
    const auto clip = awq_clip<Q>(w, recorded_scales, h);
    const auto recorded = file.tensor<float>(name + ".clip_max");
    EXPECT_EQ(std::vector<float>(clip.upper.data(), clip.upper.data() + clip.upper.size()), recorded);
    EXPECT_EQ(clip.lower, -clip.upper);
    matrix v = w;
    multiply_columns(v, recorded_scales);
    for (tersor::index r = 0; r < v.rows(); ++r) {
        for (tersor::index j = 0; j < v.cols(); ++j) {
            v(r, j) = std::clamp(v(r, j), clip.lower(r, j / Q::group), clip.upper(r, j / Q::group));
        }
    }
    matrix d = dequantize(quantize<Q>(v));
    divide_columns(d, recorded_scales);
    d -= w;
    EXPECT_NEAR(2.0 / static_cast<double>(x.rows()) * squared_error(x, d),
                file.tensor<double>(name + ".loss_with_clip")[0] * per_loss, loss_bound(x, w, d));
}

TEST(AwqGrid, ReproducesTheRecordedCodes) {
    const golden::file file("gptq/format_awq");
    const auto q = quantize<awq4>(read(file, "W"));
    const auto scales = file.tensor<float>("rtn.scales_f32");
    const auto zeros = file.tensor<std::uint8_t>("rtn.zeros");
    ASSERT_EQ(q.parameters().size(), scales.size());
    for (std::size_t g = 0; g < scales.size(); ++g) {
        EXPECT_EQ(q.parameters()[g].scale, scales[g]);
        EXPECT_EQ(q.parameters()[g].zero, zeros[g]);
    }
    std::vector<std::uint8_t> codes(static_cast<std::size_t>(q.size()));
    unpack_codes(q.codes().data(), 4, std::span(codes));
    EXPECT_EQ(codes, file.tensor<std::uint8_t>("rtn.codes"));
}

TEST(AwqGrid, NeedNotContainZero) {
    const awq_grid<uint4> q;
    const std::vector<float> above{1.0f, 2.5f}, far{-3e38f, 3e38f}, same{2.0f, 2.0f};
    EXPECT_EQ(q.fit(above, {}).scale, 0.1f);
    EXPECT_EQ(q.fit(above, {}).zero, 0);
    EXPECT_TRUE(std::isfinite(q.fit(far, {}).scale));
    EXPECT_EQ(q.fit(same, {}).scale, 1e-5f / 15.0f);
}

TEST(AwqGrid, IsAZeroPointGridOnceFitted) {
    const matrix w = random_matrix(5, 70, 1);
    const auto q = quantize<awq4>(w);
    const matrix values = dequantize(q);
    const auto z = to_zero_point(q);
    static_assert(std::is_same_v<decltype(z)::quantizer_type, blockwise<zero_point<uint4>, 32>>);
    EXPECT_EQ(matrix(dequantize(z)), values);
}

TEST(AwqScales, PowersAreWithinAUnitOfTheExactOnes) {
    std::mt19937 random(3);
    std::uniform_real_distribution<double> exponent(-120.0, 120.0), power(-1.0, 1.0);
    for (int i = 0; i < 20000; ++i) {
        const double x = std::exp2(exponent(random)), y = power(random);
        const double exact = std::pow(x, y);
        EXPECT_NEAR(detail::power(x, y), exact, 0x1p-43 * exact) << x << " " << y;
    }
    EXPECT_EQ(detail::power(4.0, 0.5), 2.0);
}

TEST(AwqScales, AreOneForExponentZeroAndCentred) {
    const std::vector<float> a{4.0f, 0.0f, 0.25f, 1.0f};
    EXPECT_EQ(awq_scales(a, 0.0), std::vector<float>(4, 1.0f));
    const auto s = awq_scales(a, 0.5);
    EXPECT_EQ(s[1], 1e-4f / std::sqrt(2.0f * 1e-4f));
    EXPECT_NEAR(s[0] * s[1], 1.0f, 4 * 0x1p-23f);
}

TEST(Awq, ReproducesTheRecordedSearches) {
    const golden::file file("gptq/format_awq");
    int cases = 0;
    for (const std::string& name : {std::string("search4"), std::string("search3")}) {
        if (file.has("X") && file.has(name + ".losses")) {
            name == "search4" ? expect_recorded_search<awq4>(file, name) : expect_recorded_search<awq3>(file, name);
            ++cases;
        }
    }
    EXPECT_EQ(cases, file.has("X") ? 2 : 0);
}

TEST(Awq, TheReferenceTakesTheLeastLossByDefinition) {
    const matrix w = random_matrix(12, 48, 5), x = random_matrix(200, 48, 6, 30.0f);
    const auto result = awq<plain4>(w, x, {.mode = quantize_mode::reference, .clip = false});
    channel_statistics statistics(48);
    statistics.observe(x);
    double least = std::numeric_limits<double>::infinity(), ratio = 0.0;
    for (int i = 0; i < 20; ++i) {
        const matrix d = difference<plain4>(w, awq_scales(statistics.mean_magnitude(), i / 20.0));
        const double loss = 2.0 / 200.0 * squared_error(x, d);
        EXPECT_NEAR(result.losses[static_cast<std::size_t>(i)], loss,
                    2.0 / 200.0 * 1100.0 * u * squared_magnitudes(x, d));
        if (loss < least) {
            least = loss;
            ratio = i / 20.0;
        }
    }
    EXPECT_EQ(result.ratio, ratio);
    EXPECT_GT(ratio, 0.0);
    EXPECT_EQ(result.loss_rtn, result.losses[0]);
    EXPECT_EQ(result.loss, *std::min_element(result.losses.begin(), result.losses.end()));
    EXPECT_EQ(result.clip.upper.size(), 0);
}

// With and without outliers; the last group is shorter than the others.
void expect_each_mode_is_better(float outliers) {
    const matrix w = random_matrix(16, 80, 7), x = random_matrix(300, 80, 8, outliers);
    const auto reference = awq<plain4>(w, x, {.mode = quantize_mode::reference});
    const auto fast = awq<plain4>(w, x, {.mode = quantize_mode::fast});
    const auto best = awq<plain4>(w, x);
    EXPECT_LE(reference.loss, reference.loss_rtn);
    EXPECT_LE(fast.loss, reference.loss);
    EXPECT_LE(best.loss, reference.loss);
    EXPECT_LT(best.loss, 0.95 * reference.loss);
    matrix d = dequantize(best.weights);
    divide_columns(d, best.scales);
    d -= w;
    EXPECT_NEAR(best.loss, 2.0 / 300.0 * squared_error(x, d), 2.0 / 300.0 * 1200.0 * u * squared_magnitudes(x, d));
}

TEST(Awq, EachModeIsAtLeastAsGoodAsTheOneBefore) {
    expect_each_mode_is_better(30.0f);
    expect_each_mode_is_better(1.0f);
}

TEST(Awq, IsAtMostTheRecordedErrorsOnRealLayers) {
    struct recorded {
        const char* name;
        double int4, int3;
    };
    for (const recorded& r : {recorded{"q_proj", 0.0038132821209728718, 0.017831046134233475},
                              recorded{"q_proj_outlier", 0.007810499984771013, 0.03171336278319359}}) {
        const std::string name = std::string("activations/small_l3_") + r.name;
        if (!golden::available(name)) {
            continue;
        }
        const golden::file file(name);
        const matrix w = read(file, "w"), x = read(file, "x");
        const double whole = squared_error(x, w) * 2.0 / static_cast<double>(x.rows());
        const awq_options options{.mode = quantize_mode::fast};
        EXPECT_LE((awq<plain4>(w, x, options).loss / whole), 0.9 * r.int4) << r.name;
    }
}

TEST(Awq, SharedLayersHaveTheLossOfTheStackedOne) {
    const matrix x = random_matrix(100, 64, 9, 20.0f);
    const std::vector<matrix> w{random_matrix(8, 64, 10), random_matrix(24, 64, 11)};
    matrix stacked(32, 64);
    stacked << w[0], w[1];
    const auto shared = awq_shared<plain4>(w, x, {.mode = quantize_mode::fast});
    const auto one = awq<plain4>(stacked, x, {.mode = quantize_mode::fast});
    EXPECT_EQ(shared.loss, one.loss);
    EXPECT_EQ(shared.scales, one.scales);
    ASSERT_EQ(shared.weights.size(), 2u);
    const matrix values = dequantize(one.weights);
    EXPECT_EQ(matrix(dequantize(shared.weights[0])), values.topRows(8));
    EXPECT_EQ(matrix(dequantize(shared.weights[1])), values.bottomRows(24));
}

TEST(Awq, TheSameBitsWithAnyInstructionSetAndThreads) {
    const matrix w = random_matrix(20, 48, 12), x = random_matrix(64, 48, 13, 10.0f);
    const auto expected = awq<plain4>(w, x);
    Eigen::ThreadPool pool(3);
    isas::for_each_isa([&] {
        const auto result = awq<plain4>(w, x, {.execution = execution(pool)});
        EXPECT_EQ(result.weights, expected.weights);
        EXPECT_EQ(result.scales, expected.scales);
        EXPECT_EQ(result.loss, expected.loss);
    });
}

TEST(Awq, QuantizersOfAWholeTensorGetScalesOnly) {
    const matrix w = random_matrix(8, 32, 14), x = random_matrix(64, 32, 15, 40.0f);
    const auto result = awq<awq_grid<uint4>>(w, x);
    EXPECT_LT(result.loss, result.loss_rtn);
    matrix v = w;
    multiply_columns(v, result.scales);
    EXPECT_EQ(result.weights, quantize<awq_grid<uint4>>(v));
    EXPECT_EQ(result.clip.upper.size(), 0);
}

TEST(Awq, ReportsBadInput) {
    const matrix w = random_matrix(4, 32, 16), x = random_matrix(16, 32, 17);
    channel_statistics statistics(32);
    hessian h(32);
    h.accumulate(x);
    EXPECT_EQ(code_of_error([&] { (void)awq<plain4>(w, statistics, h); }), error_code::invalid_argument);
    statistics.observe(x);
    EXPECT_EQ(code_of_error([&] { (void)awq<plain4>(matrix(w.leftCols(31)), statistics, h); }),
              error_code::shape_mismatch);
    EXPECT_EQ(code_of_error([&] { (void)awq<plain4>(w, statistics, hessian(16)); }), error_code::shape_mismatch);
    EXPECT_EQ(code_of_error([&] { (void)awq_shared<plain4>(std::vector<matrix>{}, statistics, h); }),
              error_code::invalid_argument);
    matrix bad = w;
    bad(2, 3) = std::numeric_limits<float>::quiet_NaN();
    EXPECT_EQ(code_of_error([&] { (void)awq<plain4>(bad, statistics, h); }), error_code::non_finite);
}

TEST(Awq, ProgressRisesToOneAndCanCancel) {
    const matrix w = random_matrix(4, 32, 18), x = random_matrix(16, 32, 19);
    double last = 0.0;
    (void)awq<plain4>(w, x, {.execution = execution{}.with_progress([&](double done) {
                          EXPECT_GE(done, last);
                          last = done;
                          return true;
                      })});
    EXPECT_NEAR(last, 1.0, 1e-12);
    const auto stop = execution{}.with_progress([](double done) { return done < 0.5; });
    EXPECT_EQ(code_of_error([&] { (void)awq<plain4>(w, x, {.execution = stop}); }), error_code::cancelled);
}

TEST(ChannelScaling, MovesScalesWithoutChangingTheOutput) {
    const std::vector<float> s{0.5f, 4.0f, 2.0f};
    matrix w = random_matrix(2, 3, 20), before = random_matrix(3, 5, 21);
    Eigen::RowVectorXf norm = random_matrix(1, 3, 22).row(0);
    const matrix output = w * before, scaled_by_norm = w * norm.asDiagonal();
    multiply_columns(w, s);
    divide_rows(before, s);
    divide_rows(norm, s);
    // Powers of two: no rounding anywhere.
    EXPECT_EQ(matrix(w * norm.asDiagonal()), scaled_by_norm);
    EXPECT_TRUE(output.isApprox(w * before, 1e-6f));
    const matrix x = random_matrix(10, 3, 23);
    matrix divided = x;
    divide_columns(divided, s);
    hessian h(3), expected(3);
    h.accumulate(x);
    expected.accumulate(divided);
    EXPECT_EQ(scaled_hessian(h, s).matrix<float>(), expected.matrix<float>());
    EXPECT_EQ(code_of_error([&] { multiply_columns(w, std::vector<float>{1.0f}); }), error_code::shape_mismatch);
    EXPECT_EQ(code_of_error([&] { divide_rows(before, std::vector<float>{1.0f, 0.0f, 1.0f}); }),
              error_code::invalid_argument);
}

} // namespace
