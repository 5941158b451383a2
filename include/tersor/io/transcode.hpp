#ifndef TERSOR_IO_TRANSCODE_HPP
#define TERSOR_IO_TRANSCODE_HPP

// From one integer checkpoint layout to another without quantizing again: codes stay what they are, and a verdict says
// what became of the values.
//
//   layout               bits             scales, as chosen   groups
//   gptq (v1), gptq_v2   2 to 8           F16, BF16, F32      any, by g_idx
//   gptq_p (planes)      2 to 8           the same            any, by g_idx
//   awq (gemm)           4; fewer widen   the same            equal runs of columns
//   compressed-tensors   1 to 8           the same            equal; runs of columns or by weight_g_idx
//
// A grid of fewer bits is part of one of more bits, and a group may be cut into smaller ones with the same parameters:
// neither changes a value. Rounding the scales to a narrower type does.

#include "tersor/core/error.hpp"
#include "tersor/io/affine_weight.hpp"
#include "tersor/io/affine_weight_append.hpp"
#include "tersor/io/affine_weight_regroup.hpp"
#include "tersor/io/awq_layout.hpp"
#include "tersor/io/compressed_tensors_affine.hpp"
#include "tersor/io/gptq_layout.hpp"
#include "tersor/io/transcode_verdict.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tersor::inline v0 {

/// The layouts that store affine weights.
enum class affine_layout { gptq, gptq_v2, gptq_p, awq, compressed_tensors };

namespace detail {
inline constexpr std::array<std::string_view, 5> affine_layout_names{"gptq", "gptq-v2", "gptq-p", "awq",
                                                                     "compressed-tensors"};
} // namespace detail

/// "gptq", "gptq-v2", "gptq-p", "awq", "compressed-tensors".
[[nodiscard]] constexpr std::string_view to_string(affine_layout layout) noexcept {
    return detail::affine_layout_names[static_cast<std::size_t>(layout)];
}

/// The layout of that name, or nothing.
[[nodiscard]] constexpr std::optional<affine_layout> find_affine_layout(std::string_view name) noexcept {
    for (std::size_t i = 0; i < detail::affine_layout_names.size(); ++i) {
        if (detail::affine_layout_names[i] == name) {
            return static_cast<affine_layout>(i);
        }
    }
    return {};
}

/// How a weight is to be stored.
struct affine_target {
    affine_layout layout = affine_layout::gptq;
    safetensors_dtype scales = safetensors_dtype::f16; ///< f16, bf16 or f32

    friend bool operator==(const affine_target&, const affine_target&) = default;
};

namespace detail {
[[nodiscard]] constexpr bool is_gptq(affine_layout layout) noexcept {
    return layout != affine_layout::awq && layout != affine_layout::compressed_tensors;
}

[[nodiscard]] constexpr gptq_layout::storage gptq_storage(const affine_target& target) noexcept {
    return {target.layout == affine_layout::gptq ? gptq_layout::version::v1 : gptq_layout::version::v2,
            target.layout == affine_layout::gptq_p ? gptq_layout::packing::planes : gptq_layout::packing::stream,
            target.scales};
}
} // namespace detail

/// Why a layout cannot hold a weight of that shape as it is; empty if it can.
[[nodiscard]] inline std::string reason_against(const affine_target& target, const affine_shape& shape) {
    switch (target.layout) {
    case affine_layout::awq:
        return awq_layout::reason_against(shape);
    case affine_layout::compressed_tensors:
        return compressed_tensors::reason_against(shape, compressed_tensors::storage_of(shape));
    default:
        return gptq_layout::reason_against(shape, detail::gptq_storage(target));
    }
}

/// The tensors that a weight NAME = PREFIX.weight becomes; unsupported if the layout cannot hold it.
[[nodiscard]] inline std::vector<safetensors_declaration> declare(const affine_target& target, std::string_view name,
                                                                  const affine_shape& shape) {
    detail::require_scale_type(target.scales);
    switch (target.layout) {
    case affine_layout::awq:
        return awq_layout::declare(name, shape, {target.scales});
    case affine_layout::compressed_tensors:
        return compressed_tensors::declare(name, shape, compressed_tensors::storage_of(shape, target.scales));
    default:
        return gptq_layout::declare(name, shape, detail::gptq_storage(target));
    }
}

/// Calls out.append(name, bytes) for each tensor of a weight that was declared with the same target and that shape,
/// which may be less special than the weight's own: zero points that happen to be symmetric, columns in order. Errors:
/// those of check(); unsupported if the layout cannot hold it; those of `out`.
template <class Out>
void append(const affine_target& target, Out& out, std::string_view name, const affine_weight& w,
            const affine_shape& shape) {
    switch (target.layout) {
    case affine_layout::awq:
        return awq_layout::append(out, name, w, {target.scales});
    case affine_layout::compressed_tensors:
        return compressed_tensors::append(out, name, w, compressed_tensors::storage_of(shape, target.scales));
    default:
        return gptq_layout::append(out, name, w, detail::gptq_storage(target));
    }
}

/// The weight in the form that a layout stores, and what that changes. Fewer bits are widened where the layout has none
/// of them, and groups cut into runs of equal length where it has no index for them. Errors: those of check();
/// unsupported, naming why, if the layout has no place for the weight.
[[nodiscard]] inline transcoded<affine_weight> transcode(const affine_weight& w, const affine_target& target) {
    check(w);
    detail::require_scale_type(target.scales);
    // smaller groups would take more room for scales than for codes
    constexpr index smallest_run = 16;
    transcoded<affine_weight> result{w, {}};
    affine_weight& to = result.weight;
    if (target.layout == affine_layout::awq && to.bits < 4) {
        to = widen(std::move(to), 4);
    } else if (detail::is_gptq(target.layout) && to.bits < 2) {
        to = widen(std::move(to), 2);
    }
    const index run = common_run(to);
    if (!detail::is_gptq(target.layout) && !reason_against(target, shape_of(to)).empty() &&
        (run >= smallest_run || run == to.cols)) {
        to = regroup(to, run);
    }
    if (const std::string reason = reason_against(target, shape_of(to)); !reason.empty()) {
        raise(error_code::unsupported, "the " + std::string(to_string(target.layout)) +
                                           " layout cannot hold a weight " + detail::shape_of_values(w.rows, w.cols) +
                                           ": " + reason);
    }
    for (float& scale : to.scales) {
        detail::require_scale(scale, target.scales);
        scale = detail::rounded_scale(scale, target.scales);
    }
    result.verdict = compare_values(w, to);
    return result;
}

} // namespace tersor::inline v0

#endif // TERSOR_IO_TRANSCODE_HPP
