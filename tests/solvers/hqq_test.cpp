#include "tersor/solvers/hqq.hpp"

#include "tersor/formats/integer.hpp"
#include "tersor/quantizers/blockwise.hpp"
#include "tersor/quantizers/dequantize.hpp"
#include "tersor/quantizers/per_channel.hpp"
#include "tersor/quantizers/zero_point.hpp"
#include "tests/common/golden.hpp"

#include <unsupported/Eigen/CXX11/ThreadPool>

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

using namespace tersor;

namespace {

using matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using float4 = blockwise<float_zero_point<uint4>, 64>;
using integer4 = blockwise<zero_point<uint4>, 64>;

constexpr double u = 0x1p-24;

matrix heavy_tailed(tersor::index rows, tersor::index columns, unsigned seed) {
    std::mt19937 random(seed);
    std::student_t_distribution<float> heavy(4.0f);
    matrix x(rows, columns);
    for (float& value : x.reshaped<Eigen::RowMajor>()) {
        value = 0.02f * heavy(random);
    }
    return x;
}

void expect_packed(const golden::file& file, const std::string& name, const std::vector<std::uint8_t>& codes,
                   int bits) {
    const auto shape = file.shape(name + ".W_q");
    if (bits == 3) {
        const auto packed = file.tensor<std::int32_t>(name + ".packed");
        EXPECT_EQ(hqq_pack_3bit(codes, shape[0], shape[1]), packed);
        EXPECT_EQ(hqq_unpack_3bit(packed, shape[0], shape[1]), codes);
    } else {
        const auto packed = file.tensor<std::uint8_t>(name + ".packed");
        EXPECT_EQ(hqq_pack(codes, shape[0], shape[1], bits), packed);
        EXPECT_EQ(hqq_unpack(packed, shape[0], shape[1], bits), codes);
    }
}

// The peer's means are sums of n floats in some order: its zero points are within n u of the sum of their magnitudes,
// and a code may differ where W s + z is that close to the middle of two.
template <class Format>
void expect_recorded(const golden::file& file, const std::string& name) {
    SCOPED_TRACE(name);
    std::vector<float> values = file.tensor<float>("W");
    const auto shape = file.shape(name + ".W_q");
    const bool is_plain = name.ends_with("_noopt");
    const int axis = name.find("axis0") != std::string::npos ? 0 : 1;
    // The grouped shape, whose rows or columns are the groups.
    const Eigen::Map<const matrix> w(values.data(), shape[0], shape[1]);
    const auto result = hqq<per_channel<float_zero_point<Format>>>(
        w, {.mode = quantize_mode::reference, .optimize = !is_plain, .slow = name.ends_with("_slow"), .axis = axis});
    const auto scales = file.tensor<float>(name + ".scale"), zeros = file.tensor<float>(name + ".zero");
    const auto recorded = file.tensor<std::uint8_t>(name + ".W_q");
    const auto codes = hqq_codes(result.weights);
    ASSERT_EQ(result.weights.parameters().size(), scales.size());
    const auto n = static_cast<double>(axis == 0 ? shape[0] : shape[1]);
    int differing = 0;
    for (std::size_t g = 0; g < scales.size(); ++g) {
        const auto p = result.weights.parameters()[g];
        EXPECT_EQ(p.scale, scales[g]) << g;
        double largest = 0.0;
        for (tersor::index i = 0; i < static_cast<tersor::index>(n); ++i) {
            const auto k = static_cast<tersor::index>(g);
            const float x = axis == 0 ? w(i, k) : w(k, i);
            largest = std::max(largest, static_cast<double>(std::abs(x)) / static_cast<double>(p.scale));
        }
        const double bound = is_plain ? 0.0 : n * u * (largest + static_cast<double>(Format::highest));
        EXPECT_NEAR(p.zero, zeros[g], bound) << g;
        for (tersor::index i = 0; i < static_cast<tersor::index>(n); ++i) {
            const auto k = static_cast<tersor::index>(g);
            const tersor::index row = axis == 0 ? i : k, column = axis == 0 ? k : i;
            const auto place = static_cast<std::size_t>(row * shape[1] + column);
            if (codes[place] != recorded[place]) {
                const double v =
                    static_cast<double>(w(row, column)) / static_cast<double>(p.scale) + static_cast<double>(zeros[g]);
                EXPECT_NEAR(v - std::floor(v), 0.5, bound + 4 * u * (largest + 16.0)) << place;
                ++differing;
            }
        }
    }
    EXPECT_LE(differing, is_plain ? 0 : static_cast<int>(codes.size() / 1000));
    if (file.has(name + ".err_l1")) {
        const double error = static_cast<double>(file.tensor<float>(name + ".err_l1")[0]);
        EXPECT_NEAR(result.mean_absolute_error, error, (static_cast<double>(w.size()) + 64.0) * u * error);
        const auto best = hqq<per_channel<float_zero_point<Format>>>(w, {.axis = axis});
        EXPECT_LT(best.mean_absolute_error, 0.999 * error);
    }
    expect_packed(file, name, recorded, Format::bits);
}

TEST(Hqq, ReproducesTheRecordedSolutions) {
    const golden::file file("gptq/hqq");
    int cases = 0;
    for (const std::string& tensor : file.names()) {
        if (!tensor.ends_with(".W_q")) {
            continue;
        }
        const std::string name = tensor.substr(0, tensor.size() - 4);
        switch (name[1]) {
        case '2':
            expect_recorded<uint2>(file, name);
            break;
        case '3':
            expect_recorded<uint3>(file, name);
            break;
        case '4':
            expect_recorded<uint4>(file, name);
            break;
        default:
            expect_recorded<uint8>(file, name);
            break;
        }
        ++cases;
    }
    EXPECT_GE(cases, 3);
}

template <class Q>
void expect_better_modes(const matrix& w, hqq_error error) {
    const auto measure = [error](const auto& result) {
        return error == hqq_error::squared ? result.mean_squared_error : result.mean_absolute_error;
    };
    const auto reference = hqq<Q>(w, {.mode = quantize_mode::reference});
    const auto fast = hqq<Q>(w, {.mode = quantize_mode::fast, .error = error});
    const auto best = hqq<Q>(w, {.error = error});
    EXPECT_LE(measure(fast), measure(reference));
    EXPECT_LE(measure(best), measure(fast));
    EXPECT_LT(measure(best), 0.97 * measure(reference));
    if (error == hqq_error::balanced) {
        EXPECT_LE(best.mean_squared_error, reference.mean_squared_error);
    }
    const matrix d = dequantize(best.weights) - w;
    const double absolute = d.cast<double>().cwiseAbs().mean();
    EXPECT_NEAR(best.mean_absolute_error, absolute, 1e-5 * absolute);
    EXPECT_NEAR(best.mean_squared_error, d.cast<double>().squaredNorm() / static_cast<double>(w.size()),
                1e-5 * best.mean_squared_error);
}

TEST(Hqq, EachModeIsAtLeastAsGoodAsTheOneBefore) {
    const matrix w = heavy_tailed(8, 200, 1); // the last group of a row is shorter
    for (const hqq_error error : {hqq_error::balanced, hqq_error::absolute, hqq_error::squared}) {
        expect_better_modes<float4>(w, error);
        expect_better_modes<integer4>(w, error);
    }
}

TEST(Hqq, EachMeasureIsLeastWhereItIsAskedFor) {
    const matrix w = heavy_tailed(16, 256, 2);
    const auto absolute = hqq<float4>(w, {.error = hqq_error::absolute}),
               squared = hqq<float4>(w, {.error = hqq_error::squared});
    EXPECT_LT(absolute.mean_absolute_error, squared.mean_absolute_error);
    EXPECT_LT(squared.mean_squared_error, absolute.mean_squared_error);
}

TEST(Hqq, GroupsWithoutAChoiceAreExact) {
    matrix w = matrix::Zero(4, 64);
    w.row(1).setConstant(0.5f);
    w.row(2).setConstant(-3e38f);
    w.row(3).head(32).setConstant(1e-5f);
    for (const quantize_mode mode : {quantize_mode::reference, quantize_mode::best}) {
        const matrix q = dequantize(hqq<float4>(w, {.mode = mode}).weights);
        EXPECT_EQ(q.topRows(3), w.topRows(3));
        EXPECT_TRUE(q.allFinite());
    }
    const matrix q = dequantize(hqq<float4>(w).weights);
    EXPECT_LE((q.row(3) - w.row(3)).cwiseAbs().maxCoeff(), 1e-10f);
}

TEST(Hqq, TheSameBitsWithThreadsAndStorageOrders) {
    const matrix w = heavy_tailed(30, 128, 3);
    const auto expected = hqq<float4>(w);
    Eigen::ThreadPool pool(3);
    EXPECT_EQ(hqq<float4>(w, {.execution = execution(pool)}).weights, expected.weights);
    const Eigen::MatrixXf columns = w;
    EXPECT_EQ(hqq<float4>(columns).weights.codes().size(), expected.weights.codes().size());
    EXPECT_EQ(hqq<float4>(columns).weights, expected.weights);
    const auto along = hqq<float4>(w.transpose(), {.axis = 0});
    EXPECT_EQ(matrix(dequantize(along.weights).transpose()), matrix(dequantize(expected.weights)));
}

error_code code_of_failure(const auto& work) {
    try {
        work();
    } catch (const error& e) {
        return e.code();
    }
    ADD_FAILURE() << "no error";
    return error_code::io;
}

TEST(Hqq, ReportsBadInput) {
    matrix w = heavy_tailed(3, 64, 4);
    EXPECT_EQ(code_of_failure([&] { (void)hqq<float4>(w, {.axis = 2}); }), error_code::invalid_argument);
    const auto stop = execution{}.with_progress([](double) { return false; });
    EXPECT_EQ(code_of_failure([&] { (void)hqq<float4>(w, {.execution = stop}); }), error_code::cancelled);
    w(1, 5) = std::numeric_limits<float>::infinity();
    EXPECT_EQ(code_of_failure([&] { (void)hqq<float4>(w); }), error_code::non_finite);
    EXPECT_EQ(hqq<float4>(matrix(0, 64)).weights.size(), 0);
}

TEST(HqqPacking, RefusesWhatDoesNotFit) {
    const std::vector<std::uint8_t> codes(12);
    EXPECT_EQ(code_of_failure([&] { (void)hqq_pack(codes, 3, 4, 4); }), error_code::shape_mismatch);
    EXPECT_EQ(code_of_failure([&] { (void)hqq_pack(codes, 4, 4, 4); }), error_code::shape_mismatch);
    EXPECT_EQ(code_of_failure([&] { (void)hqq_pack(codes, 3, 4, 5); }), error_code::invalid_argument);
    EXPECT_EQ(code_of_failure([&] { (void)hqq_unpack_3bit(std::vector<std::int32_t>(3), 3, 4); }),
              error_code::shape_mismatch);
}

} // namespace
