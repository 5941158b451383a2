#include "gguf_plan.hpp"

#include "gguf_model.hpp"
#include "gguf_solver.hpp"
#include "solver.hpp"
#include "text.hpp"
#include "usage.hpp"

#include "tersor/io/llama_names.hpp"
#include "tersor/io/recipe.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace cli {

namespace {

using tersor::gguf_type;
using tersor::safetensors_dtype;

// The number by which llama.cpp calls a file of mostly that type (general.file_type).
std::uint32_t file_type_of(const spec& s) {
    if (const tersor::gguf_recipe* const recipe = s.recipe()) {
        return recipe->file_type;
    }
    constexpr std::array<std::pair<std::string_view, std::uint32_t>, 28> numbers{
        {{"f32", 0},      {"f16", 1},    {"q4_0", 2},    {"q4_1", 3},   {"q8_0", 7},   {"q5_0", 8},     {"q5_1", 9},
         {"q2_k", 10},    {"q3_k", 12},  {"q4_k", 15},   {"q5_k", 17},  {"q6_k", 18},  {"iq2_xxs", 19}, {"iq2_xs", 20},
         {"iq3_xxs", 23}, {"iq1_s", 24}, {"iq4_nl", 25}, {"iq3_s", 26}, {"iq2_s", 28}, {"iq4_xs", 30},  {"iq1_m", 31},
         {"bf16", 32},    {"tq1_0", 36}, {"tq2_0", 37},  {"mxfp4", 38}, {"nvfp4", 39}, {"q1_0", 40},    {"q2_0", 41}}};
    const auto* const found = std::ranges::find(numbers, s.format->name, [](const auto& n) { return n.first; });
    constexpr std::uint32_t guessed = 1024; // for types that no file is named after
    return found == numbers.end() ? guessed : found->second;
}

// The type of the same values: halves stay, other floats and all vectors become f32.
gguf_type kept_type(const weight& w) {
    switch (w.dtype) {
    case safetensors_dtype::f16:
        return w.shape.size() < 2 ? gguf_type::f32 : gguf_type::f16;
    case safetensors_dtype::bf16:
        return w.shape.size() < 2 ? gguf_type::f32 : gguf_type::bf16;
    case safetensors_dtype::i8:
        return gguf_type::i8;
    case safetensors_dtype::i16:
        return gguf_type::i16;
    case safetensors_dtype::i32:
        return gguf_type::i32;
    case safetensors_dtype::i64:
        return gguf_type::i64;
    default:
        if (!w.is_readable) {
            throw usage_error("GGUF files have no type for the tensor '" + w.name + "' of " + w.spec);
        }
        return gguf_type::f32;
    }
}

gguf_type type_of(const spec& s, const std::string& known_name, const weight& w, const tersor::recipe_model& facts) {
    if (const tersor::gguf_recipe* const recipe = s.recipe()) {
        return tersor::choose_type(*recipe, known_name, w.shape, facts);
    }
    const tersor::gguf_type_info* const info = s.gguf_type();
    const bool is_possible = info != nullptr && (s.is_plain() || find_gguf_codec(info->type) != nullptr);
    if (!is_possible || s.range != calibrator{}) {
        throw usage_error("the layout gguf cannot hold '" + w.name + "' as " + s.text() +
                          "; it has its own types: q4_k, q8_0, ... (see tersor quantize --help), f32, f16, bf16");
    }
    const std::int64_t columns = w.shape.empty() ? 1 : w.shape.back();
    if (columns % info->block_values != 0) {
        throw usage_error("tensor '" + w.name + "' " + shape_text(w.shape) + " has rows of " + std::to_string(columns) +
                          " values, no multiple of the " + std::to_string(info->block_values) + " of a block of " +
                          std::string(info->name) + "; types that fit: " + types_for_rows(columns));
    }
    return info->type;
}

// By either name, with or without ".weight".
std::span<const float> find_importance(const tersor::imatrix* importance, const weight& w,
                                       const std::string& known_name) {
    if (importance == nullptr) {
        return {};
    }
    for (std::string name : {w.name, known_name}) {
        const tersor::imatrix_entry* entry = importance->find(name);
        if (entry == nullptr && name.ends_with(".weight")) {
            entry = importance->find(name.substr(0, name.size() - 7));
        }
        if (entry != nullptr) {
            const auto columns = static_cast<std::size_t>(w.shape.back());
            if (entry->values.size() != columns) {
                tersor::raise(tersor::error_code::shape_mismatch,
                              "the importance of '" + w.name + "' is for " + std::to_string(entry->values.size()) +
                                  " columns, the tensor " + shape_text(w.shape) + " has " + std::to_string(columns));
            }
            return entry->values;
        }
    }
    return {};
}

// The order in which people look for tensors: what comes before the layers, the layers, what follows.
int rank_of(const planned_gguf_tensor& t) {
    const auto place = tersor::llama::place_of_gguf_name(t.name);
    if (!place) {
        return 1 << 22;
    }
    using enum tersor::llama::tensor_role;
    return place->layer >= 0                ? place->layer + 1
           : place->role == token_embedding ? 0
           : place->role == output_norm     ? (1 << 21)
                                            : (1 << 21) + 1;
}

void check_importance(const planned_gguf_tensor& t, bool is_reference) {
    const gguf_codec* const codec = find_gguf_codec(t.type);
    if (is_reference && codec != nullptr && codec->needs_importance && t.importance.empty()) {
        throw usage_error("'" + t.source->name + "' becomes " + std::string(tersor::to_string(t.type)) +
                          ", which in mode reference needs --importance for it");
    }
}

void check_solver(const planned_gguf_tensor& t, const solver_choice& solver, const quantize_arguments& arguments) {
    const std::string what = "'" + t.source->name + "' as " + std::string(tersor::to_string(t.type));
    if (solver.hqq) {
        throw usage_error("--solver hqq finds scales and zero points: uint2 to uint8, not " + what);
    }
    if (solver.gptq && find_gguf_solver(t.type) == nullptr) {
        throw usage_error("--solver gptq chooses codes one by one, and " + what +
                          " has none: iq1, iq2 and iq3 code several values at once; give such types an --importance");
    }
    if (solver.gptq && reorders(arguments, 32, 64)) {
        throw usage_error("the layout gguf has no index of groups that --act-order would make of columns; with "
                          "--static-groups they stay in order");
    }
}

} // namespace

