#include "report.hpp"

#include "table.hpp"
#include "text.hpp"

#include "tersor/io/atomic_file.hpp"

#include <cstdio>
#include <limits>

namespace cli {

tersor::error_figures tensor_report::figures() const noexcept {
    if (errors) {
        return errors->figures();
    }
    constexpr double unknown = std::numeric_limits<double>::quiet_NaN();
    return {.mse = unknown, .sqnr_db = unknown, .max_abs_error = unknown, .cosine = unknown, .mean_error = unknown};
}

tensor_report report::total() const {
    tensor_report sum;
    sum.name = "total";
    if (!is_plan) {
        sum.errors.emplace();
    }
    for (const tensor_report& t : tensors) {
        sum.weights += t.weights;
        sum.bytes_in += t.bytes_in;
        sum.bytes_out += t.bytes_out;
        if (sum.errors && t.errors) {
            *sum.errors += *t.errors;
        }
    }
    return sum;
}

std::uint64_t report::kept_bytes() const noexcept {
    std::uint64_t sum = 0;
    for (const kept_tensor& t : kept) {
        sum += t.bytes;
    }
    return sum;
}

std::uint64_t report::kept_bytes_in() const noexcept {
    std::uint64_t sum = 0;
    for (const kept_tensor& t : kept) {
        sum += t.bytes_in;
    }
    return sum;
}

namespace {

// A line for each layer that a solver worked on.
std::string solver_table_of(const report& r) {
    table grid({r.solver, ">objective", ">rounding", ">ratio", ">loss", ">damp", ">dead", ">tokens", ">seconds"});
    bool is_empty = true;
    for (const tensor_report& t : r.tensors) {
        if (!t.solver) {
            continue;
        }
        const solver_report& s = *t.solver;
        is_empty = false;
        grid.add({printable(t.name), short_text(s.objective), short_text(s.objective_rtn),
                  fixed_text(s.objective / s.objective_rtn, 3), short_text(s.loss), short_text(s.damp),
                  std::to_string(s.dead_columns), std::to_string(s.tokens), fixed_text(s.seconds, 2)});
    }
    return is_empty ? "" : "\n" + grid.text() + "\n";
}

} // namespace

std::string table_of(const report& r) {
    table grid({"tensor", ">shape", "spec", ">bits", ">SQNR dB", ">max error", ">before", ">after"});
    const auto add = [&](const tensor_report& t, const std::string& shape) {
        grid.add({printable(t.name), shape, t.spec, fixed_text(t.bits_per_weight(), 3),
                  fixed_text(t.figures().sqnr_db, 2), short_text(t.figures().max_abs_error), size_text(t.bytes_in),
                  size_text(t.bytes_out)});
    };
    for (const tensor_report& t : r.tensors) {
        add(t, shape_text(t.shape));
    }
    grid.add_rule();
    tensor_report total = r.total();
    total.name = count_text(r.tensors.size(), "tensor");
    add(total, std::to_string(total.weights));
    const std::uint64_t kept = r.kept_bytes();
    const std::uint64_t before = total.bytes_in + r.kept_bytes_in();
    const std::uint64_t after = total.bytes_out + kept;
    std::string text = grid.text() + solver_table_of(r);
    if (!r.kept.empty()) {
        text += "kept as they are: " + count_text(r.kept.size(), "tensor") + ", " + size_text(kept) + "\n";
    }
    text += "model: " + size_text(before) + " -> " + size_text(after);
    if (after != 0) {
        text += " (" + fixed_text(static_cast<double>(before) / static_cast<double>(after), 2) + " times smaller)";
    }
    text += "\n";
    for (const std::string& note : r.notes) {
        text += printable(note) + "\n";
    }
    return text;
}

void write_report(const std::string& path, const std::string& text) {
    if (path == "-") {
        std::fwrite(text.data(), 1, text.size(), stdout);
        return;
    }
    tersor::atomic_file file(path, tersor::existing_target::overwrite);
    file.append(std::string_view(text));
    file.commit();
}

} // namespace cli
