#ifndef TERSOR_IO_BITSANDBYTES_STATE_HPP
#define TERSOR_IO_BITSANDBYTES_STATE_HPP

// The JSON text in NAME.quant_state.bitsandbytes__TYPE: what bitsandbytes keeps of a weight beside its tensors.
//
//   {"quant_type": "nf4", "blocksize": 64, "dtype": "bfloat16", "shape": [96, 128], "nested_blocksize": 256,
//    "nested_dtype": "float32", "nested_offset": 0.11232312768697739}
//
// Written as Python's json.dumps does: one space after ',' and ':', the offset as the repr of the float in double. The
// nested_* members are there only with double quantization. Source: bitsandbytes, class QuantState.

#include "tersor/core/error.hpp"
#include "tersor/io/json.hpp"
#include "tersor/io/safetensors_tensor.hpp"

#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tersor::inline v0::bitsandbytes {

/// What the text says of nested scales.
struct nested_state {
    std::int64_t blocksize = 256; ///< scales per nested scale
    float offset = 0.0f;          ///< added to every decoded scale
    friend bool operator==(const nested_state&, const nested_state&) = default;
};

/// What the text says.
struct quant_state {
    std::string type;                                 ///< "nf4", "fp4"; "dynamic8" in files of this library
    std::int64_t blocksize = 64;                      ///< values per scale, along the flattened weight
    safetensors_dtype dtype = safetensors_dtype::f32; ///< of the values before quantization: f32, f16 or bf16
    std::vector<std::int64_t> shape;                  ///< of the weight
    std::optional<nested_state> nested;               ///< with double quantization
    friend bool operator==(const quant_state&, const quant_state&) = default;
};

namespace detail {

/// A finite double as Python's repr writes it: the shortest digits that read back; exponents below -4 and from 16 on.
[[nodiscard]] inline std::string python_repr(double value) {
    char buffer[32];
    const char* const last = std::to_chars(buffer, buffer + sizeof(buffer), value, std::chars_format::scientific).ptr;
    const std::string_view text(buffer, static_cast<std::size_t>(last - buffer));
    const std::size_t mark = text.find('e');
    int exponent = 0;
    const char* const digits_of_exponent = buffer + mark + (text[mark + 1] == '+' ? 2 : 1);
    std::from_chars(digits_of_exponent, last, exponent);
    if (value != 0.0 && (exponent < -4 || exponent >= 16)) {
        return std::string(text);
    }
    const bool negative = text[0] == '-';
    std::string digits;
    for (const char c : text.substr(negative ? 1 : 0, mark - (negative ? 1 : 0))) {
        if (c != '.') {
            digits += c;
        }
    }
    if (exponent < 0) {
        digits = "0." + std::string(static_cast<std::size_t>(-exponent - 1), '0') + digits;
    } else {
        const std::size_t whole = static_cast<std::size_t>(exponent) + 1;
        if (digits.size() <= whole) {
            digits.append(whole - digits.size(), '0');
            digits += ".0";
        } else {
            digits.insert(whole, ".");
        }
    }
    return (negative ? "-" : "") + digits;
}

/// The longest repr of a float.
inline constexpr std::size_t longest_repr = 25;

/// The name of an element type in PyTorch; empty for one that bitsandbytes does not quantize.
[[nodiscard]] constexpr std::string_view torch_name(safetensors_dtype type) noexcept {
    switch (type) {
    case safetensors_dtype::f32:
        return "float32";
    case safetensors_dtype::f16:
        return "float16";
    case safetensors_dtype::bf16:
        return "bfloat16";
    default:
        return {};
    }
}

} // namespace detail

