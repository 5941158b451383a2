#ifndef TERSOR_IO_RECIPE_HPP
#define TERSOR_IO_RECIPE_HPP

// Recipes: which block format each tensor of a GGUF model gets when a file is to be "q4_k_m" as a whole, as users of
// llama.cpp know them. Source of the rules: llama.cpp's llama-quant.cpp, read in August 2026.
//
//   recipe      most      attn_v              ffn_down            attn_output  output  token_embd
//   q2_k        q2_k      q3_k, gqa q4_k      q3_k                q3_k         q6_k    q2_k
//   q2_k_s      q2_k      gqa q4_k            first q4_k          q2_k         q6_k    q2_k
//   q3_k_s      q3_k      q3_k                q3_k                q3_k         q6_k    q3_k
//   q3_k_m      q3_k      q5_k twice, q4_k    1st 16th q5_k, q4_k q4_k         q6_k    q3_k
//   q3_k_l      q3_k      q5_k                q5_k                q5_k         q6_k    q3_k
//   q4_k_s      q4_k      q5_k four times     first q5_k          q4_k         q6_k    q4_k
//   q4_k_m      q4_k      more q6_k           more q6_k           q4_k         q6_k    q4_k
//   q5_k_s      q5_k      q5_k                q5_k                q5_k         q6_k    q5_k
//   q5_k_m      q5_k      more q6_k           more q6_k           q5_k         q6_k    q5_k
//   q6_k        q6_k      q6_k                q6_k                q6_k         q6_k    q6_k
//   iq1_s       iq1_s     q2_k, gqa q4_k      first q2_k          iq2_xxs      q5_k    q2_k
//   iq1_m       iq1_m     as iq1_s
//   iq2_xxs     iq2_xxs   q2_k, gqa q4_k      first q2_k          iq2_xxs      q5_k    q2_k
//   iq2_xs      iq2_xs    q2_k, gqa q4_k      first q2_k          iq2_xs       q5_k    q2_k
//   iq2_s       iq2_xs    iq3_s, gqa q4_k     first iq3_s         iq3_s        q5_k    iq3_s
//   iq2_m       iq2_s     as iq2_s
//   iq3_xxs     iq3_xxs   *, gqa q4_k         *                   iq3_s        q5_k    iq3_s   attn_q, attn_k: iq2_s
//   iq3_xs      iq3_s     gqa q4_k            iq3_s               iq3_s        q6_k    iq3_s   **
//   iq3_s       iq3_s     gqa q4_k            iq3_s               iq3_s        q6_k    iq3_s
//   iq3_m       iq3_s     q4_k                first q4_k          q4_k         q6_k    iq3_s
//   iq4_nl      iq4_nl    gqa q5_k            first q5_k ***      iq4_nl       q6_k    iq4_nl
//   iq4_xs      iq4_xs    gqa q5_k            first q5_k ***      iq4_xs       q6_k    iq4_xs
//   q4_0, q5_0  the same  the same            first q4_1, q5_1 with importance         q6_k    the same
//   q4_1, q5_1  the same                                                               q6_k    the same
//   q8_0        q8_0 throughout
//   tq1_0, tq2_0 the same                                                              q6_k    q4_k
//   mxfp4_moe   q8_0, expert tensors mxfp4
//
//   first: in the first eighth of the layers. more: in the first and last eighth, and every third layer between.
//   gqa: if at least 4 query heads share a key/value head. *: attn_v iq3_s, with importance iq3_xxs; ffn_down first
//   q4_k, then q3_k, with importance iq3_xxs. **: attn_q, attn_k and, outside the first and last eighth, ffn_gate and
//   ffn_up: iq3_xxs as attn_q and attn_k; the other layers iq3_s. ***: not with importance.
//   A model without output tensor has the type of `output` for token_embd. Rows that are not whole blocks get the next
//   larger type with blocks of 32 (q2_k, q3_k, tq: q4_0; q4_k: q5_0; q5_k: q5_1; q6_k: q8_0; iq: iq4_nl), else f16.

#include "tersor/io/gguf_types.hpp"
#include "tersor/io/recipe_rules.hpp"

#include <cstdint>
#include <span>
#include <string_view>

