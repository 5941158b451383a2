#include "calibrate_range.hpp"
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

#include <Eigen/Core>

#include <algorithm>
#include <bit>
#include <cstdio>
#include <string>
#include <vector>

namespace cli {

found_range find_range(const any_calibrator& seen, const integer_kind& kind) {
    return kind.is_symmetric ? find_absmax_range(seen, kind.bits, kind.is_signed)
                             : find_zero_point_range(seen, kind.bits, kind.is_signed);
}

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

void check_arguments(const calibrate_arguments& a) {
    if (a.bits < 2 || a.bits > 8) {
        throw usage_error("--bits " + std::to_string(a.bits) + ": expected 2 to 8");
    }
    const auto bins = static_cast<std::uint64_t>(std::max<std::int64_t>(a.bins, 0));
    if (a.bins != 0 && (a.bins < tersor::histogram::least_bins || a.bins > tersor::histogram::most_bins ||
                        !std::has_single_bit(bins))) {
        throw usage_error("--bins " + std::to_string(a.bins) + ": expected a power of two from 16 to 65536");
    }
    if (!(a.momentum > 0.0 && a.momentum <= 1.0)) {
        throw usage_error("--momentum " + short_text(a.momentum) + ": expected above 0 and at most 1");
    }
    if (!(a.percentile > 0.0 && a.percentile <= 100.0)) {
        throw usage_error("--percentile " + short_text(a.percentile) + ": expected above 0 and at most 100");
    }
}

any_calibrator make_calibrator(const calibrate_arguments& a, const threads& workers) {
    tersor::calibration_options options;
    options.bins = a.bins;
    options.skip_non_finite = a.skip_non_finite;
    options.execution = workers.run();
    if (a.method == "min_max") {
        return tersor::min_max(options);
    }
    if (a.method == "moving_average") {
        return tersor::moving_average(static_cast<float>(a.momentum), options);
    }
    if (a.method == "percentile") {
        return tersor::percentile(a.percentile, options);
    }
    if (a.method == "mse") {
        return tersor::mse(options);
    }
    if (a.method == "kl") {
        return tersor::kl_divergence(options);
    }
    throw usage_error("unknown method '" + a.method +
                      "'; available: min_max, moving_average, percentile, mse, kl");
}

void observe(any_calibrator& calibrator, const model& from, const weight& batch, std::vector<float>& values,
             bool skips) {
    values.resize(static_cast<std::size_t>(batch.elements()));
    from.read(batch, values, {});
    if (!skips) {
        require_finite(batch.name, batch.shape, values, "--skip-non-finite leaves such values out");
    }
    const Eigen::Map<const Eigen::VectorXf> all(values.data(), static_cast<Eigen::Index>(values.size()));
    std::visit([&all](auto& c) { c.observe(all); }, calibrator);
    release_pages(batch);
}

result calibrate_one(const dataset& data, const model& from, const calibrate_arguments& a, const threads& workers,
                     std::vector<float>& values, progress_bar& progress) {
    any_calibrator calibrator = make_calibrator(a, workers);
    for (const weight* const batch : data.batches) {
        check_cancelled();
        progress.start(batch->name, batch->bytes);
        observe(calibrator, from, *batch, values, a.skip_non_finite);
        progress.finish();
    }
    result found{data.name, data.batches.size(), 0, 0, {}};
    std::visit(
        [&found](const auto& c) {
            found.values = c.count();
            found.skipped = c.skipped();
        },
        calibrator);
    if (found.values == 0) {
        tersor::raise(tersor::error_code::invalid_argument,
                      "dataset '" + data.name + "' of " + count_text(data.batches.size(), "batch") +
                          " has no values to calibrate with");
    }
    found.range = find_range(calibrator, {a.bits, a.is_signed, a.is_symmetric});
    return found;
}

double magnitude(const found_range& range) {
    return std::max(-static_cast<double>(range.lo), static_cast<double>(range.hi));
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
    check_arguments(arguments);
    const threads workers(arguments.threads);
    static_cast<void>(make_calibrator(arguments, workers)); // the method, before the file
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
