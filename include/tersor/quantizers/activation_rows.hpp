#ifndef TERSOR_QUANTIZERS_ACTIVATION_ROWS_HPP
#define TERSOR_QUANTIZERS_ACTIVATION_ROWS_HPP

// Activations quantized row by row, each fitted and encoded while it is in the cache; what activation_quantizer and
// LLM.int8 are made of.

#include "tersor/core/concepts.hpp"
#include "tersor/core/error.hpp"
#include "tersor/core/execution.hpp"
#include "tersor/core/options.hpp"
#include "tersor/core/quantized_tensor.hpp"
#include "tersor/quantizers/activation_columns.hpp"
#include "tersor/quantizers/codec.hpp"
#include "tersor/quantizers/fit.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace tersor::inline v0 {

/// How an activation_quantizer works.
struct activation_options {
    /// The range of every group, as a calibrator found it; without it groups are fitted to their values.
    std::optional<clipping_range> range{};
    /// Columns in which some magnitude of the batch is at least this stay floats; 0: none.
    float threshold = 0.0f;
    /// Columns that stay floats in every batch.
    std::vector<index> columns{};
    /// What to do with NaN and infinities; where columns are kept they are errors.
    tersor::non_finite non_finite = tersor::non_finite::error;
    /// Threads, progress, cancellation.
    tersor::execution execution{};
};

/// Columns of activations that are not quantized.
struct kept_columns {
    std::vector<index> columns; ///< which: those always kept, ascending, then the batch's own, ascending
    std::vector<float> values;  ///< column i of token t is values[i * distance + t]
    index distance = 0;         ///< tokens, rounded up to a multiple of 16; zeros behind the last

    [[nodiscard]] float operator()(index token, index i) const noexcept {
        return values[static_cast<std::size_t>(i * distance + token)];
    }
};

/// Quantized activations: codes and parameters [tokens x channels], and the columns that stay floats.
template <quantizer Q>
struct activations {
    quantized_tensor<Q, 2> codes;
    kept_columns kept;
};

namespace detail {

/// Copies columns of x, and the room for them.
inline void keep_columns(const float_rows& x, kept_columns& kept) {
    kept.distance = (x.tokens + 15) / 16 * 16;
    kept.values.assign(kept.columns.size() * static_cast<std::size_t>(kept.distance), 0.0f);
    for (index t = 0; t < x.tokens; ++t) {
        for (std::size_t i = 0; i < kept.columns.size(); ++i) {
            const float value = x.row(t)[kept.columns[i]];
            if (!is_finite(value)) {
                raise_activation(x);
            }
            kept.values[i * static_cast<std::size_t>(kept.distance) + static_cast<std::size_t>(t)] = value;
        }
    }
}

/// The columns to keep of a batch, and their values. Errors: as activation_quantizer::quantize.
inline void find_kept_columns(const float_rows& x, const activation_options& options, const execution& exec,
                              std::vector<std::int32_t>& largest, kept_columns& kept) {
    kept.columns.assign(options.columns.begin(), options.columns.end());
    if (!kept.columns.empty() && kept.columns.back() >= x.channels) {
        raise(error_code::invalid_argument, "column " + std::to_string(kept.columns.back()) +
                                                " is to be kept: the activations have " + std::to_string(x.channels) +
                                                " channels");
    }
    if (options.threshold > 0.0f) {
        find_outlier_columns(x, options.threshold, kept.columns, largest, exec);
    }
    keep_columns(x, kept);
}

/// A row without the kept columns: in place where there are none, else a copy with zeros for them.
inline const float* masked_row(const float_rows& x, index t, const std::vector<index>& columns,
                               std::vector<float>& buffer) {
    if (columns.empty()) {
        return x.row(t);
    }
    buffer.resize(static_cast<std::size_t>(x.channels));
    std::memcpy(buffer.data(), x.row(t), buffer.size() * sizeof(float));
    for (const index c : columns) {
        buffer[static_cast<std::size_t>(c)] = 0.0f;
    }
    return buffer.data();
}

/// Quantization row by row, with kept columns or given parameters, and the memory that it uses again.
template <code_quantizer Q>
class activation_rows {
public:
    using parameters = typename Q::parameters;
    std::vector<float> floats; ///< for activations of other types

