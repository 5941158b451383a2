#ifndef TERSOR_EXAMPLES_CLI_SELECTION_HPP
#define TERSOR_EXAMPLES_CLI_SELECTION_HPP

// Which tensors become what: --to, --set, --skip, --all and the default rule.

#include "commands.hpp"
#include "spec.hpp"

#include "tersor/io/safetensors_tensor.hpp"

#include <map>
#include <optional>
#include <regex>
#include <string>
#include <vector>

namespace cli {

/// SPECs of single tensors, by their names in the model: a plan.
using precision_map = std::map<std::string, spec>;

/// Decides for one tensor after the other; says at the end which patterns matched nothing.
class selection {
public:
    /// Throws usage_error for a SPEC or a pattern that is none.
    explicit selection(const quantize_arguments& arguments, precision_map precisions = {});

    /// What a tensor becomes; nothing if it is kept. `gguf_name` is its name in GGUF files, or empty: patterns are
    /// asked for both names.
    [[nodiscard]] std::optional<spec> choose(const std::string& name, const std::string& gguf_name,
                                             const std::vector<std::int64_t>& shape, tersor::safetensors_dtype dtype);

    /// Throws usage_error if a pattern matched no tensor that it could have changed.
    void check_patterns() const;

private:
    struct rule {
        std::string option;
        std::string pattern;
        std::regex expression;
        std::optional<spec> to; ///< nothing for --skip
        bool has_matched = false;
    };
    static bool matches(rule& r, const std::string& name, const std::string& gguf_name);
    [[nodiscard]] bool is_candidate(const std::string& name, const std::string& gguf_name,
                                    const std::vector<std::int64_t>& shape) const;

    std::optional<spec> to_; ///< nothing where a plan says it
    precision_map precisions_;
    bool all_;
    std::vector<rule> skip_;
    std::vector<rule> set_;
};

/// Whether the default rule leaves a tensor of that name alone: a token embedding or the output head.
[[nodiscard]] bool is_embedding_or_head(const std::string& name);

} // namespace cli

#endif // TERSOR_EXAMPLES_CLI_SELECTION_HPP
