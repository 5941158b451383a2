#ifndef TERSOR_SOLVERS_GPTQ_GRID_SEARCH_HPP
#define TERSOR_SOLVERS_GPTQ_GRID_SEARCH_HPP

// Scales of groups by a short search, for solvers that refine them afterwards: of the scale s that holds the group's
// whole range, .9 s, .8 s, .7 s, and for each of them the least squares scale of its codes,
//
//   sum w_i x_i q_i / sum w_i q_i^2 times it,   q_i = decode(encode(x_i)),
//
// the first with the least sum of w_i (x_i - q_i)^2. Sums are those of sixteen lanes of floats, each a chain of fused
// multiply-adds, and of the lanes in order.

#include "tersor/quantizers/codec.hpp"
#include "tersor/solvers/gptq_kernels.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace tersor::inline v0::detail {

/// Searches the scales of groups, one after the other; keeps its memory.
template <class Cells>
class grid_search {
public:
    using parameters = typename Cells::parameters;

    /// Improves the parameters of consecutive groups of a row; importance is empty or one weight per value.
    void improve(const Cells& cells, std::span<const float> values, std::span<const float> importance, index group,
                 parameters* p) {
        const auto length = static_cast<std::size_t>(group);
        for (std::size_t first = 0; first < values.size(); first += length, ++p) {
            const std::size_t count = std::min(length, values.size() - first);
            values_.assign(values.begin() + static_cast<std::ptrdiff_t>(first),
                           values.begin() + static_cast<std::ptrdiff_t>(first + count));
            weights_.assign(count, 1.0f);
            if (!importance.empty()) {
                std::copy_n(importance.begin() + static_cast<std::ptrdiff_t>(first), count, weights_.begin());
            }
            const std::size_t padded = (count + 15) / 16 * 16;
            values_.resize(padded, 0.0f);
            weights_.resize(padded, 0.0f);
            decoded_.assign(padded, 0.0f);
            codes_.resize(count);
            improve_one(cells, *p);
        }
    }

private:
    void improve_one(const Cells& cells, parameters& p) {
        const float whole = static_cast<float>(cells.scale(p));
        if (!(whole > 0.0f)) {
            return;
        }
        parameters best = p;
        float least = std::numeric_limits<float>::infinity();
        for (const float share : {1.0f, 0.9f, 0.8f, 0.7f}) {
            parameters candidate = share == 1.0f ? p : cells.with_scale(p, share * whole);
            for (int fits = 0; fits < 2; ++fits) {
                float sums[3];
                measure(cells, candidate, sums);
                if (sums[0] < least) {
                    least = sums[0];
                    best = candidate;
                }
                const float factor = sums[1] / sums[2];
                if (!(factor > 0.5f && factor < 2.0f)) {
                    break;
                }
                candidate = cells.with_scale(p, static_cast<float>(cells.scale(candidate)) * factor);
            }
        }
        p = best;
    }

    // Weighted sums of (x - q)^2, x q and q^2.
    void measure(const Cells& cells, const parameters& p, float (&sums)[3]) {
        if constexpr (requires { typename Cells::quantizer_type; }) {
            codec<typename Cells::quantizer_type>::encode(cells.quantizer, values_.data(), codes_.size(), codes_.size(),
                                                          &p, codes_.data());
        } else {
            for (std::size_t i = 0; i < codes_.size(); ++i) {
                codes_[i] = cells.encode(values_[i], p, static_cast<index>(i), false);
            }
        }
        for (std::size_t i = 0; i < codes_.size(); ++i) {
            decoded_[i] = static_cast<float>(cells.decode(codes_[i], p, static_cast<index>(i)));
        }
        weighted_sums(static_cast<index>(values_.size()), values_.data(), decoded_.data(), weights_.data(), sums);
    }

    std::vector<float> values_, weights_, decoded_;
    std::vector<std::uint8_t> codes_;
};

} // namespace tersor::inline v0::detail

#endif // TERSOR_SOLVERS_GPTQ_GRID_SEARCH_HPP
