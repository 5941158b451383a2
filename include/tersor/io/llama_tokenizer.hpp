#ifndef TERSOR_IO_LLAMA_TOKENIZER_HPP
#define TERSOR_IO_LLAMA_TOKENIZER_HPP

// The tokenizer of a Hugging Face folder as a GGUF file holds it. Byte-level BPE (GPT-2's scheme, as Llama 3, Qwen and
// most others use it) is "gpt2" there: tokens in the order of their ids, spelled in GPT-2's byte alphabet as in
// tokenizer.json, a type for each, merges as "left right", and the name of the rule that cuts text into words.

#include "tersor/core/error.hpp"
#include "tersor/io/json_value.hpp"
#include "tersor/io/llama_pre_tokenizer.hpp"
#include "tersor/io/quote.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tersor::inline v0::llama {

/// What a token is, in the numbers of GGUF files.
enum class token_type : std::int32_t { normal = 1, unknown = 2, control = 3, user_defined = 4, unused = 5, byte = 6 };

/// A byte-level BPE tokenizer.
struct tokenizer {
    std::string pre; ///< tokenizer.ggml.pre: "gpt-2", "llama-bpe", ..., or "default" where the rule is not known
    std::vector<std::string> tokens; ///< by id
    std::vector<token_type> types;   ///< by id
    std::vector<std::string> merges; ///< "left right", in the order of their rank
    std::optional<std::uint32_t> bos, eos, unknown, padding;
    bool adds_bos = false;
    bool adds_eos = false;
    std::string chat_template; ///< the default one where there are several; empty: none
};

namespace detail {

[[noreturn]] inline void refuse_tokenizer(const std::string& source, const std::string& what) {
    raise(error_code::unsupported, source + ": " + what + "; only byte-level BPE can be converted to GGUF");
}

[[noreturn]] inline void fail_tokenizer(const std::string& source, const std::string& what) {
    raise(error_code::corrupt_file, source + ": " + what);
}

[[nodiscard]] inline const json::value* find_of_kind(const json::value* from, std::string_view name, json::kind kind) {
    const json::value* const found = from == nullptr ? nullptr : from->find(name);
    return found != nullptr && found->is(kind) ? found : nullptr;
}

[[nodiscard]] inline bool is_true(const json::value& from, std::string_view name) {
    const json::value* const found = find_of_kind(&from, name, json::kind::boolean);
    return found != nullptr && found->as_boolean();
}

// Tokens that some models mark as ordinary although they are commands.
[[nodiscard]] inline bool looks_special(std::string_view text) noexcept {
    const auto is_between = [text](std::string_view begin, std::string_view end) {
        return text.starts_with(begin) && text.ends_with(end);
    };
    return text == "<pad>" || text == "<mask>" || text == "<2mass>" || text == "[@BOS@]" || is_between("<|", "|>") ||
           is_between("<\xEF\xBD\x9C", "\xEF\xBD\x9C>") || is_between("<unused", ">"); // the bars of DeepSeek are wide
}

inline void add_token(tokenizer& to, const json::value& id, std::string text, token_type type,
                      const std::string& source) {
    const bool fits = id.is_integer() && id.as_double() >= 0 && id.as_unsigned() < to.tokens.size();
    if (!fits) {
        fail_tokenizer(source, "the id of token " + tersor::detail::quote_name(text) +
                                   " is not below the vocabulary size " + std::to_string(to.tokens.size()));
    }
    const auto place = static_cast<std::size_t>(id.as_unsigned());
    if (to.types[place] != token_type::unused && to.tokens[place] != text) {
        fail_tokenizer(source, "tokens " + tersor::detail::quote_name(to.tokens[place]) + " and " +
                                   tersor::detail::quote_name(text) + " have the same id " + std::to_string(place));
    }
    to.tokens[place] = std::move(text);
    to.types[place] = type;
}

inline void read_tokens(tokenizer& to, const json::value& from, const std::string& source) {
    for (const json::member& token : from.at("model").at("vocab").as_object()) {
        add_token(to, token.content, token.name, token_type::normal, source);
    }
    if (const json::value* const added = find_of_kind(&from, "added_tokens", json::kind::array)) {
        for (const json::value& token : added->as_array()) {
            const std::string& text = token.at("content").as_string();
            const bool is_control = is_true(token, "special") || looks_special(text);
            add_token(to, token.at("id"), text, is_control ? token_type::control : token_type::user_defined, source);
        }
    }
}

// A space inside a part is written as the byte alphabet writes it, because a space separates the two.
inline void append_part(std::string& merge, std::string_view part) {
    for (const char c : part) {
        if (c == ' ') {
            merge += "\xC4\xA0";
        } else {
            merge += c;
        }
    }
}

inline void read_merges(tokenizer& to, const json::value& model, const std::string& source) {
    const json::value* const merges = find_of_kind(&model, "merges", json::kind::array);
    if (merges == nullptr) {
        fail_tokenizer(source, "the model has no list of merges");
    }
    to.merges.reserve(merges->as_array().size());
    for (const json::value& merge : merges->as_array()) {
        if (merge.is(json::kind::string)) {
            const std::string& text = merge.as_string();
            const std::size_t space = text.find(' ');
            if (space == 0 || space >= text.size() - 1 || text.find(' ', space + 1) != std::string::npos) {
                fail_tokenizer(source, "the merge " + tersor::detail::quote_name(text) +
                                           " is not two parts with a space between them");
            }
            to.merges.push_back(text);
            continue;
        }
        const json::array& parts = merge.as_array();
        if (parts.size() != 2) {
            fail_tokenizer(source, "a merge of " + std::to_string(parts.size()) + " parts");
        }
        std::string text;
        append_part(text, parts[0].as_string());
        text += ' ';
        append_part(text, parts[1].as_string());
        to.merges.push_back(std::move(text));
    }
}

// The token that tokenizer_config.json names, as a string or as an object with "content".
[[nodiscard]] inline std::string named_token(const json::value& settings, std::string_view name) {
    const json::value* const entry = settings.find(name);
    if (entry != nullptr && entry->is(json::kind::string)) {
        return entry->as_string();
    }
    const json::value* const content = find_of_kind(entry, "content", json::kind::string);
    return content != nullptr ? content->as_string() : std::string();
}

[[nodiscard]] inline std::optional<std::uint32_t> id_of(const tokenizer& t, std::string_view text) {
    for (std::size_t i = 0; !text.empty() && i < t.tokens.size(); ++i) {
        if (t.tokens[i] == text && t.types[i] != token_type::unused) {
            return static_cast<std::uint32_t>(i);
        }
    }
    return {};
}

// By tokenizer_config.json, else by config.json, where several ends of text may stand: the first is taken.
[[nodiscard]] inline std::optional<std::uint32_t> special_id(const tokenizer& t, const json::value& settings,
                                                             const json::value& config, const std::string& name) {
    if (const auto id = id_of(t, named_token(settings, name + "_token"))) {
        return id;
    }
    const json::value* entry = config.find(name + "_token_id");
    if (entry != nullptr && entry->is(json::kind::array) && !entry->as_array().empty()) {
        entry = &entry->as_array().front();
    }
    const bool fits =
        entry != nullptr && entry->is_integer() && entry->as_double() >= 0 && entry->as_unsigned() < t.tokens.size();
    return fits ? std::optional(static_cast<std::uint32_t>(entry->as_unsigned())) : std::nullopt;
}

// The special token at one end of the template by which a post-processor frames a text; empty if there is none.
[[nodiscard]] inline std::string framing_token(const json::value& processor, bool at_begin) {
    if (const json::value* const parts = find_of_kind(&processor, "processors", json::kind::array)) {
        for (const json::value& part : parts->as_array()) {
            if (std::string found = framing_token(part, at_begin); !found.empty()) {
                return found;
            }
        }
        return {};
    }
    const json::value* const single = find_of_kind(&processor, "single", json::kind::array);
    if (single == nullptr || single->as_array().size() < 2) {
        return {};
    }
    const json::array& parts = single->as_array();
    const json::value* const special = (at_begin ? parts.front() : parts.back()).find("SpecialToken");
    const json::value* const id = find_of_kind(special, "id", json::kind::string);
    return id != nullptr ? id->as_string() : std::string();
}

[[nodiscard]] inline bool frames(const tokenizer& t, const json::value& from, const json::value& settings,
                                 std::optional<std::uint32_t> token, bool at_begin) {
    const std::string_view option = at_begin ? "add_bos_token" : "add_eos_token";
    if (const json::value* const chosen = find_of_kind(&settings, option, json::kind::boolean)) {
        return chosen->as_boolean();
    }
    const json::value* const processor = find_of_kind(&from, "post_processor", json::kind::object);
    return processor != nullptr && token && id_of(t, framing_token(*processor, at_begin)) == token;
}

// One text, or a list of them with names, of which one is "default".
[[nodiscard]] inline std::string default_chat_template(const json::value& settings) {
    if (const json::value* const list = find_of_kind(&settings, "chat_template", json::kind::array)) {
        for (const json::value& entry : list->as_array()) {
            if (text_member(entry, "name") == "default") {
                return text_member(entry, "template");
            }
        }
    }
    return text_member(settings, "chat_template");
}

} // namespace detail

