#ifndef TERSOR_QUANTIZERS_LLM_INT8_HPP
#define TERSOR_QUANTIZERS_LLM_INT8_HPP

// LLM.int8: 8-bit integers with the largest magnitude of each row stored in place of a scale.
//
//   s        = max|x| of the row
//   code     = round(x * ((1 / s) * 127)), half to even
//   decoded  = (code * s) * 0.007874015718698502
//
// Every operation is rounded to float; the constant is 1 / 127 as bitsandbytes writes it. A row of zeros has s = 0 and
// codes 0. Where (1 / s) * 127 or code * s would overflow, x / s * 127 and code * (s * 0.0078..) are taken. Source:
// Dettmers et al., arXiv:2208.07339; bitsandbytes, int8_vectorwise_quant and int8_vectorwise_dequant.

#include "tersor/core/concepts.hpp"
#include "tersor/formats/integer.hpp"
#include "tersor/quantizers/fit.hpp"

#include <cstdint>
#include <limits>
#include <span>

namespace tersor::inline v0 {

/// The weights of LLM.int8: one parameter per row.
struct llm_int8 {
    using format = int8;
    static constexpr index group = whole_row;

    /// What is stored per row: the largest magnitude, "SCB" in files.
    struct parameters {
        float largest;
        friend bool operator==(const parameters&, const parameters&) = default;
    };

    /// The largest magnitude between lo and hi.
    [[nodiscard]] parameters from_range(float lo, float hi) const noexcept { return {-lo > hi ? -lo : hi}; }

    /// The largest magnitude; with importance, the one of least weighted squared error.
    [[nodiscard]] parameters fit(std::span<const float> values, std::span<const float> importance) const {
        return fit_range(*this, values, importance);
    }

    [[nodiscard]] std::int8_t encode(float value, parameters p) const noexcept {
        constexpr float limit = std::numeric_limits<float>::max();
        const float factor = 1.0f / p.largest * 127.0f;
        const float scaled = factor <= limit ? value * factor : value / p.largest * 127.0f;
        // A range that was given may be smaller than the values; -128 is never used.
        return int8::encode(scaled < -127.0f ? -127.0f : scaled);
    }

    [[nodiscard]] float decode(std::int8_t code, parameters p) const noexcept {
        constexpr float share = 7.874015718698502e-3f;
        const float number = static_cast<float>(code);
        const float product = number * p.largest;
        const bool finite =
            product >= -std::numeric_limits<float>::max() && product <= std::numeric_limits<float>::max();
        return finite ? product * share : number * (p.largest * share);
    }

    friend bool operator==(const llm_int8&, const llm_int8&) = default;
};

} // namespace tersor::inline v0

#endif // TERSOR_QUANTIZERS_LLM_INT8_HPP
