#include "tersor/solvers/gptq.hpp"

#include "common/isas.hpp"
#include "solvers/gptq_cases.hpp"
#include "tersor/quantizers/blockwise.hpp"
#include "tersor/quantizers/zero_point.hpp"

#include <gtest/gtest.h>
#include <unsupported/Eigen/CXX11/ThreadPool>

#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <set>

namespace {

using gptq_cases::matrix;
using tersor::error_code;
using tersor::index;
using tersor::quantize_mode;
using grouped = tersor::blockwise<tersor::zero_point<tersor::uint4>, 32>;

// Inputs with strong correlation between columns, which is what GPTQ lives on.
matrix inputs(index tokens, index columns, unsigned seed = 7) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    const index rank = columns / 3 + 1;
    const matrix mixing = matrix::NullaryExpr(rank, columns, [&] { return normal(random); });
    matrix x = matrix::NullaryExpr(tokens, rank, [&] { return normal(random); }) * mixing;
    x += 0.3f * matrix::NullaryExpr(tokens, columns, [&] { return normal(random); });
    return x;
}

matrix weights(index rows, index columns, unsigned seed = 3) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal(0.0f, 0.05f);
    return matrix::NullaryExpr(rows, columns, [&] { return normal(random); });
}

tersor::hessian hessian_of(const matrix& x) {
    tersor::hessian h(x.cols());
    h.accumulate(x);
    return h;
}

double objective_of(const matrix& w, const matrix& q, const tersor::hessian& h) {
    const Eigen::MatrixXd d = (w - q).cast<double>();
    return (d * h.matrix<double>()).cwiseProduct(d).sum();
}

const index columns = 96;
const matrix w = weights(20, columns);
const tersor::hessian& h() {
    static const tersor::hessian result = hessian_of(inputs(300, columns));
    return result;
}

template <class Work>
error_code code_of_error(const Work& work, std::string& message) {
    try {
        work();
    } catch (const tersor::error& e) {
        message = e.what();
        return e.code();
    }
    message = "no error";
    return error_code::io;
}

TEST(Gptq, ObjectivesAreThoseOfTheResult) {
    for (const quantize_mode mode : {quantize_mode::reference, quantize_mode::fast, quantize_mode::best}) {
        for (const bool act_order : {false, true}) {
            const auto result = tersor::gptq<grouped>(w, h(), {.mode = mode, .act_order = act_order});
            // Errors of float sums: far below the differences that matter.
            const double exact = objective_of(w, result.dequantize(), h());
            EXPECT_NEAR(result.objective, exact, 1e-5 * exact);
            const double plain = objective_of(w, tersor::dequantize(tersor::quantize<grouped>(w)), h());
            EXPECT_NEAR(result.objective_rtn, plain, 1e-5 * plain);
            EXPECT_EQ(result.order.empty(), !act_order);
            EXPECT_EQ(result.tokens, 300);
        }
    }
}

TEST(Gptq, EachModeBeatsTheOneBefore) {
    const auto objective = [](quantize_mode mode) { return tersor::gptq<grouped>(w, h(), {.mode = mode}).objective; };
    const double rtn = tersor::gptq<grouped>(w, h()).objective_rtn;
    EXPECT_LT(objective(quantize_mode::reference), 0.8 * rtn);
    EXPECT_LT(objective(quantize_mode::fast), objective(quantize_mode::reference));
    EXPECT_LT(objective(quantize_mode::best), objective(quantize_mode::fast));
}

TEST(Gptq, BestBeatsTheReferenceOnEveryRecordedInput) {
    for (const char* const name : {"gptq/reference_a", "gptq/reference_b"}) {
        if (!golden::available(name)) {
            continue;
        }
        const golden::file file(name);
        const matrix recorded = gptq_cases::matrix_of(file, "W");
        const tersor::hessian given = gptq_cases::hessian_of(file, tersor::hessian_precision::fp32);
        for (const bool act_order : {false, true}) {
            for (const bool is_static : {false, true}) {
                tersor::gptq_options options{.act_order = act_order, .static_groups = is_static};
                const double best = tersor::gptq<grouped>(recorded, given, options).objective;
                options.mode = quantize_mode::reference;
                EXPECT_LT(best, tersor::gptq<grouped>(recorded, given, options).objective);
            }
        }
    }
}

