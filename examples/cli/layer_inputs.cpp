#include "layer_inputs.hpp"

#include "cancellation.hpp"
#include "text.hpp"
#include "values.hpp"

#include <Eigen/Core>

#include <algorithm>

namespace cli {

namespace {

using rows_of_floats = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

} // namespace

std::string input_name(const std::string& weight) {
    constexpr std::string_view ending = ".weight";
    return (weight.ends_with(ending) ? weight.substr(0, weight.size() - ending.size()) : weight) + ".input";
}

recorded_inputs::recorded_inputs(const std::string& path) : file_(model::open(path)), data_(find_datasets(file_)) {}

const dataset* recorded_inputs::find(const std::string& weight) const {
    return data_.find(input_name(weight));
}

void recorded_inputs::require_columns(const std::string& weight, tersor::index columns) const {
    for (const cli::weight* const batch : find(weight)->batches) {
        if (batch->shape.size() < 2 || batch->shape.back() != columns) {
            tersor::raise(tersor::error_code::shape_mismatch,
                          file_.path() + ": tensor '" + batch->name + "' " + shape_text(batch->shape) +
                              " is not [tokens, " + std::to_string(columns) + "], the inputs of '" + weight + "'");
        }
        if (batch->elements() == 0) {
            tersor::raise(tersor::error_code::shape_mismatch, file_.path() + ": tensor '" + batch->name + "' " +
                                                                  shape_text(batch->shape) + " has no tokens");
        }
    }
}

template <class Take>
void recorded_inputs::for_each_part(const std::string& weight, const Take& take) const {
    std::vector<float> values;
    for (const cli::weight* const batch : find(weight)->batches) {
        check_cancelled();
        values.resize(static_cast<std::size_t>(batch->elements()));
        file_.read(*batch, values, {});
        require_finite(batch->name, batch->shape, values, "layers have finite inputs");
        const auto columns = static_cast<Eigen::Index>(batch->shape.back());
        take(Eigen::Map<const rows_of_floats>(values.data(), static_cast<Eigen::Index>(values.size()) / columns,
                                              columns));
        release_pages(*batch);
    }
}

tersor::hessian recorded_inputs::second_moments(const std::string& weight, const tersor::execution& exec) const {
    tersor::hessian_options options;
    options.execution = exec;
    tersor::hessian sum(find(weight)->batches.front()->shape.back(), options);
    for_each_part(weight, [&](const auto& tokens) { sum.accumulate(tokens); });
    return sum;
}

tersor::channel_statistics recorded_inputs::magnitudes(const std::string& weight,
                                                       const tersor::execution& exec) const {
    tersor::channel_statistics seen(find(weight)->batches.front()->shape.back());
    for_each_part(weight, [&](const auto& tokens) { seen.observe(tokens, exec); });
    return seen;
}

} // namespace cli
