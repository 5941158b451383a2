#ifndef TERSOR_IO_AFFINE_WEIGHT_APPEND_HPP
#define TERSOR_IO_AFFINE_WEIGHT_APPEND_HPP

// What the writers of affine weights share: names, and scales in the type that a file stores: float, or rounded to half
// or bfloat16, ties to even.

#include "tersor/core/error.hpp"
#include "tersor/formats/half.hpp"
#include "tersor/io/affine_weight.hpp"
#include "tersor/io/quote.hpp"
#include "tersor/io/safetensors_dtype.hpp"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tersor::inline v0::detail {

/// "PREFIX." of PREFIX.weight; unsupported for another name.
[[nodiscard]] inline std::string prefix_of(std::string_view name, const char* layout) {
    constexpr std::string_view last = "weight";
    if (name != last && !name.ends_with(".weight")) {
        raise(error_code::unsupported,
              std::string("the ") + layout + " layout holds tensors named PREFIX.weight, not " + quote_name(name));
    }
    return std::string(name.substr(0, name.size() - last.size()));
}

/// Raises unsupported if there is a reason.
inline void require_held(const char* layout, std::string_view name, const affine_shape& shape,
                         const std::string& reason) {
    if (!reason.empty()) {
        raise(error_code::unsupported, std::string("the ") + layout + " layout cannot hold " + quote_name(name) + " " +
                                           shape_of_values(shape.rows, shape.cols) + ": " + reason);
    }
}

/// A scale as that type stores it: f32, f16 or bf16.
[[nodiscard]] inline float rounded_scale(float scale, safetensors_dtype type) noexcept {
    switch (type) {
    case safetensors_dtype::f16:
        return fp16::decode(fp16::encode(scale));
    case safetensors_dtype::bf16:
        return bf16::decode(bf16::encode(scale));
    default:
        return scale;
    }
}

inline void require_scale_type(safetensors_dtype type) {
    if (type != safetensors_dtype::f16 && type != safetensors_dtype::bf16 && type != safetensors_dtype::f32) {
        raise(error_code::invalid_argument,
              "scales are stored as F16, BF16 or F32, not " + std::string(to_string(type)));
    }
}

/// Raises unsupported for a scale that becomes infinite in that type.
inline void require_scale(float scale, safetensors_dtype type) {
    if (std::isfinite(scale) && !std::isfinite(rounded_scale(scale, type))) {
        raise(error_code::unsupported,
              "a scale of " + std::to_string(scale) + " is beyond the range of " + std::string(to_string(type)));
    }
}

/// Appends scales to a tensor of that type.
template <class Out>
void append_scales(Out& out, const std::string& name, std::span<const float> scales, safetensors_dtype type) {
    require_scale_type(type);
    if (type == safetensors_dtype::f32) {
        return out.append(name, scales);
    }
    std::vector<std::uint16_t> stored(scales.size());
    for (std::size_t i = 0; i < scales.size(); ++i) {
        require_scale(scales[i], type);
        stored[i] = type == safetensors_dtype::f16 ? fp16::encode(scales[i]) : bf16::encode(scales[i]);
    }
    out.append(name, stored);
}

} // namespace tersor::inline v0::detail

#endif // TERSOR_IO_AFFINE_WEIGHT_APPEND_HPP
