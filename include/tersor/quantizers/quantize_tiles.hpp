#ifndef TERSOR_QUANTIZERS_QUANTIZE_TILES_HPP
#define TERSOR_QUANTIZERS_QUANTIZE_TILES_HPP

// The work of `quantize`: rows are cut into tiles of whole groups, about 4096 values each; a tile is loaded as floats
// (or read in place), checked, fitted, encoded and packed by one thread.

#include "tersor/core/error.hpp"
#include "tersor/core/options.hpp"
#include "tersor/core/quantized_tensor.hpp"
#include "tersor/core/strided.hpp"
#include "tersor/formats/rounding.hpp"
#include "tersor/quantizers/codec.hpp"
#include "tersor/quantizers/fit.hpp"
#include "tersor/quantizers/rows.hpp"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace tersor::inline v0::detail {

[[nodiscard]] inline bool is_finite(float x) noexcept { return magnitude_bits(x) < 0x7F800000u; }

/// NaN to 0, infinities to the largest finite magnitude among the values.
inline void saturate_values(std::span<float> values) noexcept {
    float largest = 0.0f;
    for (const float x : values) {
        largest = is_finite(x) && std::abs(x) > largest ? std::abs(x) : largest;
    }
    for (float& x : values) {
        x = is_finite(x) ? x : is_nan(x) ? 0.0f : x < 0.0f ? -largest : largest;
    }
}

template <quantizer Q, class Scalar, int Rank>
class quantize_tiles {
    using parameters = typename Q::parameters;
    static constexpr bool is_plain = std::is_same_v<parameter_array<Q>, std::vector<parameters>>;

public:
    quantize_tiles(const Q& quantizer, const strided<const Scalar, Rank>& source, int axis,
                   const quantize_options& options)
        : quantizer_(quantizer), source_(source), options_(options), view_(source, axis),
          layout_(make_row_layout(source.size() == 0 ? 0 : view_.rows(), view_.length(), Q::group, Q::format::bits)) {
        check_options();
        // Rows that are whole blocks and whole bytes, one after the other, are one long row.
        const bool whole = Q::group > 0 && layout_.length % layout_.group == 0 && layout_.length * Q::format::bits % 8 == 0;
        if (whole && axis == Rank - 1 && source.is_row_major() && options.importance.empty() && layout_.rows > 0) {
            view_ = row_view<const Scalar, Rank>(source, -1);
            layout_ = make_row_layout(1, source.size(), Q::group, Q::format::bits);
        }
    }

    /// Fills the codes and the parameters; the memory of both is used again where it can be.
    void run(std::vector<std::uint8_t>& codes, parameter_array<Q>&& memory) {
        if constexpr (is_plain) {
            parameters_ = std::move(memory);
        }
        codes.resize(static_cast<std::size_t>(layout_.rows * layout_.row_bytes));
        parameters_.resize(static_cast<std::size_t>(layout_.groups));
        if (layout_.groups == 0) {
            return;
        }
        codes_ = codes.data();
        if ((Q::group == whole_tensor && !options_.range) || prepared_quantizer<Q>) {
            fit_tensor();
        }
        if (options_.range) {
            use_range();
        }
        const bool is_fitted = Q::group == whole_tensor || options_.range;
        for_each_tile([&](const tile& t) { quantize_tile(t, is_fitted); });
    }

    [[nodiscard]] const Q& quantizer() const noexcept { return quantizer_; }

    /// The parameters as the quantizer stores them.
    [[nodiscard]] parameter_array<Q> take_parameters() {
        if constexpr (is_plain) {
            return std::move(parameters_);
        } else {
            return parameter_array<Q>(std::span<const parameters>(parameters_));
        }
    }

private:
    struct tile {
        index row, rows, column, columns;
    };

    void check_options() const {
        if (options_.range) {
            const auto [lo, hi] = *options_.range;
            if (!(lo <= 0.0f && hi >= 0.0f && is_finite(lo) && is_finite(hi))) {
                raise(error_code::invalid_argument, "the range [" + std::to_string(lo) + ", " + std::to_string(hi) +
                                                        "] is not a finite one that contains 0");
            }
            if (!range_quantizer<Q>) {
                raise(error_code::invalid_argument, "this quantizer takes no range: it has no from_range");
            }
        }
        if (options_.rounding != rounding::nearest_even && !scaled_quantizer<Q> && !affine_quantizer<Q>) {
            raise(error_code::unsupported, "this quantizer rounds by its own rule only: it has no scale()");
        }
        if (!options_.importance.empty()) {
            if (static_cast<index>(options_.importance.size()) != layout_.length) {
                raise(error_code::shape_mismatch, "importance has " + std::to_string(options_.importance.size()) +
                                                      " weights, a row has " + std::to_string(layout_.length) + " values");
            }
            for (std::size_t i = 0; i < options_.importance.size(); ++i) {
                if (!(options_.importance[i] >= 0.0f) || !is_finite(options_.importance[i])) {
                    raise(error_code::invalid_argument, "importance " + std::to_string(options_.importance[i]) +
                                                            " of column " + std::to_string(i) +
                                                            " is not a finite non-negative number");
                }
            }
        }
    }

