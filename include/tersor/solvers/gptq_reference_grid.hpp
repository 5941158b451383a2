#ifndef TERSOR_SOLVERS_GPTQ_REFERENCE_GRID_HPP
#define TERSOR_SOLVERS_GPTQ_REFERENCE_GRID_HPP

// The grid of the reference GPTQ program (IST-DASLab/gptq, quant.py), and two variations of GPTQModel.
//
//   lo = min(x, 0), hi = max(x, 0);  symmetric: hi = max(|lo|, hi), and lo = -hi if lo < 0
//   lo = -1, hi = 1 where all values are 0
//   scale = (hi - lo) / (2^bits - 1);  zero = 2^(bits-1) symmetric, else round(-lo / scale)
//   search: p = 1, 0.99, ... 0.21, the first least sum of |decode(encode(x)) - x|^exponent for the range p lo, p hi
//   code = clamp(round(x / scale) + zero, 0, 2^bits - 1);  decoded = scale * (code - zero)
//
// Rounding is half to even. A row without negative values keeps lo = 0 under the symmetric rule, so that the grid ends
// at about half of hi: that is what the program does. The sums of the search are taken in order.

#include "tersor/core/error.hpp"
#include "tersor/core/exact.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

namespace tersor::inline v0 {

/// The grid rule of the reference program, computed in `Scalar` (float or double).
template <class Scalar>
struct reference_grid {
    /// What is found per group.
    struct parameters {
        Scalar scale{};
        Scalar zero{};
        friend bool operator==(const parameters&, const parameters&) = default;
    };

    int bits = 4;
    bool symmetric = false;
    bool search = false;
    bool adjacent_zero = false; ///< the search of a 2-bit grid also tries the other integer beside -lo / scale as zero
    Scalar exponent = Scalar(2.4);

    [[nodiscard]] Scalar highest() const noexcept { return static_cast<Scalar>((1 << bits) - 1); }

    /// The grid of some values.
    /// Errors: `invalid_argument` unless bits is 2 to 8 and the exponent of a search positive.
    [[nodiscard]] parameters fit(std::span<const Scalar> values) const {
        if (bits < 2 || bits > 8) {
            raise(error_code::invalid_argument, "a grid of " + std::to_string(bits) + " bits: expected 2 to 8");
        }
        if (search && !(exponent > 0 && exponent < std::numeric_limits<Scalar>::infinity())) {
            raise(error_code::invalid_argument,
                  "the exponent " + std::to_string(exponent) + " of the grid search is not a positive number");
        }
        Scalar lo = 0, hi = 0;
        for (const Scalar x : values) {
            lo = x < lo ? x : lo;
            hi = x > hi ? x : hi;
        }
        if (symmetric) {
            hi = -lo > hi ? -lo : hi;
            lo = lo < 0 ? -hi : lo;
        }
        if (lo == 0 && hi == 0) {
            lo = -1;
            hi = 1;
        }
        const parameters whole = of_range(lo, hi);
        return search ? least_error(values, lo, hi, whole) : whole;
    }

    /// GPTQModel's grid around the median, for layers with too few tokens: m = the lower median, d = max |x - m|, at
    /// least 1e-8, scale = 2 d / (2^bits - 1), zero = clamp(round((2^bits - 1) / 2 - m / scale)).
    [[nodiscard]] parameters fit_median(std::span<const Scalar> values, Scalar& median) const {
        std::vector<Scalar> sorted(values.begin(), values.end());
        const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>((sorted.size() - 1) / 2);
        std::nth_element(sorted.begin(), middle, sorted.end());
        median = *middle;
        Scalar distance = Scalar(1e-8);
        for (const Scalar x : values) {
            distance = std::max(distance, std::abs(x - median));
        }
        const Scalar scale = 2 * distance / highest();
        return {scale, std::clamp(rounded(highest() / 2 - median / scale), Scalar(0), highest())};
    }

    /// The code of a value under fit_median: clamp(round((x - m) / scale + (2^bits - 1) / 2)).
    [[nodiscard]] std::uint8_t encode_median(Scalar value, const parameters& p, Scalar median) const noexcept {
        const Scalar code = rounded(bounded((value - median) / p.scale) + highest() / 2);
        return static_cast<std::uint8_t>(std::clamp(code, Scalar(0), highest()));
    }

    [[nodiscard]] std::uint8_t encode(Scalar value, const parameters& p) const noexcept {
        const Scalar code = rounded(bounded(value / p.scale)) + p.zero;
        return static_cast<std::uint8_t>(code < 0 ? Scalar(0) : code > highest() ? highest() : code);
    }

    [[nodiscard]] Scalar decode(std::uint8_t code, const parameters& p) const noexcept {
        return exact::product(p.scale, static_cast<Scalar>(code) - p.zero);
    }

private:
    // Half to even: the sum's unit in the last place is 1 for magnitudes up to 2^22 or 2^51.
    static Scalar rounded(Scalar value) noexcept {
        constexpr Scalar magic = std::is_same_v<Scalar, float> ? Scalar(0x1.8p23) : Scalar(0x1.8p52);
        const Scalar sum = value + magic;
        if constexpr (std::is_same_v<Scalar, float>) {
            return static_cast<Scalar>(std::bit_cast<std::int32_t>(sum) - std::bit_cast<std::int32_t>(magic));
        } else {
            return static_cast<Scalar>(std::bit_cast<std::int64_t>(sum) - std::bit_cast<std::int64_t>(magic));
        }
    }

    // Beyond twice the grid a value saturates whatever the zero point is.
    static Scalar bounded(Scalar value) noexcept {
        constexpr Scalar limit = 1024;
        return value > -limit ? (value < limit ? value : limit) : -limit;
    }

    [[nodiscard]] Scalar middle() const noexcept { return static_cast<Scalar>(1 << (bits - 1)); }

    // A scale that would underflow to 0 becomes the smallest one, and no value overflows.
    [[nodiscard]] parameters of_range(Scalar lo, Scalar hi) const noexcept {
        constexpr Scalar smallest = std::numeric_limits<Scalar>::denorm_min();
        const Scalar step = (hi - lo) / highest();
        const Scalar scale = step > smallest ? step : smallest;
        const Scalar zero = symmetric ? middle() : rounded(bounded(-lo / scale));
        return {scale, zero < highest() || symmetric ? zero : highest()};
    }

    [[nodiscard]] parameters least_error(std::span<const Scalar> values, Scalar lo, Scalar hi,
                                         const parameters& whole) const {
        parameters best = whole;
        Scalar least = std::numeric_limits<Scalar>::infinity();
        const auto try_one = [&](const parameters& candidate) {
            Scalar sum = 0;
            for (const Scalar x : values) {
                sum += std::pow(std::abs(decode(encode(x, candidate), candidate) - x), exponent);
            }
            if (sum < least) {
                least = sum;
                best = candidate;
            }
        };
        for (int i = 0; i < 80; ++i) {
            const auto share = static_cast<Scalar>(1 - static_cast<double>(i) / 100);
            const Scalar below = exact::product(share, lo), above = exact::product(share, hi);
            const parameters candidate = of_range(below, above);
            try_one(candidate);
            if (adjacent_zero && !symmetric && bits == 2) {
                const Scalar wanted = -below / candidate.scale;
                const Scalar other = wanted < candidate.zero ? candidate.zero - 1 : candidate.zero + 1;
                try_one({candidate.scale, std::clamp(other, Scalar(0), highest())});
            }
        }
        return best;
    }
};

} // namespace tersor::inline v0

#endif // TERSOR_SOLVERS_GPTQ_REFERENCE_GRID_HPP