TEST(Gptq, ActOrderIsAPermutationByFallingDiagonal) {
    const auto result = tersor::gptq<grouped>(w, h(), {.mode = quantize_mode::fast, .act_order = true});
    const matrix exact = h().matrix<float>();
    ASSERT_EQ(std::set<int>(result.order.begin(), result.order.end()).size(), static_cast<std::size_t>(columns));
    for (std::size_t k = 1; k < result.order.size(); ++k) {
        EXPECT_GE(exact(result.order[k - 1], result.order[k - 1]), exact(result.order[k], result.order[k]));
    }
    const auto groups = result.group_index();
    for (std::size_t k = 0; k < groups.size(); ++k) {
        EXPECT_EQ(groups[static_cast<std::size_t>(result.order[k])], static_cast<int>(k) / 32);
    }
    EXPECT_TRUE(tersor::gptq<grouped>(w, h(), {.act_order = true, .static_groups = true}).order.empty());
}

// Groups that are updated on the way give the same as a walk over single columns, wherever blocks end.
TEST(Gptq, UpdatedGridsDoNotDependOnTheBlock) {
    const tersor::gptq_options options{.mode = quantize_mode::fast, .grids = tersor::group_grids::updated, .block = 1};
    const auto expected = tersor::gptq<grouped>(w, h(), options);
    for (const index block : {7, 32, 33, 128}) {
        tersor::gptq_options other = options;
        other.block = block;
        EXPECT_EQ(tersor::gptq<grouped>(w, h(), other).weights, expected.weights) << block;
    }
}

TEST(Gptq, EveryInstructionSetAndThreadCountGivesTheSameBits) {
    const matrix tall = weights(300, columns);
    const auto expected = tersor::gptq<grouped>(tall, h());
    Eigen::ThreadPool pool(3);
    const auto threaded = tersor::gptq<grouped>(tall, h(), {.execution = pool});
    EXPECT_EQ(threaded.weights, expected.weights);
    EXPECT_EQ(threaded.objective, expected.objective);
    EXPECT_EQ(threaded.row_losses, expected.row_losses);
    const auto few = tersor::gptq<grouped>(w, h());
    isas::for_each_isa([&] {
        const auto result = tersor::gptq<grouped>(w, h());
        EXPECT_EQ(result.weights, few.weights);
        EXPECT_EQ(result.objective, few.objective);
        EXPECT_EQ(result.objective_rtn, few.objective_rtn);
        EXPECT_EQ(result.loss, few.loss);
    });
}

TEST(Gptq, TakesAnyEigenMatrix) {
    const auto expected = tersor::gptq<grouped>(w, h(), {.mode = quantize_mode::fast});
    const Eigen::MatrixXf column_major = w;
    EXPECT_EQ(tersor::gptq<grouped>(column_major, h(), {.mode = quantize_mode::fast}).weights, expected.weights);
    EXPECT_EQ(tersor::gptq<grouped>(2.0f * (0.5f * w), h(), {.mode = quantize_mode::fast}).weights, expected.weights);
}

TEST(Gptq, DeadColumnsCostNothingAndAreNamed) {
    matrix x = inputs(300, columns);
    x.col(5).setZero();
    x.col(70).setZero();
    const tersor::hessian given = hessian_of(x);
    for (const quantize_mode mode : {quantize_mode::reference, quantize_mode::fast, quantize_mode::best}) {
        const auto result = tersor::gptq<grouped>(w, given, {.mode = mode});
        EXPECT_EQ(result.dead_columns, (std::vector<index>{5, 70}));
        const double exact = objective_of(w, result.dequantize(), given);
        EXPECT_NEAR(result.objective, exact, 1e-5 * exact);
        EXPECT_EQ(result.dequantize().col(5).norm(), 0.0f);
    }
    // Without any token that is not zero there is nothing to lose.
    tersor::hessian none(columns);
    none.accumulate(matrix(matrix::Zero(4, columns)));
    const auto result = tersor::gptq<grouped>(w, none);
    EXPECT_EQ(result.objective, 0.0);
    EXPECT_EQ(result.dead_columns.size(), static_cast<std::size_t>(columns));
}

