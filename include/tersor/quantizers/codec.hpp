#ifndef TERSOR_QUANTIZERS_CODEC_HPP
#define TERSOR_QUANTIZERS_CODEC_HPP

// How runs of groups are fitted, encoded and decoded for any quantizer: the loops of codec-inl.hpp for the instruction
// set in use. `quantize` and `dequantize` are made of these; everything here is unchecked.

#include "tersor/core/concepts.hpp"
#include "tersor/formats/format.hpp"
#include "tersor/formats/lanes.hpp"
#include "tersor/formats/packing.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#define TERSOR_KERNELS "tersor/quantizers/codec-inl.hpp"
#include "tersor/simd/for_each_isa.hpp"

namespace tersor::inline v0 {

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

    /// Codes, a byte each, with parameters that `fit` found for these very values.
    static void encode_fitted(const Q& q, const float* x, std::size_t count, std::size_t group, const parameters* p,
                              std::uint8_t* codes) noexcept {
        TERSOR_DISPATCH(encode_groups<Q, true>(q, x, count, group, p, codes));
    }

    /// Codes, a byte each, with any parameters. False if a value is not finite.
    static bool encode(const Q& q, const float* x, std::size_t count, std::size_t group, const parameters* p,
                       std::uint8_t* codes) noexcept {
        return TERSOR_DISPATCH(encode_groups<Q, false>(q, x, count, group, p, codes)) <= 0x7F7FFFFF;
    }

    /// Packs codes of a byte each.
    static void pack(const Q& q, const std::uint8_t* codes, std::size_t count, std::uint8_t* out) noexcept {
        TERSOR_DISPATCH(pack_run<format>(simd::TERSOR_GENERIC_NAMESPACE::group_coder<Q>::format_of(q), codes, count, out));
    }

    /// Values of packed codes. The first group has `first_size` values left. `scratch` holds `count` bytes; `stream`
    /// asks for stores that pass by the caches, which wants `out` aligned to 16 bytes.
    static void decode(const Q& q, const std::uint8_t* packed, std::size_t count, std::size_t group,
                       std::size_t first_size, const parameters* p, float* out, std::uint8_t* scratch,
                       bool stream) noexcept {
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
                unpack(simd::TERSOR_GENERIC_NAMESPACE::group_coder<Q>::format_of(q), packed,
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
