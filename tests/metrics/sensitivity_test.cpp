#include "tersor/metrics/sensitivity.hpp"

#include "tersor/quantizers/aliases.hpp"

#include "tests/common/errors.hpp"
#include "tests/common/isas.hpp"

#include <unsupported/Eigen/CXX11/ThreadPool>

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

using namespace tersor;

namespace {

using tersor::index;
using row_major = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

// H = (2/n) X^T X of inputs, some columns of which are larger.
Eigen::MatrixXd make_hessian(index columns) {
    Eigen::MatrixXd x = Eigen::MatrixXd::Random(2 * columns + 1, columns);
    x.col(columns / 2) *= 30.0;
    return 2.0 / static_cast<double>(x.rows()) * (x.transpose() * x);
}

double naive_form(const Eigen::MatrixXd& e, const Eigen::MatrixXd& h) {
    return (e * h).cwiseProduct(e).sum();
}

// Every product and addition rounds once, here and there: relative to |e| |H| |e|^T.
TEST(HessianNorm, IsTheTraceByItsDefinition) {
    for (const index columns : {1, 2, 16, 17, 83}) {
        for (const index rows : {1, 2, 37}) {
            const Eigen::MatrixXd h = make_hessian(columns);
            const Eigen::MatrixXf w = Eigen::MatrixXf::Random(rows, columns),
                                  q = Eigen::MatrixXf::Random(rows, columns);
            const hessian_norm norm(h);
            EXPECT_EQ(norm.columns(), columns);
            const Eigen::MatrixXd wide = w.cast<double>(), e = wide - q.cast<double>();
            const double rounding = 4.0 * static_cast<double>(columns + rows) * std::numeric_limits<double>::epsilon();
            EXPECT_NEAR(norm.squared(w), naive_form(wide, h), rounding * naive_form(wide.cwiseAbs(), h.cwiseAbs()));
            EXPECT_NEAR(norm.squared_distance(w, q), naive_form(e, h),
                        rounding * naive_form(e.cwiseAbs(), h.cwiseAbs()))
                << rows << " x " << columns;
        }
    }
}

TEST(HessianNorm, OfTheIdentityIsThePlainSquaredError) {
    const Eigen::MatrixXf w = Eigen::MatrixXf::Random(9, 40), q = Eigen::MatrixXf::Random(9, 40);
    const hessian_norm norm(Eigen::MatrixXf::Identity(40, 40));
    const error_sums sums = compare(w, q).sums;
    EXPECT_NEAR(norm.squared(w), sums.signal, 1e-14 * sums.signal);
    EXPECT_NEAR(norm.squared_distance(w, q), sums.noise, 1e-14 * sums.noise);
}

TEST(HessianNorm, IsTheSquaredErrorOfTheOutputs) {
    const Eigen::MatrixXd x = Eigen::MatrixXd::Random(100, 24), w = Eigen::MatrixXd::Random(7, 24),
                          q = Eigen::MatrixXd::Random(7, 24);
    const hessian_norm norm(2.0 / 100.0 * (x.transpose() * x));
    EXPECT_NEAR(norm.squared_distance(w, q), 2.0 / 100.0 * (x * (w - q).transpose()).squaredNorm(), 1e-10);
}

TEST(HessianNorm, ReadsOnlyTheUpperTriangle) {
    const Eigen::MatrixXd h = make_hessian(20);
    Eigen::MatrixXd upper = h;
    upper.triangularView<Eigen::StrictlyLower>().setConstant(std::nan(""));
    const Eigen::MatrixXf w = Eigen::MatrixXf::Random(3, 20);
    EXPECT_EQ(hessian_norm(upper).squared(w), hessian_norm(h).squared(w));
    EXPECT_EQ(hessian_norm(h * 1.0).squared(w), hessian_norm(h).squared(w));
    EXPECT_EQ(hessian_norm(Eigen::Matrix<double, -1, -1, Eigen::RowMajor>(h)).squared(w), hessian_norm(h).squared(w));
}

TEST(HessianNorm, StrideOrderThreadsAndInstructionSetDoNotChangeABit) {
    const hessian_norm norm(make_hessian(101));
    const row_major w = row_major::Random(53, 101);
    const auto q = quantize<int4_blockwise<32>>(w);
    const double signal = norm.squared(w), noise = norm.squared_distance(w, q);
    EXPECT_EQ(norm.squared_distance(w, dequantize(q)), noise);
    EXPECT_EQ(norm.squared(Eigen::MatrixXf(w)), signal);
    EXPECT_EQ(norm.squared(w.cast<double>()), signal);
    Eigen::ThreadPool pool(3);
    EXPECT_EQ(norm.squared_distance(Eigen::MatrixXf(w), q, pool), noise);
    isas::for_each_isa([&] {
        EXPECT_EQ(norm.squared(w), signal);
        EXPECT_EQ(norm.squared_distance(w, q), noise);
    });
}

TEST(HessianNorm, BadInputIsRefused) {
    const Eigen::MatrixXf w = Eigen::MatrixXf::Random(3, 20);
    const hessian_norm norm(make_hessian(20));
    EXPECT_EQ(code_of_error([] { return hessian_norm(Eigen::MatrixXd::Zero(3, 4)); }), error_code::shape_mismatch);
    EXPECT_EQ(code_of_error([] { return hessian_norm(std::nan("") * Eigen::MatrixXd::Identity(3, 3)); }),
              error_code::non_finite);
    EXPECT_EQ(code_of_error([&] { return norm.squared(w.leftCols(19).eval()); }), error_code::shape_mismatch);
    EXPECT_EQ(code_of_error([&] { return norm.squared_distance(w, w.topRows(2).eval()); }), error_code::shape_mismatch);
    EXPECT_EQ(code_of_error([&] { return norm.squared(w, execution().with_progress([](double) { return false; })); }),
              error_code::cancelled);
    EXPECT_EQ(norm.squared(Eigen::MatrixXf(0, 20)), 0.0);
    EXPECT_EQ(hessian_norm(Eigen::MatrixXd(0, 0)).squared(Eigen::MatrixXf(3, 0)), 0.0);
    EXPECT_TRUE(std::isnan(norm.squared((std::nanf("") * w).eval())));
}

TEST(Sensitivity, GivesBytesAndErrorOfEachQuantizer) {
    const Eigen::MatrixXf w = Eigen::MatrixXf::Random(40, 128);
    const auto costs = sensitivity<int8_per_channel, int4_blockwise<32>, nf4_blockwise<64>>(w);
    const auto q = quantize<int4_blockwise<32>>(w);
    EXPECT_EQ(costs[1].bytes, q.bytes());
    const error_metrics m = compare(w, q);
    EXPECT_EQ(costs[1].noise, m.sums.noise);
    EXPECT_EQ(costs[1].sqnr_db(), m.sqnr_db);
    EXPECT_EQ(costs[1].relative_error(), m.sums.noise / m.sums.signal);
    EXPECT_EQ(costs[1], cost_of(w, q));
    EXPECT_LT(costs[0].relative_error(), costs[1].relative_error());
    EXPECT_GT(costs[0].bytes, costs[1].bytes);
    // A power of two scales values and scales alike.
    EXPECT_EQ((sensitivity<nf4_blockwise<64>>((64.0f * w).eval())[0].relative_error()), costs[2].relative_error());
}

TEST(Sensitivity, CountsWhatTheInputsSee) {
    const Eigen::MatrixXf w = Eigen::MatrixXf::Random(16, 64);
    const hessian_norm norm(make_hessian(64));
    const auto costs = sensitivity<int8_per_channel, int4_blockwise<32>>(w, norm);
    const auto q = quantize<int4_blockwise<32>>(w);
    EXPECT_EQ(costs[1], cost_of(w, q, norm));
    EXPECT_EQ(costs[1].noise, norm.squared_distance(w, q));
    EXPECT_EQ(costs[1].signal, norm.squared(w));
    EXPECT_LT(costs[0].relative_error(), costs[1].relative_error());
    EXPECT_EQ(code_of_error([&] { return sensitivity<int8_per_channel>(w.leftCols(32).eval(), norm); }),
              error_code::shape_mismatch);
    EXPECT_EQ(code_of_error([&] { return sensitivity<int8_per_channel>((std::nanf("") * w).eval()); }),
              error_code::non_finite);
}

TEST(Sensitivity, ZerosCostNothing) {
    const auto costs = sensitivity<int8_per_channel>(Eigen::MatrixXf::Zero(4, 8).eval());
    EXPECT_EQ(costs[0].relative_error(), 0.0);
    EXPECT_EQ(costs[0].sqnr_db(), std::numeric_limits<double>::infinity());
    EXPECT_EQ((quantization_cost{1, 0.0, 1.0}).relative_error(), std::numeric_limits<double>::infinity());
}

} // namespace
