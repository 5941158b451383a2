#ifndef TERSOR_METRICS_ERROR_SUMS_HPP
#define TERSOR_METRICS_ERROR_SUMS_HPP

// What error figures are made of: sums in double over pairs of an original value w and its approximation q.
//
//   mse = sum (q - w)^2 / n           sqnr_db = 10 log10(sum w^2 / sum (q - w)^2)
//   mean_error = sum (q - w) / n      cosine = sum w q / sqrt(sum w^2 * sum q^2)
//
// Without noise sqnr_db is infinite. Two tensors of zeros have cosine 1, one of them alone has cosine 0.

#include "tersor/core/concepts.hpp"
#include "tersor/core/exact.hpp"

#include <cmath>
#include <cstddef>
#include <cstring>
#include <limits>

#define TERSOR_KERNELS "tersor/metrics/error_sums-inl.hpp"
#include "tersor/simd/for_each_isa.hpp"

namespace tersor::inline v0 {

/// Error figures of some values; those of an empty tensor are those of an exact one.
struct error_figures {
    index count = 0;                                          ///< how many values
    double mse = 0.0;                                         ///< mean squared error
    double sqnr_db = std::numeric_limits<double>::infinity(); ///< signal to quantization noise, decibel
    double max_abs_error = 0.0;                               ///< largest |q - w|
    double cosine = 1.0;                                      ///< cosine of the angle between w and q
    double mean_error = 0.0;                                  ///< mean of q - w: the bias
    friend bool operator==(const error_figures&, const error_figures&) = default;
};

/// The sums from which the figures follow, so that those of several tensors can be joined.
struct error_sums {
    index count = 0;            ///< how many values
    double signal = 0.0;        ///< sum of w^2
    double approximation = 0.0; ///< sum of q^2
    double dot = 0.0;           ///< sum of w q
    double noise = 0.0;         ///< sum of (q - w)^2
    double difference = 0.0;    ///< sum of q - w
    double largest = 0.0;       ///< largest |q - w|; NaN if one is NaN
    friend bool operator==(const error_sums&, const error_sums&) = default;

    /// Joins the sums of other values.
    error_sums& operator+=(const error_sums& other) noexcept {
        count += other.count;
        signal += other.signal;
        approximation += other.approximation;
        dot += other.dot;
        noise += other.noise;
        difference += other.difference;
        largest = other.largest > largest || other.largest != other.largest ? other.largest : largest;
        return *this;
    }

    /// The figures.
    [[nodiscard]] error_figures figures() const noexcept {
        error_figures f;
        if (count == 0) {
            return f;
        }
        const auto n = static_cast<double>(count);
        f.count = count;
        f.mse = noise / n;
        f.sqnr_db = noise == 0.0 ? f.sqnr_db : 10.0 * std::log10(signal / noise);
        f.max_abs_error = largest;
        f.mean_error = difference / n;
        if (noise != 0.0) {
            const double norms = signal == approximation ? signal : std::sqrt(signal) * std::sqrt(approximation);
            const double cosine = norms == 0.0 ? 0.0 : dot / norms;
            f.cosine = cosine > 1.0 ? 1.0 : cosine < -1.0 ? -1.0 : cosine;
        }
        return f;
    }
};

namespace detail {

/// The sums of a run of pairs; float or double each.
template <class A, class B>
[[nodiscard]] error_sums sum_errors(const A* w, const B* q, index count) noexcept {
    double s[6];
    TERSOR_DISPATCH(add_errors(w, q, static_cast<std::size_t>(count), s));
    const double largest = s[3] == s[3] ? s[5] : s[3];
    return {count, s[0], s[1], s[2], s[3], s[4], largest};
}

} // namespace detail

} // namespace tersor::inline v0

#endif // TERSOR_METRICS_ERROR_SUMS_HPP
