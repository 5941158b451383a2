#ifndef TERSOR_QUANTIZERS_GGUF_TERNARY_PARAMETERS_HPP
#define TERSOR_QUANTIZERS_GGUF_TERNARY_PARAMETERS_HPP

// What tq1_0 and tq2_0 share: 256 values -1, 0 or 1 times a scale in fp16. They differ in how a block holds the codes.
//
//   value = (code - 1) * d

#include "tersor/core/concepts.hpp"
#include "tersor/formats/half.hpp"
#include "tersor/quantizers/gguf/ternary_kernels.hpp"
#include "tersor/quantizers/gguf/ternary_levels.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace tersor::inline v0::gguf::detail {

/// What tq1_0 and tq2_0 store for a block: the scale, as stored.
struct ternary_parameters {
    std::uint16_t d;

    /// The code of the one of -1, 0, 1 nearest to value / d, half way going to the even one; for d = 0 that of 0.
    [[nodiscard]] std::uint8_t encode(float value) const noexcept {
        const float scale = fp16::decode(d);
        return nearest_ternary(scale == 0.0f ? 0.0f : value / scale, 1);
    }
    /// (code - 1) * d.
    [[nodiscard]] float decode(std::uint8_t code) const noexcept {
        return static_cast<float>(static_cast<int>(code) - 1) * fp16::decode(d);
    }
    friend bool operator==(const ternary_parameters&, const ternary_parameters&) = default;
};

/// Encodes values.size() / 256 blocks of either type.
template <class Block>
void encode_ternary(std::span<const float> values, std::span<const float> importance, quantize_mode mode,
                    Block* out) noexcept {
    const std::size_t count = values.size() / 256;
    if (mode != quantize_mode::best) {
        TERSOR_DISPATCH(gguf::encode_tq(values.data(), count, out));
    } else if (importance.empty()) {
        TERSOR_DISPATCH(gguf::encode_tq_best<false>(values.data(), nullptr, count, out));
    } else {
        TERSOR_DISPATCH(gguf::encode_tq_best<true>(values.data(), importance.data(), count, out));
    }
}

} // namespace tersor::inline v0::gguf::detail

#endif // TERSOR_QUANTIZERS_GGUF_TERNARY_PARAMETERS_HPP
