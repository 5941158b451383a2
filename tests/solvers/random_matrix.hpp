#ifndef TERSOR_TESTS_SOLVERS_RANDOM_MATRIX_HPP
#define TERSOR_TESTS_SOLVERS_RANDOM_MATRIX_HPP

#include "tersor/core/concepts.hpp"

#include <Eigen/Core>

#include <random>

/// [rows x columns] of N(0, 1); one of `period` columns is that many times larger.
inline Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>
random_matrix(tersor::index rows, tersor::index columns, unsigned seed, float outliers = 1.0f,
              tersor::index period = 7) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> x(rows, columns);
    for (tersor::index r = 0; r < rows; ++r) {
        for (tersor::index j = 0; j < columns; ++j) {
            x(r, j) = normal(random) * (j % period == 3 ? outliers : 1.0f);
        }
    }
    return x;
}

#endif // TERSOR_TESTS_SOLVERS_RANDOM_MATRIX_HPP
