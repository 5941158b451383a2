#ifndef TERSOR_CORE_QUANTIZED_TENSOR_HPP
#define TERSOR_CORE_QUANTIZED_TENSOR_HPP

// The result of quantization: packed codes and the parameters of every group, owned or borrowed.
//
// Codes are stored row by row; each row starts on a byte and is a bit stream as packing.hpp says. Parameters are stored
// row by row, ceil(length / group) of them a row, or one for the whole tensor. A block quantizer has both in its
// blocks: they are stored where codes are, whole blocks a row. A row is a run of values along `axis`; the other axes,
// in row-major order, number the rows.

#include "tersor/core/concepts.hpp"
#include "tersor/core/error.hpp"
#include "tersor/core/options.hpp"
#include "tersor/core/strided.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace tersor::inline v0 {

/// How the values of a tensor lie in rows and groups.
struct row_layout {
    index rows = 0;           ///< how many rows
    index length = 0;         ///< values in a row
    index group = 0;          ///< values that share parameters within a row
    index groups_per_row = 0; ///< parameters of a row; 0 if one set serves the whole tensor
    index groups = 0;         ///< parameters of the tensor
    index row_bytes = 0;      ///< bytes of packed codes of a row

    friend bool operator==(const row_layout&, const row_layout&) = default;
};

/// The layout of `rows` rows of `length` values for a quantizer with this `group` and codes of `bits` bits.
[[nodiscard]] constexpr row_layout make_row_layout(index rows, index length, index group, int bits) noexcept {
    row_layout layout{.rows = rows, .length = length};
    layout.row_bytes = length / 8 * bits + (length % 8 * bits + 7) / 8;
    if (rows == 0 || length == 0) {
        layout.group = group > 0 ? group : 1;
        return layout;
    }
    layout.group = group > 0 ? group : length;
    layout.groups_per_row = group == whole_tensor ? 0 : (length - 1) / layout.group + 1;
    layout.groups = group == whole_tensor ? 1 : rows * layout.groups_per_row;
    return layout;
}

/// The same for a quantizer.
template <quantizer Quantizer>
[[nodiscard]] constexpr row_layout make_row_layout(index rows, index length) noexcept {
    if constexpr (block_quantizer<Quantizer>) {
        row_layout layout = make_row_layout(rows, length, Quantizer::group, 8);
        const index blocks = length == 0 ? 0 : (length - 1) / Quantizer::group + 1;
        layout.row_bytes = blocks * static_cast<index>(sizeof(typename Quantizer::block));
        return layout;
    } else {
        return make_row_layout(rows, length, Quantizer::group, Quantizer::format::bits);
    }
}

/// Where the codes of a column, a multiple of 8 or of a block, are in the bytes of their row.
template <quantizer Quantizer>
[[nodiscard]] constexpr index column_offset(index column) noexcept {
    if constexpr (block_quantizer<Quantizer>) {
        return column / Quantizer::group * static_cast<index>(sizeof(typename Quantizer::block));
    } else {
        return column / 8 * Quantizer::format::bits;
    }
}

/// Whether rows of this length are whole groups and whole bytes, so that many may be seen as one.
template <quantizer Quantizer>
[[nodiscard]] constexpr bool has_whole_rows(index length) noexcept {
    if constexpr (block_quantizer<Quantizer>) {
        return length % Quantizer::group == 0;
    } else if constexpr (Quantizer::group > 0) {
        return length % Quantizer::group == 0 && length * Quantizer::format::bits % 8 == 0;
    } else {
        return false;
    }
}

namespace detail {

template <std::size_t Rank>
[[nodiscard]] std::string shape_text(const std::array<index, Rank>& dimensions) {
    std::string text = "[";
    for (std::size_t i = 0; i < Rank; ++i) {
        text += (i == 0 ? "" : " x ") + std::to_string(dimensions[i]);
    }
    return text + "]";
}

/// Blocks hold a fixed number of values.
/// Errors: `shape_mismatch` if a row of a block quantizer is not whole blocks.
template <quantizer Q>
void check_whole_blocks(const row_layout& layout) {
    if constexpr (block_quantizer<Q>) {
        if (layout.rows > 0 && layout.length % Q::group != 0) {
            raise(error_code::shape_mismatch, "rows of " + std::to_string(layout.length) +
                                                  " values are not whole blocks of " + std::to_string(Q::group));
        }
    }
}

template <class Range>
[[nodiscard]] bool equal_ranges(const Range& a, const Range& b) {
    if constexpr (requires { a == b; }) {
        return a == b;
    } else {
        return std::equal(a.begin(), a.end(), b.begin(), b.end());
    }
}

template <class Q>
[[nodiscard]] constexpr std::size_t parameter_bits() noexcept {
    if constexpr (requires { Q::parameter_bits; }) {
        return static_cast<std::size_t>(Q::parameter_bits);
    } else {
        return 8 * sizeof(typename Q::parameters);
    }
}

} // namespace detail

