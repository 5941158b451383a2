#ifndef TERSOR_SOLVERS_AWQ_POWER_HPP
#define TERSOR_SOLVERS_AWQ_POWER_HPP

// x^y in double with the same bits everywhere: the C library's pow may differ between processors in its last bit.
//
//   x = m 2^e with m in [sqrt(1/2), sqrt(2)),  t = (m - 1) / (m + 1),  ln m = 2 (t + t^3/3 + .. + t^23/23)
//   v = y (e + ln m / ln 2) = n + f, n the nearest integer,  x^y = 2^n (1 + g + g^2/2! + .. + g^14/14!), g = f ln 2
//
// Truncated terms are below 2^-60; with |y log2 x| <= 128 the relative error is below 2^-43, most of it from the
// rounding of v.

#include "tersor/core/exact.hpp"

#include <cmath>

namespace tersor::inline v0::detail {

/// x^y for finite x > 0 and y; 0 and infinity where the result leaves the range of double.
[[nodiscard]] inline double power(double x, double y) noexcept {
    constexpr double ln2 = 0x1.62e42fefa39efp-1, inverse_ln2 = 0x1.71547652b82fep0;
    int e = 0;
    double m = std::frexp(x, &e);
    if (m < 0x1.6a09e667f3bcdp-1) {
        m *= 2.0;
        --e;
    }
    const double t = (m - 1.0) / (m + 1.0), square = exact::product(t, t);
    double series = 1.0 / 23.0;
    for (int k = 21; k >= 1; k -= 2) {
        series = std::fma(series, square, 1.0 / k);
    }
    const double logarithm = std::fma(exact::product(2.0 * t, series), inverse_ln2, static_cast<double>(e));
    const double v = std::fmin(std::fmax(exact::product(y, logarithm), -1100.0), 1100.0);
    const double n = std::floor(v + 0.5), g = exact::product(v - n, ln2);
    double sum = 1.0;
    for (int k = 14; k >= 1; --k) {
        sum = std::fma(sum, g / k, 1.0);
    }
    return std::ldexp(sum, static_cast<int>(n));
}

} // namespace tersor::inline v0::detail

#endif // TERSOR_SOLVERS_AWQ_POWER_HPP
