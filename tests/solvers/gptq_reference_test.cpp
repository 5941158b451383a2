#include "tersor/solvers/gptq_integers.hpp"

#include "common/isas.hpp"
#include "solvers/gptq_cases.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace {

using gptq_cases::matrix;

struct recorded_runs : testing::TestWithParam<const char*> {
    golden::file file{GetParam()};
    matrix w = gptq_cases::matrix_of(file, "W");
};

tersor::integer_grid grid_of(const gptq_cases::run& run) {
    const double group = run.number("groupsize", run.number("group_size", 0));
    return {static_cast<int>(run.number("bits", 4)), run.flag("sym"),
            group > 0 ? static_cast<tersor::index>(group) : 0};
}

tersor::gptq_options options_of(const gptq_cases::run& run) {
    return {.damp = run.number("percdamp", 0.01),
            .act_order = run.flag("actorder"),
            .static_groups = run.flag("static"),
            .block = static_cast<tersor::index>(run.number("blocksize", 128)),
            .mse = run.flag("mse")};
}

// The objective of codes that a file holds, computed from its own numbers.
double recorded_objective(const golden::file& file, const std::string& name, const char* scale, const matrix& w,
                          const Eigen::MatrixXd& h) {
    const auto codes = file.tensor<std::uint8_t>(name + ".codes");
    const auto scales = file.tensor<double>(name + scale), zeros = file.tensor<double>(name + ".zero");
    const auto groups = file.tensor<std::int32_t>(name + ".g_idx");
    const std::size_t n = groups.size(), count = scales.size() / static_cast<std::size_t>(w.rows());
    Eigen::MatrixXd d(w.rows(), w.cols());
    for (Eigen::Index r = 0; r < w.rows(); ++r) {
        for (std::size_t j = 0; j < n; ++j) {
            const std::size_t g = static_cast<std::size_t>(r) * count + static_cast<std::size_t>(groups[j]);
            d(r, static_cast<Eigen::Index>(j)) =
                static_cast<double>(w(r, static_cast<Eigen::Index>(j))) -
                scales[g] * (static_cast<double>(codes[static_cast<std::size_t>(r) * n + j]) - zeros[g]);
        }
    }
    return (d * h).cwiseProduct(d).sum();
}

// tr((W0 - Q) Hd (W0 - Q)^T) with W0 = W with dead columns cleared, Hd = H with ones on dead diagonals, damped.
double damped_objective(const tersor::integer_gptq_result& result, const matrix& w, Eigen::MatrixXd h) {
    Eigen::MatrixXd d = w.cast<double>();
    for (const tersor::index j : result.dead_columns) {
        h(j, j) = 1;
        d.col(j).setZero();
    }
    h.diagonal().array() += result.damping * h.diagonal().mean();
    for (Eigen::Index r = 0; r < d.rows(); ++r) {
        for (Eigen::Index j = 0; j < d.cols(); ++j) {
            const auto g =
                static_cast<std::size_t>(r * result.groups + result.group_index[static_cast<std::size_t>(j)]);
            d(r, j) -= result.scales[g] * (result.codes[static_cast<std::size_t>(r * d.cols() + j)] - result.zeros[g]);
        }
    }
    return (d * h).cwiseProduct(d).sum();
}

// Sums of T products, each rounded once, in any order: within 2 T units of the sum of their magnitudes, which the
// diagonal bounds.
TEST_P(recorded_runs, TheHessianIsTheRecordedOne) {
    const Eigen::MatrixXd h = gptq_cases::hessian_of(file, tersor::hessian_precision::fp64).matrix<double>();
    const double tokens = static_cast<double>(gptq_cases::matrix_of(file, "X").rows());
    const auto expect = [&](Eigen::Index i, Eigen::Index j, double recorded) {
        EXPECT_NEAR(h(i, j), recorded, 2 * (tokens + 8) * 0x1p-53 * std::sqrt(h(i, i) * h(j, j))) << i << " " << j;
    };
    const Eigen::Index n = h.rows();
    ASSERT_EQ(n, w.cols());
    if (file.has("H_f64_ut")) {
        const auto upper = file.tensor<double>("H_f64_ut");
        for (Eigen::Index i = 0, k = 0; i < n; ++i) {
            for (Eigen::Index j = i; j < n; ++j) {
                expect(i, j, upper.at(static_cast<std::size_t>(k++)));
            }
        }
    }
    if (file.has("H_diag_f64")) {
        const auto diagonal = file.tensor<double>("H_diag_f64"), rows = file.tensor<double>("H_rows0_3_f64");
        for (Eigen::Index i = 0; i < n; ++i) {
            expect(i, i, diagonal.at(static_cast<std::size_t>(i)));
        }
        for (std::size_t k = 0; k < rows.size(); ++k) {
            const auto place = static_cast<Eigen::Index>(k);
            expect(place / n, place % n, rows[k]);
        }
    }
}

