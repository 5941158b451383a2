#ifndef TERSOR_QUANTIZERS_QUANTIZE_TILES_HPP
#define TERSOR_QUANTIZERS_QUANTIZE_TILES_HPP

// The work of `quantize`: each tile is loaded as floats (or read in place), checked, fitted, encoded and packed by one
// thread.

#include "tersor/core/error.hpp"
#include "tersor/core/options.hpp"
#include "tersor/core/quantized_tensor.hpp"
#include "tersor/core/strided.hpp"
#include "tersor/formats/rounding.hpp"
#include "tersor/quantizers/codec.hpp"
#include "tersor/quantizers/fit.hpp"
#include "tersor/quantizers/quantize_checks.hpp"
#include "tersor/quantizers/rows.hpp"
#include "tersor/quantizers/value_tiles.hpp"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

namespace tersor::inline v0::detail {

template <code_quantizer Q, class Scalar, int Rank>
class quantize_tiles : protected value_tiles<Q, Scalar, Rank> {
protected:
    using base = value_tiles<Q, Scalar, Rank>;
    using parameters = typename Q::parameters;
    using typename base::tile;
    static constexpr bool is_plain = std::is_same_v<parameter_array<Q>, std::vector<parameters>>;

public:
    /// With `may_join`, rows that follow each other in memory may be taken as one long row.
    quantize_tiles(const Q& quantizer, const strided<const Scalar, Rank>& source, int axis,
                   const quantize_options& options, bool may_join = true)
        : base(source, axis, options, may_join), quantizer_(quantizer) {
        check_options<Q>(options, row_view<const Scalar, Rank>(source, axis).length());
    }

    /// Fills the codes and the parameters; the memory of both is used again where it can be.
    void run(std::vector<std::uint8_t>& codes, parameter_array<Q>&& memory) {
        if constexpr (is_plain) {
            parameters_ = std::move(memory);
        }
        codes.resize(static_cast<std::size_t>(layout_.rows * layout_.row_bytes));
        if (!prepare()) {
            return;
        }
        this->for_each_tile(1.0, [&](const tile& t) {
            quantize_tile(t, is_fitted(), codes.data() + t.row * layout_.row_bytes + column_offset<Q>(t.column),
                          layout_.row_bytes);
        });
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

protected:
    /// Makes room for the parameters and finds those that need the whole tensor. False if there are no values.
    [[nodiscard]] bool prepare() {
        parameters_.resize(static_cast<std::size_t>(layout_.groups));
        if (layout_.groups == 0) {
            return false;
        }
        const bool needs_range = !options_.range || options_.non_finite == non_finite::saturate;
        if ((Q::group == whole_tensor && needs_range) || prepared_quantizer<Q>) {
            fit_tensor();
        }
        if (options_.range) {
            use_range();
        }
        return true;
    }

    /// Whether `prepare` has found all parameters.
    [[nodiscard]] bool is_fitted() const noexcept { return Q::group == whole_tensor || options_.range.has_value(); }

    /// Parameters that need the whole tensor: its range, or all its values.
    void fit_tensor() {
        std::atomic<std::uint32_t> lowest{0}, highest{0};
        std::atomic<bool> has_low{false}, has_high{false};
        const auto add = [&](const float* x, std::size_t count) {
            value_range range;
            if (!codec<Q>::extremes(x, count, range.lo, range.hi)) {
                raise_non_finite(source_);
            }
            // Magnitudes order as their bits do.
            keep_largest(lowest, std::bit_cast<std::uint32_t>(-range.lo));
            keep_largest(highest, std::bit_cast<std::uint32_t>(range.hi));
        };
        const auto add_tile = [&](const tile& t) {
            thread_local std::vector<float> buffer;
            const float* const x = load(t, buffer);
            const auto count = static_cast<std::size_t>(t.rows * t.columns);
            // Infinities take the largest finite magnitude of the whole tensor, which no tile knows alone.
            for (std::size_t i = 0; i < count && options_.non_finite == non_finite::saturate; ++i) {
                if (!is_finite(buffer[i])) {
                    if (!is_nan(buffer[i])) {
                        (buffer[i] < 0.0f ? has_low : has_high) = true;
                    }
                    buffer[i] = 0.0f;
                }
            }
            add(x, count);
        };
        if (view_.is_transposed() && options_.non_finite == non_finite::error) {
            this->for_each_column_run(0.5, add);
        } else {
            this->for_each_tile(0.5, add_tile);
        }
        largest_ = std::bit_cast<float>(std::max(lowest.load(), highest.load()));
        const float lo = has_low ? -largest_ : -std::bit_cast<float>(lowest.load());
        const float hi = has_high ? largest_ : std::bit_cast<float>(highest.load());
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
            std::fill(parameters_.begin(), parameters_.end(),
                      quantizer_.from_range(options_.range->lo, options_.range->hi));
        }
    }

