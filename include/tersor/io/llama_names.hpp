#ifndef TERSOR_IO_LLAMA_NAMES_HPP
#define TERSOR_IO_LLAMA_NAMES_HPP

// The tensors of a llama-layout model under their two names: that of transformers ("model.layers.3.self_attn.q_proj")
// and that of llama.cpp ("blk.3.attn_q"). Source: transformers' LlamaForCausalLM and llama.cpp's list of tensor names.

#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

namespace tersor::inline v0::llama {

/// What a tensor of a llama-layout model does.
enum class tensor_role : std::uint8_t {
    token_embedding,
    output_norm,
    output, ///< the head
    attention_norm,
    query,
    key,
    value,
    attention_output,
    ffn_norm,
    ffn_gate,
    ffn_up,
    ffn_down
};

/// A tensor of a llama-layout model.
struct tensor_place {
    tensor_role role = tensor_role::token_embedding;
    int layer = -1; ///< -1 for those outside the layers
    bool is_bias = false;
    friend bool operator==(const tensor_place&, const tensor_place&) = default;
};

namespace detail {

struct role_names {
    tensor_role role;
    bool in_layer;
    std::string_view hugging_face;
    std::string_view gguf;
};

inline constexpr std::array<role_names, 12> all_roles{{
    {tensor_role::token_embedding, false, "model.embed_tokens", "token_embd"},
    {tensor_role::output_norm, false, "model.norm", "output_norm"},
    {tensor_role::output, false, "lm_head", "output"},
    {tensor_role::attention_norm, true, "input_layernorm", "attn_norm"},
    {tensor_role::query, true, "self_attn.q_proj", "attn_q"},
    {tensor_role::key, true, "self_attn.k_proj", "attn_k"},
    {tensor_role::value, true, "self_attn.v_proj", "attn_v"},
    {tensor_role::attention_output, true, "self_attn.o_proj", "attn_output"},
    {tensor_role::ffn_norm, true, "post_attention_layernorm", "ffn_norm"},
    {tensor_role::ffn_gate, true, "mlp.gate_proj", "ffn_gate"},
    {tensor_role::ffn_up, true, "mlp.up_proj", "ffn_up"},
    {tensor_role::ffn_down, true, "mlp.down_proj", "ffn_down"},
}};

inline constexpr std::string_view hugging_face_layers = "model.layers.";
inline constexpr std::string_view gguf_layers = "blk.";

// A number as the two programs write it, without signs or leading zeros; below 2^20, beyond any model.
[[nodiscard]] inline std::optional<int> parse_layer(std::string_view digits) noexcept {
    int number = 0;
    const char* const end = digits.data() + digits.size();
    const auto [last, problem] = std::from_chars(digits.data(), end, number);
    const bool is_plain = !digits.empty() && digits.front() != '-' && (digits.size() == 1 || digits.front() != '0');
    return problem == std::errc() && last == end && is_plain && number < (1 << 20) ? std::optional(number)
                                                                                   : std::nullopt;
}

[[nodiscard]] inline std::optional<tensor_place> parse_name(std::string_view name, std::string_view layers,
                                                            std::string_view role_names::*spelling) {
    tensor_place place;
    if (name.ends_with(".bias")) {
        place.is_bias = true;
        name.remove_suffix(5);
    } else if (name.ends_with(".weight")) {
        name.remove_suffix(7);
    } else {
        return {};
    }
    if (name.starts_with(layers)) {
        name.remove_prefix(layers.size());
        const auto dot = name.find('.');
        const auto layer = parse_layer(name.substr(0, dot));
        if (dot == std::string_view::npos || !layer) {
            return {};
        }
        place.layer = *layer;
        name.remove_prefix(dot + 1);
    }
    for (const role_names& names : all_roles) {
        if (names.*spelling == name && names.in_layer == (place.layer >= 0)) {
            place.role = names.role;
            return place;
        }
    }
    return {};
}

[[nodiscard]] inline std::string write_name(const tensor_place& place, std::string_view layers,
                                            std::string_view role_names::*spelling) {
    std::string name;
    if (place.layer >= 0) {
        name = std::string(layers) + std::to_string(place.layer) + ".";
    }
    name += all_roles[static_cast<std::size_t>(place.role)].*spelling;
    return name + (place.is_bias ? ".bias" : ".weight");
}

} // namespace detail

/// The tensor of that name in transformers; nothing for another name.
[[nodiscard]] inline std::optional<tensor_place> place_of_hugging_face_name(std::string_view name) {
    return detail::parse_name(name, detail::hugging_face_layers, &detail::role_names::hugging_face);
}

/// The tensor of that name in a GGUF file; nothing for another name.
[[nodiscard]] inline std::optional<tensor_place> place_of_gguf_name(std::string_view name) {
    return detail::parse_name(name, detail::gguf_layers, &detail::role_names::gguf);
}

/// Its name in transformers.
[[nodiscard]] inline std::string hugging_face_name(const tensor_place& place) {
    return detail::write_name(place, detail::hugging_face_layers, &detail::role_names::hugging_face);
}

/// Its name in a GGUF file.
[[nodiscard]] inline std::string gguf_name(const tensor_place& place) {
    return detail::write_name(place, detail::gguf_layers, &detail::role_names::gguf);
}

/// Whether transformers stores a tensor of that name that can be computed from the configuration, so that GGUF files
/// leave it out.
[[nodiscard]] constexpr bool is_derived(std::string_view hugging_face_name) noexcept {
    return hugging_face_name.ends_with(".rotary_emb.inv_freq") || hugging_face_name.ends_with(".attention.masked_bias");
}

} // namespace tersor::inline v0::llama

#endif // TERSOR_IO_LLAMA_NAMES_HPP
