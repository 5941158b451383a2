#include "cancellation.hpp"
#include "commands.hpp"
#include "model.hpp"
#include "output.hpp"
#include "progress.hpp"
#include "report.hpp"
#include "text.hpp"
#include "values.hpp"

#include <chrono>
#include <cstdio>
#include <vector>

namespace cli {

namespace {

// The weight of B that goes with one of A; null, with a note, if there is none that can be compared. Throws
// shape_mismatch.
const tersor::model_weight* partner(const tersor::model_weight& weight, const tersor::quantized_model& other,
                                    std::vector<std::string>& notes) {
    const tersor::model_weight* const found = other.find(weight.name);
    if (found == nullptr) {
        notes.push_back("only in A: " + weight.name);
        return nullptr;
    }
    if (found->shape != weight.shape) {
        tersor::raise(tersor::error_code::shape_mismatch, "tensor '" + weight.name + "' is " +
                                                              shape_text(weight.shape) + " in A and " +
                                                              shape_text(found->shape) + " in B");
    }
    if (!weight.is_readable || !found->is_readable) {
        notes.push_back("not floats: " + weight.name);
        return nullptr;
    }
    return found;
}

} // namespace

void compare(const compare_arguments& arguments) {
    const auto begin = std::chrono::steady_clock::now();
    const threads workers(arguments.threads);
    const auto a = open_model(arguments.a);
    const auto b = open_model(arguments.b);
    for (const std::string& path : {arguments.json, arguments.html}) {
        if (!path.empty() && path != "-") {
            require_separate(a.files(), path);
            require_separate(b.files(), path);
        }
    }
    report r;
    r.model = arguments.a;
    r.output = arguments.b;
    progress_bar progress(a.files().data_bytes(), arguments.quiet);
    std::vector<float> values, others;
    for (const tersor::model_weight& weight : a.weights()) {
        check_cancelled();
        progress.start(weight.name, weight.bytes);
        if (const tersor::model_weight* const other = partner(weight, b, r.notes)) {
            tensor_report entry{weight.name,
                                weight.shape,
                                other->spec,
                                static_cast<std::uint64_t>(weight.elements()),
                                weight.bytes,
                                other->bytes,
                                {},
                                {},
                                {}};
            values.resize(entry.weights);
            others.resize(entry.weights);
            read_values(a, weight, values, workers.run());
            read_values(b, *other, others, workers.run([&](double done) { progress.update(0.5 + 0.5 * done); }));
            entry.errors = measure(weight.shape, values, others, workers.run());
            if (!arguments.html.empty()) {
                add_histograms(entry, values, others);
            }
            r.tensors.push_back(std::move(entry));
            release_pages(*other);
        }
        release_pages(weight);
        progress.finish();
    }
    for (const tersor::model_weight& weight : b.weights()) {
        if (a.find(weight.name) == nullptr) {
            r.notes.push_back("only in B: " + weight.name);
        }
    }
    r.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    if (r.tensors.empty()) {
        tersor::raise(tersor::error_code::shape_mismatch,
                      "'" + arguments.a + "' and '" + arguments.b + "' have no tensor of the same name and shape");
    }
    if (!arguments.quiet && arguments.json != "-") {
        std::fputs(table_of(r).c_str(), stdout);
    }
    if (!arguments.json.empty()) {
        write_report(arguments.json, json_of(r));
    }
    if (!arguments.html.empty()) {
        write_report(arguments.html, html_of(r));
    }
}

} // namespace cli
