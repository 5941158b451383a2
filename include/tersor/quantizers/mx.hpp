#ifndef TERSOR_QUANTIZERS_MX_HPP
#define TERSOR_QUANTIZERS_MX_HPP

// The block formats of OCP Microscaling Formats 1.0: 32 small floats share a power of two.
//
//   a = max|x|, E(a) = its biased exponent, emax = exponent of the element format's largest value
//   scale code   floor  E(a) - emax, the rule of the specification; the largest values may saturate
//                ceil   one more if a is not a power of two; nothing saturates
//                even   floor after the mantissa of a is rounded to the element's bits, halves away from zero
//                rceil  the power of two not below a * (1 / largest), the product and the quotient rounded
//                best   that of least squared error among floor, one more and one less
//   element      code = encode(x * 2^(127 - scale code)), saturating;  decoded = value * 2^(scale code - 127)
//
// Scale codes stay within 0..254; a that is not finite, or that `even` rounds to infinity, gives 255, which decodes to
// NaN. A block of zeros has scale code 0. floor, ceil, even and rceil give the bits of torchao's `to_mx`.

#include "tersor/core/concepts.hpp"
#include "tersor/formats/e8m0.hpp"
#include "tersor/formats/fp4_e2m1.hpp"
#include "tersor/formats/fp6.hpp"
#include "tersor/formats/fp8.hpp"
#include "tersor/quantizers/fit.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <span>

namespace tersor::inline v0 {

/// How an MX scale follows from the largest magnitude of a block; see the head of this file.
enum class mx_scaling { floor, ceil, even, rceil, best };

/// MX quantization with the element format `Format`, a minifloat.
template <number_format Format, mx_scaling Scaling = mx_scaling::floor>
struct mx {
    using format = Format;
    static constexpr index group = 32;

    /// What is stored per group.
    struct parameters {
        e8m0 scale;
        friend bool operator==(const parameters&, const parameters&) = default;
    };

    /// The scale for the largest magnitude of a group.
    [[nodiscard]] parameters from_magnitude(float magnitude) const noexcept
        requires(Scaling != mx_scaling::best)
    {
        return {scale_of(Scaling, magnitude)};
    }

    /// The scale for values between lo and hi.
    [[nodiscard]] parameters from_range(float lo, float hi) const noexcept
        requires(Scaling != mx_scaling::best)
    {
        return from_magnitude(-lo > hi ? -lo : hi);
    }

    /// The scale for the largest magnitude; with importance, or by the rule `best`, the one of least squared error.
    [[nodiscard]] parameters fit(std::span<const float> values, std::span<const float> importance) const {
        const value_range range = range_of(values);
        const float magnitude = -range.lo > range.hi ? -range.lo : range.hi;
        if constexpr (Scaling != mx_scaling::best) {
            if (importance.empty()) {
                return from_magnitude(magnitude);
            }
        }
        return least_error(values, importance, scale_of(mx_scaling::floor, magnitude).code);
    }

    /// 2^(code - 127).
    [[nodiscard]] float scale(parameters p) const noexcept { return static_cast<float>(p.scale); }

    /// 2^(127 - code), exactly.
    [[nodiscard]] float inverse(parameters p) const noexcept {
        return e8m0::decode(static_cast<std::uint8_t>(254 - p.scale.code));
    }

    [[nodiscard]] code_of<mx> encode(float value, parameters p) const noexcept {
        return Format{}.encode(value * inverse(p));
    }

    [[nodiscard]] float decode(code_of<mx> code, parameters p) const noexcept {
        return Format{}.decode(code) * scale(p);
    }

    friend bool operator==(const mx&, const mx&) = default;

private:
    static constexpr int largest_exponent = static_cast<int>(detail::float_bits(Format{}.largest) >> 23) - 127;
    static constexpr int mantissa_bits = Format::mantissa_bits;

    static constexpr e8m0 scale_of(mx_scaling rule, float magnitude) noexcept {
        std::uint32_t pattern = detail::magnitude_bits(magnitude);
        if (rule == mx_scaling::rceil) {
            return e8m0::ceil(magnitude * (1.0f / Format{}.largest));
        }
        if (rule == mx_scaling::even && pattern < 0x7F800000u) {
            pattern += 1u << (22 - mantissa_bits);
        }
        if (pattern >= 0x7F800000u) {
            return e8m0::from_code(e8m0::nan_code);
        }
        const int up = rule == mx_scaling::ceil && (pattern & 0x7FFFFFu) != 0;
        const int code = static_cast<int>(pattern >> 23) - largest_exponent + up;
        return e8m0::from_code(static_cast<std::uint8_t>(std::max(code, 0)));
    }

    parameters least_error(std::span<const float> values, std::span<const float> importance,
                           std::uint8_t middle) const {
        parameters best{e8m0::from_code(middle)};
        if (middle == e8m0::nan_code) {
            return best;
        }
        double least = weighted_error(*this, values, importance, best);
        for (const int code : {middle + 1, middle - 1}) {
            if (code >= 0 && code < e8m0::nan_code) {
                const parameters candidate{e8m0::from_code(static_cast<std::uint8_t>(code))};
                const double error = weighted_error(*this, values, importance, candidate);
                if (error < least) {
                    least = error;
                    best = candidate;
                }
            }
        }
        return best;
    }
};

using mxfp4 = mx<fp4_e2m1>;
using mxfp6_e2m3 = mx<fp6_e2m3>;
using mxfp6_e3m2 = mx<fp6_e3m2>;
using mxfp8_e4m3 = mx<fp8_e4m3>;
using mxfp8_e5m2 = mx<fp8_e5m2>;
/// The 6-bit and 8-bit MX formats that are most used.
using mxfp6 = mxfp6_e2m3;
using mxfp8 = mxfp8_e4m3;

} // namespace tersor::inline v0

#endif // TERSOR_QUANTIZERS_MX_HPP
