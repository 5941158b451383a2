#ifndef TERSOR_QUANTIZERS_ACTIVATION_HPP
#define TERSOR_QUANTIZERS_ACTIVATION_HPP

// Quantization of activations [tokens x channels], as an inference engine calls it for each layer: an
// activation_quantizer is made once and its memory used again for every batch.
//
//   dynamic   each group is fitted to its own values: absmax<..>, zero_point<..> or dynamic_quantize_linear for one
//             group in all, per_channel<..> for one each token, blockwise<.., N> for N channels of a token
//   static    a range or parameters that a calibrator has found beforehand
//   kept      some columns stay floats: those given, and those with an outlier in the batch; they count as zeros
//             where the others are fitted, and their codes are those of zero
//
// Fitting and encoding are those of `quantize`: one pass over each row while it is in the cache.

#include "tersor/core/concepts.hpp"
#include "tersor/core/error.hpp"
#include "tersor/core/options.hpp"
#include "tersor/core/strided.hpp"
#include "tersor/formats/integer.hpp"
#include "tersor/quantizers/absmax.hpp"
#include "tersor/quantizers/activation_columns.hpp"
#include "tersor/quantizers/activation_rows.hpp"
#include "tersor/quantizers/per_channel.hpp"
#include "tersor/quantizers/quantize_checks.hpp"
#include "tersor/quantizers/quantize_tiles.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace tersor::inline v0 {

/// Quantizes the activations of one layer, batch after batch.
template <code_quantizer Q = per_channel<absmax<int8>>>
class activation_quantizer {
    static_assert(
        std::is_same_v<parameter_array<Q>, std::vector<typename Q::parameters>> && !prepared_quantizer<Q>,
        "activations take quantizers with plain parameters: absmax or zero_point, also per_channel or blockwise");

public:
    using parameters = typename Q::parameters;

    /// Dynamic, or static with a range. Errors: `invalid_argument` for a range that is not finite or without 0, a
    /// threshold that is negative or NaN, or a negative column; `unsupported` for kept columns with
    /// non_finite::saturate.
    explicit activation_quantizer(activation_options options = {}, const Q& quantizer = {})
        : options_(std::move(options)), quantizer_(quantizer) {
        saturating_.range = options_.range;
        saturating_.non_finite = non_finite::saturate;
        saturating_.execution = options_.execution;
        detail::check_options<Q>(saturating_, 0);
        const bool keeps = detail::checked_threshold(options_.threshold) || !options_.columns.empty();
        std::sort(options_.columns.begin(), options_.columns.end());
        options_.columns.erase(std::unique(options_.columns.begin(), options_.columns.end()), options_.columns.end());
        if (!options_.columns.empty() && options_.columns.front() < 0) {
            raise(error_code::invalid_argument,
                  "column " + std::to_string(options_.columns.front()) + " cannot be kept: columns count from 0");
        }
        if (keeps && options_.non_finite == non_finite::saturate) {
            raise(error_code::unsupported, "columns are kept as they are: values that are not finite are errors then");
        }
        if constexpr (range_quantizer<Q>) {
            if (options_.range) {
                fixed_ = quantizer_.from_range(options_.range->lo, options_.range->hi);
            }
        }
    }

    /// Static: every group has these parameters, such as those of a calibrator.
    /// Errors: as above; `invalid_argument` for a scale that is not positive; `unsupported` for non_finite::saturate.
    explicit activation_quantizer(const parameters& fixed, activation_options options = {}, const Q& quantizer = {})
        : activation_quantizer(std::move(options), quantizer) {
        if (options_.non_finite == non_finite::saturate) {
            raise(error_code::unsupported, "non_finite::saturate takes a range, not parameters");
        }
        if constexpr (requires { quantizer_.scale(fixed); }) {
            const float scale = quantizer_.scale(fixed);
            if (!(scale > 0.0f) || !detail::is_finite(scale)) {
                raise(error_code::invalid_argument,
                      "activations cannot have the scale " + std::to_string(scale) + ": expected a positive number");
            }
        }
        fixed_ = fixed;
    }

    /// Quantizes activations [tokens x channels], any Eigen matrix, or a vector as one token. The result is valid until
    /// the next call. From the second call on nothing is allocated while the batches are not larger than before.
    /// Errors: `non_finite` naming token and channel; `invalid_argument` for a kept column beyond the channels;
    /// `cancelled`.
    template <class X>
    const activations<Q>& quantize(const X& x) {
        quantize_into(x, result_);
        return result_;
    }

    /// The same into memory of the caller.
    template <class X>
    void quantize_into(const X& x, activations<Q>& out) {
        static_assert(eigen_object<X>, "activations are an Eigen matrix [tokens x channels]");
        if constexpr (!detail::has_memory<X>()) {
            const typename X::PlainObject evaluated = x;
            quantize_into(evaluated, out);
        } else {
            const auto source = detail::token_view(x);
            if (options_.non_finite == non_finite::error) {
                rows_.run(detail::rows_of(source, rows_.floats), options_, options_.execution, quantizer_, fixed_, out);
                return;
            }
            out.kept.columns.clear();
            out.kept.values.clear();
            auto [codes, memory] = std::move(out.codes).release();
            out.codes = {};
            detail::quantize_tiles<Q, typename X::Scalar, 2> job(quantizer_, source, 1, saturating_);
            job.run(codes, std::move(memory));
            out.codes = {job.quantizer(), source.sizes, 1, std::move(codes), job.take_parameters()};
        }
    }

    [[nodiscard]] const activation_options& options() const noexcept { return options_; }
    /// Whether every group has parameters found beforehand.
    [[nodiscard]] bool is_static() const noexcept { return fixed_.has_value(); }

private:
    activation_options options_;
    Q quantizer_;
    quantize_options saturating_{};
    std::optional<parameters> fixed_{};
    activations<Q> result_{};
    detail::activation_rows<Q> rows_;
};

} // namespace tersor::inline v0

#endif // TERSOR_QUANTIZERS_ACTIVATION_HPP
