#ifndef TERSOR_IO_COMPRESSED_TENSORS_SCHEME_HPP
#define TERSOR_IO_COMPRESSED_TENSORS_SCHEME_HPP

// How a weight is stored in the layout of compressed-tensors, and which quantizers have a place in it.
//
//   format                  codes                                      scales
//   int-quantized           weight I8, one code a byte                 weight_scale [1], [rows, 1] or [rows, groups]
//   pack-quantized          weight_packed I32, code + 2^(bits-1)       the same
//   float-quantized, naive  weight F8_E4M3                             the same
//   mxfp4-pack-quantized    weight_packed U8, low nibble first         weight_scale U8 [rows, groups], exponent + 127
//   mxfp8-quantized         weight F8_E4M3                             the same
//   nvfp4-pack-quantized    weight_packed U8, low nibble first         weight_scale F8_E4M3, weight_global_scale F32
//   [1]
//
// Integers with a zero point have weight_zero_point: I8 like the scales, or packed along the rows. Groups that are not
// runs of columns have weight_g_idx I32 [cols]. Source: vllm-project/compressed-tensors, compressors and
// quantization/quant_args.

#include "tersor/core/concepts.hpp"
#include "tersor/core/error.hpp"
#include "tersor/formats/e8m0.hpp"
#include "tersor/formats/fp8.hpp"
#include "tersor/quantizers/absmax.hpp"
#include "tersor/quantizers/compressed_tensors_nvfp4.hpp"

#include <Eigen/Core>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

namespace tersor::inline v0::compressed_tensors {

/// The variants of the layout.
enum class format {
    int_quantized,
    pack_quantized,
    float_quantized,
    naive_quantized,
    mxfp4_pack_quantized,
    mxfp8_quantized,
    nvfp4_pack_quantized
};

/// The name of a variant in config.json.
[[nodiscard]] constexpr std::string_view to_string(format f) noexcept {
    constexpr std::array<std::string_view, 7> names{"int-quantized",       "pack-quantized",       "float-quantized",
                                                    "naive-quantized",     "mxfp4-pack-quantized", "mxfp8-quantized",
                                                    "nvfp4-pack-quantized"};
    return names[static_cast<std::size_t>(f)];
}

/// Which values share a scale: all, those of a row, `group` ones of a row, the same under a scale of the tensor, or
/// those of a block of `block_rows` rows and `group` columns.
enum class strategy { tensor, channel, group, tensor_group, block };

/// The name of a strategy in config.json.
[[nodiscard]] constexpr std::string_view to_string(strategy s) noexcept {
    constexpr std::array<std::string_view, 5> names{"tensor", "channel", "group", "tensor_group", "block"};
    return names[static_cast<std::size_t>(s)];
}

/// How the weights of a module are stored.
struct scheme {
    compressed_tensors::format format = format::pack_quantized;
    int bits = 4;
    bool is_float = false;
    bool symmetric = true; ///< without zero points
    compressed_tensors::strategy strategy = strategy::group;
    index group = 0;      ///< columns that share a scale; 0 for the strategies tensor and channel
    index block_rows = 0; ///< rows that share a scale; 0 but for the strategy block, which is read, not written
    bool act_order = false; ///< columns are grouped by a stored index