    /// Errors: as activation_quantizer::quantize.
    void run(const float_rows& x, const activation_options& options, const execution& exec, const Q& quantizer,
             const std::optional<parameters>& fixed, activations<Q>& out) {
        kept_columns& kept = out.kept;
        find_kept_columns(x, options, exec.part(0.0, 0.3), largest_, kept);
        auto memory = std::move(out.codes).release();
        auto& codes = memory.first;
        auto& found = memory.second;
        out.codes = {};
        const row_layout layout = make_row_layout<Q>(x.channels == 0 ? 0 : x.tokens, x.channels);
        codes.resize(static_cast<std::size_t>(layout.rows * layout.row_bytes));
        found.resize(static_cast<std::size_t>(layout.groups));
        if (fixed) {
            std::fill(found.begin(), found.end(), *fixed);
        } else if (Q::group == whole_tensor && layout.groups > 0) {
            found[0] = fit_tensor(quantizer, x, kept.columns, exec.part(0.3, 0.5));
        }
        const bool is_fitted = fixed.has_value() || Q::group == whole_tensor;
        const auto length = static_cast<std::size_t>(x.channels);
        const std::size_t group = Q::group > 0 ? static_cast<std::size_t>(Q::group) : length;
        exec.part(0.5, 1.0).for_each(layout.rows, [&](index t) {
            thread_local std::vector<float> buffer;
            thread_local std::vector<std::uint8_t> bytes;
            const float* const row = masked_row(x, t, kept.columns, buffer);
            parameters* const p = found.data() + t * layout.groups_per_row;
            std::uint8_t* const to = codes.data() + t * layout.row_bytes;
            std::uint8_t* out_codes = to;
            if constexpr (Q::format::bits != 8) {
                bytes.resize(length);
                out_codes = bytes.data();
            }
            if (!(is_fitted ? codec<Q>::encode(quantizer, row, length, group, p, out_codes)
                            : codec<Q>::quantize(quantizer, row, length, group, p, out_codes))) {
                raise_activation(x);
            }
            if constexpr (Q::format::bits != 8) {
                codec<Q>::pack(quantizer, out_codes, length, to);
            }
        });
        out.codes = {quantizer, {x.tokens, x.channels}, 1, std::move(codes), std::move(found)};
    }

private:
    /// The parameters of one group of all values.
    [[nodiscard]] parameters fit_tensor(const Q& quantizer, const float_rows& x, const std::vector<index>& columns,
                                        const execution& exec) {
        static_assert(Q::group != whole_tensor || range_quantizer<Q>,
                      "one group of all activations needs a quantizer with from_range");
        ranges_.resize(static_cast<std::size_t>(x.tokens));
        exec.for_each(x.tokens, [&](index t) {
            thread_local std::vector<float> buffer;
            value_range& range = ranges_[static_cast<std::size_t>(t)];
            if (!codec<Q>::extremes(masked_row(x, t, columns, buffer), static_cast<std::size_t>(x.channels), range.lo,
                                    range.hi)) {
                raise_activation(x);
            }
        });
        value_range all;
        for (const value_range& range : ranges_) {
            all = {std::min(all.lo, range.lo), std::max(all.hi, range.hi)};
        }
        if constexpr (range_quantizer<Q>) {
            return quantizer.from_range(all.lo, all.hi);
        } else {
            return {};
        }
    }

    std::vector<value_range> ranges_;
    std::vector<std::int32_t> largest_;
};

} // namespace detail

} // namespace tersor::inline v0

#endif // TERSOR_QUANTIZERS_ACTIVATION_ROWS_HPP
