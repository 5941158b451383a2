#ifndef TERSOR_QUANTIZERS_LLM_INT8_ACTIVATIONS_HPP
#define TERSOR_QUANTIZERS_LLM_INT8_ACTIVATIONS_HPP

// Activations of LLM.int8 as bitsandbytes quantizes them, bit for bit:
//
//   outlier elements   |x| >= threshold; the columns that hold one stay floats
//   s                  = max|x| of the token over all other elements, those of outlier columns too
//   code               = round(x * ((1 / s) * 127)), half to even; 0 in outlier columns
//
// With `activation_quantizer<per_channel<absmax<int8>>>` the elements of outlier columns do not count for s and the
// quotient is rounded once: smaller steps, smaller errors. Source: bitsandbytes, int8_vectorwise_quant.

#include "tersor/quantizers/activation.hpp"
#include "tersor/quantizers/activation_columns.hpp"
#include "tersor/quantizers/activation_rows.hpp"
#include "tersor/quantizers/llm_int8.hpp"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace tersor::inline v0::detail {

/// The rule above in place of that of other quantizers.
template <>
class activation_rows<llm_int8> {
public:
    std::vector<float> floats; ///< for activations of other types

    /// Errors: as activation_quantizer::quantize.
    void run(const float_rows& x, const activation_options& options, const execution& exec, const llm_int8& quantizer,
             const std::optional<llm_int8::parameters>& fixed, activations<llm_int8>& out) {
        kept_columns& kept = out.kept;
        find_kept_columns(x, options, exec.part(0.0, 0.3), largest_, kept);
        auto memory = std::move(out.codes).release();
        auto& codes = memory.first;
        auto& found = memory.second;
        out.codes = {};
        const auto length = static_cast<std::size_t>(x.channels);
        const index rows = length == 0 ? 0 : x.tokens;
        codes.resize(static_cast<std::size_t>(rows) * length);
        found.resize(static_cast<std::size_t>(rows));
        const bool has_outliers = options.threshold > 0.0f && is_finite(options.threshold);
        const std::int32_t bound = has_outliers ? std::bit_cast<std::int32_t>(options.threshold) : 0x7F800000;
        exec.part(0.3, 1.0).for_each(rows, [&](index t) {
            thread_local std::vector<float> buffer;
            llm_int8::parameters& p = found[static_cast<std::size_t>(t)];
            p = fixed ? *fixed
                      : llm_int8::parameters{
                            std::bit_cast<float>(TERSOR_DISPATCH(magnitude_below(x.row(t), length, bound)))};
            if (!codec<llm_int8>::encode(quantizer, masked_row(x, t, kept.columns, buffer), length, length, &p,
                                         codes.data() + static_cast<std::size_t>(t) * length)) {
                raise_activation(x);
            }
        });
        out.codes = {quantizer, {x.tokens, x.channels}, 1, std::move(codes), std::move(found)};
    }

private:
    std::vector<std::int32_t> largest_;
};

} // namespace tersor::inline v0::detail

#endif // TERSOR_QUANTIZERS_LLM_INT8_ACTIVATIONS_HPP
