#ifndef TERSOR_TESTS_LINALG_NAIVE_HPP
#define TERSOR_TESTS_LINALG_NAIVE_HPP

// The definitions of linalg/ as plain loops over std::fma, and matrices to try them on.

#include "tersor/linalg/matrix_view.hpp"

#include <Eigen/Core>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>

namespace naive {

using tersor::index;

template <class Scalar>
using matrix = Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

template <class Scalar>
matrix<Scalar> random(index rows, index cols, unsigned seed) {
    std::mt19937 engine(seed);
    std::normal_distribution<double> normal;
    matrix<Scalar> result(rows, cols);
    for (index i = 0; i < result.size(); ++i) {
        result.data()[i] = static_cast<Scalar>(normal(engine));
    }
    return result;
}

/// c += sign a b.
template <class Scalar>
void multiply(matrix<Scalar>& c, const matrix<Scalar>& a, const matrix<Scalar>& b, Scalar sign) {
    for (index i = 0; i < c.rows(); ++i) {
        for (index j = 0; j < c.cols(); ++j) {
            for (index k = 0; k < a.cols(); ++k) {
                c(i, j) = std::fma(sign * a(i, k), b(k, j), c(i, j));
            }
        }
    }
}

/// The upper triangle of c += x^T x.
template <class Scalar>
void gram(matrix<Scalar>& c, const matrix<Scalar>& x) {
    for (index i = 0; i < c.rows(); ++i) {
        for (index j = i; j < c.cols(); ++j) {
            for (index t = 0; t < x.rows(); ++t) {
                c(i, j) = std::fma(x(t, i), x(t, j), c(i, j));
            }
        }
    }
}

template <class Scalar>
index factor_reversed(matrix<Scalar>& h) {
    const index n = h.rows();
    for (index j = n - 1; j >= 0; --j) {
        for (index i = j; i >= 0; --i) {
            Scalar sum = h(i, j);
            for (index k = n - 1; k > j; --k) {
                sum = std::fma(-h(i, k), h(j, k), sum);
            }
            if (i == j && !(sum > 0)) {
                return j;
            }
            h(i, j) = i == j ? std::sqrt(sum) : sum / h(j, j);
        }
    }
    return -1;
}

template <class Scalar>
void invert_upper(matrix<Scalar>& r) {
    const index n = r.rows();
    for (index i = 0; i < n; ++i) {
        Eigen::Matrix<Scalar, 1, Eigen::Dynamic> row(n);
        for (index j = i; j < n; ++j) {
            Scalar sum = i == j ? Scalar{1} : Scalar{0};
            for (index k = i; k < j; ++k) {
                sum = std::fma(-row(k), r(k, j), sum);
            }
            row(j) = sum / r(j, j);
        }
        r.row(i).tail(n - i) = row.tail(n - i);
    }
}

/// Whether all bits agree.
template <class Scalar>
bool is_same(const matrix<Scalar>& a, const matrix<Scalar>& b) {
    return a.rows() == b.rows() && a.cols() == b.cols() &&
           (a.size() == 0 || std::memcmp(a.data(), b.data(), sizeof(Scalar) * static_cast<std::size_t>(a.size())) == 0);
}

} // namespace naive

#endif // TERSOR_TESTS_LINALG_NAIVE_HPP