TEST_P(recorded_runs, CodesScalesAndLossAreReproducedInDouble) {
    const tersor::hessian h = gptq_cases::hessian_of(file, tersor::hessian_precision::fp64);
    const Eigen::MatrixXd exact = h.matrix<double>();
    for (const auto& run : gptq_cases::runs_of(file)) {
        SCOPED_TRACE(run.name);
        tersor::gptq_options options = options_of(run);
        options.precision = tersor::hessian_precision::fp64;
        const auto result = tersor::gptq_reference(w, h, grid_of(run), options);
        EXPECT_EQ(gptq_cases::differing(result.codes, file.tensor<std::uint8_t>(run.name + ".codes")), 0);
        EXPECT_EQ(result.group_index, file.tensor<std::int32_t>(run.name + ".g_idx"));
        const auto scales = file.tensor<double>(run.name + ".scale"), zeros = file.tensor<double>(run.name + ".zero");
        ASSERT_EQ(result.scales.size(), scales.size());
        for (std::size_t g = 0; g < scales.size(); ++g) {
            EXPECT_NEAR(result.scales[g], scales[g], 1e-9 * scales[g]);
            EXPECT_EQ(result.zeros[g], zeros[g]);
        }
        if (file.has(run.name + ".objective")) {
            const auto objective = file.tensor<double>(run.name + ".objective");
            EXPECT_NEAR(result.objective, objective[0], 1e-9 * objective[0]);
            EXPECT_NEAR(result.loss, objective[6], 1e-9 * objective[6]);
        }
        if (file.has(run.name + ".perm") && !result.order.empty()) {
            EXPECT_EQ(result.order, file.tensor<std::int32_t>(run.name + ".perm"));
        }
        const double identity = damped_objective(result, w, exact);
        EXPECT_NEAR(2 * result.loss, identity, 1e-10 * identity);
        EXPECT_NEAR(std::accumulate(result.row_losses.begin(), result.row_losses.end(), 0.0), result.loss,
                    1e-12 * result.loss);
        EXPECT_EQ(result.attempts, 1);
        EXPECT_EQ(result.damping, options.damp);
        EXPECT_FALSE(result.is_fallback);
    }
}

TEST_P(recorded_runs, FloatStaysWithinOnePercentOfTheCodesAndHalfAPercentOfTheObjective) {
    const Eigen::MatrixXd exact = gptq_cases::hessian_of(file, tersor::hessian_precision::fp64).matrix<double>();
    const tersor::hessian h = gptq_cases::hessian_of(file, tersor::hessian_precision::fp32);
    for (const auto& run : gptq_cases::runs_of(file)) {
        SCOPED_TRACE(run.name);
        const auto result = tersor::gptq_reference(w, h, grid_of(run), options_of(run));
        const auto codes = file.tensor<std::uint8_t>(run.name + ".codes");
        EXPECT_LE(gptq_cases::differing(result.codes, codes), 0.01 * static_cast<double>(codes.size()));
        const double recorded = recorded_objective(file, run.name, ".scale", w, exact);
        EXPECT_NEAR(result.objective, recorded, 0.005 * recorded);
    }
}

