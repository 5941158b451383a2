#include "report.hpp"

#include "tersor/io/json.hpp"
#include "tersor/version.hpp"

namespace cli {

namespace {
namespace json = tersor::json;

json::array to_array(const std::vector<std::int64_t>& shape) {
    return {shape.begin(), shape.end()};
}

void add_errors(json::value& to, const tersor::error_figures& errors) {
    to["mse"] = errors.mse;
    to["sqnr_db"] = errors.sqnr_db; // JSON has no infinity: null where nothing differs
    to["max_abs_error"] = errors.max_abs_error;
    to["cosine"] = errors.cosine;
}

json::value to_json(const tensor_report& t) {
    json::value result;
    result["name"] = t.name;
    if (!t.stored_as.empty() && t.stored_as != t.name) {
        result["stored_as"] = t.stored_as;
    }
    result["shape"] = to_array(t.shape);
    result["spec"] = t.spec;
    result["bits_per_weight"] = t.bits_per_weight();
    result["bytes_in"] = t.bytes_in;
    result["bytes_out"] = t.bytes_out;
    add_errors(result, t.figures());
    if (t.solver) {
        result["objective"] = t.solver->objective;
        result["objective_rtn"] = t.solver->objective_rtn;
        result["damp"] = t.solver->damp;
        result["loss"] = t.solver->loss;
        result["dead_columns"] = t.solver->dead_columns;
        result["tokens"] = t.solver->tokens;
        result["seconds"] = t.solver->seconds;
    }
    return result;
}
} // namespace

std::string json_of(const report& r) {
    json::value result;
    result["tool"] = "tersor";
    result["version"] = tersor::version;
    result["model"] = r.model;
    if (!r.output.empty()) {
        result["output"] = r.output;
    }
    if (!r.layout.empty()) {
        result["layout"] = r.layout;
    }
    if (!r.solver.empty()) {
        result["solver"] = r.solver;
    }
    json::array tensors;
    for (const tensor_report& t : r.tensors) {
        tensors.push_back(to_json(t));
    }
    result["tensors"] = std::move(tensors);
    json::array kept;
    for (const kept_tensor& t : r.kept) {
        json::value entry;
        entry["name"] = t.name;
        entry["shape"] = to_array(t.shape);
        entry["dtype"] = t.dtype;
        entry["bytes"] = t.bytes;
        kept.push_back(std::move(entry));
    }
    result["kept"] = std::move(kept);
    if (!r.notes.empty()) {
        result["notes"] = json::array(r.notes.begin(), r.notes.end());
    }
    const tensor_report sum = r.total();
    json::value total;
    total["weights"] = sum.weights;
    total["bytes_in"] = sum.bytes_in;
    total["bytes_out"] = sum.bytes_out;
    total["bits_per_weight"] = sum.bits_per_weight();
    add_errors(total, sum.figures());
    total["kept_bytes"] = r.kept_bytes();
    total["seconds"] = r.seconds;
    result["total"] = std::move(total);
    return json::write(result, 2) + "\n";
}

} // namespace cli
