// Every kind of quantizer goes through the solver, and gets better than plain rounding by it.

// The kernels of linalg before those of quantizers: they share a namespace and must not hide each other.
#include "tersor/linalg/multiply.hpp"

#include "tersor/solvers/gptq.hpp"

#include "tersor/quantizers/aliases.hpp"
#include "tersor/quantizers/mx.hpp"
#include "tersor/quantizers/nvfp4.hpp"
#include "solvers/random_matrix.hpp"

#include <gtest/gtest.h>


namespace {

using tersor::index;
using tersor::quantize_mode;
using matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

constexpr index width = 128;

const tersor::hessian& shared_hessian() {
    static const tersor::hessian result = [] {
        matrix x = random_matrix(400, 40, 5) * random_matrix(40, width, 6) + 0.5f * random_matrix(400, width, 7);
        x.col(9).setZero();
        tersor::hessian sum(width);
        sum.accumulate(x);
        return sum;
    }();
    return result;
}

// A user's own quantizer: no more than the concept asks for, with sign and magnitude of two bits.
struct own {
    struct format {
        using code_type = std::uint8_t;
        static constexpr int bits = 3;
        static constexpr float largest = 3.0f;
        static constexpr std::uint8_t encode(float v) noexcept {
            const float a = v < 0 ? -v : v;
            return static_cast<std::uint8_t>((a < 0.5f ? 0 : a < 1.5f ? 1 : a < 2.5f ? 2 : 3) + (v < 0 ? 4 : 0));
        }
        static constexpr float decode(std::uint8_t code) noexcept {
            return static_cast<float>(code & 3) * (code < 4 ? 1.0f : -1.0f);
        }
        [[maybe_unused]] friend bool operator==(format, format) = default;
    };
    struct parameters {
        float step;
        [[maybe_unused]] friend bool operator==(const parameters&, const parameters&) = default;
    };
    static constexpr index group = 16;
    static parameters fit(std::span<const float> values, std::span<const float>) {
        float top = 0;
        for (const float x : values) {
            top = std::max(top, std::abs(x));
        }
        return {top == 0 ? 1.0f : top / 3.0f};
    }
    static std::uint8_t encode(float value, parameters p) { return format::encode(value / p.step); }
    static float decode(std::uint8_t code, parameters p) { return format::decode(code) * p.step; }
    [[maybe_unused]] friend bool operator==(const own&, const own&) = default;
};

template <class Q>
struct GptqFormats : testing::Test {};

using formats = testing::Types<tersor::nf4_blockwise<48>, tersor::nf4_double_quant<32>, tersor::mxfp4, tersor::nvfp4,
                               tersor::fp8_per_tensor, own>;
TYPED_TEST_SUITE(GptqFormats, formats);

TYPED_TEST(GptqFormats, EachModeBeatsPlainRounding) {
    const matrix w = 0.04f * random_matrix(12, width, 8);
    for (const quantize_mode mode : {quantize_mode::reference, quantize_mode::fast, quantize_mode::best}) {
        const auto result = tersor::gptq<TypeParam>(w, shared_hessian(), {.mode = mode});
        const Eigen::MatrixXd d = (w - result.dequantize()).template cast<double>();
        const double exact = (d * shared_hessian().matrix<double>()).cwiseProduct(d).sum();
        EXPECT_NEAR(result.objective, exact, 1e-5 * exact);
        EXPECT_LT(result.objective, 0.8 * result.objective_rtn);
        EXPECT_EQ(result.weights.rows(), 12);
        EXPECT_EQ(result.weights.cols(), width);
        // Zero is a value of all these formats, so that a dead column costs nothing.
        EXPECT_EQ(result.dequantize().col(9).norm(), 0.0f);
    }
}

TEST(GptqGrouped, GivesWhatAQuantizerWithThoseGroupsGives) {
    using rule = tersor::absmax<tersor::int4>;
    const matrix w = 0.04f * random_matrix(12, width, 8);
    const auto typed = tersor::gptq<tersor::blockwise<rule, 32>>(w, shared_hessian());
    const auto grouped = tersor::gptq_grouped<tersor::per_channel<rule>>(w, shared_hessian(), 32);
    EXPECT_EQ(grouped.objective, typed.objective);
    const matrix values = typed.dequantize();
    for (index i = 0; i < w.size(); ++i) {
        const auto p = grouped.parameters[static_cast<std::size_t>(i / 32)];
        EXPECT_EQ(p.scale, typed.weights.parameters()[static_cast<std::size_t>(i / 32)].scale);
        const auto code = static_cast<std::int8_t>(grouped.codes[static_cast<std::size_t>(i)]);
        EXPECT_EQ(rule{}.decode(code, p), values.data()[i]);
    }
    EXPECT_THROW((void)tersor::gptq_grouped<tersor::per_channel<rule>>(w, shared_hessian(), -1), tersor::error);
}

} // namespace
