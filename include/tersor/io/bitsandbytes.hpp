#ifndef TERSOR_IO_BITSANDBYTES_HPP
#define TERSOR_IO_BITSANDBYTES_HPP

// Writing weights as bitsandbytes stores them in a checkpoint.
//
//   nf4, fp4     NAME                    U8 [(n + 1) / 2, 1], the codes of the flattened weight
//                NAME.absmax             F32 [blocks]; U8 with double quantization
//                NAME.quant_map          F32 [16]
//                NAME.nested_absmax      F32 [ceil(blocks / 256)]     with double quantization
//                NAME.nested_quant_map   F32 [256]                    with double quantization
//                NAME.quant_state.bitsandbytes__nf4 (or fp4)          U8, JSON text: bitsandbytes_state.hpp
//   dynamic8     the same with NAME U8 [shape], quant_map F32 [256], ...bitsandbytes__dynamic8: bitsandbytes has no
//                checkpoint of such weights; this is its layout carried on
//   LLM.int8     NAME I8 [rows, cols], SCB F32 [rows], weight_format U8 [] = 0; SCB and weight_format stand beside
//                NAME: PREFIX.weight, PREFIX.SCB, PREFIX.weight_format
//
// Source: bitsandbytes, QuantState.as_dict and Linear8bitLt._save_to_state_dict.

#include "tersor/core/error.hpp"
#include "tersor/core/quantized_tensor.hpp"
#include "tersor/formats/bitsandbytes_cpu.hpp"
#include "tersor/formats/dynamic8.hpp"
#include "tersor/formats/fp4.hpp"
#include "tersor/formats/nf4.hpp"
#include "tersor/io/bitsandbytes_state.hpp"
#include "tersor/io/safetensors_layout.hpp"
#include "tersor/quantizers/absmax.hpp"
#include "tersor/quantizers/double_quant.hpp"
#include "tersor/quantizers/llm_int8.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace tersor::inline v0::bitsandbytes {

/// How a weight is written.
struct write_options {
    /// The type of the values before quantization: f32, f16 or bf16. Readers round what they decode to it.
    safetensors_dtype original = safetensors_dtype::bf16;
    /// With double quantization: parameters().offset() of the tensor, if it is known when the tensor is declared. It
    /// stands as text in the file; without it the text is padded with spaces to the longest that it can be.
    std::optional<float> offset;
};

namespace detail {

/// The name of a format in a quant_state; empty if it has none.
template <class Format>
inline constexpr std::string_view type_name{};
template <>
inline constexpr std::string_view type_name<nf4> = "nf4";
template <>
inline constexpr std::string_view type_name<fp4> = "fp4";
template <>
inline constexpr std::string_view type_name<dynamic8> = "dynamic8";
template <class Map>
inline constexpr std::string_view type_name<bitsandbytes_cpu<Map>> = type_name<Map>;

template <class Format>
[[nodiscard]] constexpr std::span<const float> map_of() noexcept {
    return tersor::detail::nested_values<Format>::map;
}

/// The scales per nested scale; 0 without double quantization.
template <class Q>
inline constexpr std::int64_t nested_block = 0;
template <class Q, index N, class Nested>
inline constexpr std::int64_t nested_block<double_quant<Q, N, Nested>> = N;

template <class Q>
inline constexpr bool is_blockwise_absmax = [] {
    if constexpr (requires { Q::is_codebook; }) {
        return Q::is_codebook && Q::group > 0 && !type_name<typename Q::format>.empty();
    } else {
        return false;
    }
}();

[[nodiscard]] inline std::string prefix_of(std::string_view name) {
    constexpr std::string_view last = "weight";
    if (name != last && !name.ends_with(".weight")) {
        raise(error_code::unsupported,
              "the LLM.int8 layout holds tensors named PREFIX.weight, not " + tersor::detail::quote_name(name));
    }
    return std::string(name.substr(0, name.size() - last.size()));
}

} // namespace detail

/// Whether the layout has a place for a quantizer: blockwise<absmax<Format>, N> of nf4, fp4 (N = 32, 64, .. 4096) or
/// dynamic8 (any N), double_quant of these, and llm_int8.
template <quantizer Q>
inline constexpr bool can_hold = [] {
    if constexpr (detail::is_blockwise_absmax<Q>) {
        constexpr index n = Q::group;
        return Q::format::bits == 8 || (n >= 32 && n <= 4096 && (n & (n - 1)) == 0);
    } else {
        return std::is_same_v<Q, llm_int8>;
    }
}();

namespace detail {
template <class Q>
void require_held(std::string_view name) {
    if constexpr (!can_hold<Q>) {
        raise(
            error_code::unsupported,
            "the bitsandbytes layout cannot hold " + tersor::detail::quote_name(name) +
                " in this form: it has nf4 and fp4 in blocks of 32, 64, 128, .. 4096, dynamic8 in blocks of any size, "
                "each with or without double quantization, and LLM.int8; compressed-tensors has integers, 8-bit "
                "floats, mxfp4, mxfp8 and nvfp4");
    }
}

template <class Q>
[[nodiscard]] quant_state state_of(std::span<const std::int64_t> shape, const write_options& options) {
    quant_state state{std::string(type_name<typename Q::format>),
                      static_cast<std::int64_t>(Q::group),
                      options.original,
                      {shape.begin(), shape.end()},
                      {}};
    if constexpr (nested_block < Q >> 0) {
        state.nested = nested_state{nested_block<Q>, options.offset.value_or(0.0f)};
    }
    return state;
}
} // namespace detail