    friend bool operator==(const scheme&, const scheme&) = default;
};

namespace detail {

/// The families of quantizers that the layout has places for.
enum class family { none, symmetric, affine, fp8, mxfp4, mxfp8, nvfp4 };

template <class Scale>
inline constexpr bool is_scale = std::is_same_v<Scale, float> || std::is_same_v<Scale, Eigen::half> ||
                                 std::is_same_v<Scale, Eigen::bfloat16> || std::is_same_v<Scale, e8m0>;

template <class Format>
[[nodiscard]] constexpr bool decodes_as_e2m1() noexcept {
    if constexpr (Format::bits == 4 && !is_high_nibble_first<Format>) {
        for (unsigned code = 0; code < 16; ++code) {
            if (Format{}.decode(static_cast<code_t<Format>>(code)) !=
                fp4_e2m1::decode(static_cast<std::uint8_t>(code))) {
                return false;
            }
        }
        return true;
    } else {
        return false;
    }
}

// By what is promised of decode: format.decode(code) * scale(p), or (code - zero) * scale.
template <class Q>
[[nodiscard]] constexpr family family_of() noexcept {
    using format = typename Q::format;
    using parameters = typename Q::parameters;
    if constexpr (
        requires { typename Q::parameter_array; } || !requires(parameters p) { p.scale; }) {
        return family::none; // scales in another form, such as double quantization
    } else {
        using scale = decltype(parameters::scale);
        constexpr bool is_integer = requires {
            format::lowest;
        };
        if constexpr (requires(parameters p) { p.zero; }) {
            return is_integer && is_scale<scale> ? family::affine : family::none;
        } else if constexpr (!scaled_quantizer<Q>) {
            return family::none;
        } else if constexpr (is_integer && is_scale<scale>) {
            return format::lowest < 0 ? family::symmetric : family::affine;
        } else if constexpr (std::is_same_v<scale, e8m0> && Q::group == 32 && decodes_as_e2m1<format>()) {
            return family::mxfp4;
        } else if constexpr (std::is_same_v<scale, e8m0> && Q::group == 32 && std::is_same_v<format, fp8_e4m3>) {
            return family::mxfp8;
        } else if constexpr (is_scale<scale>) {
            return std::is_same_v<format, fp8_e4m3> || std::is_same_v<format, fp8_e5m2> ? family::fp8 : family::none;
        } else if constexpr (Q::group == 16 && decodes_as_e2m1<format>()) {
            constexpr bool has_tensor_scale = requires(Q q) {
                q.tensor_scale;
            }
            || requires(Q q) {
                q.global_scale;
            };
            return has_tensor_scale && std::is_same_v<scale, std::uint8_t> ? family::nvfp4 : family::none;
        } else {
            return family::none;
        }
    }
}

[[noreturn]] inline void refuse(std::string_view what, std::string_view why) {
    raise(error_code::unsupported,
          "the compressed-tensors layout cannot hold " + std::string(what) + ": " + std::string(why));
}

inline constexpr std::string_view what_it_holds =
    "it has integers of 2 to 8 bits and 8-bit floats with scales per tensor, row or group, mxfp4, mxfp8 and nvfp4, all "
    "without double quantization; bitsandbytes has nf4, fp4 and dynamic8";

} // namespace detail

/// Whether the layout has a place for a quantizer: integers and 8-bit floats with one scale (and zero point) per
/// tensor, row or group, MX formats of 4 and 8 bits (e4m3), and NVFP4.
template <quantizer Q>
inline constexpr bool can_hold = detail::family_of<Q>() != detail::family::none;

/// How a quantizer is stored; `wanted` chooses among the variants that fit it. Without it: int-quantized for symmetric
/// 8-bit integers per tensor or row, pack-quantized for all other integers, float-quantized for e4m3 per tensor or row,
/// naive-quantized for other 8-bit floats. unsupported if the layout, or the variant, cannot hold it.
template <quantizer Q>
[[nodiscard]] scheme scheme_of(std::optional<format> wanted = {}) {
    using detail::family;
    constexpr family kind = detail::family_of<Q>();
    if constexpr (kind == family::none) {
        detail::refuse("this quantizer", detail::what_it_holds);
    }
    scheme s;
    s.bits = Q::format::bits;
    s.is_float = kind != family::symmetric && kind != family::affine;
    s.symmetric = kind != family::affine;
    s.group = Q::group > 0 ? Q::group : 0;
    s.strategy = kind == family::nvfp4      ? strategy::tensor_group
                 : Q::group == whole_tensor ? strategy::tensor
                 : Q::group == whole_row    ? strategy::channel
                                            : strategy::group;
    const bool by_row = s.strategy != strategy::group;
    bool fits = true;
    switch (kind) {
    case family::symmetric:
    case family::affine:
        s.format =
            wanted.value_or(s.bits == 8 && s.symmetric && by_row ? format::int_quantized : format::pack_quantized);
        fits = s.format == format::int_quantized || s.format == format::pack_quantized ||
               s.format == format::naive_quantized;
        break;
    case family::fp8: {
        const bool is_e4m3 = std::is_same_v<typename Q::format, fp8_e4m3>;
        s.format = wanted.value_or(is_e4m3 && by_row ? format::float_quantized : format::naive_quantized);
        fits = s.format == format::naive_quantized || s.format == format::float_quantized;
        break;
    }
    case family::mxfp4:
        s.format = format::mxfp4_pack_quantized;
        break;
    case family::mxfp8:
        s.format = format::mxfp8_quantized;
        break;
    default:
        s.format = format::nvfp4_pack_quantized;
    }
    if (!fits || (wanted && *wanted != s.format)) {
        detail::refuse("this quantizer as " + std::string(to_string(*wanted)),
                       "it is stored as " + std::string(to_string(scheme_of<Q>().format)));
    }
    return s;
}

} // namespace tersor::inline v0::compressed_tensors

#endif // TERSOR_IO_COMPRESSED_TENSORS_SCHEME_HPP
