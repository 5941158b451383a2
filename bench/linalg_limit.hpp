#ifndef TERSOR_BENCH_LINALG_LIMIT_HPP
#define TERSOR_BENCH_LINALG_LIMIT_HPP

// SG: Eigen's float product, in the builds of it that this machine can run: with the default flags, and, where the
// program was linked with linalg_limit_avx2.cpp and linalg_limit_avx512.cpp, with those instruction sets.

#include "bench/compare.hpp"
#include "tersor/simd/isa.hpp"

#include <Eigen/Core>

#include <cstddef>
#include <random>
#include <vector>

namespace bench {

/// c [rows x cols] = a [rows x depth] b [depth x cols], column-major.
using float_product = void (*)(const float* a, const float* b, float* c, long rows, long cols, long depth);

#if defined(BENCH_EIGEN_BUILDS)
void eigen_product_avx2(const float* a, const float* b, float* c, long rows, long cols, long depth);
void eigen_product_avx512(const float* a, const float* b, float* c, long rows, long cols, long depth);
#endif

inline void eigen_product_default(const float* a, const float* b, float* c, long rows, long cols, long depth) {
    const Eigen::Map<const Eigen::MatrixXf> left(a, rows, depth), right(b, depth, cols);
    Eigen::Map<Eigen::MatrixXf>(c, rows, cols).noalias() = left * right;
}

/// Factors and a result of random values, and the limit 2 rows cols depth operations, split by columns.
struct product_limit {
    product_limit(long rows_, long cols_, long depth_)
        : rows(rows_), cols(cols_), depth(depth_), a(static_cast<std::size_t>(rows * depth)),
          b(static_cast<std::size_t>(depth * cols)), c(static_cast<std::size_t>(rows * cols)) {
        std::mt19937 engine(1);
        for (std::vector<float>* const values : {&a, &b}) {
            for (float& value : *values) {
                value = static_cast<float>(static_cast<int>(engine() % 2001) - 1000) * 1e-3f;
            }
        }
    }

    [[nodiscard]] limit make() {
        limit result{static_cast<std::size_t>(cols), {}, 16};
        const auto add = [&](float_product product) {
            result.ways.push_back([this, product](std::size_t begin, std::size_t end) {
                const long first = static_cast<long>(begin), last = static_cast<long>(end);
                if (first < last) {
                    product(a.data(), b.data() + first * depth, c.data() + first * rows, rows, last - first, depth);
                }
            });
        };
        add(eigen_product_default);
#if defined(BENCH_EIGEN_BUILDS)
        if (tersor::best_isa() >= tersor::isa::avx2) {
            add(eigen_product_avx2);
        }
        if (tersor::best_isa() >= tersor::isa::avx512) {
            add(eigen_product_avx512);
        }
#endif
        return result;
    }

    long rows, cols, depth;
    std::vector<float> a, b, c;
};

} // namespace bench

#endif // TERSOR_BENCH_LINALG_LIMIT_HPP
