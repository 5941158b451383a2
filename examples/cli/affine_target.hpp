#ifndef TERSOR_EXAMPLES_CLI_AFFINE_TARGET_HPP
#define TERSOR_EXAMPLES_CLI_AFFINE_TARGET_HPP

// The layouts of GPTQ and AWQ as the library sees them. Scales have half precision there.

#include "encoder.hpp"

#include "tersor/io/transcode.hpp"

namespace cli {

[[nodiscard]] inline bool is_affine_layout(layout kind) noexcept {
    return kind == layout::gptq || kind == layout::gptq_v2 || kind == layout::awq;
}

[[nodiscard]] inline tersor::affine_target affine_target_of(layout kind) noexcept {
    return {kind == layout::awq       ? tersor::affine_layout::awq
            : kind == layout::gptq_v2 ? tersor::affine_layout::gptq_v2
                                      : tersor::affine_layout::gptq,
            tersor::safetensors_dtype::f16};
}

/// What the tensors of a target of integers are declared by.
[[nodiscard]] inline tersor::affine_shape affine_shape_of(const target& what) {
    const tersor::index group = what.spec.group > 0 && what.spec.group < what.cols() ? what.spec.group : 0;
    tersor::affine_shape shape;
    shape.bits = what.spec.format->bits;
    shape.rows = what.rows();
    shape.cols = what.cols();
    shape.group = group;
    shape.groups = group > 0 ? what.cols() / group : 1;
    shape.symmetric = what.spec.format->family == family::absmax;
    shape.in_order = !what.reorders;
    return shape;
}

} // namespace cli

#endif // TERSOR_EXAMPLES_CLI_AFFINE_TARGET_HPP