namespace tersor::inline v0 {

/// All recipes.
inline constexpr gguf_recipe gguf_recipes[] = {
    {"q2_k", gguf_type::q2_k, 10},       {"q2_k_s", gguf_type::q2_k, 21},     {"q3_k_s", gguf_type::q3_k, 11},
    {"q3_k_m", gguf_type::q3_k, 12},     {"q3_k_l", gguf_type::q3_k, 13},     {"q4_k_s", gguf_type::q4_k, 14},
    {"q4_k_m", gguf_type::q4_k, 15},     {"q5_k_s", gguf_type::q5_k, 16},     {"q5_k_m", gguf_type::q5_k, 17},
    {"q6_k", gguf_type::q6_k, 18},       {"iq1_s", gguf_type::iq1_s, 24},     {"iq1_m", gguf_type::iq1_m, 31},
    {"iq2_xxs", gguf_type::iq2_xxs, 19}, {"iq2_xs", gguf_type::iq2_xs, 20},   {"iq2_s", gguf_type::iq2_xs, 28},
    {"iq2_m", gguf_type::iq2_s, 29},     {"iq3_xxs", gguf_type::iq3_xxs, 23}, {"iq3_xs", gguf_type::iq3_s, 22},
    {"iq3_s", gguf_type::iq3_s, 26},     {"iq3_m", gguf_type::iq3_s, 27},     {"iq4_nl", gguf_type::iq4_nl, 25},
    {"iq4_xs", gguf_type::iq4_xs, 30},   {"q4_0", gguf_type::q4_0, 2},        {"q4_1", gguf_type::q4_1, 3},
    {"q5_0", gguf_type::q5_0, 8},        {"q5_1", gguf_type::q5_1, 9},        {"q8_0", gguf_type::q8_0, 7},
    {"tq1_0", gguf_type::tq1_0, 36},     {"tq2_0", gguf_type::tq2_0, 37},     {"mxfp4_moe", gguf_type::mxfp4, 38},
};

/// The recipe of that name, or null.
[[nodiscard]] constexpr const gguf_recipe* find_gguf_recipe(std::string_view name) noexcept {
    for (const gguf_recipe& recipe : gguf_recipes) {
        if (recipe.name == name) {
            return &recipe;
        }
    }
    return nullptr;
}

/// The type that takes the place of one whose blocks do not fit rows of that length; f16 if none fits, the same type
/// if it fits.
[[nodiscard]] constexpr gguf_type fitting_type(gguf_type wanted, std::int64_t columns) noexcept {
    if (columns % info_of(wanted).block_values == 0) {
        return wanted;
    }
    gguf_type next = gguf_type::f16;
    switch (wanted) {
    case gguf_type::q2_0:
    case gguf_type::q2_k:
    case gguf_type::q3_k:
    case gguf_type::tq1_0:
    case gguf_type::tq2_0:
        next = gguf_type::q4_0;
        break;
    case gguf_type::q4_k:
        next = gguf_type::q5_0;
        break;
    case gguf_type::q5_k:
        next = gguf_type::q5_1;
        break;
    case gguf_type::q6_k:
        next = gguf_type::q8_0;
        break;
    case gguf_type::iq1_s:
    case gguf_type::iq1_m:
    case gguf_type::iq2_xxs:
    case gguf_type::iq2_xs:
    case gguf_type::iq2_s:
    case gguf_type::iq3_xxs:
    case gguf_type::iq3_s:
    case gguf_type::iq4_xs:
        next = gguf_type::iq4_nl;
        break;
    default:
        break;
    }
    return columns % info_of(next).block_values == 0 ? next : gguf_type::f16;
}

/// Whether recipes quantize a tensor of that GGUF name and shape (row-major) at all: weights of two or more dimensions
/// that are no norms, routers, convolutions or positions.
[[nodiscard]] constexpr bool recipe_applies(std::string_view name, std::span<const std::int64_t> shape) noexcept {
    constexpr std::string_view kept[] = {"_norm.weight",
                                         "ffn_gate_inp.weight",
                                         "ssm_conv1d",
                                         "shortconv.conv.weight",
                                         "position_embd",
                                         "token_types",
                                         "altup",
                                         "laurel",
                                         "per_layer_model_proj",
                                         "time_mix_",
                                         "attn_rel_b.weight",
                                         ".rel_pos",
                                         "patch_embd",
                                         "patch_merger"};
    if (shape.size() < 2 || !name.ends_with("weight")) {
        return false;
    }
    for (const std::string_view part : kept) {
        if (detail::holds(name, part)) {
            return false;
        }
    }
    return true;
}

/// The type of the tensor of that GGUF name and shape (row-major, the length of a row last). The layer is the number
/// in the name ("blk.3.attn_v.weight"). The shape must not be empty.
[[nodiscard]] constexpr gguf_type choose_type(const gguf_recipe& recipe, std::string_view name,
                                              std::span<const std::int64_t> shape, const recipe_model& model) noexcept {
    const detail::recipe_case c{recipe, model, detail::recipe_layer(name), recipe.base};
    const std::int64_t columns = shape.back();
    return fitting_type(detail::wanted_type(c, detail::category_of(name), columns, shape.size() > 2), columns);
}

} // namespace tersor::inline v0

#endif // TERSOR_IO_RECIPE_HPP