bool planned_gguf_tensor::is_copy() const noexcept {
    return source != nullptr && !is_chosen && heads == 0 && tersor::to_string(type) == source->spec;
}

tersor::gguf_declaration planned_gguf_tensor::declaration() const {
    return {name, type, tersor::gguf_dimensions(shape)};
}

std::vector<tersor::gguf_declaration> gguf_plan::declarations() const {
    std::vector<tersor::gguf_declaration> all;
    for (const planned_gguf_tensor& t : tensors) {
        all.push_back(t.declaration());
    }
    return all;
}

report gguf_plan::report() const {
    cli::report result;
    result.layout = "gguf";
    result.notes = notes;
    for (const planned_gguf_tensor& t : tensors) {
        const std::uint64_t bytes = tersor::bytes_of(t.declaration());
        if (!t.is_chosen) {
            const std::string& name = t.source == nullptr ? t.name : t.source->name;
            result.kept.push_back({name, t.shape, std::string(tersor::to_string(t.type)), bytes,
                                   t.source == nullptr ? 0 : t.source->bytes});
            continue;
        }
        tensor_report entry;
        entry.name = t.source->name;
        entry.stored_as = t.name;
        entry.shape = t.shape;
        entry.spec = tersor::to_string(t.type);
        entry.weights = static_cast<std::uint64_t>(t.source->elements());
        entry.bytes_in = t.source->bytes;
        entry.bytes_out = bytes;
        result.tensors.push_back(std::move(entry));
    }
    return result;
}

gguf_plan make_gguf_plan(const model& from, const tersor::imatrix* importance, const quantize_arguments& arguments,
                         const layer_inputs* inputs, const precision_map& precisions) {
    selection rules(arguments, precisions);
    const solver_choice solver = parse_solver(arguments);
    std::vector<solved_name> solved;
    const gguf_model target(from);
    const tersor::recipe_model facts = target.recipe_model(importance != nullptr);
    gguf_plan result;
    result.notes = target.notes();
    std::size_t without_importance = 0;
    for (const weight& w : from.weights()) {
        if (w.is_quantized()) {
            throw usage_error("'" + from.path() + "' is quantized already (tensor '" + w.name + "' as " + w.spec +
                              "); dequantize it first");
        }
        if (target.leaves_out(w)) {
            continue;
        }
        planned_gguf_tensor planned;
        planned.source = &w;
        planned.name = target.name_of(w);
        planned.shape = w.shape;
        planned.heads = target.heads_of(w);
        const std::string known_name = target.known_name(w);
        planned.known_name = known_name;
        if (const auto chosen = rules.choose(w.name, known_name == w.name ? "" : known_name, w.shape, w.dtype)) {
            planned.is_chosen = true;
            planned.type = type_of(*chosen, known_name, w, facts);
            if (tersor::info_of(planned.type).is_block_format()) {
                planned.importance = find_importance(importance, w, known_name);
                without_importance += planned.importance.empty() ? 1 : 0;
                check_importance(planned, arguments.mode == "reference");
                check_solver(planned, solver, arguments);
                planned.has_inputs = inputs != nullptr && inputs->has(w.name);
                if (planned.has_inputs || solver.wants_inputs()) {
                    solved.push_back({w.name, w.shape.back()});
                }
            }
        } else {
            planned.type = kept_type(w);
        }
        result.tensors.push_back(std::move(planned));
    }
    rules.check_patterns();
    if (inputs != nullptr) {
        static_cast<void>(check_inputs(*inputs, solved, arguments));
    }
    if (importance != nullptr && without_importance != 0) {
        result.notes.push_back("without importance in " + arguments.importance + ": " +
                               count_text(without_importance, "quantized tensor"));
    }
    if (std::vector<float> factors = target.rope_factors(); !factors.empty()) {
        planned_gguf_tensor& planned = result.tensors.emplace_back();
        planned.name = "rope_freqs.weight";
        planned.shape = {static_cast<std::int64_t>(factors.size())};
        planned.values = std::move(factors);
    }
    std::ranges::stable_sort(result.tensors, {}, rank_of);
    result.metadata = target.metadata(file_type_of(parse_spec(arguments.to.empty() ? "f16" : arguments.to)), importance, arguments.importance);
    return result;
}

} // namespace cli
