#ifndef TERSOR_IO_LLAMA_CONFIG_HPP
#define TERSOR_IO_LLAMA_CONFIG_HPP

// The hyper-parameters of a llama-layout model, as the config.json of a Hugging Face folder gives them. What the
// architecture "llama" of llama.cpp would compute otherwise than the configuration says is refused.

#include "tersor/core/error.hpp"
#include "tersor/io/json_value.hpp"
#include "tersor/io/quote.hpp"

#include <array>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <numbers>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tersor::inline v0::llama {

/// Rotary embeddings for longer contexts than the model was first trained with.
struct rope_scaling {
    std::string type; ///< "linear", "yarn" or "llama3"; empty: none
    double factor = 1.0;
    double low_freq_factor = 1.0;               ///< llama3
    double high_freq_factor = 4.0;              ///< llama3
    std::uint32_t original_context = 0;         ///< llama3, yarn; 0: not said
    std::optional<double> extrapolation_factor; ///< yarn, as the three below: where it is said
    std::optional<double> attention_factor;
    std::optional<double> beta_fast;
    std::optional<double> beta_slow;
};

/// Hyper-parameters; lengths and counts are positive.
struct config {
    std::uint32_t context_length = 0;
    std::uint32_t embedding_length = 0;
    std::uint32_t block_count = 0;
    std::uint32_t feed_forward_length = 0;
    std::uint32_t head_count = 0;
    std::uint32_t head_count_kv = 0;
    std::uint32_t head_length = 0;     ///< values of a head
    bool explicit_head_length = false; ///< whether config.json says it
    std::uint32_t vocabulary = 0;
    double rms_epsilon = 0.0;
    double rope_base = 10000.0;
    rope_scaling scaling;
    bool tied_embeddings = false; ///< the head is the embedding
};

namespace detail {

[[noreturn]] inline void refuse_model(const std::string& source, const std::string& what) {
    raise(error_code::unsupported, source + ": " + what);
}

[[nodiscard]] inline const json::value* find_set(const json::value& from, std::string_view name) {
    const json::value* const found = from.find(name);
    return found != nullptr && !found->is(json::kind::null) ? found : nullptr;
}

[[nodiscard]] inline std::uint32_t read_count(const json::value& from, std::string_view name,
                                              const std::string& source) {
    const json::value* const found = find_set(from, name);
    // 2^24: beyond any model, and products of two still fit
    const std::uint64_t number =
        found != nullptr && found->is_integer() && found->as_double() > 0 ? found->as_unsigned() : 0;
    if (number == 0 || number > (1u << 24)) {
        raise(error_code::corrupt_file, source + ": '" + std::string(name) + "' is " +
                                            (found == nullptr ? "missing" : "not a number from 1 to 2^24"));
    }
    return static_cast<std::uint32_t>(number);
}

[[nodiscard]] inline double read_positive(const json::value& from, std::string_view name, double otherwise,
                                          const std::string& source) {
    const json::value* const found = find_set(from, name);
    if (found == nullptr) {
        return otherwise;
    }
    const double number = found->is(json::kind::number) ? found->as_double() : 0.0;
    if (!(number > 0.0) || !std::isfinite(number)) {
        raise(error_code::corrupt_file, source + ": '" + std::string(name) + "' is not a positive number");
    }
    return number;
}

[[nodiscard]] inline std::optional<double> read_optional(const json::value& from, std::string_view name,
                                                         const std::string& source) {
    return find_set(from, name) == nullptr ? std::nullopt : std::optional(read_positive(from, name, 1.0, source));
}

[[nodiscard]] inline std::string string_or(const json::value& from, std::string_view name, std::string_view otherwise) {
    const json::value* const found = find_set(from, name);
    return std::string(found != nullptr && found->is(json::kind::string) ? found->as_string() : otherwise);
}

inline void check_architecture(const json::value& from, const std::string& source) {
    constexpr std::array<std::string_view, 2> known{"LlamaForCausalLM", "MistralForCausalLM"};
    std::string name = string_or(from, "model_type", "");
    if (const json::value* const list = find_set(from, "architectures");
        list != nullptr && list->is(json::kind::array) && !list->as_array().empty() &&
        list->as_array().front().is(json::kind::string)) {
        name = list->as_array().front().as_string();
        for (const std::string_view k : known) {
            if (name == k) {
                return;
            }
        }
    } else if (name == "llama" || name == "mistral") {
        return;
    }
    refuse_model(source, "the architecture " + tersor::detail::quote_name(name) +
                             " cannot be converted to GGUF; available: LlamaForCausalLM, MistralForCausalLM");
}

inline void check_computation(const json::value& from, const std::string& source) {
    const std::string activation = string_or(from, "hidden_act", "silu");
    if (activation != "silu" && activation != "swish") {
        refuse_model(source,
                     "hidden_act " + tersor::detail::quote_name(activation) + "; the architecture llama has silu");
    }
    for (const std::string_view name : {"num_local_experts", "num_experts"}) {
        if (find_set(from, name) != nullptr) {
            refuse_model(source, "models with experts cannot be converted to GGUF");
        }
    }
    if (read_positive(from, "partial_rotary_factor", 1.0, source) != 1.0) {
        refuse_model(source, "partial_rotary_factor other than 1");
    }
}

[[nodiscard]] inline rope_scaling read_scaling(const json::value& from, const std::string& source) {
    rope_scaling scaling;
    const std::string type = string_or(from, "rope_type", string_or(from, "type", "default"));
    if (type == "default") {
        return scaling;
    }
    if (type != "linear" && type != "yarn" && type != "llama3") {
        refuse_model(source,
                     "rope scaling of type " + tersor::detail::quote_name(type) + "; available: linear, yarn, llama3");
    }
    scaling.type = type;
    scaling.factor = read_positive(from, "factor", type == "llama3" ? 8.0 : 1.0, source);
    scaling.low_freq_factor = read_positive(from, "low_freq_factor", 1.0, source);
    scaling.high_freq_factor = read_positive(from, "high_freq_factor", 4.0, source);
    if (find_set(from, "original_max_position_embeddings") != nullptr) {
        scaling.original_context = read_count(from, "original_max_position_embeddings", source);
    }
    if (type == "yarn") {
        const bool is_long_name = find_set(from, "attention_factor") != nullptr;
        scaling.extrapolation_factor = read_optional(from, "extrapolation_factor", source);
        scaling.attention_factor = read_optional(from, is_long_name ? "attention_factor" : "attn_factor", source);
        scaling.beta_fast = read_optional(from, "beta_fast", source);
        scaling.beta_slow = read_optional(from, "beta_slow", source);
    }
    return scaling;
}

} // namespace detail

