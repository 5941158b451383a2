#ifndef TERSOR_CALIBRATORS_PROBABILITY_FUNCTIONS_HPP
#define TERSOR_CALIBRATORS_PROBABILITY_FUNCTIONS_HPP

// exp, log and log(1 + u) in double with the same bits on every machine: those of the C library choose their code by
// the processor. Each is within 2 units in the last place, `logistic` within 3.
//
//   exp(x) = 2^k exp(r), r = x - k ln 2, |r| <= ln(2) / 2, by its Taylor series to r^13
//   log(1 + u) = 2 artanh(u / (2 + u)), by its series to the 37th power, for 0 <= u <= 1
//   log(2^k m) = k ln 2 + 2 artanh((m - 1) / (m + 1)), sqrt(1/2) <= m < sqrt(2)

#include "tersor/core/exact.hpp"

#include <cmath>
#include <limits>

namespace tersor::inline v0::detail {

// ln 2 in two parts; the first has 32 bits, so that its product with an exponent is exact.
inline constexpr double ln2_high = 0x1.62e42feep-1, ln2_low = 0x1.a39ef35793c76p-33;

/// e^x.
[[nodiscard]] inline double exponential(double x) noexcept {
    if (!(x > -746.0 && x < 710.0)) {
        return x < 0.0 ? 0.0 : x > 0.0 ? std::numeric_limits<double>::infinity() : x;
    }
    const double k = std::floor(exact::product(x, 1.4426950408889634) + 0.5);
    const double r = (x - exact::product(k, ln2_high)) - exact::product(k, ln2_low);
    constexpr double inverse_factorials[] = {1.0 / 6227020800.0, 1.0 / 479001600.0, 1.0 / 39916800.0, 1.0 / 3628800.0,
                                             1.0 / 362880.0,     1.0 / 40320.0,     1.0 / 5040.0,     1.0 / 720.0,
                                             1.0 / 120.0,        1.0 / 24.0,        1.0 / 6.0,        1.0 / 2.0};
    double series = 0.0;
    for (const double c : inverse_factorials) {
        series = exact::product(series, r) + c;
    }
    series = (exact::product(exact::product(r, r), series) + r) + 1.0;
    return std::ldexp(series, static_cast<int>(k));
}

/// 2 artanh(s) for |s| <= 1/3.
[[nodiscard]] inline double twice_artanh(double s) noexcept {
    const double square = exact::product(s, s);
    double series = 0.0;
    for (int n = 37; n > 1; n -= 2) {
        series = exact::product(series + 1.0 / n, square);
    }
    const double twice = 2.0 * s;
    return exact::product(twice, series) + twice;
}

/// log(1 + u) for 0 <= u <= 1.
[[nodiscard]] inline double log_one_plus(double u) noexcept {
    return twice_artanh(u / (2.0 + u));
}

/// log(x); -infinity for 0, NaN below.
[[nodiscard]] inline double logarithm(double x) noexcept {
    if (!(x > 0.0) || x > std::numeric_limits<double>::max()) {
        using limits = std::numeric_limits<double>;
        return x > 0.0 ? x : x == 0.0 ? -limits::infinity() : limits::quiet_NaN();
    }
    int exponent;
    double m = std::frexp(x, &exponent);
    if (m < 0.70710678118654752) {
        m *= 2.0;
        --exponent;
    }
    const double k = exponent;
    return exact::product(k, ln2_high) + (exact::product(k, ln2_low) + twice_artanh((m - 1.0) / (m + 1.0)));
}

/// 1 / (1 + e^-x).
[[nodiscard]] inline double logistic(double x) noexcept {
    const double e = exponential(-std::fabs(x));
    return x < 0.0 ? e / (1.0 + e) : 1.0 / (1.0 + e);
}

} // namespace tersor::inline v0::detail

#endif // TERSOR_CALIBRATORS_PROBABILITY_FUNCTIONS_HPP
