#ifndef TERSOR_IO_LLAMA_METADATA_HPP
#define TERSOR_IO_LLAMA_METADATA_HPP

// The metadata of a GGUF file of the architecture "llama": what llama.cpp needs to run it. Keys and types as its own
// converter writes them.

#include "tersor/core/error.hpp"
#include "tersor/io/gguf.hpp"
#include "tersor/io/gguf_metadata.hpp"
#include "tersor/io/llama_config.hpp"
#include "tersor/io/llama_tokenizer.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tersor::inline v0::llama {

/// The version of the block formats that GGUF files of today hold: general.quantization_version.
inline constexpr std::uint32_t quantization_version = 2;

/// Adds general.* and llama.*.
inline void add_config(gguf_metadata& to, const config& c, std::string_view name, std::uint32_t file_type) {
    to.add("general.architecture", "llama");
    to.add("general.type", "model");
    to.add("general.name", name);
    to.add("llama.block_count", c.block_count);
    to.add("llama.context_length", c.context_length);
    to.add("llama.embedding_length", c.embedding_length);
    to.add("llama.feed_forward_length", c.feed_forward_length);
    to.add("llama.attention.head_count", c.head_count);
    to.add("llama.attention.head_count_kv", c.head_count_kv);
    to.add("llama.rope.freq_base", static_cast<float>(c.rope_base));
    to.add("llama.attention.layer_norm_rms_epsilon", static_cast<float>(c.rms_epsilon));
    if (c.explicit_head_length) {
        to.add("llama.attention.key_length", c.head_length);
        to.add("llama.attention.value_length", c.head_length);
    }
    to.add("llama.vocab_size", c.vocabulary);
    to.add("llama.rope.dimension_count", c.head_length);
    // "llama3" is in the tensor rope_freqs.weight
    if (c.scaling.type == "linear" || c.scaling.type == "yarn") {
        to.add("llama.rope.scaling.type", c.scaling.type);
        to.add("llama.rope.scaling.factor", static_cast<float>(c.scaling.factor));
        if (c.scaling.original_context != 0) {
            to.add("llama.rope.scaling.original_context_length", c.scaling.original_context);
        }
        const auto add_said = [&to](const char* key, const std::optional<double>& number) {
            if (number) {
                to.add(key, static_cast<float>(*number));
            }
        };
        add_said("llama.rope.scaling.yarn_ext_factor", c.scaling.extrapolation_factor);
        add_said("llama.rope.scaling.yarn_attn_factor", c.scaling.attention_factor);
        add_said("llama.rope.scaling.yarn_beta_fast", c.scaling.beta_fast);
        add_said("llama.rope.scaling.yarn_beta_slow", c.scaling.beta_slow);
    }
    to.add("general.file_type", file_type);
    to.add("general.quantization_version", quantization_version);
}

/// Adds tokenizer.*.
inline void add_tokenizer(gguf_metadata& to, const tokenizer& t) {
    std::vector<std::int32_t> types;
    for (const token_type type : t.types) {
        types.push_back(static_cast<std::int32_t>(type));
    }
    to.add("tokenizer.ggml.model", "gpt2");
    to.add("tokenizer.ggml.pre", t.pre);
    to.add("tokenizer.ggml.tokens", t.tokens);
    to.add("tokenizer.ggml.token_type", types);
    to.add("tokenizer.ggml.merges", t.merges);
    const auto add_id = [&to](const char* key, const std::optional<std::uint32_t>& id) {
        if (id) {
            to.add(key, *id);
        }
    };
    add_id("tokenizer.ggml.bos_token_id", t.bos);
    add_id("tokenizer.ggml.eos_token_id", t.eos);
    add_id("tokenizer.ggml.unknown_token_id", t.unknown);
    add_id("tokenizer.ggml.padding_token_id", t.padding);
    to.add("tokenizer.ggml.add_bos_token", t.adds_bos);
    to.add("tokenizer.ggml.add_eos_token", t.adds_eos);
    if (!t.chat_template.empty()) {
        to.add("tokenizer.chat_template", t.chat_template);
    }
}

/// How many heads the rows of queries and keys of a GGUF file are.
struct head_counts {
    std::int64_t query = 1;
    std::int64_t key = 1;
};

/// The heads of an open file; nothing if its architecture is not "llama". corrupt_file if it does not say how many.
[[nodiscard]] inline std::optional<head_counts> read_head_counts(const gguf_file& file) {
    const gguf_value* const architecture = file.find("general.architecture");
    std::string_view name;
    if (architecture == nullptr || !architecture->read(name).empty() || name != "llama") {
        return {};
    }
    const auto read = [&file](const char* key, std::optional<std::uint32_t> otherwise) {
        const gguf_value* const value = file.find(key);
        std::uint32_t number = otherwise.value_or(0);
        const std::string problem = value == nullptr ? std::string() : value->read(number);
        if (!problem.empty() || number == 0) {
            raise(error_code::corrupt_file, file.source() + ": key '" + std::string(key) + "' " +
                                                (!problem.empty()   ? problem
                                                 : value == nullptr ? "is missing"
                                                                    : "is 0"));
        }
        return number;
    };
    const std::uint32_t query = read("llama.attention.head_count", {});
    return head_counts{query, read("llama.attention.head_count_kv", query)};
}

} // namespace tersor::inline v0::llama

#endif // TERSOR_IO_LLAMA_METADATA_HPP