TEST_P(recorded_runs, EveryInstructionSetAndBlockGivesTheSameBits) {
    const auto runs = gptq_cases::runs_of(file);
    const auto run = std::find_if(runs.begin(), runs.end(),
                                  [](const auto& r) { return r.flag("static") || r.number("groupsize", 0) == 0; });
    ASSERT_NE(run, runs.end());
    const tersor::hessian h = gptq_cases::hessian_of(file, tersor::hessian_precision::fp32);
    const matrix part = w.topRows(std::min<Eigen::Index>(w.rows(), 9));
    const auto expected = tersor::gptq_reference(part, h, grid_of(*run), options_of(*run));
    isas::for_each_isa([&] {
        for (const tersor::index block : {7, 1000}) {
            tersor::gptq_options options = options_of(*run);
            options.block = block;
            const auto result = tersor::gptq_reference(part, h, grid_of(*run), options);
            EXPECT_EQ(result.codes, expected.codes);
            EXPECT_EQ(result.scales, expected.scales);
            EXPECT_EQ(result.row_losses, expected.row_losses);
            EXPECT_EQ(result.objective, expected.objective);
        }
    });
}

std::vector<const char*> files() {
    std::vector<const char*> names;
    for (const char* const name : {"gptq/reference_a", "gptq/reference_b"}) {
        if (golden::available(name)) {
            names.push_back(name);
        }
    }
    return names;
}

INSTANTIATE_TEST_SUITE_P(Gptq, recorded_runs, testing::ValuesIn(files()),
                         [](const auto& info) { return std::string(info.param).substr(5); });

// GPTQModel's variations of the same loop, in float there.
TEST(GptqModel, VariantsAreReproduced) {
    const golden::file file("gptq/gptqmodel"), inputs("gptq/reference_a");
    const matrix w = gptq_cases::matrix_of(inputs, "W");
    const tersor::hessian h = gptq_cases::hessian_of(inputs, tersor::hessian_precision::fp32);
    const Eigen::MatrixXd exact = gptq_cases::hessian_of(inputs, tersor::hessian_precision::fp64).matrix<double>();
    int runs = 0;
    for (const auto& run : gptq_cases::runs_of(file)) {
        if (run.arguments.contains("alpha")) {
            continue; // needs the inputs of the unquantized model beside X
        }
        SCOPED_TRACE(run.name);
        tersor::gptq_options options{.damp = run.number("damp_percent", 0.05), .act_order = run.flag("desc_act")};
        options.order = run.flag("gar") ? tersor::group_order::gar : tersor::group_order::none;
        options.mse = run.number("mse", 0) > 0;
        options.mse_exponent = run.number("mse", 2.4);
        options.adjacent_zero = options.mse;
        if (const auto* const fallback = run.arguments.find("fallback")) {
            options.fallback_tokens = 1000000000;
            options.fallback = fallback->at("strategy").as_string() == "median" ? tersor::gptq_fallback::median
                                                                                : tersor::gptq_fallback::rtn;
        }
        const auto result = tersor::gptq_reference(w, h, grid_of(run), options);
        const auto codes = file.tensor<std::uint8_t>(run.name + ".codes");
        EXPECT_LE(gptq_cases::differing(result.codes, codes), 0.01 * static_cast<double>(codes.size()));
        EXPECT_EQ(result.group_index, file.tensor<std::int32_t>(run.name + ".g_idx"));
        const auto scales = file.tensor<double>(run.name + ".scale"), zeros = file.tensor<double>(run.name + ".zero");
        ASSERT_EQ(result.scales.size(), scales.size());
        int moved = 0;
        for (std::size_t g = 0; g < scales.size(); ++g) {
            // A grid of weights that were corrected in float, by sums of another order.
            moved += std::abs(result.scales[g] - scales[g]) > 1e-4 * scales[g] || result.zeros[g] != zeros[g];
        }
        EXPECT_LE(moved, 0.01 * static_cast<double>(scales.size()));
        const double recorded = recorded_objective(file, run.name, ".scale", w, exact);
        EXPECT_NEAR(result.objective, recorded, 0.005 * recorded);
        EXPECT_EQ(result.is_fallback, run.arguments.contains("fallback"));
        ++runs;
    }
    EXPECT_GT(runs, 0);
}

} // namespace
