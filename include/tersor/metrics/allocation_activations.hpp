#ifndef TERSOR_METRICS_ALLOCATION_ACTIVATIONS_HPP
#define TERSOR_METRICS_ALLOCATION_ACTIVATIONS_HPP

// How many bits the inputs of each layer of a network get, so that their average stays within a budget.
//
// At b bits the inputs of a layer take values_per_token * b bits for each token. The plan keeps
//
//   sum over the layers of values_per_token * bits <= budget * sum over the layers of values_per_token
//
// with the least sum of the layers' errors, which add up if they have one unit: the relative squared error of each
// layer's outputs, or what the loss of the network grows by.

#include "tersor/metrics/allocation.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace tersor::inline v0 {

/// The inputs of a layer, and the error of its outputs at each number of bits.
struct activation_errors {
    std::string name;
    std::size_t values_per_token = 0; ///< how many inputs it has
    struct at {
        int bits;
        double error;
    };
    std::vector<at> errors;
};

/// The bits of every layer, in their order.
struct activation_plan {
    std::vector<int> bits;
    double average_bits = 0.0; ///< per value
    double error = 0.0;        ///< of all layers
    double bound = 0.0;        ///< no plan within the budget has less error than that
    bool is_optimal = false;

    friend bool operator==(const activation_plan&, const activation_plan&) = default;
};

/// The plan with the least sum of errors whose bits are at most `average_bits` on average over all values.
/// Errors: `invalid_argument` if that is below the fewest bits of all layers or not 0 to 64, for bits other than 1 to
/// 64, and for a layer without values or errors; `non_finite`.
[[nodiscard]] inline activation_plan reduce_activation_bits(std::span<const activation_errors> layers,
                                                            double average_bits,
                                                            const allocation_options& options = {}) {
    std::vector<tensor_choices> tensors;
    std::size_t values = 0, least = 0;
    for (const activation_errors& layer : layers) {
        if (layer.values_per_token == 0 || layer.errors.empty()) {
            raise(error_code::invalid_argument,
                  "reduce_activation_bits: layer '" + layer.name + "' has no values, or no errors");
        }
        tensor_choices tensor{layer.name, {}};
        int fewest = layer.errors.front().bits;
        for (const auto& [bits, error] : layer.errors) {
            if (bits < 1 || bits > 64) {
                raise(error_code::invalid_argument, "reduce_activation_bits: layer '" + layer.name + "' at " +
                                                        std::to_string(bits) + " bits; expected 1 to 64");
            }
            fewest = std::min(fewest, bits);
            // The unit of a choice is a bit here.
            tensor.choices.push_back(
                {std::to_string(bits), layer.values_per_token * static_cast<std::size_t>(bits), error});
        }
        values += layer.values_per_token;
        least += layer.values_per_token * static_cast<std::size_t>(fewest);
        tensors.push_back(std::move(tensor));
    }
    if (!(average_bits >= 0.0 && average_bits <= 64.0)) {
        raise(error_code::invalid_argument,
              "reduce_activation_bits: " + std::to_string(average_bits) + " bits on average; expected 0 to 64");
    }
    const auto budget = static_cast<std::size_t>(std::floor(average_bits * static_cast<double>(values)));
    if (budget < least) {
        raise(error_code::invalid_argument,
              "reduce_activation_bits: " + std::to_string(average_bits) +
                  " bits on average; the fewest of every layer make " +
                  std::to_string(static_cast<double>(least) / static_cast<double>(values)));
    }
    const precision_plan chosen = least_error(tensors, budget, options);
    activation_plan plan;
    for (std::size_t i = 0; i < layers.size(); ++i) {
        plan.bits.push_back(layers[i].errors[chosen.tensors[i].number].bits);
    }
    plan.average_bits = values == 0 ? 0.0 : static_cast<double>(chosen.bytes) / static_cast<double>(values);
    plan.error = chosen.error;
    plan.bound = chosen.bound;
    plan.is_optimal = chosen.is_optimal;
    return plan;
}

} // namespace tersor::inline v0

#endif // TERSOR_METRICS_ALLOCATION_ACTIVATIONS_HPP