    /// Tiles start on whole bytes: a number of groups whose values come to a multiple of eight.
    template <class Work>
    void for_each_tile(const Work& work) const {
        index columns = layout_.length;
        if (Q::group > 0) {
            const index unit = std::lcm(layout_.group, index{8});
            const index wanted = view_.is_transposed() ? 512 : 4096;
            columns = std::min(columns, unit * std::max<index>(wanted / unit, 1));
        } else if (Q::group == whole_tensor && columns > 8192) {
            columns = 8192;
        }
        const index rows = std::min(panel_rows(view_, columns), layout_.rows);
        const index across = (layout_.length - 1) / columns + 1, down = (layout_.rows - 1) / rows + 1;
        options_.execution.for_each(across * down, [&](index i) {
            tile t{.row = i / across * rows, .rows = rows, .column = i % across * columns, .columns = columns};
            t.rows = std::min(rows, layout_.rows - t.row);
            t.columns = std::min(columns, layout_.length - t.column);
            work(t);
        });
    }

    /// The values of a tile as contiguous rows of floats: in place, or copied to `buffer`.
    const float* load(const tile& t, std::vector<float>& buffer) const {
        if constexpr (std::is_same_v<Scalar, float>) {
            if (view_.is_contiguous() && t.rows == 1 && options_.non_finite == non_finite::error) {
                return view_.address(t.row, t.column);
            }
        }
        buffer.resize(static_cast<std::size_t>(t.rows * t.columns));
        load_panel(view_, t.row, t.rows, t.column, t.columns, buffer.data());
        return buffer.data();
    }

    /// Parameters that need the whole tensor: its range, or all its values.
    void fit_tensor() {
        std::atomic<std::uint32_t> lowest{0}, highest{0};
        for_each_tile([&](const tile& t) {
            std::vector<float> buffer;
            const float* const x = load(t, buffer);
            const auto count = static_cast<std::size_t>(t.rows * t.columns);
            if (options_.non_finite == non_finite::saturate) {
                saturate_values(buffer);
            }
            value_range range;
            if (!codec<Q>::extremes(x, count, range.lo, range.hi)) {
                raise_non_finite();
            }
            // Magnitudes order as their bits do.
            keep_largest(lowest, std::bit_cast<std::uint32_t>(-range.lo));
            keep_largest(highest, std::bit_cast<std::uint32_t>(range.hi));
        });
        const float lo = -std::bit_cast<float>(lowest.load()), hi = std::bit_cast<float>(highest.load());
        largest_ = std::max(-lo, hi);
        if constexpr (prepared_quantizer<Q>) {
            quantizer_ = quantizer_.prepare(largest_);
        }
        if (Q::group != whole_tensor || options_.range) {
            return;
        }
        if constexpr (range_quantizer<Q>) {
            if (options_.importance.empty() && !options_.least_squares) {
                parameters_[0] = quantizer_.from_range(lo, hi);
                return;
            }
        }
        fit_gathered();
    }

    /// One set of parameters for values that are gathered first.
    void fit_gathered() {
        std::vector<float> all(static_cast<std::size_t>(layout_.rows * layout_.length)), weights;
        load_panel(view_, 0, layout_.rows, 0, layout_.length, all.data());
        if (options_.non_finite == non_finite::saturate) {
            saturate_values(all);
        }
        for (index r = 0; r < layout_.rows && !options_.importance.empty(); ++r) {
            weights.insert(weights.end(), options_.importance.begin(), options_.importance.end());
        }
        if (options_.least_squares && weights.empty()) {
            weights.assign(all.size(), 1.0f);
        }
        parameters_[0] = quantizer_.fit(all, weights);
    }

    void use_range() {
        if constexpr (range_quantizer<Q>) {
            std::fill(parameters_.begin(), parameters_.end(), quantizer_.from_range(options_.range->lo, options_.range->hi));
        }
    }

