#include "encoder_grouped.hpp"

#include "affine_target.hpp"
#include "text.hpp"
#include "usage.hpp"

#include "tersor/io/transcode.hpp"

#include <algorithm>

namespace cli {

namespace {
namespace ct = tersor::compressed_tensors;

std::int64_t groups_per_row(const target& what, const ct::scheme& s) {
    return s.group > 0 ? what.cols() / s.group : 1;
}

// The library leaves the zero point of a whole tensor as it is.
bool packs_zeros(const ct::scheme& s) {
    return s.strategy != ct::strategy::tensor;
}

// All divisors of a row from 8 on, for the message; a row of length 1000003 has few, none has many.
std::string possible_groups(std::int64_t cols) {
    std::string text = "row";
    int named = 0;
    for (std::int64_t n = 8; n < cols && named < 12; ++n) {
        if (cols % n == 0) {
            text += ", " + std::to_string(n);
            ++named;
        }
    }
    return text;
}

void append_packed(const target& what, int bits, bool is_signed, const std::vector<std::uint8_t>& codes,
                   tersor::safetensors_model_writer& out) {
    const auto rows = static_cast<std::size_t>(what.rows()), cols = static_cast<std::size_t>(what.cols());
    const std::size_t row_bytes = tersor::packed_bytes(cols, bits);
    const auto stride = static_cast<std::size_t>(ct::detail::words_of(what.cols(), bits)) * 4;
    const std::vector<std::uint8_t> signs =
        is_signed ? ct::detail::sign_bits(cols, bits) : std::vector<std::uint8_t>(row_bytes, 0);
    std::vector<std::uint8_t> words(stride * rows);
    for (std::size_t row = 0; row < rows; ++row) {
        std::ranges::transform(
            std::span(codes).subspan(row * row_bytes, row_bytes), signs,
            words.begin() + static_cast<std::ptrdiff_t>(row * stride),
            [](std::uint8_t code, std::uint8_t sign) { return static_cast<std::uint8_t>(code ^ sign); });
    }
    out.append(what.name + "_packed", words);
    out.append(what.name + "_shape", what.shape);
}

} // namespace

void require_compressed_tensors(const target& what) {
    if (what.layout != layout::compressed_tensors) {
        refuse_combination(what, "compressed-tensors can");
    }
}

void require_integer_layout(const target& what) {
    if (what.layout == layout::compressed_tensors) {
        return;
    }
    if (!is_affine_layout(what.layout)) {
        refuse_combination(what, "compressed-tensors, gptq and gptq-v2 can");
    }
    if (what.spec.group == tersor::whole_tensor) {
        refuse_combination(what, "it has groups of a row or shorter; compressed-tensors can");
    }
    if (what.layout == layout::awq && what.reorders) {
        refuse_reordering(what);
    }
    const std::string reason = tersor::reason_against(affine_target_of(what.layout), affine_shape_of(what));
    if (!reason.empty()) {
        const bool gptq_can = what.layout == layout::awq &&
                              tersor::reason_against({tersor::affine_layout::gptq}, affine_shape_of(what)).empty();
        refuse_combination(what, reason + (gptq_can ? "; gptq, gptq-v2 and compressed-tensors can"
                                                    : "; compressed-tensors can"));
    }
}

tersor::index solved_group(const target& what) {
    if (what.spec.group == tersor::whole_tensor) {
        throw usage_error("--solver works on groups of a row or shorter, not on '" + what.spec.text() + "' of '" +
                          what.name + "'; use " + std::string(what.spec.format->name) + "/row");
    }
    return what.spec.group == tersor::whole_row ? what.cols() : what.spec.group;
}

ct::scheme grouped_scheme(const target& what, ct::scheme s) {
    if (what.spec.group == tersor::whole_tensor) {
        s.strategy = ct::strategy::tensor;
    } else if (what.spec.group != tersor::whole_row) {
        if (what.cols() % what.spec.group != 0) {
            throw usage_error("tensor '" + what.name + "' " + shape_text(what.shape) + " has no whole groups of " +
                              std::to_string(what.spec.group) +
                              " values in a row, which " + std::string(to_string(what.layout)) +
                              " needs; possible: " +
                              possible_groups(what.cols()));
        }
        s.strategy = ct::strategy::group;
        s.group = what.spec.group;
        s.format = s.is_float ? ct::format::naive_quantized : ct::format::pack_quantized;
        s.act_order = what.reorders;
    }
    return s;
}

std::vector<tersor::safetensors_declaration> declare_grouped(const target& what, const ct::scheme& s,
                                                             tersor::safetensors_dtype codes) {
    using type = tersor::safetensors_dtype;
    if (is_affine_layout(what.layout)) {
        return tersor::declare(affine_target_of(what.layout), what.name, affine_shape_of(what));
    }
    if (what.reorders) {
        return ct::declare(what.name, affine_shape_of(what), {type::f32, !s.symmetric, true});
    }
    const std::int64_t groups = groups_per_row(what, s);
    const bool is_packed = s.format == ct::format::pack_quantized;
    const auto scales = s.strategy == ct::strategy::tensor ? std::vector<std::int64_t>{1}
                                                           : std::vector<std::int64_t>{what.rows(), groups};
    std::vector<tersor::safetensors_declaration> tensors;
    if (is_packed) {
        tensors.push_back({what.name + "_packed", type::i32, {what.rows(), ct::detail::words_of(what.cols(), s.bits)}});
        tensors.push_back({what.name + "_shape", type::i64, {2}});
    } else {
        tensors.push_back({what.name, codes, what.shape});
    }
    tensors.push_back({what.name + "_scale", type::f32, scales});
    if (!s.symmetric && packs_zeros(s)) {
        tensors.push_back({what.name + "_zero_point", type::i32, {ct::detail::words_of(what.rows(), s.bits), groups}});
    } else if (!s.symmetric) {
        tensors.push_back({what.name + "_zero_point", type::i8, scales});
    }
    return tensors;
}

void append_grouped(const target& what, const ct::scheme& s, bool is_signed, const grouped_weight& weight,
                    tersor::safetensors_model_writer& out) {
    if (s.format == ct::format::pack_quantized) {
        append_packed(what, s.bits, is_signed, weight.codes, out);
    } else {
        out.append(what.name, weight.codes);
    }
    out.append(what.name + "_scale", weight.scales);
    if (!s.symmetric && packs_zeros(s)) {
        out.append(what.name + "_zero_point",
                   ct::detail::pack_zeros(weight.zeros, what.rows(), groups_per_row(what, s), s.bits));
    } else if (!s.symmetric) {
        const int middle = 1 << (s.bits - 1);
        out.append(what.name + "_zero_point",
                   std::vector<std::int8_t>{static_cast<std::int8_t>(static_cast<int>(weight.zeros.front()) - middle)});
    }
}

void append_affine(const target& what, const ct::scheme& s, tersor::affine_weight weight, const encoding& work) {
    if (is_affine_layout(what.layout)) {
        const tersor::affine_target to = affine_target_of(what.layout);
        for (float& scale : weight.scales) {
            tersor::detail::require_scale(scale, to.scales);
            scale = tersor::detail::rounded_scale(scale, to.scales);
        }
        tersor::dequantize_into(weight, work.decoded, work.threads);
        if (work.out != nullptr) {
            tersor::append(to, *work.out, what.name, weight, affine_shape_of(what));
        }
        return;
    }
    tersor::dequantize_into(weight, work.decoded, work.threads);
    if (work.out == nullptr) {
        return;
    }
    if (s.format == ct::format::pack_quantized) {
        return ct::append(*work.out, what.name, weight,
                          {tersor::safetensors_dtype::f32, !s.symmetric, what.reorders});
    }
    // signed codes of a byte
    const auto middle = static_cast<std::uint8_t>(1 << (weight.bits - 1));
    for (std::uint8_t& code : weight.codes) {
        code = static_cast<std::uint8_t>(code - middle);
    }
    work.out->append(what.name, weight.codes);
    work.out->append(what.name + "_scale", weight.scales);
}

} // namespace cli
