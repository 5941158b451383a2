#ifndef TERSOR_CORE_STRIDED_HPP
#define TERSOR_CORE_STRIDED_HPP

// One view on every Eigen object that has memory: a pointer, sizes and strides. Matrix, Array, Map, Ref, Block and
// Transpose have rank 2 (vectors 1), Tensor and TensorMap their own.
//
// Everything is seen as rows: `axis` is the one that groups run along, the other axes in row-major order number the
// rows.

#include "tersor/core/concepts.hpp"
#include "tersor/core/error.hpp"

#include <Eigen/Core>

#include <array>
#include <cstddef>
#include <string>
#include <type_traits>

namespace tersor::inline v0 {

/// What an Eigen object was, so that `dequantize` can give the same kind back.
template <int Order>
struct matrix_kind {};
template <int Order>
struct array_kind {};
template <int Order>
struct tensor_kind {};

namespace detail {

// A segment of a vector derives from the base of another type, the block that it is.
template <class Derived>
void take_dense(const Eigen::DenseBase<Derived>&);
template <class T>
concept eigen_dense = requires(const T& object) { detail::take_dense(object); };

// By its members, so that the Tensor headers, which are costly, are included only by those who use them.
template <class T>
concept eigen_tensor = !eigen_dense<T> && requires(const T& tensor) {
    typename T::Scalar;
    { T::NumIndices } -> std::convertible_to<int>;
    { T::Layout } -> std::convertible_to<int>;
    tensor.data();
    tensor.dimensions();
};

template <class T>
constexpr bool has_memory() {
    if constexpr (eigen_dense<T>) {
        return (Eigen::internal::traits<T>::Flags & Eigen::DirectAccessBit) != 0;
    } else {
        return eigen_tensor<T>;
    }
}

template <class T>
constexpr int rank_of() {
    if constexpr (eigen_tensor<T>) {
        return static_cast<int>(T::NumIndices);
    } else {
        return T::IsVectorAtCompileTime ? 1 : 2;
    }
}

template <class T>
struct kind_of {
    static constexpr bool row_major = T::IsRowMajor;
    static constexpr int order = row_major ? Eigen::RowMajor : Eigen::ColMajor;
    using type = std::conditional_t<std::is_base_of_v<Eigen::ArrayBase<T>, T>, array_kind<order>, matrix_kind<order>>;
};
template <eigen_tensor T>
struct kind_of<T> {
    using type = tensor_kind<static_cast<int>(T::Layout)>;
};

} // namespace detail

/// An object of Eigen whose values can be quantized.
template <class T>
concept eigen_object = detail::eigen_dense<T> || detail::eigen_tensor<T>;

/// Sizes and strides (in elements) of values in memory. `Scalar` is const for a source.
template <class Scalar, int Rank>
struct strided {
    Scalar* data = nullptr;
    std::array<index, static_cast<std::size_t>(Rank)> sizes{};
    std::array<index, static_cast<std::size_t>(Rank)> strides{};

    [[nodiscard]] index size() const noexcept {
        index product = 1;
        for (const index n : sizes) {
            product *= n;
        }
        return product;
    }
    /// Whether the values lie in row-major order without gaps.
    [[nodiscard]] bool is_row_major() const noexcept {
        index expected = 1;
        for (std::size_t i = sizes.size(); i-- > 0;) {
            if (sizes[i] != 1 && strides[i] != expected) {
                return false;
            }
            expected *= sizes[i];
        }
        return true;
    }
};

/// The view of an Eigen object with memory; its values are not copied. An axis of a const object gives const values.
template <class T>
requires(detail::has_memory<std::remove_cvref_t<T>>()) [[nodiscard]] auto as_strided(T&& object) {
    using Object = std::remove_cvref_t<T>;
    using Scalar = std::remove_pointer_t<decltype(object.data())>;
    constexpr int rank = detail::rank_of<Object>();
    strided<Scalar, rank> view;
    view.data = object.data();
    if constexpr (detail::eigen_tensor<Object>) {
        constexpr bool row_major = static_cast<int>(Object::Layout) == Eigen::RowMajor;
        index stride = 1;
        for (int k = 0; k < rank; ++k) {
            const auto i = static_cast<std::size_t>(row_major ? rank - 1 - k : k);
            view.sizes[i] = static_cast<index>(object.dimensions()[i]);
            view.strides[i] = stride;
            stride *= view.sizes[i];
        }
    } else if constexpr (rank == 1) {
        view.sizes = {object.size()};
        view.strides = {object.innerStride()};
    } else {
        view.sizes = {object.rows(), object.cols()};
        view.strides = {object.rowStride(), object.colStride()};
    }
    return view;
}

/// The rows of a strided view: runs of values along one axis.
template <class Scalar, int Rank>
class row_view {
public:
    /// `axis` in [0, Rank), or -1 for a single row of all values in row-major order.
    row_view(const strided<Scalar, Rank>& values, int axis) : values_(values), axis_(axis) {
        if (axis < 0) {
            rows_ = 1;
            length_ = values.size();
            is_flat_ = values.is_row_major();
            inner_ = 1;
        } else {
            const auto along = static_cast<std::size_t>(axis);
            length_ = values.sizes[along];
            inner_ = values.strides[along];
            rows_ = 1;
            bool is_dense = true;
            for (std::size_t i = values.sizes.size(); i-- > 0;) {
                if (i != along && values.sizes[i] != 1) {
                    is_dense = is_dense && values.strides[i] == neighbours_;
                    neighbours_ *= is_dense ? values.sizes[i] : 1;
                    rows_ *= values.sizes[i];
                }
            }
        }
    }

