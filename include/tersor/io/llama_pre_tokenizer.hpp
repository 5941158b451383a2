#ifndef TERSOR_IO_LLAMA_PRE_TOKENIZER_HPP
#define TERSOR_IO_LLAMA_PRE_TOKENIZER_HPP

// How a byte-level tokenizer cuts text into words before it merges, under the name that llama.cpp knows the rule by
// (tokenizer.ggml.pre). tokenizer.json spells the rule out, so it is recognized by what it says:
//
//   ByteLevel with its own regex                            gpt-2
//   single digits, then ByteLevel with its own regex        smollm
//   Split by the regex of Llama 3, then ByteLevel           llama-bpe if the model ignores merges for whole words that
//                                                           are tokens, as llama.cpp does under that name; else
//                                                           smaug-bpe
//   Split by the regex of Qwen 2, then ByteLevel            qwen2
//   Split by the regex of Tekken, then ByteLevel            tekken
//   Split by the regex of GPT-4o, then ByteLevel            gpt-4o
//   anything else                                           default, which llama.cpp warns of

#include "tersor/io/json_value.hpp"

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tersor::inline v0::llama::detail {

#define TERSOR_WORD_TAIL R"(| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"
#define TERSOR_CASED_TAIL R"(| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)"
#define TERSOR_UPPER R"([\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}])"
#define TERSOR_LOWER R"([\p{Ll}\p{Lm}\p{Lo}\p{M}])"
#define TERSOR_LEAD R"([^\r\n\p{L}\p{N}]?)"
#define TERSOR_SHORT R"((?i:'s|'t|'re|'ve|'m|'ll|'d))"

inline constexpr std::array<std::pair<std::string_view, std::string_view>, 4> known_splits{{
    {TERSOR_SHORT "|" TERSOR_LEAD R"(\p{L}+|\p{N}{1,3})" TERSOR_WORD_TAIL, "llama-bpe"},
    {TERSOR_SHORT "|" TERSOR_LEAD R"(\p{L}+|\p{N})" TERSOR_WORD_TAIL, "qwen2"},
    {TERSOR_LEAD TERSOR_UPPER "*" TERSOR_LOWER "+|" TERSOR_LEAD TERSOR_UPPER "+" TERSOR_LOWER
                              R"(*|\p{N})" TERSOR_CASED_TAIL,
     "tekken"},
    {TERSOR_LEAD TERSOR_UPPER "*" TERSOR_LOWER "+" TERSOR_SHORT "?|" TERSOR_LEAD TERSOR_UPPER "+" TERSOR_LOWER
                              "*" TERSOR_SHORT R"(?|\p{N}{1,3})" TERSOR_CASED_TAIL,
     "gpt-4o"},
}};

#undef TERSOR_WORD_TAIL
#undef TERSOR_CASED_TAIL
#undef TERSOR_UPPER
#undef TERSOR_LOWER
#undef TERSOR_LEAD
#undef TERSOR_SHORT

[[nodiscard]] inline std::string text_member(const json::value& from, std::string_view name) {
    const json::value* const found = from.find(name);
    return found != nullptr && found->is(json::kind::string) ? found->as_string() : std::string();
}

[[nodiscard]] inline bool flag_member(const json::value& from, std::string_view name, bool otherwise) {
    const json::value* const found = from.find(name);
    return found != nullptr && found->is(json::kind::boolean) ? found->as_boolean() : otherwise;
}

/// The steps of a pre-tokenizer in their order, sequences opened.
inline void collect_steps(const json::value& from, std::vector<const json::value*>& steps) {
    const json::value* const parts = from.find("pretokenizers");
    if (text_member(from, "type") == "Sequence" && parts != nullptr && parts->is(json::kind::array)) {
        for (const json::value& part : parts->as_array()) {
            collect_steps(part, steps);
        }
    } else if (from.is(json::kind::object)) {
        steps.push_back(&from);
    }
}

[[nodiscard]] inline std::vector<const json::value*> pre_tokenizer_steps(const json::value& tokenizer) {
    std::vector<const json::value*> steps;
    if (const json::value* const pre = tokenizer.find("pre_tokenizer")) {
        collect_steps(*pre, steps);
    }
    return steps;
}

/// Whether the tokens of a tokenizer.json are spelled in GPT-2's byte alphabet.
[[nodiscard]] inline bool is_byte_level(const json::value& tokenizer) {
    const auto steps = pre_tokenizer_steps(tokenizer);
    return !steps.empty() && text_member(*steps.back(), "type") == "ByteLevel";
}

// A Split is known by its regex alone if it keeps the pieces apart.
[[nodiscard]] inline std::string split_name(const json::value& step) {
    const json::value* const pattern = step.find("pattern");
    const bool isolates = text_member(step, "behavior") == "Isolated" && !flag_member(step, "invert", false);
    if (text_member(step, "type") == "Split" && isolates && pattern != nullptr) {
        const std::string expression = text_member(*pattern, "Regex");
        for (const auto& [regex, name] : known_splits) {
            if (expression == regex) {
                return std::string(name);
            }
        }
    }
    return "default";
}

/// The name of the rule of a byte-level tokenizer.json, "default" where it is not known.
[[nodiscard]] inline std::string pre_tokenizer_name(const json::value& tokenizer) {
    const auto steps = pre_tokenizer_steps(tokenizer);
    if (steps.empty() || steps.size() > 2) {
        return "default";
    }
    // a space put before the text is not known to llama.cpp's rules
    const json::value& last = *steps.back();
    const bool cuts = flag_member(last, "use_regex", true);
    if (flag_member(last, "add_prefix_space", true)) {
        return "default";
    }
    if (steps.size() == 1) {
        return cuts ? "gpt-2" : "default";
    }
    if (text_member(*steps.front(), "type") == "Digits") {
        return cuts && flag_member(*steps.front(), "individual_digits", false) ? "smollm" : "default";
    }
    const std::string name = cuts ? "default" : split_name(*steps.front());
    const json::value* const model = tokenizer.find("model");
    const bool ignores_merges = model != nullptr && flag_member(*model, "ignore_merges", false);
    return name == "llama-bpe" && !ignores_merges ? "smaug-bpe" : name;
}

} // namespace tersor::inline v0::llama::detail

#endif // TERSOR_IO_LLAMA_PRE_TOKENIZER_HPP
