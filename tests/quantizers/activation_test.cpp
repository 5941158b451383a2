#include "tersor/quantizers/activation.hpp"

#include "tersor/formats/fp8.hpp"
#include "tersor/quantizers/blockwise.hpp"
#include "tersor/quantizers/dynamic_linear.hpp"
#include "tersor/quantizers/quantize.hpp"
#include "tersor/quantizers/zero_point.hpp"
#include "tests/common/golden.hpp"
#include "tests/common/isas.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <new>
#include <string>
#include <vector>

using namespace tersor;

namespace {

std::atomic<int> allocations{0};

} // namespace

// Counted in this program; out of line, so that the compiler takes them for the pair that they are.
[[gnu::noinline]] void* operator new(std::size_t size) {
    ++allocations;
    if (void* const memory = std::malloc(size == 0 ? 1 : size)) {
        return memory;
    }
    throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
    std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept {
    std::free(memory);
}

namespace {

using tersor::index;
using matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

template <class Q>
class ActivationQuantizer : public testing::Test {};
using quantizers = testing::Types<per_channel<absmax<int8>>, zero_point<uint8>, blockwise<absmax<int4>, 32>,
                                  per_channel<absmax<fp8_e4m3>>>;
TYPED_TEST_SUITE(ActivationQuantizer, quantizers);

TYPED_TEST(ActivationQuantizer, IsQuantize) {
    const matrix x = matrix::Random(9, 100);
    const Eigen::MatrixXf columns = x;
    activation_quantizer<TypeParam> dynamic, fixed(activation_options{.range = clipping_range{-0.5f, 0.75f}});
    EXPECT_FALSE(dynamic.is_static());
    EXPECT_TRUE(fixed.is_static());
    isas::for_each_isa([&] {
        const auto expected = quantize<TypeParam>(x),
                   clipped = quantize<TypeParam>(x, {.range = clipping_range{-0.5f, 0.75f}});
        EXPECT_TRUE(dynamic.quantize(x).codes == expected);
        EXPECT_TRUE(dynamic.quantize(columns).codes == expected);
        EXPECT_TRUE(dynamic.quantize(x.cast<double>()).codes == expected);
        EXPECT_TRUE(fixed.quantize(x).codes == clipped);
        const TypeParam quantizer;
        activation_quantizer<TypeParam> given(quantizer.from_range(-0.5f, 0.75f));
        EXPECT_TRUE(given.quantize(x).codes == clipped);
    });
    const Eigen::VectorXf token = x.row(3);
    EXPECT_TRUE(dynamic.quantize(token).codes == quantize<TypeParam>(x.row(3).replicate(1, 1).eval()));
}

TYPED_TEST(ActivationQuantizer, KeepsColumnsApart) {
    matrix x = matrix::Random(20, 70);
    x(7, 40) = 9.0f;
    x(2, 3) = -6.0f;
    matrix rest = x;
    for (const index c : {3, 40, 60}) {
        rest.col(c).setZero();
    }
    activation_quantizer<TypeParam> quantizer(activation_options{.threshold = 6.0f, .columns = {60, 60}});
    isas::for_each_isa([&] {
        const auto& q = quantizer.quantize(x);
        EXPECT_EQ(q.kept.columns, (std::vector<index>{60, 3, 40}));
        EXPECT_EQ(q.kept(7, 2), 9.0f);
        EXPECT_EQ(q.kept(19, 0), x(19, 60));
        EXPECT_EQ(q.kept.distance, 32);
        EXPECT_TRUE(q.codes == quantize<TypeParam>(rest));
    });
}

TYPED_TEST(ActivationQuantizer, AllocatesOnlyForTheFirstBatch) {
    const matrix x = 4.0f * matrix::Random(8, 96);
    for (const float threshold : {0.0f, 3.9f}) {
        activation_quantizer<TypeParam> quantizer(activation_options{.threshold = threshold});
        (void)quantizer.quantize(x);
        const int before = allocations;
        (void)quantizer.quantize(x);
        (void)quantizer.quantize(x.topRows(5));
        EXPECT_EQ(allocations, before) << threshold;
    }
}

TEST(DynamicQuantizeLinear, ReproducesTheRecordedCodes) {
    const golden::file file("calibration/dynamic_quantize_linear");
    int checked = 0;
    for (const std::string& name : file.names()) {
        if (!name.ends_with(".x")) {
            continue;
        }
        const std::string stem = name.substr(0, name.size() - 2);
        SCOPED_TRACE(stem);
        const auto values = file.tensor<float>(name);
        const Eigen::Map<const matrix> x(values.data(), 1, static_cast<index>(values.size()));
        activation_quantizer<dynamic_quantize_linear> quantizer;
        isas::for_each_isa([&] {
            const auto& q = quantizer.quantize(x).codes;
            EXPECT_EQ(q.parameters()[0].scale, file.tensor<float>(stem + ".scale")[0]);
            EXPECT_EQ(q.parameters()[0].zero, file.tensor<std::uint8_t>(stem + ".zero_point")[0]);
            const auto codes = file.tensor<std::uint8_t>(stem + ".y");
            EXPECT_EQ(std::vector<std::uint8_t>(q.codes().begin(), q.codes().end()), codes);
        });
        ++checked;
    }
    EXPECT_GT(checked, 0);
}

TEST(DynamicQuantizeLinear, HasAnInfiniteScaleWhereTheRangeOverflows) {
    activation_quantizer<dynamic_quantize_linear> quantizer;
    const auto& q = quantizer.quantize(matrix{{-3e38f, 0.0f, 3e38f}}).codes;
    EXPECT_EQ(q.parameters()[0].scale, std::numeric_limits<float>::infinity());
    EXPECT_EQ(q.codes()[0], q.parameters()[0].zero);
}

std::string message(const auto& call) {
    try {
        call();
    } catch (const error& e) {
        return std::string(to_string(e.code())) + ": " + e.what();
    }
    return "nothing";
}

TEST(ActivationQuantizerErrors, NameWhatIsWrong) {
    using per_token = activation_quantizer<>;
    matrix x = matrix::Random(5, 40);
    x(3, 21) = std::numeric_limits<float>::quiet_NaN();
    x(4, 2) = std::numeric_limits<float>::infinity();
    for (const float threshold : {0.0f, 6.0f}) {
        per_token quantizer(activation_options{.threshold = threshold});
        EXPECT_EQ(message([&] { (void)quantizer.quantize(x); }), "non_finite: activations: token 3, channel 21 is NaN");
    }
    EXPECT_EQ(message([&] { (void)activation_quantizer<absmax<int8>>().quantize(x.bottomRows(1)); }),
              "non_finite: activations: token 0, channel 2 is infinity");
    EXPECT_EQ(message([&] { (void)per_token(activation_options{.columns = {21}}).quantize(x); }),
              "non_finite: activations: token 3, channel 21 is NaN");
    EXPECT_EQ(message([] { per_token(activation_options{.threshold = -0.5f}); }),
              "invalid_argument: the threshold of outliers is -0.500000: expected a positive number, or 0 for none");
    EXPECT_EQ(message([] {
                  per_token(activation_options{.columns = {3, -2}});
              }),
              "invalid_argument: column -2 cannot be kept: columns count from 0");
    EXPECT_EQ(message([] { (void)per_token(activation_options{.columns = {40}}).quantize(matrix::Zero(2, 40)); }),
              "invalid_argument: column 40 is to be kept: the activations have 40 channels");
    EXPECT_EQ(message([] {
                  per_token(activation_options{.range = clipping_range{0.5f, 1.0f}});
              }).substr(0, 16),
              "invalid_argument");
    EXPECT_EQ(message([] { activation_quantizer<>(absmax<int8>::parameters{0.0f}); }),
              "invalid_argument: activations cannot have the scale 0.000000: expected a positive number");
    EXPECT_EQ(message([] {
                  per_token(activation_options{.threshold = 1.0f, .non_finite = non_finite::saturate});
              }).substr(0, 11),
              "unsupported");
}

TEST(ActivationQuantizerErrors, SaturationIsThatOfQuantize) {
    matrix x = matrix::Random(5, 40);
    x(3, 21) = std::numeric_limits<float>::quiet_NaN();
    x(4, 2) = std::numeric_limits<float>::infinity();
    activation_quantizer<> quantizer(activation_options{.non_finite = non_finite::saturate});
    EXPECT_TRUE(quantizer.quantize(x).codes ==
                quantize<per_channel<absmax<int8>>>(x, {.non_finite = non_finite::saturate}));
}

TEST(ActivationQuantizerErrors, EmptyBatchesGiveEmptyCodes) {
    activation_quantizer<> quantizer(activation_options{.threshold = 6.0f});
    EXPECT_EQ(quantizer.quantize(matrix(0, 7)).codes.cols(), 7);
    EXPECT_EQ(quantizer.quantize(matrix(3, 0)).codes.rows(), 3);
    EXPECT_EQ(activation_quantizer<absmax<int8>>().quantize(matrix(0, 7)).codes.rows(), 0);
    EXPECT_TRUE(outlier_columns(matrix(0, 7)).empty());
}

} // namespace
