#ifndef TERSOR_IO_TRANSCODE_BITSANDBYTES_HPP
#define TERSOR_IO_TRANSCODE_BITSANDBYTES_HPP

// Affine weights as bitsandbytes stores weights, where its grids allow. With n = code - zero:
//
//   LLM.int8   one scale a row: code n of -128..127, SCB = scale * 127, value (n * SCB) * 0.0078740157
//   fp4        blocks whose levels n, by one factor, are all among +-{0, 1, 32, 48, 64, 96, 128, 192} / 192: so every
//              grid of 2 bits, and symmetric ones of 3 bits with levels -4..3
//
// The values of nf4 are no grid. Both roundings are of the order of 1e-7 of a value.

#include "tersor/core/quantized_tensor.hpp"
#include "tersor/formats/fp4.hpp"
#include "tersor/formats/packing.hpp"
#include "tersor/io/affine_weight_regroup.hpp"
#include "tersor/io/transcode_verdict.hpp"
#include "tersor/quantizers/absmax.hpp"
#include "tersor/quantizers/blockwise.hpp"
#include "tersor/quantizers/llm_int8.hpp"

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace tersor::inline v0 {

namespace detail {

[[noreturn]] inline void refuse_bitsandbytes(const char* type, const affine_weight& w, const std::string& reason) {
    raise(error_code::unsupported, std::string(type) + " of bitsandbytes cannot hold a weight " +
                                       shape_of_values(w.rows, w.cols) + " of " + std::to_string(w.bits) +
                                       " bits: " + reason);
}

/// The magnitudes of fp4 in units of 1 / 192, by code.
inline constexpr std::array<int, 8> fp4_units{0, 1, 128, 192, 64, 96, 32, 48};

/// The codes of levels and the value of the code for 1 in units of a level; 0 if there are none.
[[nodiscard]] inline double fit_fp4(std::span<const int> levels, std::uint8_t* codes) noexcept {
    int largest = 0;
    for (const int level : levels) {
        largest = std::max(largest, level < 0 ? -level : level);
    }
    // largest first: the smallest scale
    for (const int unit : {192, 128, 96, 64, 48, 32, 1}) {
        bool all = true;
        for (std::size_t i = 0; i < levels.size() && all; ++i) {
            const int magnitude = levels[i] < 0 ? -levels[i] : levels[i];
            const int wanted = magnitude * unit;
            all = false;
            for (std::size_t code = 0; code < fp4_units.size() && !all; ++code) {
                if (wanted == fp4_units[code] * largest) {
                    codes[i] = static_cast<std::uint8_t>(code | (levels[i] < 0 ? 8u : 0u));
                    all = true;
                }
            }
        }
        if (all) {
            return largest == 0 ? 1.0 : 192.0 * largest / unit;
        }
    }
    return 0.0;
}

} // namespace detail

/// The weight by LLM.int8. Errors: those of check(); unsupported, naming why, if a row has several groups or a level is
/// beyond 8 bits.
[[nodiscard]] inline transcoded<quantized_tensor<llm_int8>> to_llm_int8(const affine_weight& w) {
    check(w);
    if (w.groups != 1) {
        detail::refuse_bitsandbytes("LLM.int8", w, "it has one scale a row, not " + std::to_string(w.groups));
    }
    std::vector<std::uint8_t> codes(w.codes.size());
    std::vector<llm_int8::parameters> parameters;
    for (index row = 0; row < w.rows; ++row) {
        const auto place = static_cast<std::size_t>(row);
        for (index c = 0; c < w.cols; ++c) {
            const auto i = static_cast<std::size_t>(row * w.cols + c);
            const int level = w.codes[i] - w.zeros[place];
            if (level < -128 || level > 127) {
                detail::refuse_bitsandbytes("LLM.int8", w,
                                            "row " + std::to_string(row) + " has the level " + std::to_string(level));
            }
            codes[i] = static_cast<std::uint8_t>(level);
        }
        parameters.push_back({w.scales[place] * 127.0f});
    }
    transcoded<quantized_tensor<llm_int8>> result{
        {llm_int8{}, {w.rows, w.cols}, 1, std::move(codes), std::move(parameters)}, {}};
    result.verdict = detail::verdict_on(w, [&result](index row, std::span<float> to) {
        const auto stored = result.weight.row_codes(row);
        for (std::size_t c = 0; c < to.size(); ++c) {
            to[c] = llm_int8{}.decode(static_cast<std::int8_t>(stored[c]),
                                      result.weight.parameters()[static_cast<std::size_t>(row)]);
        }
    });
    return result;
}

/// The weight by fp4 in blocks of N values. Errors: those of check(); unsupported, naming why, if columns do not share
/// groups in runs of N or the levels of a block are not among those of fp4.
template <index N>
[[nodiscard]] transcoded<quantized_tensor<blockwise<absmax<fp4>, N>>> to_fp4(const affine_weight& w) {
    using quantizer = blockwise<absmax<fp4>, N>;
    check(w);
    if (const index run = common_run(w); run % N != 0) {
        detail::refuse_bitsandbytes(
            "fp4", w, "its columns share a group in runs of " + std::to_string(run) + ", not of " + std::to_string(N));
    }
    std::vector<std::uint8_t> packed(w.codes.size() / 2), codes(static_cast<std::size_t>(w.cols));
    std::vector<typename quantizer::parameters> parameters;
    std::array<int, static_cast<std::size_t>(N)> levels{};
    for (index row = 0; row < w.rows; ++row) {
        for (index first = 0; first < w.cols; first += N) {
            const auto place =
                static_cast<std::size_t>(row * w.groups + w.group_index[static_cast<std::size_t>(first)]);
            for (std::size_t i = 0; i < levels.size(); ++i) {
                levels[i] = w.codes[static_cast<std::size_t>(row * w.cols + first) + i] - w.zeros[place];
            }
            const double factor = detail::fit_fp4(levels, codes.data() + first);
            if (factor == 0.0) {
                detail::refuse_bitsandbytes("fp4", w,
                                            "the levels of row " + std::to_string(row) + " from column " +
                                                std::to_string(first) + " are not among its values");
            }
            const auto absmax = static_cast<float>(factor * static_cast<double>(w.scales[place]));
            if (!std::isfinite(absmax)) {
                detail::refuse_bitsandbytes("fp4", w, "a scale is too large");
            }
            parameters.push_back({absmax});
        }
        pack_nibbles_high_first(codes, 0, packed.data() + row * w.cols / 2);
    }
    transcoded<quantized_tensor<quantizer>> result{
        {quantizer{}, {w.rows, w.cols}, 1, std::move(packed), std::move(parameters)}, {}};
    result.verdict = detail::verdict_on(w, [&](index row, std::span<float> to) {
        const auto stored = result.weight.row_codes(row);
        for (std::size_t c = 0; c < to.size(); ++c) {
            const auto code = packed_code<fp4>(stored.data(), c);
            const auto group = static_cast<std::size_t>(result.weight.group_of(row, static_cast<index>(c)));
            to[c] = quantizer{}.decode(code, result.weight.parameters()[group]);
        }
    });
    return result;
}

} // namespace tersor::inline v0

#endif // TERSOR_IO_TRANSCODE_BITSANDBYTES_HPP
