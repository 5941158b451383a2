#ifndef TERSOR_SOLVERS_AWQ_CLIP_HPP
#define TERSOR_SOLVERS_AWQ_CLIP_HPP

// AWQ's search of a clipping bound for every row and group of scaled weights v:
//
//   m = max |v|,  bounds c_i = m (1 - i / 20) for i = 0 .. 9
//   error_i = d H_gg d^T with d = (quantized(clamp(v, -c_i, c_i)) - v) / s,  the first least one wins
//
// H_gg is the block of the Hessian for the group's columns: the error of the group's own share of the output, those of
// other groups left out; it is computed in double. Source: auto_clip_layer of mit-han-lab/llm-awq.

#include "tersor/solvers/awq_layer.hpp"
#include "tersor/solvers/awq_panel.hpp"

#include <cmath>
#include <limits>
#include <span>
#include <vector>

namespace tersor::inline v0::detail {

/// The bounds for scales `s`; `h` [in x in] may be another Hessian than the layer's, of fewer tokens.
template <quantizer Q>
[[nodiscard]] awq_clip_bounds search_clip(const awq_layer<Q>& layer, const awq_hessian& h, std::span<const float> s,
                                          const execution& exec) {
    constexpr int steps = 10;
    awq_clip_bounds bounds{awq_matrix(layer.rows(), layer.groups()), awq_matrix(layer.rows(), layer.groups())};
    for_each_row_tile(layer.rows(), layer.columns(), exec, [&](index first, index count) {
        awq_matrix v, q;
        awq_hessian d, t;
        std::vector<float> largest(static_cast<std::size_t>(count));
        std::vector<double> least(largest.size());
        for (index g = 0; g < layer.groups(); ++g) {
            const index column = g * layer.group(), size = layer.group_size(g);
            v.resize(count, size);
            q.resize(count, size);
            d.resize(count, size);
            for (index r = 0; r < count; ++r) {
                float& m = largest[static_cast<std::size_t>(r)];
                m = 0.0f;
                for (index j = 0; j < size; ++j) {
                    v(r, j) = layer.weights()(first + r, column + j) * s[static_cast<std::size_t>(column + j)];
                    m = std::abs(v(r, j)) > m ? std::abs(v(r, j)) : m;
                }
            }
            least.assign(least.size(), std::numeric_limits<double>::infinity());
            for (int i = 0; i < steps; ++i) {
                const auto share = static_cast<float>(1.0 - i / 20.0);
                for (index r = 0; r < count; ++r) {
                    const float c = largest[static_cast<std::size_t>(r)] * share;
                    for (index j = 0; j < size; ++j) {
                        q(r, j) = std::clamp(v(r, j), -c, c);
                    }
                }
                requantize(Q{}, q.data(), static_cast<std::size_t>(count), static_cast<std::size_t>(size));
                for (index r = 0; r < count; ++r) {
                    for (index j = 0; j < size; ++j) {
                        d(r, j) = (static_cast<double>(q(r, j)) - static_cast<double>(v(r, j))) /
                                  static_cast<double>(s[static_cast<std::size_t>(column + j)]);
                    }
                }
                t.setZero(count, size);
                linalg::multiply_add(linalg::view(t), linalg::view(d),
                                     linalg::view(h).block(column, column, size, size));
                for (index r = 0; r < count; ++r) {
                    const double error = dot(&d(r, 0), &t(r, 0), size);
                    if (error < least[static_cast<std::size_t>(r)]) {
                        least[static_cast<std::size_t>(r)] = error;
                        bounds.upper(first + r, g) = largest[static_cast<std::size_t>(r)] * share;
                    }
                }
            }
            for (index r = 0; r < count; ++r) {
                bounds.lower(first + r, g) = -bounds.upper(first + r, g);
            }
        }
    });
    return bounds;
}

} // namespace tersor::inline v0::detail

#endif // TERSOR_SOLVERS_AWQ_CLIP_HPP