TEST(Gptq, TooFewTokensAreDampedAndReported) {
    const tersor::hessian given = hessian_of(inputs(10, columns));
    const auto damped = tersor::gptq<grouped>(w, given);
    EXPECT_EQ(damped.attempts, 1);
    EXPECT_EQ(damped.damping, 0.01);
    const auto raised = tersor::gptq<grouped>(w, given, {.damp = 0.0});
    EXPECT_GT(raised.attempts, 1);
    EXPECT_GT(raised.damping, 0.0);
    EXPECT_LT(raised.objective, raised.objective_rtn);

    const auto fallback = tersor::gptq<grouped>(w, given, {.fallback_tokens = 11});
    EXPECT_TRUE(fallback.is_fallback);
    EXPECT_EQ(fallback.weights, tersor::quantize<grouped>(w));
    EXPECT_EQ(fallback.objective, fallback.objective_rtn);
    EXPECT_FALSE(tersor::gptq<grouped>(w, given, {.fallback_tokens = 10}).is_fallback);
}

TEST(Gptq, ProgressRisesToOneAndCanCancel) {
    double last = 0;
    bool rises = true;
    const auto exec = tersor::execution{}.with_progress([&](double done) {
        rises = rises && done >= last;
        last = done;
        return true;
    });
    const auto result = tersor::gptq<grouped>(w, h(), {.execution = exec});
    EXPECT_TRUE(rises);
    EXPECT_EQ(last, 1.0);
    EXPECT_EQ(result.weights, tersor::gptq<grouped>(w, h()).weights);
    std::string message;
    const auto stop = tersor::execution{}.with_progress([](double done) { return done < 0.4; });
    EXPECT_EQ(code_of_error([&] { static_cast<void>(tersor::gptq<grouped>(w, h(), {.execution = stop})); }, message),
              error_code::cancelled);
}

TEST(Gptq, BadInputIsRefusedWithNumbers) {
    std::string message;
    const auto refusal = [&](const matrix& weights, const tersor::hessian& given, const tersor::gptq_options& options) {
        return code_of_error([&] { static_cast<void>(tersor::gptq<grouped>(weights, given, options)); }, message);
    };
    const auto says = [&](const char* text) { return message.find(text) != std::string::npos; };
    EXPECT_EQ(refusal(weights(4, 64), h(), {}), error_code::shape_mismatch);
    EXPECT_TRUE(says("[4 x 64]") && says("96 columns")) << message;
    EXPECT_EQ(refusal(matrix(0, columns), h(), {}), error_code::shape_mismatch);
    EXPECT_EQ(refusal(weights(4, 16), hessian_of(inputs(50, 16)), {}), error_code::shape_mismatch);
    EXPECT_TRUE(says("groups of 32") && says("row of 16")) << message;
    for (const float bad : {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
        matrix broken = w;
        broken(3, 41) = bad;
        EXPECT_EQ(refusal(broken, h(), {}), error_code::non_finite);
        EXPECT_TRUE(says("(3, 41)")) << message;
    }
    const double nan = std::numeric_limits<double>::quiet_NaN();
    for (const double damp : {-0.01, nan, std::numeric_limits<double>::infinity()}) {
        EXPECT_EQ(refusal(w, h(), {.damp = damp}), error_code::invalid_argument);
        EXPECT_TRUE(says("damp")) << message;
    }
    for (const index block : {0, -5}) {
        EXPECT_EQ(refusal(w, h(), {.block = block}), error_code::invalid_argument);
        EXPECT_TRUE(says(std::to_string(block).c_str())) << message;
    }
    EXPECT_EQ(refusal(w, h(), {.mse = true, .mse_exponent = nan}), error_code::invalid_argument);
    EXPECT_EQ(refusal(w, h(), {.refinements = -1}), error_code::invalid_argument);
    EXPECT_EQ(refusal(w, h(), {.fallback_tokens = -1}), error_code::invalid_argument);
    EXPECT_EQ(refusal(w, h(), {.act_order = true, .order = tersor::group_order::gar}), error_code::invalid_argument);
    EXPECT_EQ(refusal(w, h(), {.static_groups = true, .grids = tersor::group_grids::lazy}),
              error_code::invalid_argument);
    EXPECT_EQ(refusal(w, tersor::hessian(columns), {}), error_code::invalid_argument);
    EXPECT_EQ(refusal(w, hessian_of(inputs(10, columns)), {.fallback = tersor::gptq_fallback::median}), error_code::io);
    EXPECT_EQ(
        refusal(w, hessian_of(inputs(10, columns)), {.fallback_tokens = 99, .fallback = tersor::gptq_fallback::median}),
        error_code::unsupported);
}

} // namespace
