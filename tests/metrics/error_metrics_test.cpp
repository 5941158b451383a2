#include "tersor/metrics/error_metrics.hpp"

#include "tersor/quantizers/aliases.hpp"
#include "tersor/quantizers/quantize.hpp"
#include "tersor/simd/isa.hpp"

#include <unsupported/Eigen/CXX11/Tensor>
#include <unsupported/Eigen/CXX11/ThreadPool>

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

using namespace tersor;

namespace {

using tersor::index;

using row_major = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

// The figures from their formulas, in long double, one value after the other.
struct naive {
    long double signal = 0, approximation = 0, dot = 0, noise = 0, difference = 0;
    double largest = 0;
    std::vector<index> at{0, 0};

    template <class A, class B>
    naive(const A& w, const B& q) {
        for (index r = 0; r < w.rows(); ++r) {
            for (index c = 0; c < w.cols(); ++c) {
                const long double a = static_cast<double>(w(r, c)), b = static_cast<double>(q(r, c));
                signal += a * a, approximation += b * b, dot += a * b, noise += (b - a) * (b - a), difference += b - a;
                const auto error = static_cast<double>(std::fabs(b - a));
                if (error > largest) {
                    largest = error;
                    at = {r, c};
                }
            }
        }
    }
};

TEST(ErrorMetrics, FiguresFollowTheirFormulas) {
    const Eigen::MatrixXd w = Eigen::MatrixXd::Random(150, 1111), q = w + 0.01 * Eigen::MatrixXd::Random(150, 1111);
    const naive expected(w, q);
    const error_metrics m = compare(w, q);
    const double n = 150 * 1111;
    EXPECT_EQ(m.count, 150 * 1111);
    EXPECT_NEAR(m.mse, static_cast<double>(expected.noise) / n, 1e-13 * m.mse);
    EXPECT_NEAR(m.sqnr_db, 10 * std::log10(static_cast<double>(expected.signal / expected.noise)), 1e-11);
    EXPECT_NEAR(m.mean_error, static_cast<double>(expected.difference) / n, 1e-16);
    EXPECT_NEAR(m.cosine, static_cast<double>(expected.dot / std::sqrt(expected.signal * expected.approximation)),
                1e-14);
    EXPECT_EQ(m.max_abs_error, expected.largest);
    EXPECT_EQ(m.max_abs_error_at, expected.at);
}

TEST(ErrorMetrics, ExactApproximationHasNoErrorAndInfiniteSqnr) {
    const Eigen::MatrixXf w = Eigen::MatrixXf::Random(70, 600);
    const error_metrics m = compare(w, w);
    EXPECT_EQ(m.mse, 0.0);
    EXPECT_EQ(m.sqnr_db, std::numeric_limits<double>::infinity());
    EXPECT_EQ(m.max_abs_error, 0.0);
    EXPECT_EQ(m.max_abs_error_at, (std::vector<index>{0, 0}));
    EXPECT_EQ(m.cosine, 1.0);
    EXPECT_EQ(m.mean_error, 0.0);
}

TEST(ErrorMetrics, FirstOfEqualErrorsInRowMajorOrderIsNamed) {
    const Eigen::MatrixXf w = Eigen::MatrixXf::Zero(130, 1200);
    Eigen::MatrixXf q = w;
    q(3, 1100) = q(2, 1111) = q(10, 5) = q(64, 0) = -0.5f;
    EXPECT_EQ(compare(w, q).max_abs_error_at, (std::vector<index>{2, 1111}));
    q(2, 600) = 0.5f;
    EXPECT_EQ(compare(w, q).max_abs_error_at, (std::vector<index>{2, 600}));
    q(2, 3) = 0.5f;
    EXPECT_EQ(compare(w, q).max_abs_error_at, (std::vector<index>{2, 3}));
}

TEST(ErrorMetrics, ZerosAndNaNsGiveTheirOwnFigures) {
    const Eigen::MatrixXf zero = Eigen::MatrixXf::Zero(3, 5), one = Eigen::MatrixXf::Ones(3, 5);
    const error_metrics lost = compare(one, zero), made_up = compare(zero, one);
    EXPECT_EQ(lost.sqnr_db, 0.0);
    EXPECT_EQ(lost.cosine, 0.0);
    EXPECT_EQ(lost.mean_error, -1.0);
    EXPECT_EQ(made_up.sqnr_db, -std::numeric_limits<double>::infinity());
    EXPECT_EQ(compare(zero, zero).cosine, 1.0);
    EXPECT_EQ(compare(one, Eigen::MatrixXf(-one)).cosine, -1.0);

    Eigen::MatrixXf broken = one;
    broken(1, 4) = std::numeric_limits<float>::quiet_NaN();
    broken(2, 0) = std::numeric_limits<float>::infinity();
    const error_metrics m = compare(one, broken);
    EXPECT_TRUE(std::isnan(m.mse));
    EXPECT_TRUE(std::isnan(m.max_abs_error));
    EXPECT_EQ(m.max_abs_error_at, (std::vector<index>{1, 4}));
    EXPECT_EQ(compare(Eigen::MatrixXf(0, 7), Eigen::MatrixXf(0, 7)).count, 0);
    EXPECT_TRUE(compare(Eigen::MatrixXf(7, 0), Eigen::MatrixXf(7, 0), {.rows = true}).max_abs_error_at.empty());
}

TEST(ErrorMetrics, RowFiguresAreThoseOfEachRowAlone) {
    const row_major w = row_major::Random(130, 1300), q = w + 0.1f * row_major::Random(130, 1300);
    const error_metrics m = compare(w, q, {.rows = true});
    ASSERT_EQ(m.rows.size(), 130u);
    for (index r = 0; r < 130; ++r) {
        const row_major row = w.row(r), approximation = q.row(r);
        EXPECT_EQ(m.rows[static_cast<std::size_t>(r)], static_cast<const error_figures&>(compare(row, approximation)));
    }
    EXPECT_TRUE(compare(w, q).rows.empty());
    EXPECT_EQ(compare(w, q).sums, m.sums);
}

TEST(ErrorMetrics, StrideOrderThreadsAndInstructionSetDoNotChangeABit) {
    const row_major w = row_major::Random(203, 1541), q = w + 0.1f * row_major::Random(203, 1541);
    const error_metrics expected = compare(w, q, {.rows = true});
    const Eigen::MatrixXf w_columns = w, q_columns = q;
    EXPECT_EQ(compare(w_columns, q, {.rows = true}), expected);
    EXPECT_EQ(compare(w_columns, q_columns, {.rows = true}), expected);
    EXPECT_EQ(compare(w.array(), (q * 1.0f).eval(), {.rows = true}), expected);
    EXPECT_EQ(compare(w, q * 1.0f, {.rows = true}), expected);
    const Eigen::MatrixXf larger = [&] {
        Eigen::MatrixXf m = Eigen::MatrixXf::Ones(410, 1600);
        m.block(7, 13, 203, 1541) = w;
        return m;
    }();
    EXPECT_EQ(compare(larger.block(7, 13, 203, 1541), q, {.rows = true}), expected);
    const Eigen::MatrixXd wide = w.cast<double>();
    EXPECT_EQ(compare(wide, q, {.rows = true}), expected);
    EXPECT_EQ(compare(wide, q.cast<double>(), {.rows = true}), expected);
    Eigen::ThreadPool pool(3);
    EXPECT_EQ(compare(w, q, {.rows = true, .execution = pool}), expected);
    const isa best = active_isa();
    for (const isa set : {isa::generic, isa::avx2, isa::avx512}) {
        if (set <= best_isa()) {
            set_isa(set);
            EXPECT_EQ(compare(w, q, {.rows = true}), expected) << to_string(set);
            EXPECT_EQ(compare(wide, q, {.rows = true}), expected) << to_string(set);
        }
    }
    set_isa(best);
}

template <class Q>
void expect_same_as_dequantized(int axis) {
    quantize_options options;
    options.axis = axis;
    const Eigen::MatrixXf w = Eigen::MatrixXf::Random(150, 1037);
    const auto q = quantize<Q>(w, options);
    const Eigen::MatrixXf values = dequantize(q);
    EXPECT_EQ(compare(w, q, {.rows = true}), compare(w, values, {.rows = true}));
    EXPECT_EQ(compare(w, view(q)), compare(w, values));
    EXPECT_EQ(compare(q, q).mse, 0.0);

    Eigen::Tensor<float, 4, Eigen::RowMajor> t(3, 5, 7, 21);
    t.setRandom();
    for (int i = 0; i < 4; ++i) {
        options.axis = axis == flat ? flat : i;
        const auto qt = quantize<Q>(t, options);
        const Eigen::Tensor<float, 4, Eigen::RowMajor> vt = dequantize(qt);
        EXPECT_EQ(compare(t, qt, {.rows = true}), compare(t, vt, {.rows = true})) << i;
    }
}

TEST(ErrorMetrics, QuantizedTensorGivesTheFiguresOfItsDequantizedValues) {
    for (const int axis : {1, 0, flat}) {
        SCOPED_TRACE(axis);
        expect_same_as_dequantized<blockwise<zero_point<uint3>, 7>>(axis);
        expect_same_as_dequantized<absmax<int8>>(axis);
        expect_same_as_dequantized<nf4_double_quant<16>>(axis);
    }
}

TEST(ErrorMetrics, VectorsAndHalvesAreCompared) {
    const Eigen::VectorXf w = Eigen::VectorXf::Random(5000);
    const auto q = quantize<blockwise<absmax<int8>, 64>>(w);
    const Eigen::VectorXf values = dequantize(q);
    const error_metrics m = compare(w, q);
    EXPECT_EQ(m, compare(w, values));
    ASSERT_EQ(m.max_abs_error_at.size(), 1u);
    EXPECT_EQ(m.max_abs_error, std::abs(static_cast<double>(values(m.max_abs_error_at[0])) -
                                        static_cast<double>(w(m.max_abs_error_at[0]))));
    const Eigen::Matrix<Eigen::half, Eigen::Dynamic, 1> half = w.cast<Eigen::half>();
    const Eigen::Matrix<Eigen::bfloat16, Eigen::Dynamic, 1> bfloat = w.cast<Eigen::bfloat16>();
    EXPECT_EQ(compare(half, bfloat), compare(half.cast<float>(), bfloat.cast<float>()));
    EXPECT_GT(compare(w, half).sqnr_db, 60.0);
}

TEST(ErrorMetrics, DoubleIsComparedAsDouble) {
    const Eigen::MatrixXd w = Eigen::MatrixXd::Constant(2, 3, 1.0 + 0x1p-40);
    EXPECT_EQ(compare(w, w.cast<float>()).max_abs_error, 0x1p-40);
}

TEST(ErrorMetrics, MergedTotalsAreThoseOfAllValues) {
    const Eigen::MatrixXf a = Eigen::MatrixXf::Random(64, 512), b = Eigen::MatrixXf::Random(64, 512);
    Eigen::MatrixXf both(128, 512), zero = Eigen::MatrixXf::Zero(128, 512);
    both << a, b;
    const error_metrics total = merge(merge({}, compare(a, zero.topRows(64))), compare(b, zero.topRows(64)));
    const error_metrics whole = compare(both, zero);
    EXPECT_EQ(total.sums, whole.sums);
    EXPECT_EQ(static_cast<const error_figures&>(total), static_cast<const error_figures&>(whole));
    EXPECT_TRUE(total.max_abs_error_at.empty());
    EXPECT_EQ(merge({}, {}).sqnr_db, std::numeric_limits<double>::infinity());
}

TEST(ErrorMetrics, DifferentShapesAreRefusedWithBoth) {
    try {
        static_cast<void>(compare(Eigen::MatrixXf(2, 3), Eigen::MatrixXf(3, 2)));
        FAIL();
    } catch (const error& e) {
        EXPECT_EQ(e.code(), error_code::shape_mismatch);
        EXPECT_STREQ(e.what(), "compare: shapes [2 x 3] and [3 x 2] differ");
    }
}

} // namespace