    /// The values of a tile that every group of it may be fitted to, in `buffer` where they cannot stay in place.
    const float* load_groups(const tile& t, std::vector<float>& buffer) const {
        const float* const x = load(t, buffer);
        const auto columns = static_cast<std::size_t>(t.columns);
        for (index r = 0; r < t.rows && options_.non_finite == non_finite::saturate; ++r) {
            saturate_groups(std::span(buffer).subspan(static_cast<std::size_t>(r) * columns, columns), group_of(t));
        }
        return x;
    }

    [[nodiscard]] std::size_t group_of(const tile& t) const noexcept {
        return static_cast<std::size_t>(Q::group == whole_tensor ? t.columns : layout_.group);
    }

    [[nodiscard]] parameters* parameters_of(const tile& t, index r) noexcept {
        return parameters_.data() + (t.row + r) * layout_.groups_per_row + t.column / layout_.group;
    }

    /// The weight of each value of the error that a fit makes small; null where a fit follows from the range.
    [[nodiscard]] const float* weights_of(const tile& t) const {
        thread_local std::vector<float> ones;
        if (!options_.importance.empty()) {
            return options_.importance.data() + t.column;
        }
        if (options_.least_squares) {
            ones.assign(static_cast<std::size_t>(t.columns), 1.0f);
            return ones.data();
        }
        return nullptr;
    }

    /// Finds the parameters of the groups of a tile.
    void fit_tile(const tile& t) {
        thread_local std::vector<float> buffer;
        const float* const x = load_groups(t, buffer);
        for (index r = 0; r < t.rows; ++r) {
            if (!codec<Q>::fit(quantizer_, x + r * t.columns, static_cast<std::size_t>(t.columns), group_of(t),
                               weights_of(t), parameters_of(t, r))) {
                raise_non_finite(source_);
            }
        }
    }

    /// Fits, where that is not done, and encodes a tile; its rows of packed codes go to `out`, `row_bytes` apart.
    void quantize_tile(const tile& t, bool is_fitted, std::uint8_t* out, index row_bytes) {
        if (is_fitted == (Q::group == whole_tensor) && quantize_columns(t, out, row_bytes)) {
            return;
        }
        // One set of buffers a thread: tiles are many and small.
        thread_local std::vector<float> buffer;
        thread_local std::vector<std::uint8_t> bytes;
        const float* const x = load_groups(t, buffer);
        const auto count = static_cast<std::size_t>(t.columns);
        const bool at_once = !is_fitted && can_join_rows(t);
        bytes.resize(at_once ? count * static_cast<std::size_t>(t.rows) : Q::format::bits == 8 ? 0 : count);
        if (at_once) {
            quantize_joined(x, t, bytes.data());
        }
        for (index r = 0; r < t.rows; ++r, out += row_bytes) {
            const bool is_final = Q::format::bits == 8 && !at_once;
            std::uint8_t* const codes = is_final ? out : bytes.data() + (at_once ? r * t.columns : 0);
            if (!at_once && !encode_row({x + r * t.columns, count}, t, r, is_fitted, codes)) {
                raise_non_finite(source_);
            }
            if constexpr (Q::format::bits != 8) {
                codec<Q>::pack(quantizer_, codes, count, out);
            } else if (at_once) {
                std::copy_n(codes, count, out);
            }
        }
    }

