#ifndef TERSOR_MATMUL_INT8_PRODUCT_HPP
#define TERSOR_MATMUL_INT8_PRODUCT_HPP

// Exact products of 8-bit integers, Y = X W^T for codes X [tokens x in] and W [out x in]:
//
//   int8_product(x, w)    the integers themselves: y(t, r) = sum over k of x(t, k) w(r, k), in int32 or int64
//   linear(x, w)          floats, for quantized x and w with one scale per row or one for all:
//                         y(t, r) = float(sum over k of (x(t, k) - zero_t) w(r, k)) * (scale_t * scale_r)
//
// Every code counts, -128 too: no instruction that saturates is used. A sum of n products is at most 2^14 n in
// magnitude (255 * 128 n where x is unsigned or has zero points), so int32 holds up to 131071 (65793) of them; beyond
// that int8_product<std::int64_t> is exact.

#include "tersor/core/error.hpp"
#include "tersor/core/execution.hpp"
#include "tersor/core/quantized_tensor.hpp"
#include "tersor/core/strided.hpp"
#include "tersor/matmul/int8_product_scale.hpp"
#include "tersor/matmul/int8_product_tiles.hpp"

#include <Eigen/Core>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

namespace tersor::inline v0 {

namespace detail {

/// A quantizer whose codes are 8-bit integers.
template <class Q>
concept byte_quantizer = code_quantizer<Q> && Q::format::bits == 8 && requires {
    Q::format::lowest;
    Q::format::highest;
};

template <class T>
inline constexpr bool is_quantized_bytes = false;
template <byte_quantizer Q, class Kind, class C, class P>
inline constexpr bool is_quantized_bytes<basic_quantized<Q, 2, Kind, C, P>> = true;

template <class T>
concept int8_matrix = eigen_dense<T> && std::same_as<typename T::Scalar, std::int8_t>;

/// The codes of a quantized matrix, or of an Eigen matrix of int8 whose rows lie in memory without gaps.
/// Errors: `unsupported` where groups of a quantized matrix run along another axis than the last.
template <class T>
[[nodiscard]] byte_matrix bytes_of(const T& x) {
    if constexpr (is_quantized_bytes<T>) {
        if (x.axis() != 1) {
            raise(error_code::unsupported,
                  "an int8 product takes codes along rows, not along axis " + std::to_string(x.axis()));
        }
        return {x.codes().data(), x.rows(), x.cols(), x.cols(), T::quantizer_type::format::lowest == 0};
    } else {
        return {reinterpret_cast<const std::uint8_t*>(x.data()), x.rows(), x.cols(), x.rowStride(), false};
    }
}

/// An operand whose codes bytes_of can take: itself, or a copy of its rows.
template <class T>
[[nodiscard]] decltype(auto) with_rows(const T& x) {
    if constexpr (is_quantized_bytes<T>) {
        return (x);
    } else {
        using rows = Eigen::Matrix<std::int8_t, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
        if constexpr (has_memory<T>() && T::IsRowMajor && T::InnerStrideAtCompileTime == 1) {
            return (x);
        } else {
            return rows(x);
        }
    }
}

/// How many products of codes int32 holds for sure.
[[nodiscard]] constexpr index int32_length(bool wide_x) noexcept {
    return std::numeric_limits<std::int32_t>::max() / (wide_x ? 255 * 128 : 128 * 128);
}

inline void check_int8_shapes(const byte_matrix& x, const byte_matrix& w) {
    if (x.cols != w.cols) {
        raise(error_code::shape_mismatch, "int8 product: x [" + std::to_string(x.rows) + " x " +
                                              std::to_string(x.cols) + "] does not fit weights [" +
                                              std::to_string(w.rows) + " x " + std::to_string(w.cols) +
                                              "]: expected as many columns");
    }
    if (w.is_unsigned) {
        raise(error_code::unsupported, "the weights of an int8 product are signed; unsigned codes may stand left");
    }
}

inline void check_int32_length(index length, bool wide_x) {
    if (length > int32_length(wide_x)) {
        raise(error_code::unsupported,
              "sums of " + std::to_string(length) + " products of 8-bit codes may not fit int32, " +
                  std::to_string(int32_length(wide_x)) + " do: int8_product<std::int64_t> is exact");
    }
}

} // namespace detail

/// What int8_product multiplies: a matrix of std::int8_t of Eigen, or a quantized matrix with 8-bit integer codes.
template <class T>
concept int8_operand = detail::is_quantized_bytes<T> || detail::int8_matrix<T>;

/// X W^T of codes into y [tokens x out], whose memory is used again where it fits; see int8_product.
template <class Sum, int8_operand X, int8_operand W>
void int8_product_into(const X& x, const W& w, Eigen::Matrix<Sum, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>& y,
                       const execution& exec = {}) {
    static_assert(std::same_as<Sum, std::int32_t> || std::same_as<Sum, std::int64_t>,
                  "the sums of an int8 product are std::int32_t or std::int64_t");
    decltype(auto) left = detail::with_rows(x);
    decltype(auto) right = detail::with_rows(w);
    detail::byte_matrix a = detail::bytes_of(left), b = detail::bytes_of(right);
    detail::check_int8_shapes(a, b);
    const index length = a.cols;
    constexpr index piece = 65536;
    constexpr bool in_pieces = std::same_as<Sum, std::int64_t>;
    if constexpr (!in_pieces) {
        detail::check_int32_length(length, a.is_unsigned);
    }
    y.resize(a.rows, b.rows);
    for (index k = 0; k == 0 || k < length; k += piece) {
        if (in_pieces) {
            a.cols = b.cols = std::min(piece, length - k);
        }
        const double done = static_cast<double>(k), all = static_cast<double>(std::max<index>(length, 1));
        const auto finish = [&](const detail::int8_sums& s) {
            // Some rows at a time: their results of one token share a cache line.
            for (index first = 0; first < s.rows; first += 16) {
                const index last = std::min<index>(first + 16, s.rows);
                for (index t = 0; t < s.tokens; ++t) {
                    Sum* const to = y.data() + (s.first_token + t) * y.cols() + s.first_row;
                    for (index r = first; r < last; ++r) {
                        const Sum sum = s.sums[r * s.distance + t];
                        to[r] = k == 0 ? sum : to[r] + sum;
                    }
                }
            }
        };
        if (!in_pieces) {
            detail::multiply_bytes(a, b, false, exec, finish);
            return;
        }
        detail::multiply_bytes(a, b, false, exec.part(done / all, (done + static_cast<double>(a.cols)) / all), finish);
        a.data += a.cols;
        b.data += b.cols;
    }
}

/// X W^T of codes X [tokens x in] and W [out x in], exactly, as a row-major matrix [tokens x out] of Sum. Quantized
/// operands count as their codes; those of x may be unsigned. Errors: `shape_mismatch`; `unsupported` for int32 sums of
/// more than 131071 products (65793 with unsigned x), unsigned weights, or groups along columns; `cancelled`.
template <class Sum = std::int32_t, int8_operand X, int8_operand W>
[[nodiscard]] Eigen::Matrix<Sum, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>
int8_product(const X& x, const W& w, const execution& exec = {}) {
    Eigen::Matrix<Sum, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> y;
    int8_product_into(x, w, y, exec);
    return y;
}

namespace detail {

/// Whether an integer product serves: 8-bit integers with one scale per row or one for all.
template <class Q>
concept row_byte_quantizer = byte_quantizer<Q> && (Q::group == whole_row || Q::group == whole_tensor) &&
    requires(const Q q, typename Q::parameters p) {
    { q.scale(p) } -> std::same_as<float>;
};

/// The scale of each row, padded.
template <class T>
void row_scales_of(const T& q, std::vector<float>& scales) {
    scales.clear();
    for (index r = 0; r < q.rows(); ++r) {
        scales.push_back(q.quantizer().scale(q.parameters()[static_cast<std::size_t>(q.group_of(r, 0))]));
    }
    pad_tokens(scales);
}

} // namespace detail

/// The floats of X W^T for quantized activations X [tokens x in], with or without zero points, and symmetric weights W
/// [out x in], both of 8-bit integers with one scale per row or one for all, into y [tokens x out]. See `linear`.
template <detail::row_byte_quantizer Qx, class Kx, class Cx, class Px, detail::row_byte_quantizer Qw, class Kw,
          class Cw, class Pw>
void linear_into(const basic_quantized<Qx, 2, Kx, Cx, Px>& x, const basic_quantized<Qw, 2, Kw, Cw, Pw>& w,
                 Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>& y, const execution& exec = {}) {
    static_assert(!affine_quantizer<Qw>, "the weights of an int8 product have no zero points: use absmax<int8>");
    thread_local std::vector<float> token_scales, row_scales;
    thread_local std::vector<std::int32_t> zeros;
    const detail::byte_matrix a = detail::bytes_of(x), b = detail::bytes_of(w);
    detail::check_int8_shapes(a, b);
    detail::check_int32_length(a.cols, a.is_unsigned || affine_quantizer<Qx>);
    y.resize(a.rows, b.rows);
    if (a.cols == 0) {
        y.setZero();
        return;
    }
    detail::row_scales_of(x, token_scales);
    detail::row_scales_of(w, row_scales);
    if constexpr (affine_quantizer<Qx>) {
        zeros.clear();
        for (index t = 0; t < a.rows; ++t) {
            zeros.push_back(x.quantizer().zero_code(x.parameters()[static_cast<std::size_t>(x.group_of(t, 0))]));
        }
        detail::pad_tokens(zeros);
    }
    const detail::scaled_output finish{.token_scales = token_scales.data(),
                                       .zeros = affine_quantizer<Qx> ? zeros.data() : nullptr,
                                       .row_scales = row_scales.data(),
                                       .y = y.data(),
                                       .distance = y.cols()};
    detail::multiply_bytes(a, b, affine_quantizer<Qx>, exec, finish);
}

/// The same as a new matrix: y(t, r) = float(sum over k of (x(t, k) - zero_t) w(r, k)) * (scale_t * scale_r), the sum
/// exact, then three roundings. Errors: `shape_mismatch`; `unsupported` for more than 131071 columns (65793 where x is
/// unsigned or has zero points), unsigned weights, or groups along columns; `cancelled`.
template <detail::row_byte_quantizer Qx, class Kx, class Cx, class Px, detail::row_byte_quantizer Qw, class Kw,
          class Cw, class Pw>
[[nodiscard]] Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>
linear(const basic_quantized<Qx, 2, Kx, Cx, Px>& x, const basic_quantized<Qw, 2, Kw, Cw, Pw>& w,
       const execution& exec = {}) {
    Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> y;
    linear_into(x, w, y, exec);
    return y;
}

} // namespace tersor::inline v0

#endif // TERSOR_MATMUL_INT8_PRODUCT_HPP