/// Reads a tokenizer.json with what tokenizer_config.json (`settings`) and config.json say of special tokens; both may
/// be null. Ids that no token has become "[PADn]", unused. `source` names the file in messages. Errors: unsupported if
/// it is not byte-level BPE; corrupt_file where it contradicts itself or has an id beyond `vocabulary`.
[[nodiscard]] inline tokenizer read_tokenizer(const json::value& from, const json::value& settings,
                                              const json::value& config, std::uint32_t vocabulary,
                                              const std::string& source) {
    const json::value& model = from.at("model");
    const json::value* const type = detail::find_of_kind(&model, "type", json::kind::string);
    if (type == nullptr || type->as_string() != "BPE") {
        detail::refuse_tokenizer(source,
                                 "a tokenizer of type " +
                                     (type == nullptr ? "none" : tersor::detail::quote_name(type->as_string())));
    }
    if (detail::is_true(model, "byte_fallback") || !detail::is_byte_level(from)) {
        detail::refuse_tokenizer(source, "a BPE tokenizer that is not byte-level");
    }
    tokenizer result;
    result.pre = detail::pre_tokenizer_name(from);
    result.tokens.resize(vocabulary);
    result.types.resize(vocabulary, token_type::unused);
    detail::read_tokens(result, from, source);
    for (std::size_t i = 0; i < result.tokens.size(); ++i) {
        if (result.types[i] == token_type::unused) {
            result.tokens[i] = "[PAD" + std::to_string(i) + "]";
        }
    }
    detail::read_merges(result, model, source);
    result.bos = detail::special_id(result, settings, config, "bos");
    result.eos = detail::special_id(result, settings, config, "eos");
    result.unknown = detail::special_id(result, settings, config, "unk");
    result.padding = detail::special_id(result, settings, config, "pad");
    result.adds_bos = detail::frames(result, from, settings, result.bos, true);
    result.adds_eos = detail::frames(result, from, settings, result.eos, false);
    result.chat_template = detail::default_chat_template(settings);
    return result;
}

} // namespace tersor::inline v0::llama

#endif // TERSOR_IO_LLAMA_TOKENIZER_HPP
