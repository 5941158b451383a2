#ifndef TERSOR_QUANTIZERS_ABSMAX_HPP
#define TERSOR_QUANTIZERS_ABSMAX_HPP

// Absmax: one scale maps the largest magnitude of a group to the largest value of the format; zero is exact.
//
//   integers, floats   scale = max|x| / largest               code = format.encode(x / scale)
//   integers, full     scale = max|x| / ((2^bits - 1) / 2)    code = clamp(round(x / scale), -2^(bits-1), 2^(bits-1)-1)
//   codebooks          scale = max|x| / largest               code = format.encode(x * (1 / max(scale, 1e-38)))
//   decoded            format.decode(code) * scale
//
// Rounding is half to even, divisions are IEEE. The codebook rule, with its reciprocal and the division in a last,
// shorter group, is bitsandbytes'. A group of zeros has scale 1 (codebooks 0) and decodes to zeros; where a scale would
// be too small for a float it becomes the smallest one.

#include "tersor/core/concepts.hpp"
#include "tersor/formats/bitsandbytes_cpu.hpp"
#include "tersor/formats/codebook.hpp"
#include "tersor/formats/format.hpp"
#include "tersor/quantizers/codec.hpp"
#include "tersor/quantizers/fit.hpp"
#include "tersor/quantizers/scale.hpp"

#include <cstdint>
#include <limits>
#include <span>
#include <type_traits>

namespace tersor::inline v0 {

/// Whether a format's scaled values are x * (1 / scale) rather than x / scale: the codebooks.
template <class Format>
inline constexpr bool uses_reciprocal = requires { &Format::midpoints; };
template <class Map>
inline constexpr bool uses_reciprocal<bitsandbytes_cpu<Map>> = true;

/// The smallest divisor of the codebook rule; a format may name its own, 0 for none.
template <class Format>
inline constexpr float smallest_divisor = 1e-38f;
template <class Format>
    requires requires { Format::smallest_divisor; }
inline constexpr float smallest_divisor<Format> = Format::smallest_divisor;
template <class Map>
inline constexpr float smallest_divisor<bitsandbytes_cpu<Map>> = 0.0f;

/// Which integer codes a symmetric quantizer uses: -highest..highest, or the lowest code too.
enum class integer_range { narrow, full };

/// Symmetric quantization of a whole tensor with one scale; `per_channel` and `blockwise` make its groups smaller.
/// `Scale` is the type that the scale is stored in: float, Eigen::half, Eigen::bfloat16 or e8m0; codes are found with
/// the scale as stored.
template <number_format Format, class Scale = float, integer_range Range = integer_range::narrow>
struct absmax {
    using format = Format;
    static constexpr index group = whole_tensor;

    /// What is stored per group.
    struct parameters {
        Scale scale;
        friend bool operator==(const parameters&, const parameters&) = default;
    };

    [[no_unique_address]] Format codes{};

    static constexpr bool is_codebook = uses_reciprocal<Format>;
    static constexpr bool divides_ragged = is_codebook && smallest_divisor<Format> > 0.0f;
    static constexpr bool is_integer = requires { Format::lowest; };
    /// The magnitude, in codes, that max|x| is mapped to.
    static constexpr float reach() noexcept {
        if constexpr (is_integer && Range == integer_range::full) {
            if constexpr (Format::lowest < 0) {
                return static_cast<float>(code_count<Format> - 1) / 2.0f;
            }
        }
        return Format{}.largest;
    }

    /// The largest magnitude among the codes in use.
    static constexpr float largest_code() noexcept {
        if constexpr (is_integer && Range == integer_range::full) {
            return Format::lowest < 0 ? static_cast<float>(-Format::lowest) : static_cast<float>(Format::highest);
        } else {
            return Format{}.largest;
        }
    }

    /// The scale for the largest magnitude of a group.
    [[nodiscard]] parameters from_magnitude(float magnitude) const noexcept {
        if constexpr (is_codebook) {
            return {magnitude == 0.0f ? static_cast<Scale>(0.0f) : stored_scale<Scale>(magnitude / codes.largest)};
        } else {
            if (magnitude == 0.0f) {
                return {static_cast<Scale>(1.0f)};
            }
            // So that the largest code times a rounded scale stays finite.
            constexpr float limit = 0.99f * (reach() / largest_code()) * std::numeric_limits<float>::max();
            return {stored_scale<Scale>((magnitude < limit ? magnitude : limit) / reach())};
        }
    }

    /// The scale for a last group that is shorter than the others: bitsandbytes stores no zero there.
    [[nodiscard]] parameters from_magnitude_ragged(float magnitude) const noexcept
        requires divides_ragged
    {
        const float scale = magnitude / codes.largest;
        return {stored_scale<Scale>(scale > smallest_divisor<Format> ? scale : smallest_divisor<Format>)};
    }

    /// The scale for values between lo and hi.
    [[nodiscard]] parameters from_range(float lo, float hi) const noexcept {
        return from_magnitude(-lo > hi ? -lo : hi);
    }

    /// The scale for the largest magnitude; with importance, the one of least weighted squared error.
    [[nodiscard]] parameters fit(std::span<const float> values, std::span<const float> importance) const {
        return fit_range(*this, values, importance);
    }

    [[nodiscard]] float scale(parameters p) const noexcept { return static_cast<float>(p.scale); }

    [[nodiscard]] float inverse(parameters p) const noexcept
        requires is_codebook
    {
        const float scale = static_cast<float>(p.scale);
        return 1.0f / (scale > smallest_divisor<Format> ? scale : smallest_divisor<Format>);
    }

    [[nodiscard]] code_of<absmax> encode(float value, parameters p) const noexcept {
        if constexpr (is_codebook) {
            return codes.encode(value * inverse(p));
        } else {
            return clamp(codes.encode(value / scale(p)));
        }
    }

    [[nodiscard]] code_of<absmax> encode_ragged(float value, parameters p) const noexcept
        requires divides_ragged
    {
        return codes.encode(value / static_cast<float>(p.scale));
    }

    [[nodiscard]] float decode(code_of<absmax> code, parameters p) const noexcept {
        return codes.decode(code) * scale(p);
    }

    /// The smallest code in use.
    static constexpr int lowest_code() noexcept
        requires is_integer
    {
        return Range == integer_range::full || Format::lowest == 0 ? Format::lowest : -Format::highest;
    }

    friend bool operator==(const absmax&, const absmax&) = default;

private:
    static constexpr code_of<absmax> clamp(code_of<absmax> code) noexcept {
        if constexpr (is_integer) {
            return code < lowest_code() ? static_cast<code_of<absmax>>(lowest_code()) : code;
        } else {
            return code;
        }
    }
};

} // namespace tersor::inline v0

#endif // TERSOR_QUANTIZERS_ABSMAX_HPP
