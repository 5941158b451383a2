// The reference solver against one written anew from the description of its rules, in double, on random layers: odd
// sizes, groups that do not divide the row, any block, dead columns, orders.

#include "tersor/solvers/gptq_integers.hpp"

#include <gtest/gtest.h>

#include <Eigen/Cholesky>
#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <vector>

namespace {

using Eigen::MatrixXd;
using tersor::index;

struct naive_result {
    Eigen::MatrixXi codes;
    MatrixXd values, scales, zeros;
    std::vector<int> group_index;
    double loss = 0;
};

struct naive_options {
    int bits;
    bool symmetric;
    index group;
    index block;
    double damp;
    bool act_order, is_static;
};

void find_grid(const Eigen::RowVectorXd& x, const naive_options& o, double& scale, double& zero) {
    double lo = std::min(x.minCoeff(), 0.0), hi = std::max(x.maxCoeff(), 0.0);
    if (o.symmetric) {
        hi = std::max(std::abs(lo), hi);
        lo = lo < 0 ? -hi : lo;
    }
    if (lo == 0 && hi == 0) {
        lo = -1, hi = 1;
    }
    const double top = std::pow(2.0, o.bits) - 1;
    scale = (hi - lo) / top;
    zero = o.symmetric ? (top + 1) / 2 : std::nearbyint(-lo / scale);
}

naive_result solve_naively(MatrixXd w, MatrixXd h, const naive_options& o) {
    const index rows = w.rows(), n = w.cols(), group = o.group == 0 ? n : o.group, groups = (n + group - 1) / group;
    const double top = std::pow(2.0, o.bits) - 1;
    naive_result result;
    result.codes.resize(rows, n);
    result.values.resize(rows, n);
    result.scales.resize(rows, groups);
    result.zeros.resize(rows, groups);
    result.group_index.resize(static_cast<std::size_t>(n));
    const auto find = [&](const MatrixXd& from, index g) {
        const index first = g * group, count = std::min(group, n - first);
        for (index r = 0; r < rows; ++r) {
            find_grid(from.row(r).segment(first, count), o, result.scales(r, g), result.zeros(r, g));
        }
    };
    if (o.group == 0) {
        find(w, 0);
    }
    for (index j = 0; j < n; ++j) {
        if (h(j, j) == 0) {
            h(j, j) = 1;
            w.col(j).setZero();
        }
    }
    for (index g = 0; o.group != 0 && o.is_static && g < groups; ++g) {
        find(w, g);
    }
    std::vector<index> perm(static_cast<std::size_t>(n));
    std::iota(perm.begin(), perm.end(), 0);
    if (o.act_order) {
        std::stable_sort(perm.begin(), perm.end(), [&](index a, index b) { return h(a, a) > h(b, b); });
    }
    MatrixXd work(rows, n), hp(n, n);
    for (index i = 0; i < n; ++i) {
        work.col(i) = w.col(perm[static_cast<std::size_t>(i)]);
        for (index j = 0; j < n; ++j) {
            hp(i, j) = h(perm[static_cast<std::size_t>(i)], perm[static_cast<std::size_t>(j)]);
        }
    }
    hp.diagonal().array() += o.damp * hp.diagonal().mean();
    // The way of the description: inverse, then its upper Cholesky factor.
    const MatrixXd inverse = hp.llt().solve(MatrixXd::Identity(n, n));
    const MatrixXd u = MatrixXd(inverse.llt().matrixL()).transpose();
    for (index begin = 0; begin < n; begin += o.block) {
        const index end = std::min(begin + o.block, n);
        MatrixXd block = work.middleCols(begin, end - begin), errors(rows, end - begin);
        for (index j = begin; j < end; ++j) {
            const index column = perm[static_cast<std::size_t>(j)];
            const bool is_dynamic = o.group != 0 && !o.is_static;
            const index g = o.group == 0 ? 0 : is_dynamic ? j / group : column / group;
            if (is_dynamic && j % group == 0) {
                find(work, g);
            }
            result.group_index[static_cast<std::size_t>(column)] = static_cast<int>(g);
            for (index r = 0; r < rows; ++r) {
                const double value = block(r, j - begin), scale = result.scales(r, g), zero = result.zeros(r, g);
                const double code = std::min(std::max(std::nearbyint(value / scale) + zero, 0.0), top);
                const double q = scale * (code - zero), error = (value - q) / u(j, j);
                result.codes(r, column) = static_cast<int>(code);
                result.values(r, column) = q;
                result.loss += error * error / 2;
                errors(r, j - begin) = error;
                for (index k = j; k < end; ++k) {
                    block(r, k - begin) -= error * u(j, k);
                }
            }
        }
        work.rightCols(n - end) -= errors * u.block(begin, end, end - begin, n - end);
    }
    return result;
}

TEST(Gptq, EqualsANaiveSolverOnRandomLayers) {
    std::mt19937 random(11);
    std::normal_distribution<double> normal;
    const index sizes[] = {1, 2, 13, 40, 97, 130, 150}, groups[] = {0, 1, 8, 20, 33}, blocks[] = {1, 7, 32, 128};
    for (int turn = 0; turn < 60; ++turn) {
        const auto pick = [&](const auto& from) { return from[random() % std::size(from)]; };
        const index n = pick(sizes), rows = 1 + static_cast<index>(random() % 6);
        naive_options o{.bits = 2 + static_cast<int>(random() % 7),
                        .symmetric = random() % 2 == 0,
                        .group = pick(groups),
                        .block = pick(blocks),
                        .damp = random() % 2 == 0 ? 0.01 : 0.1,
                        .act_order = random() % 2 == 0,
                        .is_static = random() % 2 == 0};
        o.group = o.group > n ? 0 : o.group;
        MatrixXd w = MatrixXd::NullaryExpr(rows, n, [&] { return normal(random); });
        MatrixXd x = MatrixXd::NullaryExpr(n + 20, n, [&] { return normal(random); });
        x += x.col(0).replicate(1, n) * 0.7;
        if (n > 10) {
            x.col(n / 2).setZero();
            x.col(n - 1).setZero();
            w.row(0).segment(0, n / 3).setZero();
        }
        tersor::hessian h(n, {.precision = tersor::hessian_precision::fp64});
        h.accumulate(x);
        SCOPED_TRACE("turn " + std::to_string(turn) + ": " + std::to_string(rows) + " x " + std::to_string(n) +
                     ", bits " + std::to_string(o.bits) + ", group " + std::to_string(o.group) + ", block " +
                     std::to_string(o.block));
        const naive_result expected = solve_naively(w, h.matrix<double>(), o);
        const auto result = tersor::gptq_reference(w, h, {o.bits, o.symmetric, o.group},
                                                   {.damp = o.damp,
                                                    .act_order = o.act_order,
                                                    .static_groups = o.is_static,
                                                    .block = o.block,
                                                    .precision = tersor::hessian_precision::fp64});
        for (index j = 0; j < n; ++j) {
            EXPECT_EQ(result.group_index[static_cast<std::size_t>(j)],
                      expected.group_index[static_cast<std::size_t>(j)]);
        }
        for (index r = 0; r < rows; ++r) {
            for (index j = 0; j < n; ++j) {
                const auto g =
                    static_cast<std::size_t>(r * result.groups + result.group_index[static_cast<std::size_t>(j)]);
                const double scale = result.scales[g];
                EXPECT_NEAR(scale, expected.scales(r, static_cast<index>(g) - r * result.groups), 1e-9 * scale);
                // By value: the zero point of a group of zeros hangs on the last bit of a quotient.
                const double q = scale * (result.codes[static_cast<std::size_t>(r * n + j)] - result.zeros[g]);
                EXPECT_NEAR(q, expected.values(r, j), 1e-6 * scale);
            }
        }
        // Groups of one value are exact but for rounding, some 1e-15 of values near 1.
        EXPECT_NEAR(result.loss, expected.loss, 1e-9 * expected.loss + 1e-24);
    }
}

} // namespace
