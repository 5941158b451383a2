#ifndef TERSOR_TRAINING_FAKE_QUANT_HPP
#define TERSOR_TRAINING_FAKE_QUANT_HPP

// fake_quantize<Quantizer>(x): the values that x would have after quantization, dequantize(quantize<Quantizer>(x)), for
// training with quantization in the loop. The codes exist one tile at a time only.

#include "tersor/core/options.hpp"
#include "tersor/core/strided.hpp"
#include "tersor/quantizers/dequantize.hpp"
#include "tersor/quantizers/quantize.hpp"
#include "tersor/quantizers/quantize_tiles.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

namespace tersor::inline v0 {

namespace detail {

template <code_quantizer Q, class Scalar, class Out, int Rank>
class fake_quantize_tiles : quantize_tiles<Q, Scalar, Rank> {
    using base = quantize_tiles<Q, Scalar, Rank>;
    using typename base::parameters;
    using typename base::tile;

public:
    fake_quantize_tiles(const Q& quantizer, const strided<const Scalar, Rank>& source,
                        const strided<Out, Rank>& destination, int axis, const quantize_options& options)
        : base(quantizer, source, axis, options, destination.is_row_major()),
          to_(destination, this->is_joined_ ? -1 : axis),
          is_in_place_(static_cast<const void*>(source.data) == static_cast<const void*>(destination.data)) {}

    void run() {
        if (is_in_place_ && this->layout_.groups > 0 && this->options_.non_finite == non_finite::error) {
            check_values();
        }
        if (!this->prepare()) {
            return;
        }
        bool is_fitted = this->is_fitted();
        // Parameters that are stored together are decoded after all of them are known.
        if constexpr (!base::is_plain) {
            if (!is_fitted) {
                this->for_each_tile(0.5, [&](const tile& t) { this->fit_tile(t); });
                is_fitted = true;
            }
            stored_ = this->take_parameters();
        }
        this->for_each_tile(1.0, [&](const tile& t) { round_trip(t, is_fitted); });
    }

private:
    /// In place an error must come before the first value is written.
    void check_values() {
        this->for_each_tile(0.25, [&](const tile& t) {
            thread_local std::vector<float> buffer;
            value_range range;
            if (!codec<Q>::extremes(this->load(t, buffer), static_cast<std::size_t>(t.rows * t.columns), range.lo,
                                    range.hi)) {
                raise_non_finite(this->source_);
            }
        });
    }

    void round_trip(const tile& t, bool is_fitted) {
        thread_local std::vector<std::uint8_t> packed, scratch;
        thread_local std::vector<float> panel;
        thread_local std::vector<parameters> buffer;
        const row_layout& layout = this->layout_;
        const index bytes = make_row_layout(1, t.columns, 0, Q::format::bits).row_bytes;
        const index group = Q::group == whole_tensor ? t.columns : layout.group;
        const auto columns = static_cast<std::size_t>(t.columns);
        packed.resize(static_cast<std::size_t>(t.rows * bytes));
        scratch.resize(columns);
        panel.resize(static_cast<std::size_t>(t.rows * t.columns));
        this->quantize_tile(t, is_fitted, packed.data(), bytes);
        for (index r = 0; r < t.rows; ++r) {
            const index first = (t.row + r) * layout.groups_per_row + t.column / layout.group;
            const parameters* p;
            if constexpr (base::is_plain) {
                p = this->parameters_.data() + first;
            } else {
                p = parameters_at(stored_, first, (t.columns - 1) / group + 1, buffer);
            }
            codec<Q>::decode(this->quantizer_, packed.data() + r * bytes, columns, static_cast<std::size_t>(group),
                             static_cast<std::size_t>(group), p, panel.data() + r * t.columns, scratch.data());
        }
        store_panel(to_, t.row, t.rows, t.column, t.columns, panel.data());
    }

    row_view<Out, Rank> to_;
    bool is_in_place_;
    parameter_array<Q> stored_;
};

} // namespace detail

/// Writes dequantize(quantize<Q>(values, options)) to an Eigen object of the same dimensions, which may be `values`
/// itself but not overlap them otherwise. Errors: as `quantize`; `shape_mismatch` if the dimensions differ. In place
/// the values are as they were after any error but `cancelled`.
template <quantizer Q, class T, class D>
void fake_quantize_into(const T& values, D&& destination, const quantize_options& options = {},
                        const Q& quantizer = {}) {
    using Object = std::remove_cvref_t<D>;
    static_assert(eigen_object<T> && eigen_object<Object>,
                  "fake_quantize_into takes dense Eigen objects: Matrix, Array, Map, Ref, Block, Tensor or TensorMap");
    static_assert(detail::rank_of<T>() == detail::rank_of<Object>(),
                  "the destination has another rank than the values");
    if constexpr (!detail::has_memory<T>()) {
        const typename T::PlainObject evaluated = values;
        fake_quantize_into(evaluated, destination, options, quantizer);
    } else {
        constexpr int rank = detail::rank_of<T>();
        const auto source = as_strided(values);
        const auto target = as_strided(destination);
        if (source.sizes != target.sizes) {
            raise(error_code::shape_mismatch, "the destination has shape " + detail::shape_text(target.sizes) +
                                                  ", the values " + detail::shape_text(source.sizes));
        }
        if constexpr (block_quantizer<Q>) {
            quantize_options first = options;
            first.execution = options.execution.part(0.0, 0.8);
            dequantize_into(quantize<Q>(values, first, quantizer), destination, options.execution.part(0.8, 1.0));
            return;
        } else {
            using Out = std::remove_pointer_t<decltype(target.data)>;
            detail::fake_quantize_tiles<Q, typename T::Scalar, Out, rank>(
                quantizer, source, target, detail::checked_axis<rank>(options.axis), options)
                .run();
        }
    }
}

/// dequantize(quantize<Q>(values, options)): an Eigen object of the same kind, rank, order and scalar.
/// Errors: as `quantize`.
template <quantizer Q, class T>
[[nodiscard]] auto fake_quantize(const T& values, const quantize_options& options = {}, const Q& quantizer = {}) {
    eigen_of<typename detail::kind_of<T>::type, typename T::Scalar, detail::rank_of<T>()> result;
    if constexpr (detail::eigen_tensor<T>) {
        result.resize(values.dimensions());
    } else if constexpr (detail::rank_of<T>() == 1) {
        result.resize(values.size());
    } else {
        result.resize(values.rows(), values.cols());
    }
    fake_quantize_into(values, result, options, quantizer);
    return result;
}

} // namespace tersor::inline v0

#endif // TERSOR_TRAINING_FAKE_QUANT_HPP
