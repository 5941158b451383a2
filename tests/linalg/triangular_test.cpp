#include "tests/linalg/naive.hpp"

#include "tersor/linalg/cholesky.hpp"
#include "tersor/linalg/triangular.hpp"

#include "common/isas.hpp"

#include <gtest/gtest.h>
#include <unsupported/Eigen/CXX11/ThreadPool>

#include <limits>

namespace {

using naive::matrix;
using tersor::index;
namespace linalg = tersor::linalg;

#ifdef TERSOR_TEST_FEWER_TYPES // for sanitizers, under which they take long
const index sizes[] = {0, 1, 3, 17, 64, 65, 130};
#else
const index sizes[] = {0, 1, 2, 3, 5, 7, 17, 63, 64, 65, 128, 130, 193, 300};
#endif

/// Symmetric, positive definite; the lower triangle holds NaN, which nothing may read.
template <class Scalar>
matrix<Scalar> positive(index n) {
    const auto x = naive::random<Scalar>(n + 3, n, static_cast<unsigned>(n));
    matrix<Scalar> h = matrix<Scalar>::Constant(n, n, std::numeric_limits<Scalar>::quiet_NaN());
    h.template triangularView<Eigen::Upper>().setZero();
    naive::gram<Scalar>(h, x);
    h.diagonal().array() += Scalar(0.5);
    return h;
}

template <class Scalar>
class Triangular : public testing::Test {};
using scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(Triangular, scalars);

TYPED_TEST(Triangular, FactorAndInverseAreTheirDefinitionsWithEveryInstructionSetAndThreads) {
    using Scalar = TypeParam;
    Eigen::ThreadPool pool(1);
    for (const index n : sizes) {
        SCOPED_TRACE(n);
        const auto h = positive<Scalar>(n);
        auto factor = h;
        ASSERT_EQ(naive::factor_reversed<Scalar>(factor), -1);
        auto inverse = factor;
        naive::invert_upper<Scalar>(inverse);
        isas::for_each_isa([&] {
            for (const tersor::execution& exec : {tersor::execution{}, tersor::execution(pool)}) {
                auto r = h;
                ASSERT_EQ(linalg::factor_reversed(linalg::view(r), exec), -1);
                EXPECT_TRUE(naive::is_same<Scalar>(r, factor));
                linalg::invert_upper(linalg::view(r), exec);
                EXPECT_TRUE(naive::is_same<Scalar>(r, inverse));
            }
        });
    }
}

// |h - R R^T| <= g |R| |R^T| with g = (n + 1) u / (1 - (n + 1) u), and |U R - 1| <= g |U| |R| row by row: Higham,
// Accuracy and Stability of Numerical Algorithms, theorems 10.3 and 8.5. The products of the check are in double.
TEST(TriangularFloat, FactorAndInverseMeetTheirErrorBounds) {
    for (const index n : {40, 200}) {
        const auto h = positive<float>(n);
        auto r = h;
        ASSERT_EQ(linalg::factor_reversed(linalg::view(r)), -1);
        auto u = r;
        linalg::invert_upper(linalg::view(u));
        const matrix<double> R = r.triangularView<Eigen::Upper>().toDenseMatrix().cast<double>();
        const matrix<double> U = u.triangularView<Eigen::Upper>().toDenseMatrix().cast<double>();
        const double nu = static_cast<double>(n + 1) * 0x1p-24, g = nu / (1 - nu);
        const matrix<double> bound = g * R.cwiseAbs() * R.cwiseAbs().transpose();
        const matrix<double> of_inverse = g * U.cwiseAbs() * R.cwiseAbs();
        const matrix<double> product = R * R.transpose(), identity = U * R;
        for (index i = 0; i < n; ++i) {
            for (index j = i; j < n; ++j) {
                EXPECT_LE(std::abs(product(i, j) - static_cast<double>(h(i, j))), bound(i, j)) << i << ", " << j;
                EXPECT_LE(std::abs(identity(i, j) - (i == j ? 1.0 : 0.0)), of_inverse(i, j)) << i << ", " << j;
            }
        }
    }
}

TEST(TriangularFloat, TheFirstBadPivotFromBelowIsNamed) {
    Eigen::ThreadPool pool(1);
    for (const index n : {1, 5, 64, 65, 200}) {
        for (const index bad : {n - 1, n / 2, index{0}}) {
            for (const float value : {0.0f, -1.0f, std::numeric_limits<float>::quiet_NaN()}) {
                isas::for_each_isa([&] {
                    auto h = positive<float>(n);
                    h(bad, bad) = value;
                    EXPECT_EQ(linalg::factor_reversed(linalg::view(h), pool), bad) << n << ", " << value;
                });
            }
        }
    }
}

TEST(TriangularFloat, NotSquareIsAnError) {
    matrix<double> m(2, 3);
    try {
        linalg::factor_reversed(linalg::view(m));
        FAIL();
    } catch (const tersor::error& error) {
        EXPECT_EQ(error.code(), tersor::error_code::shape_mismatch);
        EXPECT_STREQ(error.what(), "factor_reversed: the matrix [2 x 3] is not square");
    }
    EXPECT_THROW(linalg::invert_upper(linalg::view(m)), tersor::error);
}

} // namespace
