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
const weight* partner(const weight& of, const model& other, std::vector<std::string>& notes) {
    const weight* const found = other.find(of.name);
    if (found == nullptr) {
        notes.push_back("only in A: " + of.name);
        return nullptr;
    }
    if (found->shape != of.shape) {
        tersor::raise(tersor::error_code::shape_mismatch, "tensor '" + of.name + "' is " + shape_text(of.shape) +
                                                              " in A and " + shape_text(found->shape) + " in B");
    }
    if (!of.is_readable || !found->is_readable) {
        notes.push_back("not floats: " + of.name);
        return nullptr;
    }
    return found;
}

} // namespace

void compare(const compare_arguments& arguments) {
    const auto begin = std::chrono::steady_clock::now();
    const threads workers(arguments.threads);
    // two GGUF files are compared under their own names
    const bool both = is_gguf_path(arguments.a) && is_gguf_path(arguments.b);
    const naming names = both ? naming::file : naming::hugging_face;
    const model a = model::open(arguments.a, names);
    const model b = model::open(arguments.b, names);
    for (const std::string& path : {arguments.json, arguments.html}) {
        if (!path.empty() && path != "-") {
            require_separate(a, path);
            require_separate(b, path);
        }
    }
    report r;
    r.model = arguments.a;
    r.output = arguments.b;
    progress_bar progress(a.data_bytes(), arguments.quiet);
    std::vector<float> values, others;
    for (const weight& w : a.weights()) {
        check_cancelled();
        progress.start(w.name, w.bytes);
        if (const weight* const other = partner(w, b, r.notes)) {
            tensor_report& entry = r.tensors.emplace_back();
            entry.name = w.name;
            entry.shape = w.shape;
            entry.spec = other->spec;
            entry.weights = static_cast<std::uint64_t>(w.elements());
            entry.bytes_in = w.bytes;
            entry.bytes_out = other->bytes;
            values.resize(entry.weights);
            others.resize(entry.weights);
            a.read(w, values, workers.run());
            b.read(*other, others, workers.run([&](double done) { progress.update(0.5 + 0.5 * done); }));
            entry.errors = measure(w.shape, values, others, workers.run());
            if (!arguments.html.empty()) {
                add_histograms(entry, values, others);
            }
            release_pages(*other);
        }
        release_pages(w);
        progress.finish();
    }
    for (const weight& w : b.weights()) {
        if (a.find(w.name) == nullptr) {
            r.notes.push_back("only in B: " + w.name);
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
