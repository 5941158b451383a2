#ifndef TERSOR_IO_TRANSCODE_VERDICT_HPP
#define TERSOR_IO_TRANSCODE_VERDICT_HPP

// What storing a weight in another layout does to its values.
//
//   relative squared error   sum (a - b)^2 / sum a^2, in double, row after row; a the values before, b after
//   largest error            max |a - b|

#include "tersor/core/error.hpp"
#include "tersor/core/exact.hpp"
#include "tersor/io/affine_weight.hpp"

#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <vector>

namespace tersor::inline v0 {

/// The verdict on a transcoded weight.
struct transcode_verdict {
    bool lossless = true; ///< every value, as a float, is the same
    double relative_squared_error = 0.0;
    double max_error = 0.0;

    friend bool operator==(const transcode_verdict&, const transcode_verdict&) = default;
};

/// A weight in its new form.
template <class Weight>
struct transcoded {
    Weight weight;
    transcode_verdict verdict;
};

namespace detail {

/// Collects the verdict over runs of values.
class verdict_builder {
public:
    void add(std::span<const float> before, std::span<const float> after) noexcept {
        for (std::size_t i = 0; i < before.size(); ++i) {
            const double difference = static_cast<double>(before[i]) - static_cast<double>(after[i]);
            const double magnitude = std::fabs(difference);
            // the square of a float is exact
            energy_ += exact::product(static_cast<double>(before[i]), static_cast<double>(before[i]));
            error_ += exact::product(difference, difference);
            verdict_.max_error = magnitude > verdict_.max_error ? magnitude : verdict_.max_error;
            verdict_.lossless = verdict_.lossless && before[i] == after[i];
        }
    }

    [[nodiscard]] transcode_verdict build() const noexcept {
        transcode_verdict result = verdict_;
        result.relative_squared_error = error_ == 0.0    ? 0.0
                                        : energy_ == 0.0 ? std::numeric_limits<double>::infinity()
                                                         : error_ / energy_;
        return result;
    }

private:
    transcode_verdict verdict_;
    double energy_ = 0.0;
    double error_ = 0.0;
};

/// The values of one row.
inline void decode_row(const affine_weight& w, index row, std::span<float> to) noexcept {
    const std::uint8_t* const codes = w.codes.data() + row * w.cols;
    const std::int32_t* const groups = w.group_index.data();
    for (index c = 0; c < w.cols;) {
        const std::int32_t group = groups[c];
        const auto place = static_cast<std::size_t>(row * w.groups + group);
        const int zero = w.zeros[place];
        const float scale = w.scales[place];
        for (; c < w.cols && groups[c] == group; ++c) {
            to[static_cast<std::size_t>(c)] = static_cast<float>(codes[c] - zero) * scale;
        }
    }
}

/// The verdict where decode(row, to) gives the values of a row after.
template <class Decode>
[[nodiscard]] transcode_verdict verdict_on(const affine_weight& before, const Decode& decode) {
    verdict_builder verdict;
    std::vector<float> a(static_cast<std::size_t>(before.cols)), b(a.size());
    for (index row = 0; row < before.rows; ++row) {
        decode_row(before, row, a);
        decode(row, std::span<float>(b));
        verdict.add(a, b);
    }
    return verdict.build();
}

} // namespace detail

/// The verdict on two valid weights of one shape; shape_mismatch otherwise.
[[nodiscard]] inline transcode_verdict compare_values(const affine_weight& before, const affine_weight& after) {
    if (before.rows != after.rows || before.cols != after.cols) {
        raise(error_code::shape_mismatch, "affine weights " + detail::shape_of_values(before.rows, before.cols) +
                                              " and " + detail::shape_of_values(after.rows, after.cols) +
                                              " have different sizes");
    }
    return detail::verdict_on(before, [&after](index row, std::span<float> to) { detail::decode_row(after, row, to); });
}

} // namespace tersor::inline v0

#endif // TERSOR_IO_TRANSCODE_VERDICT_HPP
