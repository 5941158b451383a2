#ifndef TERSOR_METRICS_ALLOCATION_HULL_HPP
#define TERSOR_METRICS_ALLOCATION_HULL_HPP

// Points (weight, cost) of which only some are worth their weight: those that no other one dominates, and among them
// the corners of the lower convex hull, between which a further unit of weight gains most.

#include <algorithm>
#include <cstddef>
#include <vector>

namespace tersor::inline v0::detail {

struct knapsack_choice {
    double weight;
    double cost;
};

/// From one corner of the hull of an item to the next.
struct hull_step {
    std::size_t item, from, to;
    double weight, gain;

    [[nodiscard]] double slope() const noexcept { return gain / weight; }
};

/// The choices than which no other one has less weight and cost, by ascending weight and so falling cost; the first of
/// equal ones.
[[nodiscard]] inline std::vector<std::size_t> useful_choices(const std::vector<knapsack_choice>& choices) {
    std::vector<std::size_t> order(choices.size()), useful;
    for (std::size_t j = 0; j < order.size(); ++j) {
        order[j] = j;
    }
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
        const knapsack_choice &x = choices[a], &y = choices[b];
        return x.weight != y.weight ? x.weight < y.weight : x.cost != y.cost ? x.cost < y.cost : a < b;
    });
    for (const std::size_t j : order) {
        if (useful.empty() || choices[j].cost < choices[useful.back()].cost) {
            useful.push_back(j);
        }
    }
    return useful;
}

/// Appends the steps of the hull of one item, by falling slope.
inline void append_hull(const std::vector<knapsack_choice>& choices, const std::vector<std::size_t>& useful,
                        std::size_t item, std::vector<hull_step>& steps) {
    const std::size_t first = steps.size();
    for (std::size_t k = 1; k < useful.size(); ++k) {
        const auto step_from = [&](std::size_t from) {
            const knapsack_choice &a = choices[from], &b = choices[useful[k]];
            return hull_step{item, from, useful[k], b.weight - a.weight, a.cost - b.cost};
        };
        hull_step last = step_from(useful[k - 1]);
        while (steps.size() > first && steps.back().slope() <= last.slope()) {
            last = step_from(steps.back().from);
            steps.pop_back();
        }
        steps.push_back(last);
    }
}

/// The sums of a choice for each of some items; `parent` is the plan without the last of them.
struct partial_plan {
    double weight, cost, excess;
    std::size_t parent, choice;
};

/// Leaves the plans than which no other one has less weight and cost, by ascending weight.
inline void remove_dominated(std::vector<partial_plan>& plans) {
    std::stable_sort(plans.begin(), plans.end(), [](const partial_plan& a, const partial_plan& b) {
        return a.weight != b.weight ? a.weight < b.weight : a.cost < b.cost;
    });
    std::size_t kept = 0;
    for (const partial_plan& plan : plans) {
        if (kept == 0 || plan.cost < plans[kept - 1].cost) {
            plans[kept++] = plan;
        }
    }
    plans.resize(kept);
}

} // namespace tersor::inline v0::detail

#endif // TERSOR_METRICS_ALLOCATION_HULL_HPP