    /// A tile of a column-major matrix, as it lies in memory. False if the rows have to be taken one by one.
    bool quantize_columns(const tile& t, std::uint8_t* out, index row_bytes) {
        if (!view_.is_transposed() || t.rows < 16 || !codec<Q>::has_panels(group_of(t)) ||
            options_.rounding != rounding::nearest_even || options_.non_finite != non_finite::error ||
            weights_of(t) != nullptr) {
            return false;
        }
        if constexpr (codec<Q>::has_panels(16)) {
            thread_local std::vector<float> buffer;
            for (index r = 0, count = 0; r < t.rows; r += count) {
                count = std::min({t.rows - r, view_.neighbours(t.row + r), index{256}});
                count = count > 64 ? count / 64 * 64 : count;
                const column_panel x = load_columns(view_, t.row + r, count, t.column, t.columns, buffer);
                if (!codec<Q>::quantize_panel(quantizer_, x, group_of(t), parameters_of(t, r), layout_.groups_per_row,
                                              out + r * row_bytes, row_bytes)) {
                    return false;
                }
            }
            return true;
        }
        return false;
    }

    /// Whether the rows of a tile, one after the other in its buffer, may be taken as one run of groups.
    [[nodiscard]] bool can_join_rows(const tile& t) const noexcept {
        return t.rows > 1 && Q::group > 0 && t.columns % layout_.group == 0 && options_.importance.empty() &&
               !options_.least_squares && options_.rounding == rounding::nearest_even;
    }

    /// Fits and encodes all rows of a tile in one call: a short row is hardly worth one of its own.
    void quantize_joined(const float* x, const tile& t, std::uint8_t* codes) {
        thread_local std::vector<parameters> all;
        const index groups = t.columns / layout_.group;
        all.resize(static_cast<std::size_t>(t.rows * groups));
        if (!codec<Q>::quantize(quantizer_, x, static_cast<std::size_t>(t.rows * t.columns), group_of(t), all.data(),
                                codes)) {
            raise_non_finite(source_);
        }
        for (index r = 0; r < t.rows; ++r) {
            std::copy_n(all.data() + r * groups, groups, parameters_of(t, r));
        }
    }

    /// Fits and encodes the groups of row r of a tile. False if a value is not finite.
    bool encode_row(std::span<const float> x, const tile& t, index r, bool is_fitted, std::uint8_t* codes) {
        const float* const weights = weights_of(t);
        const std::size_t group = group_of(t);
        parameters* const p = parameters_of(t, r);
        const bool nearest = options_.rounding == rounding::nearest_even;
        if (!is_fitted && nearest && weights == nullptr) {
            return codec<Q>::quantize(quantizer_, x.data(), x.size(), group, p, codes);
        }
        if (!is_fitted && !codec<Q>::fit(quantizer_, x.data(), x.size(), group, weights, p)) {
            return false;
        }
        return nearest ? codec<Q>::encode(quantizer_, x.data(), x.size(), group, p, codes)
                       : encode_rounded_row(x, (t.row + r) * layout_.length + t.column, group, p, codes);
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

    using base::layout_;
    using base::load;
    using base::options_;
    using base::source_;
    using base::view_;

    Q quantizer_;
    std::vector<parameters> parameters_;

private:
    float largest_ = 0.0f;
};

} // namespace tersor::inline v0::detail

#endif // TERSOR_QUANTIZERS_QUANTIZE_TILES_HPP
