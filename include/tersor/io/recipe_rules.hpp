#ifndef TERSOR_IO_RECIPE_RULES_HPP
#define TERSOR_IO_RECIPE_RULES_HPP

// The rules behind recipe.hpp, one function per kind of tensor; its table says the same in short.

#include "tersor/io/gguf_types.hpp"

#include <cstdint>
#include <string_view>

namespace tersor::inline v0 {

/// One recipe.
struct gguf_recipe {
    std::string_view name;
    gguf_type base;          ///< of most tensors
    std::uint32_t file_type; ///< general.file_type
};

/// What a recipe asks of the model as a whole.
struct recipe_model {
    int layers = 1;
    int query_heads_per_kv = 1; ///< grouped-query attention: how many query heads share a key/value head
    int experts = 0;
    bool tied_embeddings = false; ///< there is no tensor output.weight
    bool has_importance = false;
};

namespace detail {

enum class tensor_category : std::uint8_t {
    token_embedding,
    query,
    value,
    key,
    fused,
    attention_output,
    up,
    gate,
    down,
    output,
    other
};

[[nodiscard]] constexpr bool holds(std::string_view text, std::string_view part) noexcept {
    return text.find(part) != std::string_view::npos;
}

[[nodiscard]] constexpr tensor_category category_of(std::string_view name) noexcept {
    using enum tensor_category;
    if (name == "output.weight") {
        return output;
    }
    if (name == "token_embd.weight" || name == "per_layer_token_embd.weight") {
        return token_embedding;
    }
    struct rule {
        std::string_view part;
        tensor_category category;
    };
    constexpr rule rules[] = {{"attn_qkv.weight", fused},
                              {"attn_kv_b.weight", value},
                              {"attn_v.weight", value},
                              {"attn_k.weight", key},
                              {"attn_q.weight", query},
                              {"attn_output.weight", attention_output},
                              {"ffn_up", up},
                              {"ffn_gate", gate},
                              {"ffn_down", down}};
    for (const rule& r : rules) {
        if (holds(name, r.part)) {
            return r.category;
        }
    }
    return other;
}

/// The number behind "blk.", or 0.
[[nodiscard]] constexpr int recipe_layer(std::string_view name) noexcept {
    int layer = 0;
    if (name.starts_with("blk.")) {
        for (const char c : name.substr(4)) {
            if (c < '0' || c > '9' || layer >= 1'000'000) {
                break;
            }
            layer = layer * 10 + (c - '0');
        }
    }
    return layer;
}

// One recipe, one tensor: what the rules look at, under short names.
struct recipe_case {
    const gguf_recipe& recipe;
    const recipe_model& model;
    int layer;
    gguf_type base;

