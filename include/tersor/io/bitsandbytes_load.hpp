#ifndef TERSOR_IO_BITSANDBYTES_LOAD_HPP
#define TERSOR_IO_BITSANDBYTES_LOAD_HPP

// Weights that bitsandbytes stored, as quantized tensors.

#include "tersor/core/error.hpp"
#include "tersor/core/quantized_tensor.hpp"
#include "tersor/io/bitsandbytes_reader.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace tersor::inline v0::bitsandbytes {

namespace detail {

template <class Format>
inline constexpr int table_bits = 0;
template <int Bits, bool HighNibbleFirst>
inline constexpr int table_bits<table_format<Bits, HighNibbleFirst>> = HighNibbleFirst == (Bits == 4) ? Bits : 0;

template <class Q>
inline constexpr bool is_loadable = [] {
    if constexpr (requires { Q::is_codebook; }) {
        using format = typename Q::format;
        return Q::is_codebook && Q::group > 0 && sizeof(typename Q::parameters) == sizeof(float) &&
               (!type_name<format>.empty() || table_bits<format> > 0);
    } else {
        return false;
    }
}();

template <int Rank>
[[nodiscard]] std::array<index, std::size_t{Rank}> dimensions_of(const std::vector<std::int64_t>& shape) {
    std::array<index, std::size_t{Rank}> dimensions{};
    std::copy(shape.begin(), shape.end(), dimensions.begin());
    return dimensions;
}

} // namespace detail

/// Whether load<Q> gives the weight: blockwise<absmax<Format>, N> for the stored N, with double_quant where the scales
/// are coded; Format is nf4, fp4 or dynamic8 with the values of the stored map, or table_format<4, true> or
/// table_format<8>, which take any.
template <quantizer Q>
[[nodiscard]] bool holds(const blockwise_weight& weight) {
    if constexpr (detail::is_loadable<Q>) {
        using format = typename Q::format;
        if (format::bits != weight.bits() || Q::group != weight.state.blocksize) {
            return false;
        }
        if (detail::nested_block<Q> != (weight.state.nested ? weight.state.nested->blocksize : 0)) {
            return false;
        }
        if constexpr (detail::table_bits<format> == 0) {
            return detail::type_name<format> == weight.state.type &&
                   std::ranges::equal(read_floats(*weight.map), detail::map_of<format>());
        }
        return true;
    } else {
        return false;
    }
}

/// The weight as a quantized tensor: along its rows where they are whole blocks and bytes, else along the flattened
/// weight. unsupported if not holds<Q>; shape_mismatch for another rank.
template <quantizer Q, int Rank = 2>
[[nodiscard]] quantized_tensor<Q, Rank> load(const blockwise_weight& weight) {
    if (!holds<Q>(weight)) {
        raise(error_code::unsupported, "tensor " + tersor::detail::quote_name(weight.name) +
                                           " is not stored with this quantizer: it is " + weight.state.type +
                                           " in blocks of " + std::to_string(weight.state.blocksize) +
                                           (weight.state.nested ? " with double quantization" : ""));
    }
    if (weight.state.shape.size() != std::size_t{Rank}) {
        raise(error_code::shape_mismatch, "tensor " + tersor::detail::quote_name(weight.name) + " has shape " +
                                              tersor::detail::describe_shape(weight.state.shape) + ", not rank " +
                                              std::to_string(Rank));
    }
    if constexpr (detail::is_loadable<Q>) {
        const auto dimensions = detail::dimensions_of<Rank>(weight.state.shape);
        const index length = dimensions.back();
        const bool rows = length % Q::group == 0 && length * Q::format::bits % 8 == 0;
        Q quantizer{};
        if constexpr (detail::table_bits < typename Q::format >> 0) {
            quantizer.codes = typename Q::format(read_floats(*weight.map));
        }
        const std::uint8_t* const stored = detail::bytes_at(*weight.codes);
        const std::int64_t bytes = weight.bits() == 8 ? weight.count : weight.count / 2 + weight.count % 2;
        std::vector<std::uint8_t> codes(stored, stored + bytes);
        parameter_array<Q> parameters;
        if constexpr (detail::nested_block < Q >> 0) {
            parameters =
                parameter_array<Q>(read_values<std::uint8_t>(*weight.absmax), read_floats(*weight.nested_absmax),
                                   weight.state.nested->offset, read_floats(*weight.nested_map));
        } else {
            parameters = detail::read_scales<typename Q::parameters>(weight);
        }
        return {std::move(quantizer), dimensions, rows ? last_axis : flat, std::move(codes), std::move(parameters)};
    } else {
        return {};
    }
}

/// Whether load<Q> gives the weight: llm_int8.
template <quantizer Q>
[[nodiscard]] constexpr bool holds(const int8_weight&) noexcept {
    return std::is_same_v<Q, llm_int8>;
}

/// The weight as a quantized tensor. unsupported if not holds<Q>.
template <quantizer Q, int Rank = 2>
[[nodiscard]] quantized_tensor<Q, Rank> load(const int8_weight& weight) {
    if constexpr (std::is_same_v<Q, llm_int8> && Rank == 2) {
        const std::uint8_t* const stored = detail::bytes_at(*weight.codes);
        std::vector<std::uint8_t> codes(stored, stored + weight.codes->data.size());
        const auto dimensions = detail::dimensions_of<2>(weight.codes->shape);
        std::vector<llm_int8::parameters> parameters;
        if (!codes.empty()) {
            for (const float largest : read_floats(*weight.largest)) {
                parameters.push_back({largest});
            }
        }
        return {Q{}, dimensions, last_axis, std::move(codes), std::move(parameters)};
    } else {
        raise(error_code::unsupported, "tensor " + tersor::detail::quote_name(weight.codes->name) +
                                           " is a matrix stored with LLM.int8, not with this quantizer");
    }
}

} // namespace tersor::inline v0::bitsandbytes

#endif // TERSOR_IO_BITSANDBYTES_LOAD_HPP