/// Packed codes and parameters; `Codes` and `Parameters` own or borrow them. Use it as quantized_tensor or
/// quantized_view. A regular type: it copies, moves, compares and swaps; a default one is empty.
template <quantizer Quantizer, int Rank, class Kind, class Codes, class Parameters>
class basic_quantized {
public:
    static constexpr int rank = Rank;
    using quantizer_type = Quantizer;
    using kind_type = Kind;
    using dimensions_type = std::array<index, static_cast<std::size_t>(Rank)>;

    basic_quantized() = default;

    /// From parts: `axis` in [0, Rank) or `flat`.
    /// Errors: `invalid_argument` for a negative or uncountable size or another axis; `shape_mismatch` if the bytes of
    /// the codes or the number of parameters are not what the dimensions ask for.
    basic_quantized(Quantizer quantizer, dimensions_type dimensions, int axis, Codes codes, Parameters parameters)
        : quantizer_(std::move(quantizer)), dimensions_(dimensions), axis_(axis == last_axis ? Rank - 1 : axis),
          codes_(std::move(codes)), parameters_(std::move(parameters)) {
        if (axis_ != flat && (axis_ < 0 || axis_ >= Rank)) {
            raise(error_code::invalid_argument,
                  "axis " + std::to_string(axis) + " of a tensor of rank " + std::to_string(Rank));
        }
        // Bits of codes are counted too, so that a size may take all but the last few bits of an index.
        index countable = std::numeric_limits<index>::max() / 16;
        for (const index n : dimensions_) {
            if (n < 0) {
                raise(error_code::invalid_argument, "negative size in the shape " + detail::shape_text(dimensions_));
            }
            if (n > countable) {
                raise(error_code::invalid_argument,
                      "the values of the shape " + detail::shape_text(dimensions_) + " cannot be counted");
            }
            countable /= n == 0 ? 1 : n;
        }
        layout_ = layout_of(dimensions_, axis_);
        detail::check_whole_blocks<Quantizer>(layout_);
        const index bytes = layout_.rows * layout_.row_bytes;
        if (static_cast<index>(codes_.size()) != bytes) {
            std::string what = "a tensor of shape " + detail::shape_text(dimensions_);
            if constexpr (block_quantizer<Quantizer>) {
                what += " in blocks of " + std::to_string(sizeof(typename Quantizer::block)) + " bytes";
            } else {
                what += " with codes of " + std::to_string(Quantizer::format::bits) + " bits";
            }
            raise(error_code::shape_mismatch, what + " has " + std::to_string(bytes) + " bytes of codes, not " +
                                                  std::to_string(codes_.size()));
        }
        if constexpr (block_quantizer<Quantizer>) {
            if (reinterpret_cast<std::uintptr_t>(codes_.data()) % alignof(typename Quantizer::block) != 0) {
                raise(error_code::invalid_argument,
                      "the blocks are not aligned to " + std::to_string(alignof(typename Quantizer::block)) + " bytes");
            }
        } else if (static_cast<index>(parameters_.size()) != layout_.groups) {
            raise(error_code::shape_mismatch, "a tensor of shape " + detail::shape_text(dimensions_) + " has " +
                                                  std::to_string(layout_.groups) + " groups, not " +
                                                  std::to_string(parameters_.size()));
        }
    }

    /// The layout of a tensor of these dimensions.
    [[nodiscard]] static constexpr row_layout layout_of(const dimensions_type& dimensions, int axis) noexcept {
        index count = 1, along = 1;
        for (std::size_t i = 0; i < dimensions.size(); ++i) {
            count *= dimensions[i];
            along = static_cast<int>(i) == axis ? dimensions[i] : along;
        }
        const bool is_flat = axis == flat;
        const index rows = count == 0 ? 0 : is_flat ? 1 : count / along;
        return make_row_layout<Quantizer>(rows, is_flat ? count : along);
    }