    void quantize_tile(const tile& t, bool is_fitted) {
        // One set of buffers a thread: tiles are many and small.
        thread_local std::vector<float> buffer, ones;
        thread_local std::vector<std::uint8_t> bytes;
        const float* x = load(t, buffer);
        const auto count = static_cast<std::size_t>(t.columns);
        const auto group = static_cast<std::size_t>(Q::group == whole_tensor ? t.columns : layout_.group);
        if (options_.least_squares && options_.importance.empty()) {
            ones.assign(count, 1.0f);
        }
        for (index r = 0; r < t.rows; ++r, x += t.columns) {
            const index row = t.row + r;
            if (options_.non_finite == non_finite::saturate) {
                const auto offset = static_cast<std::size_t>(r * t.columns);
                saturate_groups(std::span(buffer).subspan(offset, count), group);
            }
            std::uint8_t* const out = codes_ + row * layout_.row_bytes + t.column / 8 * Q::format::bits;
            std::uint8_t* codes = out;
            if constexpr (Q::format::bits != 8) {
                bytes.resize(count);
                codes = bytes.data();
            }
            parameters* const p = parameters_.data() + row * layout_.groups_per_row + t.column / layout_.group;
            if (!encode_row({x, count}, row, t.column, group, is_fitted, ones, p, codes)) {
                raise_non_finite();
            }
            if constexpr (Q::format::bits != 8) {
                codec<Q>::pack(quantizer_, codes, count, out);
            }
        }
    }

    /// Fits and encodes the groups of one row of a tile. False if a value is not finite.
    bool encode_row(std::span<const float> x, index row, index column, std::size_t group, bool is_fitted,
                    const std::vector<float>& ones, parameters* p, std::uint8_t* codes) const {
        const float* const weights = !options_.importance.empty() ? options_.importance.data() + column
                                     : options_.least_squares     ? ones.data()
                                                                  : nullptr;
        const bool nearest = options_.rounding == rounding::nearest_even;
        if (!is_fitted && nearest && weights == nullptr) {
            return codec<Q>::quantize(quantizer_, x.data(), x.size(), group, p, codes);
        }
        if (!is_fitted && !codec<Q>::fit(quantizer_, x.data(), x.size(), group, weights, p)) {
            return false;
        }
        return nearest ? codec<Q>::encode(quantizer_, x.data(), x.size(), group, p, codes)
                       : encode_rounded_row(x, row * layout_.length + column, group, p, codes);
    }

    bool encode_rounded_row(std::span<const float> x, index first, std::size_t group, const parameters* p,
                            std::uint8_t* codes) const {
        for (std::size_t i = 0; i < x.size(); ++i) {
            if (!is_finite(x[i])) {
                return false;
            }
            const float random = options_.rounding == rounding::stochastic
                                     ? uniform(options_.seed, static_cast<std::uint64_t>(first) + i)
                                     : 0.0f;
            codes[i] = static_cast<std::uint8_t>(
                codec<Q>::encode_rounded(quantizer_, x[i], p[i / group], options_.rounding, random));
        }
        return true;
    }

    void saturate_groups(std::span<float> values, std::size_t group) const noexcept {
        if (Q::group == whole_tensor) {
            for (float& x : values) {
                x = is_finite(x) ? x : is_nan(x) ? 0.0f : x < 0.0f ? -largest_ : largest_;
            }
            return;
        }
        for (std::size_t start = 0; start < values.size(); start += group) {
            saturate_values(values.subspan(start, std::min(group, values.size() - start)));
        }
    }

    static void keep_largest(std::atomic<std::uint32_t>& kept, std::uint32_t candidate) noexcept {
        candidate &= 0x7FFFFFFFu;
        std::uint32_t seen = kept.load();
        while (candidate > seen && !kept.compare_exchange_weak(seen, candidate)) {
        }
    }

    /// Looks for the first bad value in row-major order of the tensor.
    [[noreturn]] void raise_non_finite() const {
        const row_view<const Scalar, Rank> all(source_, -1);
        for (index i = 0; i < all.length(); ++i) {
            const auto x = static_cast<float>(*all.address(0, i));
            if (!is_finite(x)) {
                raise(error_code::non_finite, "the value at " + all.position(0, i) + " is " +
                                                  (is_nan(x) ? "NaN" : x < 0 ? "-infinity" : "infinity") +
                                                  " as a float; non_finite::saturate would accept it");
            }
        }
        raise(error_code::non_finite, "the values changed while they were quantized");
    }

    Q quantizer_;
    strided<const Scalar, Rank> source_;
    const quantize_options& options_;
    row_view<const Scalar, Rank> view_;
    row_layout layout_;
    std::vector<parameters> parameters_;
    std::uint8_t* codes_ = nullptr;
    float largest_ = 0.0f;
};

} // namespace tersor::inline v0::detail

#endif // TERSOR_QUANTIZERS_QUANTIZE_TILES_HPP