/// Reads a config.json; `source` names it in messages. Errors: unsupported for another architecture or a variant that
/// llama.cpp's "llama" does not compute; corrupt_file for numbers that are missing or do not go together.
[[nodiscard]] inline config read_config(const json::value& from, const std::string& source) {
    detail::check_architecture(from, source);
    detail::check_computation(from, source);
    config c;
    c.context_length = detail::read_count(from, "max_position_embeddings", source);
    c.embedding_length = detail::read_count(from, "hidden_size", source);
    c.block_count = detail::read_count(from, "num_hidden_layers", source);
    c.feed_forward_length = detail::read_count(from, "intermediate_size", source);
    c.head_count = detail::read_count(from, "num_attention_heads", source);
    const bool has_kv = detail::find_set(from, "num_key_value_heads") != nullptr;
    c.head_count_kv = has_kv ? detail::read_count(from, "num_key_value_heads", source) : c.head_count;
    c.vocabulary = detail::read_count(from, "vocab_size", source);
    c.explicit_head_length = detail::find_set(from, "head_dim") != nullptr;
    c.head_length =
        c.explicit_head_length ? detail::read_count(from, "head_dim", source) : c.embedding_length / c.head_count;
    if (c.head_count % c.head_count_kv != 0 || c.head_length == 0 || c.head_length % 2 != 0) {
        raise(error_code::corrupt_file, source + ": " + std::to_string(c.head_count) + " heads of " +
                                            std::to_string(c.head_length) + " values and " +
                                            std::to_string(c.head_count_kv) + " key/value heads do not go together");
    }
    c.rms_epsilon = detail::read_positive(from, "rms_norm_eps", 1e-6, source);
    c.rope_base = detail::read_positive(from, "rope_theta", 10000.0, source);
    // transformers 5 keeps both in "rope_parameters"
    for (const std::string_view name : {"rope_scaling", "rope_parameters"}) {
        if (const json::value* const rope = detail::find_set(from, name)) {
            c.scaling = detail::read_scaling(*rope, source);
            c.rope_base = detail::read_positive(*rope, "rope_theta", c.rope_base, source);
        }
    }
    const json::value* const tied = detail::find_set(from, "tie_word_embeddings");
    c.tied_embeddings = tied != nullptr && tied->is(json::kind::boolean) && tied->as_boolean();
    return c;
}

/// The factors by which the frequencies of "llama3" scaling are divided, one per pair of a head: the tensor
/// rope_freqs.weight of a GGUF file. Empty for other scalings. As transformers computes them: wavelengths beyond
/// original_context / low_freq_factor get `factor`, below original_context / high_freq_factor 1, between them
/// 1 / ((1 - s) / factor + s) with s = (original_context / wavelength - low) / (high - low).
[[nodiscard]] inline std::vector<float> rope_factors(const config& c) {
    std::vector<float> factors;
    if (c.scaling.type != "llama3") {
        return factors;
    }
    const double original = c.scaling.original_context != 0 ? c.scaling.original_context : 8192.0;
    const double low = c.scaling.low_freq_factor, high = c.scaling.high_freq_factor;
    for (std::uint32_t i = 0; i < c.head_length; i += 2) {
        const double wavelength =
            2.0 * std::numbers::pi * std::pow(c.rope_base, static_cast<double>(i) / c.head_length);
        double factor = 1.0;
        if (wavelength > original / low) {
            factor = c.scaling.factor;
        } else if (wavelength >= original / high) {
            const double smooth = (original / wavelength - low) / (high - low);
            factor = 1.0 / ((1.0 - smooth) / c.scaling.factor + smooth);
        }
        factors.push_back(static_cast<float>(factor));
    }
    return factors;
}

} // namespace tersor::inline v0::llama

#endif // TERSOR_IO_LLAMA_CONFIG_HPP
