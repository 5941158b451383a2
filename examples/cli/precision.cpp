#include "precision.hpp"

#include "precision_plan.hpp"
#include "precision_trial.hpp"
#include "report.hpp"
#include "text.hpp"
#include "usage.hpp"

#include "tersor/metrics/allocation.hpp"

#include <algorithm>
#include <cstdio>
#include <utility>

namespace cli {

namespace {

std::size_t budget_for(const quantize_arguments& arguments, const trial& tried) {
    if (arguments.has_target_bits) {
        return tersor::bytes_at_bits(arguments.target_bits, tried.weights);
    }
    const std::uint64_t size = parse_size(arguments.target_size);
    const std::uint64_t others = tried.other_bytes + tried.header_bytes;
    if (others >= size) {
        throw usage_error("--target-size " + arguments.target_size + " (" + size_text(size) +
                          ") is not more than the " + size_text(others) + " of what is not chosen" +
                          (arguments.all ? "" : "; with --all embeddings and head are chosen too"));
    }
    return size - others;
}

void require_enough(const quantize_arguments& arguments, const trial& tried, std::size_t budget) {
    std::uint64_t least = 0;
    for (const tried_tensor& t : tried.tensors) {
        least += std::ranges::min(t.choices, {}, &tried_choice::bytes).bytes;
    }
    if (least > budget) {
        const double bits = 8.0 * static_cast<double>(least) / static_cast<double>(tried.weights);
        throw usage_error(
            "the target is too small for --choices: the smallest take " +
            (arguments.has_target_bits
                 ? fixed_text(bits, 3) + " bits per weight, not " + short_text(arguments.target_bits)
                 : size_text(least) + ", but " + size_text(budget) + " of --target-size are left for them"));
    }
}

precision_map search_precisions(const model& from, const quantize_arguments& arguments, bool to_gguf,
                                const threads& workers) {
    const trial tried = try_choices(from, arguments, parse_choices(arguments, to_gguf), to_gguf, workers);
    if (tried.tensors.empty()) {
        throw usage_error("no tensor of the model is quantized, so that there is nothing to choose");
    }
    std::vector<tersor::tensor_choices> items;
    for (const tried_tensor& t : tried.tensors) {
        tersor::tensor_choices& item = items.emplace_back(tersor::tensor_choices{t.name, {}});
        for (const tried_choice& c : t.choices) {
            item.choices.push_back(
                {c.what.text(), static_cast<std::size_t>(c.bytes), c.noise * static_cast<double>(t.weights)});
        }
    }
    const std::size_t budget = budget_for(arguments, tried);
    require_enough(arguments, tried, budget);
    const tersor::precision_plan plan = tersor::least_error(items, budget);
    if (!arguments.quiet && arguments.json != "-") {
        std::fputs(plan_text(tried, plan, budget).c_str(), stdout);
    }
    if (!arguments.plan_out.empty()) {
        write_report(arguments.plan_out, plan_json(from.path(), tried, plan, budget));
    }
    precision_map precisions;
    for (std::size_t i = 0; i < tried.tensors.size(); ++i) {
        precisions.emplace(tried.tensors[i].name, tried.tensors[i].choices[plan.tensors[i].number].what);
    }
    return precisions;
}

} // namespace

precision_map find_precisions(const model& from, const quantize_arguments& arguments, bool to_gguf,
                              const threads& workers) {
    if (!arguments.plan.empty()) {
        precision_map precisions = read_plan(from, arguments.plan);
        for (const auto& [name, s] : precisions) {
            if (!s.is_plain() && (to_gguf ? s.gguf_type() == nullptr : s.is_gguf())) {
                throw usage_error("the plan has '" + s.text() + "' for '" + name + "', which is no type of a " +
                                  (to_gguf ? ".gguf" : ".safetensors") + " file");
            }
        }
        return precisions;
    }
    if (!arguments.has_target_bits && arguments.target_size.empty()) {
        return {};
    }
    return search_precisions(from, arguments, to_gguf, workers);
}

} // namespace cli