    [[nodiscard]] index rows() const noexcept { return rows_; }
    [[nodiscard]] index length() const noexcept { return length_; }
    /// Whether each row lies in memory without gaps.
    [[nodiscard]] bool is_contiguous() const noexcept { return axis_ < 0 ? is_flat_ : inner_ == 1 || length_ <= 1; }
    /// Whether neighbouring rows are neighbours in memory, as in a column-major matrix.
    [[nodiscard]] bool is_transposed() const noexcept { return axis_ >= 0 && inner_ != 1 && neighbours_ > 1; }
    /// How many rows, from this one on, are neighbours in memory.
    [[nodiscard]] index neighbours(index row) const noexcept { return neighbours_ - row % neighbours_; }
    /// Values of a row at constant distances in memory: value (row, column + i) is first[i * step], for i < count.
    struct run {
        Scalar* first;
        index step;
        index count;
    };
    /// The longest such run from (row, column) on.
    [[nodiscard]] run run_at(index row, index column) const noexcept {
        Scalar* const first = address(row, column);
        if (axis_ >= 0 || is_flat_) {
            return {first, inner_, length_ - column};
        }
        const index last = values_.sizes.back();
        return {first, values_.strides.back(), last - column % last};
    }
    [[nodiscard]] Scalar* address(index row, index column) const noexcept { return values_.data + offset(row, column); }
    /// Position of a value in the original tensor, as "(2, 7)".
    [[nodiscard]] std::string position(index row, index column) const {
        std::string text = "(";
        const auto at = coordinates(row, column);
        for (std::size_t i = 0; i < at.size(); ++i) {
            text += (i == 0 ? "" : ", ") + std::to_string(at[i]);
        }
        return text + ")";
    }

private:
    using coordinate = std::array<index, static_cast<std::size_t>(Rank)>;

    [[nodiscard]] coordinate coordinates(index row, index column) const noexcept {
        coordinate at{};
        index rest = axis_ < 0 ? column : row;
        for (std::size_t i = at.size(); i-- > 0;) {
            if (static_cast<int>(i) == axis_) {
                at[i] = column;
            } else {
                at[i] = rest % values_.sizes[i];
                rest /= values_.sizes[i];
            }
        }
        return at;
    }
    [[nodiscard]] index offset(index row, index column) const noexcept {
        if (axis_ < 0 && is_flat_) {
            return column;
        }
        if constexpr (Rank == 2) {
            if (axis_ >= 0) {
                return row * values_.strides[axis_ == 1 ? 0 : 1] + column * inner_;
            }
        }
        const coordinate at = coordinates(row, column);
        index sum = 0;
        for (std::size_t i = 0; i < at.size(); ++i) {
            sum += at[i] * values_.strides[i];
        }
        return sum;
    }

    strided<Scalar, Rank> values_;
    int axis_;
    index rows_ = 0, length_ = 0, inner_ = 1, neighbours_ = 1;
    bool is_flat_ = false;
};

} // namespace tersor::inline v0

#endif // TERSOR_CORE_STRIDED_HPP
