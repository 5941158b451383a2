#ifndef TERSOR_MATMUL_LLM_INT8_PRODUCT_HPP
#define TERSOR_MATMUL_LLM_INT8_PRODUCT_HPP

// LLM.int8: a layer Y = X W^T + b in 8-bit integers whose outlier columns stay floats (Dettmers et al.,
// arXiv:2208.07339).
//
//   outlier columns   those given, and those with |x| >= threshold for some token of the batch
//   y(t, r) = float(sum over k of cx(t, k) cw(r, k)) * (sx_t * sw_r)      the other columns: the sum exact
//             + b_r
//             + o,  o = 0; o = fma(w(r, k), x(t, k), o)                   over the outlier columns, in order
//
// By default rows of X and of W are absmax<int8>: sx = max|x| / 127 of the token over the other columns, and the same
// for a row of W, followed by the scale of least squared error for its codes, sum(w c) / sum(c^2). Columns given
// beforehand keep the weights' own precision; the weights of columns found in a batch are decoded.
//
// llm_int8_linear<llm_int8> is bitsandbytes' CPU path, bit for bit without outliers: sx = max|x|, sw = max|w|, and a
// factor 6.200124e-05 (its constant; 1 / 127^2 is 6.200012e-05) after the scales.

#include "tersor/core/error.hpp"
#include "tersor/core/execution.hpp"
#include "tersor/core/quantized_tensor.hpp"
#include "tersor/core/strided.hpp"
#include "tersor/matmul/int8_product.hpp"
#include "tersor/matmul/int8_product_scale.hpp"
#include "tersor/quantizers/activation.hpp"
#include "tersor/quantizers/llm_int8.hpp"
#include "tersor/quantizers/llm_int8_activations.hpp"
#include "tersor/quantizers/quantize.hpp"

#include <Eigen/Core>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace tersor::inline v0 {

/// How an llm_int8_linear works.
struct llm_int8_options {
    /// Columns in which some magnitude of a batch is at least this are multiplied as floats; 0: none.
    float threshold = 6.0f;
    /// Columns that always are, with the weights as they were; those of `outlier_columns` of some typical batches.
    std::vector<index> columns{};
    /// Empty, or one number per row of weights.
    std::vector<float> bias{};
};

/// A layer by LLM.int8. `Q` is per_channel<absmax<int8>>, or llm_int8 for the results of bitsandbytes.
/// Products may run in several threads at once.
template <class Q = per_channel<absmax<int8>>>
requires std::same_as<Q, per_channel<absmax<int8>>> || std::same_as<Q, llm_int8>
class llm_int8_linear {
public:
    using matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

    /// Quantizes weights [out x in], any Eigen matrix. Errors: `non_finite`; `invalid_argument` for a threshold that is
    /// negative or NaN, or a column beyond the weights; `shape_mismatch` for a bias of another size; `unsupported` for
    /// more than 131071 columns; `cancelled`.
    template <class W>
    requires detail::eigen_dense<W>
    explicit llm_int8_linear(const W& weights, llm_int8_options options = {}, const execution& exec = {}) {
        matrix w = weights.template cast<float>();
        take_options(std::move(options), w.rows(), w.cols());
        kept_weights_.resize(static_cast<std::size_t>(w.rows()) * activation_.columns.size());
        for (index r = 0; r < w.rows(); ++r) {
            for (std::size_t i = 0; i < activation_.columns.size(); ++i) {
                float& value = w(r, activation_.columns[i]);
                if (!detail::is_finite(value)) {
                    raise(error_code::non_finite, "the weight of row " + std::to_string(r) + ", column " +
                                                      std::to_string(activation_.columns[i]) + " is not finite");
                }
                kept_weights_[static_cast<std::size_t>(r) * activation_.columns.size() + i] =
                    std::exchange(value, 0.0f);
            }
        }
        weights_ = tersor::quantize<Q>(w, quantize_options{.execution = exec});
        if constexpr (!std::same_as<Q, llm_int8>) {
            fit_scales(w, exec);
        }
        find_row_scales();
    }

    /// Weights quantized before, such as a checkpoint's; given columns are decoded. Errors: as above.
    explicit llm_int8_linear(quantized_tensor<Q, 2> weights, llm_int8_options options = {})
        : weights_(std::move(weights)) {
        if (weights_.axis() != 1) {
            raise(error_code::unsupported, "LLM.int8 takes weights quantized along rows");
        }
        take_options(std::move(options), weights_.rows(), weights_.cols());
        for (index r = 0; r < weights_.rows(); ++r) {
            for (const index c : activation_.columns) {
                kept_weights_.push_back(decoded(r, c));
            }
        }
        find_row_scales();
    }

