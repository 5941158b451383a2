// What scales do to the values of a weight.

#include "scaling.hpp"

#include <algorithm>

namespace cli {

const weight_scaling* model_scaling::find(std::string_view name) const noexcept {
    const auto found = weights.find(name);
    return found == weights.end() ? nullptr : &found->second;
}

void apply(const weight_scaling& scaling, std::int64_t columns, std::span<float> values) {
    const auto width = static_cast<std::size_t>(columns);
    for (std::size_t i = 0; i < values.size(); ++i) {
        const std::size_t row = i / width, column = i % width;
        float x = scaling.columns.empty() ? values[i] : values[i] * scaling.columns[column];
        if (scaling.lower.size() != 0) {
            const auto r = static_cast<Eigen::Index>(row);
            const auto g = static_cast<Eigen::Index>(column) / scaling.group;
            x = std::clamp(x, scaling.lower(r, g), scaling.upper(r, g));
        }
        values[i] = scaling.rows.empty() ? x : x / scaling.rows[row];
    }
}

void restore(const weight_scaling& scaling, std::int64_t columns, std::span<float> values) {
    const auto width = static_cast<std::size_t>(columns);
    for (std::size_t i = 0; i < values.size(); ++i) {
        const float x = scaling.rows.empty() ? values[i] : values[i] * scaling.rows[i / width];
        values[i] = scaling.columns.empty() ? x : x / scaling.columns[i % width];
    }
}

} // namespace cli
