// What the command line says about precisions, checked.

#include "precision.hpp"

#include "text.hpp"
#include "usage.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace cli {

std::uint64_t parse_size(const std::string& text) {
    constexpr std::array<std::pair<std::string_view, double>, 11> units{{{"", 1.0},
                                                                         {"B", 1.0},
                                                                         {"kB", 1e3},
                                                                         {"KB", 1e3},
                                                                         {"MB", 1e6},
                                                                         {"GB", 1e9},
                                                                         {"KiB", 1024.0},
                                                                         {"MiB", 1048576.0},
                                                                         {"GiB", 1073741824.0},
                                                                         {"M", 1e6},
                                                                         {"G", 1e9}}};
    double number = 0.0;
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
    std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
    unit.remove_prefix(std::min(unit.find_first_not_of(' '), unit.size()));
    const auto* const known = std::ranges::find(units, unit, [](const auto& u) { return u.first; });
    if (problem != std::errc() || known == units.end() || !(number > 0.0) || number * known->second > 9e15) {
        throw usage_error("'" + text + "' is no size: expected such as 800000, 12MB or 3.5MiB");
    }
    return static_cast<std::uint64_t>(number * known->second);
}

void check_precision_arguments(const quantize_arguments& a) {
    const bool has_target = a.has_target_bits || !a.target_size.empty();
    if (a.has_target_bits && !(a.target_bits > 0.0 && a.target_bits <= 64.0)) {
        throw usage_error("--target-bits " + short_text(a.target_bits) + ": expected above 0 and at most 64");
    }
    if (a.has_target_bits && !a.target_size.empty()) {
        throw usage_error("--target-bits and --target-size exclude each other");
    }
    if (!a.target_size.empty()) {
        static_cast<void>(parse_size(a.target_size));
    }
    if (has_target && !a.plan.empty()) {
        throw usage_error("--plan has its SPECs already; leave the target out");
    }
    if (has_target && !a.to.empty()) {
        throw usage_error("--to names one SPEC for all tensors; a target chooses among --choices");
    }
    if (!has_target && (!a.choices.empty() || !a.plan_out.empty())) {
        throw usage_error(std::string(a.choices.empty() ? "--plan-out" : "--choices") +
                          " is an option of --target-bits and --target-size");
    }
    if (a.to.empty() && a.plan.empty() && !has_target) {
        throw usage_error("--to is missing: what weights become, such as int8/row; or --target-bits, --target-size, "
                          "--plan");
    }
}

std::vector<spec> parse_choices(const quantize_arguments& arguments, bool to_gguf) {
    const std::string text = !arguments.choices.empty() ? arguments.choices
                             : to_gguf                  ? "q2_k,q3_k,q4_k,q5_k,q6_k,q8_0"
                                                        : "uint2,uint3,uint4,uint5,uint6,int8";
    std::vector<spec> choices;
    for (std::size_t from = 0; from <= text.size();) {
        const std::size_t end = std::min(text.find(',', from), text.size());
        choices.push_back(parse_spec(text.substr(from, end - from)));
        from = end + 1;
    }
    for (const spec& s : choices) {
        const bool fits =
            s.recipe() == nullptr && (s.is_plain() || (to_gguf ? s.gguf_type() != nullptr : !s.is_gguf()));
        if (!fits) {
            throw usage_error(s.recipe() != nullptr
                                  ? "'" + s.text() + "' chooses a type for each tensor itself; --choices are of types"
                                  : "'" + s.text() + "' of --choices is no type of a " +
                                        (to_gguf ? ".gguf" : ".safetensors") + " file");
        }
        if (std::ranges::count(choices, s) > 1) {
            throw usage_error("--choices names " + s.text() + " twice");
        }
    }
    return choices;
}

} // namespace cli