    /// X W^T + b for activations [tokens x in], any Eigen matrix, or one token as a vector, into y [tokens x out],
    /// whose memory is used again where it fits. Errors: `shape_mismatch`; `non_finite` naming token and channel;
    /// `cancelled`.
    template <class X>
    void multiply_into(const X& x, matrix& y, const execution& exec = {}) const {
        static_assert(eigen_object<X>, "activations are an Eigen matrix [tokens x in]");
        if constexpr (!detail::has_memory<X>()) {
            const typename X::PlainObject evaluated = x;
            multiply_into(evaluated, y, exec);
        } else {
            thread_local detail::activation_rows<Q> rows;
            thread_local activations<Q> quantized;
            thread_local std::vector<float> token_scales;
            const auto source = detail::token_view(x);
            if (source.sizes[1] != weights_.cols()) {
                raise(error_code::shape_mismatch, "LLM.int8: x [" + std::to_string(source.sizes[0]) + " x " +
                                                      std::to_string(source.sizes[1]) + "] does not fit weights [" +
                                                      std::to_string(weights_.rows()) + " x " +
                                                      std::to_string(weights_.cols()) + "]: expected as many columns");
            }
            rows.run(detail::rows_of(source, rows.floats), activation_, exec.part(0.0, 0.1), {}, {}, quantized);
            y.resize(source.sizes[0], weights_.rows());
            if (weights_.cols() == 0) {
                y.setZero();
                for (index t = 0; t < y.rows() && !bias_.empty(); ++t) {
                    y.row(t) = Eigen::Map<const Eigen::RowVectorXf>(bias_.data(), y.cols());
                }
                return;
            }
            token_scales.clear();
            for (const auto& p : quantized.codes.parameters()) {
                token_scales.push_back(scale_of(p));
            }
            detail::pad_tokens(token_scales);
            const gathering gather{this, quantized.kept.columns.data(),
                                   static_cast<index>(quantized.kept.columns.size())};
            const detail::scaled_output finish{.token_scales = token_scales.data(),
                                               .zeros = nullptr,
                                               .row_scales = row_scales_.data(),
                                               .factor = std::same_as<Q, llm_int8> ? 6.200124e-05f : 1.0f,
                                               .bias = bias_.empty() ? nullptr : bias_.data(),
                                               .columns = {quantized.kept.values.data(), quantized.kept.distance,
                                                           gather.count, &gather, &gathering::rows},
                                               .y = y.data(),
                                               .distance = y.cols()};
            detail::multiply_bytes(detail::bytes_of(quantized.codes), detail::bytes_of(weights_), false,
                                   exec.part(0.1, 1.0), finish);
        }
    }

    /// The same as a new matrix.
    template <class X>
    [[nodiscard]] matrix operator()(const X& x, const execution& exec = {}) const {
        matrix y;
        multiply_into(x, y, exec);
        return y;
    }

    /// The codes and scales of the weights, zeros in the columns given beforehand.
    [[nodiscard]] const quantized_tensor<Q, 2>& weights() const noexcept { return weights_; }
    /// The columns given beforehand, ascending.
    [[nodiscard]] const std::vector<index>& columns() const noexcept { return activation_.columns; }

private:
    /// The weights of a batch's outlier columns, some rows at a time.
    struct gathering {
        const llm_int8_linear* layer;
        const index* columns;
        index count;

        static void rows(const void* self, index first, index rows, float* out) {
            const auto& [layer, columns, count] = *static_cast<const gathering*>(self);
            const auto known = static_cast<index>(layer->activation_.columns.size());
            for (index r = first; r < first + rows; ++r, out += count) {
                std::copy_n(layer->kept_weights_.data() + r * known, known, out);
                for (index i = known; i < count; ++i) {
                    out[i] = layer->decoded(r, columns[i]);
                }
            }
        }
    };

    void take_options(llm_int8_options options, index rows, index cols) {
        if (!options.bias.empty() && static_cast<index>(options.bias.size()) != rows) {
            raise(error_code::shape_mismatch, "LLM.int8: a bias of " + std::to_string(options.bias.size()) +
                                                  " numbers for " + std::to_string(rows) + " rows of weights");
        }
        detail::check_int32_length(cols, false);
        bias_ = std::move(options.bias);
        activation_ = activation_quantizer<Q>(
                          activation_options{.threshold = options.threshold, .columns = std::move(options.columns)})
                          .options();
        if (!activation_.columns.empty() && activation_.columns.back() >= cols) {
            raise(error_code::invalid_argument, "LLM.int8: column " + std::to_string(activation_.columns.back()) +
                                                    " of weights with " + std::to_string(cols) + " columns");
        }
    }

    /// The scales of least squared error for the codes as they are.
    void fit_scales(const matrix& w, const execution& exec) {
        const auto shape = weights_.dimensions();
        auto [codes, scales] = std::move(weights_).release();
        exec.for_each(w.rows(), [&, &codes = codes, &scales = scales](index r) {
            const auto* const c = reinterpret_cast<const std::int8_t*>(codes.data()) + r * w.cols();
            double product = 0.0;
            std::int64_t square = 0;
            for (index k = 0; k < w.cols(); ++k) {
                // Exact in double before it is added, in order.
                product += static_cast<double>(w(r, k)) * static_cast<double>(c[k]);
                square += c[k] * c[k];
            }
            const auto scale = static_cast<float>(product / static_cast<double>(square));
            if (square > 0 && scale > 0.0f && detail::is_finite(scale * 127.0f)) {
                scales[static_cast<std::size_t>(r)].scale = scale;
            }
        });
        weights_ = {Q{}, shape, 1, std::move(codes), std::move(scales)};
    }

    [[nodiscard]] static float scale_of(const typename Q::parameters& p) noexcept {
        if constexpr (std::same_as<Q, llm_int8>) {
            return p.largest;
        } else {
            return p.scale;
        }
    }

    void find_row_scales() {
        for (const auto& p : weights_.parameters()) {
            row_scales_.push_back(scale_of(p));
        }
        detail::pad_tokens(row_scales_);
    }

    [[nodiscard]] float decoded(index row, index column) const noexcept {
        const auto code =
            static_cast<std::int8_t>(weights_.codes()[static_cast<std::size_t>(row * weights_.cols() + column)]);
        return weights_.quantizer().decode(code, weights_.parameters()[static_cast<std::size_t>(row)]);
    }

    quantized_tensor<Q, 2> weights_;
    activation_options activation_;
    std::vector<float> kept_weights_, row_scales_, bias_;
};

} // namespace tersor::inline v0

#endif // TERSOR_MATMUL_LLM_INT8_PRODUCT_HPP
