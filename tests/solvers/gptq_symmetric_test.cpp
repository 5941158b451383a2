// Symmetric integers, one scale per row: mode reference writes the reference program's grid of 2^N levels.

#include "solvers/gptq_cases.hpp"
#include "tersor/quantizers/absmax.hpp"
#include "tersor/quantizers/per_channel.hpp"
#include "tersor/solvers/gptq.hpp"
#include "tersor/solvers/gptq_integers.hpp"

#include <gtest/gtest.h>

namespace {

using signed_rows = tersor::per_channel<tersor::absmax<tersor::int4, float, tersor::integer_range::full>>;
using tersor::quantize_mode;

TEST(GptqSymmetric, BestBeatsTheReferenceOnTheRecordedInputs) {
    gptq_cases::for_each_layer([](const golden::file&, const gptq_cases::matrix& w, const tersor::hessian& h) {
        const double best = tersor::gptq<signed_rows>(w, h).objective;
        EXPECT_LT(best, tersor::gptq<signed_rows>(w, h, {.mode = quantize_mode::fast}).objective);
        EXPECT_LT(best, tersor::gptq<signed_rows>(w, h, {.mode = quantize_mode::reference}).objective);
    });
}

TEST(GptqSymmetric, ReferenceStoresTheGridOfTheReferenceProgram) {
    const golden::file file("gptq/reference_a");
    const gptq_cases::matrix w = gptq_cases::matrix_of(file, "W");
    const tersor::hessian h = gptq_cases::hessian_of(file, tersor::hessian_precision::fp64);
    for (const auto precision : {tersor::hessian_precision::fp32, tersor::hessian_precision::fp64}) {
        const auto plain = tersor::gptq_reference(w, h, {.bits = 4, .symmetric = true}, {.precision = precision});
        const auto result = tersor::gptq<signed_rows>(w, h, {.mode = quantize_mode::reference, .precision = precision});
        const gptq_cases::matrix values = result.dequantize();
        for (Eigen::Index r = 0; r < w.rows(); ++r) {
            const auto row = static_cast<std::size_t>(r);
            EXPECT_EQ(result.weights.parameters()[row].scale, static_cast<float>(plain.scales[row]));
            EXPECT_EQ(plain.zeros[row], 8.0);
            for (Eigen::Index j = 0; j < w.cols(); ++j) {
                const int code = plain.codes[static_cast<std::size_t>(r * w.cols() + j)];
                EXPECT_EQ(values(r, j), static_cast<float>(code - 8) * static_cast<float>(plain.scales[row]));
            }
        }
        EXPECT_EQ(result.loss, plain.loss);
    }
}

} // namespace
