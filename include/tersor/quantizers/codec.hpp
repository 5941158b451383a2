#ifndef TERSOR_QUANTIZERS_CODEC_HPP
#define TERSOR_QUANTIZERS_CODEC_HPP

// How runs of groups are fitted, encoded and decoded for any quantizer: the loops of the *_groups-inl.hpp files for the
// instruction set in use. A run is consecutive values of one row: whole groups, of which the last may be shorter.
// `quantize` and `dequantize` are made of these; everything here is unchecked.

#include "tersor/core/concepts.hpp"
#include "tersor/formats/format.hpp"
#include "tersor/formats/lanes.hpp"
#include "tersor/formats/packing.hpp"
#include "tersor/formats/rounding.hpp"
#include "tersor/quantizers/rows.hpp"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#define TERSOR_KERNELS "tersor/quantizers/fit_groups-inl.hpp"
#include "tersor/simd/for_each_isa.hpp"
#define TERSOR_KERNELS "tersor/quantizers/encode_groups-inl.hpp"
#include "tersor/simd/for_each_isa.hpp"
#define TERSOR_KERNELS "tersor/quantizers/quantize_groups-inl.hpp"
#include "tersor/simd/for_each_isa.hpp"
namespace tersor::inline v0::simd {
using detail::column_panel;
}
#define TERSOR_KERNELS "tersor/quantizers/quantize_columns-inl.hpp"
#include "tersor/simd/for_each_isa.hpp"
#define TERSOR_KERNELS "tersor/quantizers/decode_groups-inl.hpp"
#include "tersor/simd/for_each_isa.hpp"

namespace tersor::inline v0 {

namespace detail {

// An integer by a rounding rule, for magnitudes up to 2^22.
inline int round_by(float value, rounding rule, float random) noexcept {
    const float below = std::floor(value);
    const float above_by = value - below; // exact
    const bool up = rule == rounding::stochastic  ? random < above_by
                    : rule == rounding::half_away ? above_by > 0.5f || (above_by == 0.5f && value > 0.0f)
                                                  : round_to_int(value) > static_cast<int>(below);
    return static_cast<int>(below) + (up ? 1 : 0);
}

} // namespace detail

/// The run-time loops of a quantizer over `count` consecutive values of one row: groups of `group` values, the last of
/// which may be shorter.
template <quantizer Q>
struct codec {
    using parameters = typename Q::parameters;
    using format = typename Q::format;
    static_assert(format::bits <= 8, "quantizers store codes of at most 8 bits");

    /// Parameters of every group; importance is null or one weight per value. False if a value is not finite.
    static bool fit(const Q& q, const float* x, std::size_t count, std::size_t group, const float* importance,
                    parameters* p) {
        return TERSOR_DISPATCH(fit_groups<Q>(q, x, count, group, importance, p));
    }

    /// Parameters of every group and codes, a byte each. False if a value is not finite.
    static bool quantize(const Q& q, const float* x, std::size_t count, std::size_t group, parameters* p,
                         std::uint8_t* codes) {
        return TERSOR_DISPATCH(quantize_groups<Q>(q, x, count, group, p, codes));
    }

    /// Whether `quantize_panel` can take groups of this size.
    [[nodiscard]] static constexpr bool has_panels(std::size_t group) noexcept {
        return (scaled_quantizer<Q> || affine_quantizer<Q>)&&(Q::group <= 0 || group % 16 == 0);
    }

    /// Parameters and packed codes of a panel of up to 256 rows and, but for longer groups, 256 columns: whole groups,
    /// group g of row r to p[r * p_step + g]. For one group a tensor p is given. False, with all of it unspecified, if
    /// a value is not finite or the panel has to be taken row by row.
    static bool quantize_panel(const Q& q, const detail::column_panel& x, std::size_t group, parameters* p,
                               std::ptrdiff_t p_step, std::uint8_t* out, std::ptrdiff_t row_bytes) noexcept {
        return TERSOR_DISPATCH(quantize_panel<Q>(q, x, group, p, p_step, out, row_bytes));
    }

