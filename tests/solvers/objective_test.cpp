#include "tersor/solvers/objective.hpp"

#include "common/isas.hpp"

#include <Eigen/Core>
#include <gtest/gtest.h>

namespace {

TEST(RowObjectives, EqualTheProductInDouble) {
    using matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    for (const Eigen::Index n : {1, 5, 256, 300, 600}) {
        const matrix x = matrix::Random(n, n), d = matrix::Random(3, n);
        matrix h = x.transpose() * x;
        const auto expected = (d * h).cwiseProduct(d).rowwise().sum().eval();
        // Below the blocks of the diagonal nothing is read.
        for (Eigen::Index i = 0; i < n; ++i) {
            for (Eigen::Index j = 0; j < i / 256 * 256; ++j) {
                h(i, j) = 1e300;
            }
        }
        const auto result = tersor::row_objectives<double>(tersor::linalg::view(std::as_const(d)),
                                                           tersor::linalg::view(std::as_const(h)));
        for (Eigen::Index r = 0; r < 3; ++r) {
            EXPECT_NEAR(result[static_cast<std::size_t>(r)], expected(r), 1e-12 * static_cast<double>(n) * expected(r));
        }
    }
}

TEST(RowObjectives, AreTheSameOnEveryInstructionSet) {
    using matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    const matrix x = matrix::Random(300, 300), h = x.transpose() * x, d = matrix::Random(5, 300);
    const auto sums = [&] { return tersor::row_objectives<float>(tersor::linalg::view(d), tersor::linalg::view(h)); };
    const auto expected = sums();
    isas::for_each_isa([&] { EXPECT_EQ(sums(), expected); });
}

} // namespace
