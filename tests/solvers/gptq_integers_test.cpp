// Integers whose bits and groups are known only at run time, in the library's own modes.

#include "common/errors.hpp"
#include "solvers/gptq_cases.hpp"
#include "tersor/solvers/gptq_integers.hpp"

#include <gtest/gtest.h>

namespace {

using tersor::quantize_mode;

// Mode best, with scales of half precision, on every recorded layer and with the options of every recorded run.
TEST(GptqIntegers, BestIsBelowTheRecordedObjectives) {
    gptq_cases::for_each_layer([](const golden::file& file, const gptq_cases::matrix& w, const tersor::hessian& h) {
        const Eigen::MatrixXd exact = h.matrix<double>();
        for (const auto& run : gptq_cases::runs_of(file)) {
            SCOPED_TRACE(run.name);
            const tersor::integer_grid grid{.bits = static_cast<int>(run.number("bits", 4)),
                                            .symmetric = run.flag("sym"),
                                            .group = static_cast<tersor::index>(run.number("groupsize", 0)),
                                            .half_scales = true};
            tersor::gptq_options options{.damp = run.number("percdamp", 0.01),
                                         .act_order = run.flag("actorder"),
                                         .static_groups = run.flag("static"),
                                         .mse = run.flag("mse")};
            const auto best = tersor::gptq(w, h, grid, options);
            options.mode = quantize_mode::reference;
            EXPECT_LT(best.objective, tersor::gptq(w, h, grid, options).objective);
            Eigen::MatrixXd d = w.cast<double>();
            for (Eigen::Index r = 0; r < d.rows(); ++r) {
                for (Eigen::Index j = 0; j < d.cols(); ++j) {
                    const auto column = static_cast<std::size_t>(j);
                    const auto g = static_cast<std::size_t>(r * best.groups + best.group_index[column]);
                    const double code = best.codes[static_cast<std::size_t>(r * d.cols()) + column];
                    EXPECT_LT(code, 1 << grid.bits);
                    d(r, j) -= best.scales[g] * (code - best.zeros[g]);
                    ASSERT_EQ(best.scales[g], static_cast<double>(Eigen::half(static_cast<float>(best.scales[g]))));
                }
            }
            // Errors of float sums: far below the differences that matter.
            const double objective = (d * exact).cwiseProduct(d).sum();
            EXPECT_NEAR(best.objective, objective, 1e-4 * objective);
        }
    });
}

TEST(GptqIntegers, OnlyModeReferenceFallsBackToMedians) {
    const gptq_cases::matrix w = gptq_cases::matrix::Random(4, 32), x = gptq_cases::matrix::Random(8, 32);
    tersor::hessian h(32);
    h.accumulate(x);
    tersor::gptq_options options{.fallback_tokens = 9, .fallback = tersor::gptq_fallback::median};
    EXPECT_EQ(code_of_error([&] { return tersor::gptq(w, h, tersor::integer_grid{}, options); }),
              tersor::error_code::unsupported);
    options.mode = quantize_mode::reference;
    EXPECT_TRUE(tersor::gptq(w, h, tersor::integer_grid{}, options).is_fallback);
}

} // namespace
