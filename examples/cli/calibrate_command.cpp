#include "calibrate_method.hpp"
#include "cancellation.hpp"
#include "commands.hpp"
#include "datasets.hpp"
#include "output.hpp"
#include "progress.hpp"
#include "report.hpp"
#include "table.hpp"
#include "text.hpp"
#include "usage.hpp"
#include "values.hpp"

#include "tersor/io/json.hpp"

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

namespace cli {

namespace {

namespace json = tersor::json;

// What is known of a dataset in the end.
struct result {
    std::string name;
    std::size_t batches = 0;
    std::int64_t values = 0;
    std::int64_t skipped = 0;
    found_range range;
};

result calibrate_one(const dataset& data, const model& from, const calibrate_arguments& a, const threads& workers,
                     std::vector<float>& values, progress_bar& progress) {
    const std::unique_ptr<calibration_method> method = make_method(a, workers);
    for (const weight* const batch : data.batches) {
        check_cancelled();
        progress.start(batch->name, batch->bytes);
        values.resize(static_cast<std::size_t>(batch->elements()));
        from.read(*batch, values, {});
        if (!a.skip_non_finite) {
            require_finite(batch->name, batch->shape, values, "--skip-non-finite leaves such values out");
        }
        method->observe(values);
        release_pages(*batch);
        progress.finish();
    }
    if (method->count() == 0) {
        tersor::raise(tersor::error_code::invalid_argument,
                      "dataset '" + data.name + "' of " + count_text(data.batches.size(), "batch") +
                          " has no values to calibrate with");
    }
    result found{data.name, data.batches.size(), method->count(), method->skipped(), method->range()};
    found.range.lo += 0.0f; // no -0
    return found;
}

double magnitude(const found_range& range) {
    return std::max({0.0, -static_cast<double>(range.lo), static_cast<double>(range.hi)});
}

std::string text_of(const std::vector<result>& results, const std::vector<std::string>& left_out) {
    table grid({"dataset", ">batches", ">values", ">lo", ">hi", ">amax", ">scale", ">zero point"});
    std::int64_t skipped = 0;
    for (const result& r : results) {
        grid.add({printable(r.name), std::to_string(r.batches), std::to_string(r.values),
                  short_text(static_cast<double>(r.range.lo)), short_text(static_cast<double>(r.range.hi)),
                  short_text(magnitude(r.range)), short_text(r.range.scale), std::to_string(r.range.zero_point)});
        skipped += r.skipped;
    }
    std::string text = grid.text();
    if (skipped != 0) {
        text += "left out because they are not finite: " + count_text(static_cast<std::uint64_t>(skipped), "value") +
                "\n";
    }
    for (const std::string& name : left_out) {
        text += "no floats: " + printable(name) + "\n";
    }
    return text;
}

std::string json_of(const std::vector<result>& results) {
    json::value all = json::object{};
    for (const result& r : results) {
        json::value entry;
        entry["lo"] = static_cast<double>(r.range.lo);
        entry["hi"] = static_cast<double>(r.range.hi);
        entry["amax"] = magnitude(r.range);
        entry["scale"] = r.range.scale;
        entry["zero_point"] = r.range.zero_point;
        all[valid_utf8(r.name)] = std::move(entry);
    }
    return json::write(all, 2) + "\n";
}

} // namespace

void calibrate(const calibrate_arguments& arguments) {
    const threads workers(arguments.threads);
    static_cast<void>(make_method(arguments, workers)); // what is wrong there, before the file
    const model from = model::open(arguments.data);
    if (!arguments.json.empty() && arguments.json != "-") {
        require_separate(from, arguments.json);
    }
    const dataset_list data = find_datasets(from);
    if (data.all.empty()) {
        tersor::raise(tersor::error_code::invalid_argument, "'" + arguments.data + "' has no tensors of floats");
    }
    std::vector<result> results;
    {
        progress_bar progress(from.data_bytes(), arguments.quiet);
        std::vector<float> values;
        for (const dataset& each : data.all) {
            results.push_back(calibrate_one(each, from, arguments, workers, values, progress));
        }
    }
    if (!arguments.quiet && arguments.json != "-") {
        std::fputs(text_of(results, data.left_out).c_str(), stdout);
    }
    if (!arguments.json.empty()) {
        write_report(arguments.json, json_of(results));
    }
}

} // namespace cli
