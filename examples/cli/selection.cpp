#include "selection.hpp"

#include "usage.hpp"

#include "tersor/io/safetensors_values.hpp"

#include <algorithm>
#include <array>
#include <string_view>

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

selection::selection(const quantize_arguments& arguments) : to_(parse_spec(arguments.to)), all_(arguments.all) {
    for (const std::string& pattern : arguments.skip) {
        skip_.push_back({"--skip", pattern, compile(pattern, "--skip"), {}});
    }
    for (const std::string& text : arguments.set) {
        const auto [pattern, to] = split_rule(text);
        set_.push_back({"--set", pattern, compile(pattern, "--set"), to});
    }
}

std::optional<spec> selection::choose(const std::string& name, const std::vector<std::int64_t>& shape,
                                      tersor::safetensors_dtype dtype) {
    const bool is_empty = std::ranges::find(shape, 0) != shape.end();
    if (!tersor::is_float(dtype) || is_empty) {
        return {};
    }
    // every pattern is asked, so that one behind another is not said to match nothing
    std::optional<spec> chosen;
    for (rule& r : set_) {
        if ((shape.size() == 2 || r.to->is_plain()) && matches(r, name) && !chosen) {
            chosen = r.to;
        }
    }
    const bool is_candidate = shape.size() == 2 && (all_ || !is_embedding_or_head(name));
    if (!chosen && is_candidate) {
        chosen = to_;
    }
    bool skipped = false;
    for (rule& r : skip_) {
        skipped = matches(r, name) || skipped;
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

bool selection::matches(rule& r, const std::string& name) {
    // the standard library's matcher recurses along the text, and a file may hold names of any length
    constexpr std::size_t longest = 1000;
    const bool found = name.size() <= longest && std::regex_search(name, r.expression);
    r.has_matched = r.has_matched || found;
    return found;
}

bool is_embedding_or_head(const std::string& name) {
    constexpr std::array<std::string_view, 5> parts{"embed_tokens", "wte", "lm_head", "token_embd", "output.weight"};
    return std::ranges::any_of(parts, [&](std::string_view part) { return name.find(part) != std::string::npos; });
}

} // namespace cli