    /// Codes, a byte each, with given parameters. False if a value is not finite.
    static bool encode(const Q& q, const float* x, std::size_t count, std::size_t group, const parameters* p,
                       std::uint8_t* codes) noexcept {
        return TERSOR_DISPATCH(encode_groups<Q, false>(q, x, count, group, p, codes));
    }

    /// Smallest and largest of the values and 0. False if a value is not finite.
    static bool extremes(const float* x, std::size_t count, float& lo, float& hi) noexcept {
        return TERSOR_DISPATCH(find_range(x, count, lo, hi));
    }

    /// The code of one value under any rounding rule; see encode_rounded of formats/rounding.hpp.
    static code_of<Q> encode_rounded(const Q& q, float x, const parameters& p, rounding rule, float random) noexcept {
        const auto& format_instance = simd::TERSOR_GENERIC_NAMESPACE::format_of(q);
        if constexpr (affine_quantizer<Q>) {
            // Twice the grid is beyond it whatever the zero point; between, nine bits hold every difference of codes.
            constexpr float limit = 2.0f * static_cast<float>(format::highest - format::lowest);
            const float scaled = x / q.scale(p);
            const float bounded = scaled > -limit ? (scaled < limit ? scaled : limit) : -limit;
            const int code = detail::round_by(bounded, rule, random) + static_cast<int>(q.zero_code(p));
            return static_cast<code_of<Q>>(code < format::lowest    ? format::lowest
                                           : code > format::highest ? format::highest
                                                                    : code);
        } else if constexpr (requires { q.inverse(p); }) {
            return tersor::encode_rounded(format_instance, x * q.inverse(p), rule, random);
        } else if constexpr (scaled_quantizer<Q>) {
            const auto code = tersor::encode_rounded(format_instance, x / q.scale(p), rule, random);
            if constexpr (requires { Q::lowest_code(); }) {
                return static_cast<code_of<Q>>(code < Q::lowest_code() ? Q::lowest_code() : code);
            } else {
                return code;
            }
        } else {
            return q.encode(x, p);
        }
    }

    /// Packs codes of a byte each.
    static void pack(const Q& q, const std::uint8_t* codes, std::size_t count, std::uint8_t* out) noexcept {
        TERSOR_DISPATCH(pack_run<format>(simd::TERSOR_GENERIC_NAMESPACE::format_of(q), codes, count, out));
    }

    /// Values of packed codes. The first group has `first_size` values left. `scratch` holds `count` bytes.
    /// `stream` asks for stores that pass by the caches: groups are then whole registers, `out` is aligned to 64 bytes,
    /// and a stream_fence() follows before another thread is told of the values.
    static void decode(const Q& q, const std::uint8_t* packed, std::size_t count, std::size_t group,
                       std::size_t first_size, const parameters* p, float* out, std::uint8_t* scratch,
                       bool stream = false) noexcept {
        if constexpr (format::bits == 4 && (scaled_quantizer<Q> || affine_quantizer<Q>)) {
            if (stream) {
                TERSOR_DISPATCH(decode_nibbles<Q, true>(q, packed, count, group, first_size, p, out));
            } else {
                TERSOR_DISPATCH(decode_nibbles<Q, false>(q, packed, count, group, first_size, p, out));
            }
        } else {
            const std::uint8_t* codes = packed;
            if constexpr (format::bits != 8) {
                using code = code_t<format>;
                unpack(simd::TERSOR_GENERIC_NAMESPACE::format_of(q), packed,
                       std::span<code>(reinterpret_cast<code*>(scratch), count));
                codes = scratch;
            }
            if (stream) {
                TERSOR_DISPATCH(decode_groups<Q, true>(q, codes, count, group, first_size, p, out));
            } else {
                TERSOR_DISPATCH(decode_groups<Q, false>(q, codes, count, group, first_size, p, out));
            }
        }
    }
};

} // namespace tersor::inline v0

#endif // TERSOR_QUANTIZERS_CODEC_HPP