/// The text of a state. invalid_argument for a dtype other than f32, f16, bf16 or an offset that is not finite.
[[nodiscard]] inline std::string write_state(const quant_state& state) {
    const std::string_view dtype = detail::torch_name(state.dtype);
    if (dtype.empty()) {
        raise(error_code::invalid_argument,
              "bitsandbytes quantizes F32, F16 and BF16, not " + std::string(to_string(state.dtype)));
    }
    std::string text = "{\"quant_type\": \"" + state.type + "\", \"blocksize\": " + std::to_string(state.blocksize) +
                       ", \"dtype\": \"" + std::string(dtype) +
                       "\", \"shape\": " + tersor::detail::describe_shape(state.shape);
    if (state.nested) {
        if (!std::isfinite(state.nested->offset)) {
            raise(error_code::invalid_argument, "the mean of the scales of a weight is not finite");
        }
        text += ", \"nested_blocksize\": " + std::to_string(state.nested->blocksize) +
                ", \"nested_dtype\": \"float32\", \"nested_offset\": " +
                detail::python_repr(static_cast<double>(state.nested->offset));
    }
    return text + "}";
}

/// The bytes that the text of a state takes with any offset.
[[nodiscard]] inline std::size_t longest_state(quant_state state) {
    if (state.nested) {
        state.nested->offset = 0.0f;
    }
    constexpr std::size_t shortest_repr = 3;
    return write_state(state).size() + (state.nested ? detail::longest_repr - shortest_repr : 0);
}

/// Reads a text; `source` names the file and tensor in messages. corrupt_file if it is not JSON, a member is missing,
/// of the wrong kind or out of range; unsupported for a dtype that bitsandbytes does not quantize.
[[nodiscard]] inline quant_state read_state(std::string_view text, std::string_view source) {
    const json::value all = json::parse(text, source);
    const auto refuse = [&](std::string_view name, std::string_view problem) {
        raise(error_code::corrupt_file, std::string(source) + ": '" + std::string(name) + "' " + std::string(problem));
    };
    const auto member = [&](std::string_view name, json::kind kind) -> const json::value& {
        const json::value* const found = all.find(name);
        if (found == nullptr || !found->is(kind)) {
            refuse(name, found == nullptr ? "is missing" : "is of the wrong kind");
        }
        return *found;
    };
    const auto positive = [&](std::string_view name) {
        const json::value& number = member(name, json::kind::number);
        constexpr std::int64_t largest = std::int64_t{1} << 40;
        if (!number.is_integer() || number.as_double() < 1.0 || number.as_double() > static_cast<double>(largest)) {
            refuse(name, "is not a whole number from 1 to 2^40");
        }
        return number.as_integer();
    };
    const auto dtype = [&](std::string_view name) {
        std::string_view torch = member(name, json::kind::string).as_string();
        if (torch.starts_with("torch.")) {
            torch.remove_prefix(6);
        }
        for (const auto type : {safetensors_dtype::f32, safetensors_dtype::f16, safetensors_dtype::bf16}) {
            if (detail::torch_name(type) == torch) {
                return type;
            }
        }
        raise(error_code::unsupported, std::string(source) + ": '" + std::string(name) + "' is " +
                                           tersor::detail::quote_name(torch) +
                                           "; float32, float16 and bfloat16 can be read");
    };
    quant_state state{
        member("quant_type", json::kind::string).as_string(), positive("blocksize"), dtype("dtype"), {}, {}};
    for (const json::value& extent : member("shape", json::kind::array).as_array()) {
        if (!extent.is(json::kind::number) || !extent.is_integer() || extent.as_double() < 0.0 ||
            extent.as_double() >= 0x1p62) {
            refuse("shape", "does not hold whole numbers from 0 to 2^62");
        }
        state.shape.push_back(extent.as_integer());
    }
    if (all.contains("nested_offset") || all.contains("nested_blocksize")) {
        const double offset = member("nested_offset", json::kind::number).as_double();
        if (!(std::fabs(offset) <= 0x1.FFFFFEp127)) {
            refuse("nested_offset", "does not fit a float");
        }
        state.nested = nested_state{positive("nested_blocksize"), static_cast<float>(offset)};
        if (all.contains("nested_dtype") && dtype("nested_dtype") != safetensors_dtype::f32) {
            raise(error_code::unsupported, std::string(source) + ": nested scales of another type than float32");
        }
    }
    return state;
}

} // namespace tersor::inline v0::bitsandbytes

#endif // TERSOR_IO_BITSANDBYTES_STATE_HPP
