#ifndef TERSOR_METRICS_ALLOCATION_HPP
#define TERSOR_METRICS_ALLOCATION_HPP

// Mixed precision: which of several quantizers each tensor of a model gets, so that all errors add up to the least
// within a budget of bytes, or all bytes within a bound of the error.
//
// The plan is the optimum, by the Lagrangian of the problem and an exact search of what it leaves open
// (allocation_knapsack.hpp); where that search would be too long, the plan says how far from the optimum it may be.

#include "tersor/core/error.hpp"
#include "tersor/metrics/allocation_knapsack.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace tersor::inline v0 {

/// One way to store a tensor.
struct precision_choice {
    std::string name;      ///< such as "int4/32"
    std::size_t bytes = 0; ///< of the quantized tensor
    double error = 0.0;    ///< what it costs, in a unit that adds up over tensors, such as quantization_cost::noise
};

/// A tensor and the ways to store it.
struct tensor_choices {
    std::string name;
    std::vector<precision_choice> choices;
};

/// What a plan says of one tensor.
struct planned_choice {
    std::string tensor;     ///< the name of the tensor
    std::string choice;     ///< the name of its choice
    std::size_t number = 0; ///< which of the choices that is
    std::size_t bytes = 0;
    double error = 0.0;
    friend bool operator==(const planned_choice&, const planned_choice&) = default;
};

/// One choice for each tensor, in their order.
struct precision_plan {
    std::vector<planned_choice> tensors;
    std::size_t bytes = 0; ///< of all
    double error = 0.0;    ///< of all
    double bound = 0.0;    ///< no plan has less error (of `least_error`) or fewer bytes (of `least_bytes`) than that
    bool is_optimal = false;

    friend bool operator==(const precision_plan&, const precision_plan&) = default;
};

/// Options of `least_error` and `least_bytes`.
struct allocation_options {
    /// How many partial plans the search keeps at once. More may prove a plan to be optimal that fewer do not.
    std::size_t most_states = 4096;
};

/// The bytes that `weights` weights may take at `bits` bits each, rounded down: a budget for `least_error`.
/// Errors: `invalid_argument` for bits that are negative, not finite, or above 64.
[[nodiscard]] inline std::size_t bytes_at_bits(double bits, std::size_t weights) {
    if (!(bits >= 0.0 && bits <= 64.0)) {
        raise(error_code::invalid_argument, std::to_string(bits) + " bits per weight; expected 0 to 64");
    }
    return static_cast<std::size_t>(std::floor(bits * static_cast<double>(weights) / 8.0));
}

namespace detail {

// Sums of bytes are exact in double up to here.
inline constexpr double most_bytes = 9007199254740992.0;

inline void check_choices(const char* what, std::span<const tensor_choices> tensors) {
    double total = 0.0;
    for (const tensor_choices& tensor : tensors) {
        if (tensor.choices.empty()) {
            raise(error_code::invalid_argument, std::string(what) + ": '" + tensor.name + "' has no choices");
        }
        double largest = 0.0;
        for (const precision_choice& choice : tensor.choices) {
            if (!(std::fabs(choice.error) <= 1e300)) {
                raise(error_code::non_finite, std::string(what) + ": the error of '" + choice.name + "' for '" +
                                                  tensor.name + "' is not finite, or beyond 1e300");
            }
            largest = std::max(largest, static_cast<double>(choice.bytes));
        }
        total += largest;
    }
    if (!(total <= most_bytes)) {
        raise(error_code::invalid_argument, std::string(what) + ": the choices add up to more than 2^53 bytes");
    }
}

/// Weight and cost of every choice.
template <class Map>
[[nodiscard]] knapsack::items items_of(std::span<const tensor_choices> tensors, const Map& map) {
    knapsack::items items;
    for (const tensor_choices& tensor : tensors) {
        std::vector<knapsack_choice> choices;
        for (const precision_choice& choice : tensor.choices) {
            choices.push_back(map(choice));
        }
        items.push_back(std::move(choices));
    }
    return items;
}

[[nodiscard]] inline precision_plan make_plan(std::span<const tensor_choices> tensors,
                                              const knapsack_solution& solution) {
    precision_plan plan;
    for (std::size_t i = 0; i < tensors.size(); ++i) {
        const std::size_t number = solution.chosen[i];
        const precision_choice& choice = tensors[i].choices[number];
        plan.tensors.push_back({tensors[i].name, choice.name, number, choice.bytes, choice.error});
        plan.bytes += choice.bytes;
        plan.error += choice.error;
    }
    plan.bound = solution.bound;
    plan.is_optimal = solution.is_optimal;
    return plan;
}

/// The least sum over the tensors of what `figure` says of a choice.
template <class Figure>
[[nodiscard]] double least_sum(std::span<const tensor_choices> tensors, const Figure& figure) {
    double sum = 0.0;
    for (const tensor_choices& tensor : tensors) {
        double least = figure(tensor.choices.front());
        for (const precision_choice& choice : tensor.choices) {
            least = std::min(least, figure(choice));
        }
        sum += least;
    }
    return sum;
}

} // namespace detail

/// The plan with the least sum of errors within `budget` bytes. Of equal plans and choices the same is always taken,
/// the first choice of equal ones. Errors: `invalid_argument` if the budget is below the smallest plan, a tensor has no
/// choice or all add up to more than 2^53 bytes; `non_finite`.
[[nodiscard]] inline precision_plan least_error(std::span<const tensor_choices> tensors, std::size_t budget,
                                                const allocation_options& options = {}) {
    detail::check_choices("least_error", tensors);
    const auto items = detail::items_of(tensors, [](const precision_choice& choice) {
        return detail::knapsack_choice{static_cast<double>(choice.bytes), choice.error};
    });
    const double limit = std::min(static_cast<double>(budget), detail::most_bytes);
    const detail::knapsack_solution solution = detail::knapsack(items, limit, options.most_states).run();
    if (solution.chosen.size() != tensors.size()) {
        const double least = detail::least_sum(tensors, [](const auto& c) { return static_cast<double>(c.bytes); });
        raise(error_code::invalid_argument, "least_error: a budget of " + std::to_string(budget) +
                                                " bytes; the smallest choices take " +
                                                std::to_string(static_cast<std::size_t>(least)));
    }
    return detail::make_plan(tensors, solution);
}

/// The plan with the fewest bytes whose errors add up, in the order of the tensors, to at most `bound`.
/// Errors: `invalid_argument` if the bound is below the least error or NaN; otherwise as `least_error`.
[[nodiscard]] inline precision_plan least_bytes(std::span<const tensor_choices> tensors, double bound,
                                                const allocation_options& options = {}) {
    detail::check_choices("least_bytes", tensors);
    const auto items = detail::items_of(tensors, [](const precision_choice& choice) {
        return detail::knapsack_choice{choice.error, static_cast<double>(choice.bytes)};
    });
    const double least = detail::least_sum(tensors, [](const precision_choice& choice) { return choice.error; });
    if (!(bound >= least)) {
        raise(error_code::invalid_argument, "least_bytes: an error of at most " + std::to_string(bound) +
                                                "; the best choices reach " + std::to_string(least));
    }
    return detail::make_plan(tensors, detail::knapsack(items, bound, options.most_states).run());
}

} // namespace tersor::inline v0

#endif // TERSOR_METRICS_ALLOCATION_HPP
