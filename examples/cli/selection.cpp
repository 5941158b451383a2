#include "selection.hpp"

#include "usage.hpp"

#include "tersor/io/safetensors_values.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace cli {

namespace {

std::regex compile(const std::string& pattern, const std::string& option) {
    try {
        return std::regex(pattern);
    } catch (const std::regex_error& e) {
        throw usage_error(option + " '" + pattern + "' is not a regular expression: " + e.what());
    }
}

// The last '=' that has a SPEC behind it: both the pattern and the SPEC may contain one.
std::pair<std::string, spec> split_rule(const std::string& text) {
    std::string problem;
    for (auto at = text.rfind('='); at != std::string::npos && at != 0; at = text.rfind('=', at - 1)) {
        try {
            return {text.substr(0, at), parse_spec(std::string_view(text).substr(at + 1))};
        } catch (const usage_error& e) {
            problem = e.what(); // that of the longest candidate is shown
        }
    }
    throw usage_error("--set '" + text + "' is not REGEX=SPEC" + (problem.empty() ? "" : ": " + problem));
}

} // namespace

selection::selection(const quantize_arguments& arguments, precision_map precisions)
    : precisions_(std::move(precisions)), all_(arguments.all) {
    if (!arguments.to.empty()) {
        to_ = parse_spec(arguments.to);
    }
    for (const std::string& pattern : arguments.skip) {
        skip_.push_back({"--skip", pattern, compile(pattern, "--skip"), {}});
    }
    for (const std::string& text : arguments.set) {
        const auto [pattern, to] = split_rule(text);
        set_.push_back({"--set", pattern, compile(pattern, "--set"), to});
    }
}

bool selection::is_candidate(const std::string& name, const std::string& gguf_name,
                             const std::vector<std::int64_t>& shape) const {
    // a recipe has a type for embeddings and the head, too
    if (to_ && to_->recipe() != nullptr) {
        return tersor::recipe_applies(gguf_name.empty() ? name : gguf_name, shape);
    }
    return shape.size() == 2 && (all_ || !is_embedding_or_head(name));
}

std::optional<spec> selection::choose(const std::string& name, const std::string& gguf_name,
                                      const std::vector<std::int64_t>& shape, tersor::safetensors_dtype dtype) {
    const bool is_empty = std::ranges::find(shape, 0) != shape.end();
    if (!tersor::is_float(dtype) || is_empty) {
        return {};
    }
    // every pattern is asked, so that one behind another is not said to match nothing
    std::optional<spec> chosen;
    for (rule& r : set_) {
        if ((shape.size() == 2 || r.to->is_plain()) && matches(r, name, gguf_name) && !chosen) {
            chosen = r.to;
        }
    }
    const auto planned = precisions_.find(name);
    if (!chosen && planned != precisions_.end()) {
        chosen = planned->second;
    } else if (!chosen && is_candidate(name, gguf_name, shape)) {
        chosen = to_;
    }
    bool skipped = false;
    for (rule& r : skip_) {
        skipped = matches(r, name, gguf_name) || skipped;
    }
    return skipped ? std::optional<spec>() : chosen;
}

void selection::check_patterns() const {
    for (const auto* const rules : {&set_, &skip_}) {
        for (const rule& r : *rules) {
            if (!r.has_matched) {
                throw usage_error(r.option + " '" + r.pattern + "' matches no " +
                                  (r.to && !r.to->is_plain() ? "two-dimensional float tensor" : "float tensor") +
                                  " of the model");
            }
        }
    }
}

bool selection::matches(rule& r, const std::string& name, const std::string& gguf_name) {
    // the standard library's matcher recurses along the text, and a file may hold names of any length
    constexpr std::size_t longest = 1000;
    const auto is_found = [&r](const std::string& text) {
        return !text.empty() && text.size() <= longest && std::regex_search(text, r.expression);
    };
    const bool found = is_found(name) || is_found(gguf_name);
    r.has_matched = r.has_matched || found;
    return found;
}

bool is_embedding_or_head(const std::string& name) {
    constexpr std::array<std::string_view, 4> parts{"embed_tokens", "wte", "lm_head", "token_embd"};
    // but not attn_output.weight
    const auto output = name.find("output.weight");
    const bool is_output = output != std::string::npos && (output == 0 || name[output - 1] != '_');
    return is_output ||
           std::ranges::any_of(parts, [&](std::string_view part) { return name.find(part) != std::string::npos; });
}

} // namespace cli