    [[nodiscard]] constexpr bool is(std::string_view a) const noexcept { return recipe.name == a; }
    template <class... Names>
    [[nodiscard]] constexpr bool is_one_of(const Names&... names) const noexcept {
        return (is(names) || ...);
    }
    [[nodiscard]] constexpr bool is_tiny() const noexcept {
        return is_one_of("iq1_s", "iq1_m", "iq2_xxs", "iq2_xs", "iq2_s", "iq2_m");
    }
    [[nodiscard]] constexpr bool shares_heads() const noexcept { return model.query_heads_per_kv >= 4; }
    [[nodiscard]] constexpr bool is_first() const noexcept { return layer < model.layers / 8; }
    [[nodiscard]] constexpr bool is_outer() const noexcept { return is_first() || layer >= 7 * model.layers / 8; }
    [[nodiscard]] constexpr bool gets_more() const noexcept {
        return is_outer() || (layer - model.layers / 8) % 3 == 2;
    }
};

[[nodiscard]] constexpr gguf_type output_type(const recipe_case& c, std::int64_t columns) noexcept {
    if (c.is("mxfp4_moe") || columns % info_of(c.base).block_values != 0) {
        return gguf_type::q8_0;
    }
    if (c.is_tiny() || c.is("iq3_xxs")) {
        return gguf_type::q5_k;
    }
    return c.base == gguf_type::q8_0 ? gguf_type::q8_0 : gguf_type::q6_k;
}

[[nodiscard]] constexpr gguf_type embedding_type(const recipe_case& c) noexcept {
    if (c.is_one_of("iq2_xxs", "iq2_xs", "iq1_s", "iq1_m")) {
        return gguf_type::q2_k;
    }
    if (c.is_one_of("iq2_s", "iq2_m", "iq3_xxs")) {
        return gguf_type::iq3_s;
    }
    return c.is_one_of("tq1_0", "tq2_0") ? gguf_type::q4_k : c.base;
}

[[nodiscard]] constexpr gguf_type tiny_type(const recipe_case& c, tensor_category category) noexcept {
    using enum tensor_category;
    const bool is_larger = c.is_one_of("iq2_s", "iq2_m");
    const gguf_type careful = is_larger ? gguf_type::iq3_s : gguf_type::q2_k;
    switch (category) {
    case value:
    case fused:
        return c.shares_heads() || c.model.experts >= 4 ? gguf_type::q4_k : careful;
    case key:
        return c.model.experts == 8 ? gguf_type::q4_k : c.base;
    case down:
        return c.is_first() ? careful : c.base;
    case attention_output:
        return c.model.experts == 8            ? gguf_type::q5_k
               : c.is_one_of("iq1_s", "iq1_m") ? gguf_type::iq2_xxs
               : is_larger                     ? gguf_type::iq3_s
                                               : c.base;
    default:
        return c.base;
    }
}

[[nodiscard]] constexpr gguf_type plain_value_type(const recipe_case& c) noexcept {
    const bool shares = c.shares_heads();
    if (c.is("q2_k")) {
        return shares ? gguf_type::q4_k : gguf_type::q3_k;
    }
    if (c.is("iq3_xxs")) {
        return shares ? gguf_type::q4_k : c.model.has_importance ? gguf_type::iq3_xxs : gguf_type::iq3_s;
    }
    if (c.is("iq3_m") || (shares && c.is_one_of("q2_k_s", "iq3_xs", "iq3_s"))) {
        return gguf_type::q4_k;
    }
    if (c.is("q3_k_m")) {
        return c.layer < 2 ? gguf_type::q5_k : gguf_type::q4_k;
    }
    if (c.is("q3_k_l") || (shares && c.is_one_of("iq4_nl", "iq4_xs")) || (c.is("q4_k_s") && c.layer < 4)) {
        return gguf_type::q5_k;
    }
    return c.is_one_of("q4_k_m", "q5_k_m") && c.gets_more() ? gguf_type::q6_k : c.base;
}

[[nodiscard]] constexpr gguf_type value_type(const recipe_case& c) noexcept {
    gguf_type type = plain_value_type(c);
    // the 70B model: eight query heads share one value head, so that a better type costs little
    if (c.model.layers == 80 && c.model.query_heads_per_kv > 1 &&
        (type == gguf_type::q3_k || type == gguf_type::q4_k)) {
        type = gguf_type::q5_k;
    }
    return c.model.experts == 8 ? gguf_type::q8_0 : type;
}

[[nodiscard]] constexpr gguf_type down_type(const recipe_case& c) noexcept {
    if (c.is("q2_k")) {
        return gguf_type::q3_k;
    }
    if (c.is("iq3_xxs") && !c.model.has_importance) {
        return c.is_first() ? gguf_type::q4_k : gguf_type::q3_k;
    }
    if (c.is("q3_k_m")) {
        return c.layer < c.model.layers / 16 ? gguf_type::q5_k : gguf_type::q4_k;
    }
    if (c.is("q3_k_l")) {
        return gguf_type::q5_k;
    }
    if (c.is_one_of("q4_k_m", "q5_k_m")) {
        return c.gets_more() ? gguf_type::q6_k : c.base;
    }
    if (c.is("iq3_m") && c.model.experts == 8 && c.gets_more()) {
        return gguf_type::q4_k;
    }
    if (!c.is_first()) {
        return c.base;
    }
    if (c.is_one_of("q2_k_s", "iq3_m")) {
        return gguf_type::q4_k;
    }
    if (c.is("q4_k_s") || (!c.model.has_importance && c.is_one_of("iq4_nl", "iq4_xs"))) {
        return gguf_type::q5_k;
    }
    if (c.model.has_importance && c.is_one_of("q4_0", "q5_0")) {
        return c.is("q4_0") ? gguf_type::q4_1 : gguf_type::q5_1;
    }
    return c.base;
}

[[nodiscard]] constexpr gguf_type attention_output_type(const recipe_case& c) noexcept {
    if (c.model.experts == 8) {
        return c.is_one_of("q2_k", "iq3_xs", "iq3_xxs", "q3_k_s", "q3_k_m", "iq4_nl", "q4_k_s", "q4_k_m", "iq3_s",
                           "iq3_m", "iq4_xs")
                   ? gguf_type::q5_k
                   : c.base;
    }
    if (c.is("q2_k")) {
        return gguf_type::q3_k;
    }
    if (c.is("iq3_xxs")) {
        return gguf_type::iq3_s;
    }
    return c.is_one_of("q3_k_m", "iq3_m") ? gguf_type::q4_k : c.is("q3_k_l") ? gguf_type::q5_k : c.base;
}

[[nodiscard]] constexpr gguf_type query_key_type(const recipe_case& c, tensor_category category) noexcept {
    if (category == tensor_category::key && c.model.experts == 8) {
        return gguf_type::q8_0;
    }
    return c.is("iq3_xs") ? gguf_type::iq3_xxs : c.is("iq3_xxs") ? gguf_type::iq2_s : c.base;
}

[[nodiscard]] constexpr gguf_type wanted_type(const recipe_case& c, tensor_category category, std::int64_t columns,
                                              bool is_expert) noexcept {
    using enum tensor_category;
    if (category == output || (category == token_embedding && c.model.tied_embeddings)) {
        return output_type(c, columns);
    }
    if (c.is("mxfp4_moe")) {
        return is_expert ? gguf_type::mxfp4 : gguf_type::q8_0;
    }
    if (category == token_embedding) {
        return embedding_type(c);
    }
    if (c.is_tiny()) {
        return tiny_type(c, category);
    }
    switch (category) {
    case value:
    case fused:
        return value_type(c);
    case query:
    case key:
        return query_key_type(c, category);
    case down:
        return down_type(c);
    case attention_output:
        return attention_output_type(c);
    case gate:
    case up:
        return c.is("iq3_xs") && !c.is_outer() ? gguf_type::iq3_xxs : c.base;
    default:
        return c.base;
    }
}

} // namespace detail

} // namespace tersor::inline v0

#endif // TERSOR_IO_RECIPE_RULES_HPP