    /// The quantizer, with its state for the whole tensor if it has any.
    [[nodiscard]] const Quantizer& quantizer() const noexcept { return quantizer_; }
    /// The sizes of the tensor, outermost first.
    [[nodiscard]] const dimensions_type& dimensions() const noexcept { return dimensions_; }
    [[nodiscard]] index dimension(int i) const noexcept { return dimensions_[static_cast<std::size_t>(i)]; }
    /// Rows of a matrix; the length of a vector.
    [[nodiscard]] index rows() const noexcept { return dimensions_[0]; }
    /// Columns of a matrix; 1 for a vector.
    [[nodiscard]] index cols() const noexcept {
        static_assert(Rank <= 2, "cols() is for matrices: a tensor has dimensions()");
        return Rank == 1 ? 1 : dimensions_[Rank - 1];
    }
    /// How many values there are.
    [[nodiscard]] index size() const noexcept {
        index count = 1;
        for (const index n : dimensions_) {
            count *= n;
        }
        return count;
    }
    [[nodiscard]] bool empty() const noexcept { return size() == 0; }
    /// The axis along which groups run, or `flat`.
    [[nodiscard]] int axis() const noexcept { return axis_; }
    /// How values lie in rows and groups.
    [[nodiscard]] const row_layout& layout() const noexcept { return layout_; }

    /// The packed codes, or the blocks, of all rows, in bytes.
    [[nodiscard]] std::span<const std::uint8_t> codes() const noexcept { return {codes_.data(), codes_.size()}; }
    /// The packed codes of one row.
    [[nodiscard]] std::span<const std::uint8_t> row_codes(index row) const noexcept {
        return codes().subspan(static_cast<std::size_t>(row * layout_.row_bytes),
                               static_cast<std::size_t>(layout_.row_bytes));
    }
    /// The parameters of all groups: parameters()[g].
    [[nodiscard]] const Parameters& parameters() const noexcept { return parameters_; }
    /// The group of a value of a row.
    [[nodiscard]] index group_of(index row, index column) const noexcept {
        return row * layout_.groups_per_row + column / layout_.group;
    }

    /// Bytes of codes, parameters and tensor-wide state, as a file would hold them.
    [[nodiscard]] std::size_t bytes() const noexcept {
        std::size_t parameter_bytes;
        if constexpr (requires { parameters_.bytes(); }) {
            parameter_bytes = parameters_.bytes();
        } else {
            parameter_bytes = (parameters_.size() * detail::parameter_bits<Quantizer>() + 7) / 8;
        }
        return codes_.size() + parameter_bytes + (std::is_empty_v<Quantizer> || empty() ? 0 : state_bytes());
    }
    /// bytes() in bits, per value; 0 for an empty tensor.
    [[nodiscard]] double bits_per_weight() const noexcept {
        return empty() ? 0.0 : 8.0 * static_cast<double>(bytes()) / static_cast<double>(size());
    }

    /// Gives up the codes and the parameters, so that their memory can be used again; what is left is unspecified.
    [[nodiscard]] std::pair<Codes, Parameters> release() && noexcept {
        return {std::move(codes_), std::move(parameters_)};
    }

    friend bool operator==(const basic_quantized& a, const basic_quantized& b) {
        return a.dimensions_ == b.dimensions_ && a.axis_ == b.axis_ && a.quantizer_ == b.quantizer_ &&
               detail::equal_ranges(a.codes_, b.codes_) && detail::equal_ranges(a.parameters_, b.parameters_);
    }

private:
    [[nodiscard]] static constexpr std::size_t state_bytes() noexcept {
        if constexpr (requires { Quantizer::state_bytes; }) {
            return static_cast<std::size_t>(Quantizer::state_bytes);
        } else {
            return sizeof(Quantizer);
        }
    }

    [[no_unique_address]] Quantizer quantizer_{};
    dimensions_type dimensions_{};
    int axis_ = Rank - 1;
    row_layout layout_ = layout_of({}, Rank - 1);
    Codes codes_{};
    Parameters parameters_{};
};

/// A quantized tensor that owns its codes and parameters. `Kind` says what `dequantize` gives back.
template <quantizer Quantizer, int Rank = 2, class Kind = matrix_kind<Eigen::RowMajor>>
using quantized_tensor = basic_quantized<Quantizer, Rank, Kind, std::vector<std::uint8_t>, parameter_array<Quantizer>>;

/// A quantized tensor whose codes and parameters lie elsewhere, such as in a mapped file, and must outlive it.
template <quantizer Quantizer, int Rank = 2, class Kind = matrix_kind<Eigen::RowMajor>>
using quantized_view = basic_quantized<Quantizer, Rank, Kind, std::span<const std::uint8_t>, parameter_view<Quantizer>>;

/// A view on an owning tensor.
template <class Quantizer, int Rank, class Kind, class Codes, class Parameters>
[[nodiscard]] quantized_view<Quantizer, Rank, Kind>
view(const basic_quantized<Quantizer, Rank, Kind, Codes, Parameters>& q) {
    return {q.quantizer(), q.dimensions(), q.axis(), q.codes(), parameter_view<Quantizer>(q.parameters())};
}

} // namespace tersor::inline v0

#endif // TERSOR_CORE_QUANTIZED_TENSOR_HPP