/// The tensors that a weight of that shape becomes. unsupported if the layout cannot hold it; invalid_argument for a
/// negative size.
template <quantizer Q>
[[nodiscard]] std::vector<safetensors_declaration> declare(std::string_view name, std::span<const std::int64_t> shape,
                                                           const write_options& options = {}) {
    using type = safetensors_dtype;
    detail::require_held<Q>(name);
    const std::string base(name);
    const safetensors_declaration original{base, type::u8, {shape.begin(), shape.end()}};
    const auto count = static_cast<std::int64_t>(bytes_of(original));
    std::vector<safetensors_declaration> tensors;
    if constexpr (std::is_same_v<Q, llm_int8>) {
        const std::string prefix = detail::prefix_of(name);
        if (shape.size() != 2) {
            raise(error_code::unsupported, "LLM.int8 holds matrices; tensor " + tersor::detail::quote_name(name) +
                                               " has shape " + tersor::detail::describe_shape(shape));
        }
        tensors.push_back({base, type::i8, original.shape});
        tensors.push_back({prefix + "SCB", type::f32, {shape[0]}});
        tensors.push_back({prefix + "weight_format", type::u8, {}});
    } else if constexpr (can_hold<Q>) {
        constexpr std::int64_t block = Q::group, nested = detail::nested_block<Q>;
        const std::int64_t blocks = count / block + (count % block != 0);
        if (Q::format::bits == 4) {
            tensors.push_back({base, type::u8, {count / 2 + count % 2, 1}});
        } else {
            tensors.push_back(original);
        }
        tensors.push_back({base + ".absmax", nested > 0 ? type::u8 : type::f32, {blocks}});
        tensors.push_back({base + ".quant_map", type::f32, {std::int64_t{1} << Q::format::bits}});
        if constexpr (nested > 0) {
            tensors.push_back({base + ".nested_absmax", type::f32, {blocks / nested + (blocks % nested != 0)}});
            tensors.push_back({base + ".nested_quant_map", type::f32, {256}});
        }
        const quant_state state = detail::state_of<Q>(shape, options);
        const std::size_t length = options.offset ? write_state(state).size() : longest_state(state);
        tensors.push_back(
            {base + ".quant_state.bitsandbytes__" + state.type, type::u8, {static_cast<std::int64_t>(length)}});
    }
    return tensors;
}

/// Calls out.append(name, bytes) for each tensor of a weight that was declared with the same options; `out` is a
/// safetensors_writer or safetensors_model_writer. 4-bit and dynamic8 weights are quantized with `axis = flat`, or
/// along rows of a whole number of blocks and bytes. Errors: unsupported for another weight; those of `out`.
template <class Out, class Q, int Rank, class Kind, class C, class P>
void append(Out& out, std::string_view name, const basic_quantized<Q, Rank, Kind, C, P>& weight,
            const write_options& options = {}) {
    detail::require_held<Q>(name);
    const std::string base(name);
    const std::vector<std::int64_t> shape(weight.dimensions().begin(), weight.dimensions().end());
    if constexpr (std::is_same_v<Q, llm_int8>) {
        if (Rank != 2 || weight.axis() != 1) {
            raise(error_code::unsupported, "LLM.int8 holds matrices quantized along their rows");
        }
        const std::string prefix = detail::prefix_of(name);
        std::vector<float> largest;
        for (std::size_t row = 0; row < weight.parameters().size(); ++row) {
            largest.push_back(weight.parameters()[row].largest);
        }
        largest.resize(static_cast<std::size_t>(shape[0]));
        out.append(base, weight.codes());
        out.append(prefix + "SCB", largest);
        out.append(prefix + "weight_format", std::array<std::uint8_t, 1>{0});
    } else if constexpr (can_hold<Q>) {
        const bool whole_rows =
            weight.layout().length % Q::group == 0 && weight.layout().length * Q::format::bits % 8 == 0;
        if (weight.axis() != flat && !(weight.axis() == Rank - 1 && whole_rows)) {
            raise(error_code::unsupported, "bitsandbytes quantizes along the flattened weight; tensor " +
                                               tersor::detail::quote_name(name) + " was quantized along axis " +
                                               std::to_string(weight.axis()) + " (use axis = flat)");
        }
        out.append(base, weight.codes());
        write_options known = options;
        if constexpr (detail::nested_block < Q >> 0) {
            const auto& scales = weight.parameters();
            out.append(base + ".absmax", scales.codes());
            out.append(base + ".nested_absmax", scales.nested_scales());
            out.append(base + ".nested_quant_map", scales.map());
            known.offset = scales.offset();
        } else {
            std::vector<float> scales;
            scales.reserve(static_cast<std::size_t>(weight.parameters().size()));
            for (const auto& p : weight.parameters()) {
                scales.push_back(weight.quantizer().scale(p));
            }
            out.append(base + ".absmax", scales);
        }
        out.append(base + ".quant_map", detail::map_of<typename Q::format>());
        const quant_state state = detail::state_of<Q>(shape, known);
        std::string text = write_state(state);
        if (!options.offset) {
            text.resize(longest_state(state), ' ');
        }
        out.append(base + ".quant_state.bitsandbytes__" + state.type, text);
    }
}

} // namespace tersor::inline v0::bitsandbytes

#endif // TERSOR_IO_BITSANDBYTES_HPP
