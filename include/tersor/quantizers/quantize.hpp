#ifndef TERSOR_QUANTIZERS_QUANTIZE_HPP
#define TERSOR_QUANTIZERS_QUANTIZE_HPP

// quantize<Quantizer>(values, options): any dense Eigen object to packed codes and parameters.
//
// Values are taken as float (double is rounded to it, halves are exact). Each group is fitted and encoded while it is
// in the nearest cache; the work is cut into tiles of whole groups, which the execution option spreads over threads.

#include "tersor/core/options.hpp"
#include "tersor/core/quantized_tensor.hpp"
#include "tersor/core/strided.hpp"
#include "tersor/quantizers/codec.hpp"
#include "tersor/quantizers/quantize_block_tiles.hpp"
#include "tersor/quantizers/quantize_tiles.hpp"

#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace tersor::inline v0 {

namespace detail {

template <quantizer Q, class T>
using quantized_result = quantized_tensor<Q, rank_of<T>(), typename kind_of<T>::type>;

template <int Rank>
[[nodiscard]] int checked_axis(int axis) {
    if (axis == flat || (axis >= 0 && axis < Rank)) {
        return axis;
    }
    if (axis != last_axis) {
        raise(error_code::invalid_argument, "axis " + std::to_string(axis) + " of a tensor of rank " +
                                                std::to_string(Rank) + ": expected 0 to " + std::to_string(Rank - 1) +
                                                ", last_axis or flat");
    }
    return Rank - 1;
}

} // namespace detail

/// Quantizes into an existing tensor, whose memory is used again where it fits; its old contents are lost.
/// Errors: as `quantize`; the tensor is then empty or as it was.
template <quantizer Q, int Rank, class Kind, class T>
void quantize_into(const T& values, quantized_tensor<Q, Rank, Kind>& destination, const quantize_options& options = {},
                   const Q& quantizer = {}) {
    static_assert(eigen_object<T>, "quantize takes a dense Eigen object: Matrix, Array, Map, Ref, Block, Transpose, an "
                                   "expression of them, Tensor or TensorMap (evaluate other tensor expressions first)");
    if constexpr (!detail::has_memory<T>()) {
        const typename T::PlainObject evaluated = values;
        quantize_into(evaluated, destination, options, quantizer);
    } else {
        static_assert(detail::rank_of<T>() == Rank, "the destination has another rank than the values");
        const int axis = detail::checked_axis<Rank>(options.axis);
        const auto source = as_strided(values);
        auto [codes, parameters] = std::move(destination).release();
        destination = {};
        if constexpr (block_quantizer<Q>) {
            detail::quantize_block_tiles<Q, typename T::Scalar, Rank>(quantizer, source, axis, options).run(codes);
            destination = {quantizer, source.sizes, axis, std::move(codes), parameters};
        } else {
            detail::quantize_tiles<Q, typename T::Scalar, Rank> job(quantizer, source, axis, options);
            job.run(codes, std::move(parameters));
            destination = {job.quantizer(), source.sizes, axis, std::move(codes), job.take_parameters()};
        }
    }
}

/// Quantizes any dense Eigen object of float, double, Eigen::half or Eigen::bfloat16, of any rank, order and strides;
/// expressions are evaluated first. Groups run along the last axis unless the options say otherwise. Vectors are one
/// row. `quantizer` carries state that its type does not fix, such as a codebook read from a file. Errors: `non_finite`
/// naming the first bad index (row-major); `shape_mismatch` if the importance is not one weight per value of a row or
/// rows are not whole blocks; `invalid_argument` for an axis, range or importance outside its domain, or a range given
/// to a quantizer that takes none; `cancelled`.
template <quantizer Q, class T>
[[nodiscard]] detail::quantized_result<Q, T> quantize(const T& values, const quantize_options& options = {},
                                                      const Q& quantizer = {}) {
    detail::quantized_result<Q, T> result;
    quantize_into(values, result, options, quantizer);
    return result;
}

} // namespace tersor::inline v0

#endif // TERSOR_QUANTIZERS_QUANTIZE_HPP
