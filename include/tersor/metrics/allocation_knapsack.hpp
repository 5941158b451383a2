#ifndef TERSOR_METRICS_ALLOCATION_KNAPSACK_HPP
#define TERSOR_METRICS_ALLOCATION_KNAPSACK_HPP

// The multiple-choice knapsack problem: one choice for each item, so that the sum of weights stays within a limit and
// the sum of costs is least.
//
// 1. Lagrangian: for a price l per weight, sum_i min_j (cost_ij + l weight_ij) - l limit is a lower bound. The best l
//    is the slope at which the limit falls when the items' lower convex hulls are walked, steepest slope first.
// 2. The walk itself, filled up with whatever still fits, is a first solution.
// 3. A choice whose reduced cost, cost + l weight less the minimum of its item, is above the gap between the two cannot
//    be part of a better one. What is left is searched by dynamic programming: states (weight, cost) none of which is
//    dominated and whose bound is below the best solution known.
//
// Where too many states are left at once, those with the least bounds go on, and the least bound of the others limits
// how far the result may be from the optimum. Source: Pisinger, A minimal algorithm for the multiple-choice knapsack
// problem, 1995; Shoham and Gersho, Efficient bit allocation for an arbitrary set of quantizers, 1988.
//
// Comparisons allow for rounding: a result may exceed the optimum by 1e-12 of what the costs add up to.

#include "tersor/core/exact.hpp"
#include "tersor/metrics/allocation_hull.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <utility>
#include <vector>

namespace tersor::inline v0::detail {

struct knapsack_solution {
    std::vector<std::size_t> chosen; ///< empty if even the least weights are above the limit
    double bound = 0.0;              ///< no solution costs less
    bool is_optimal = false;         ///< whether the bound is that of the solution
};

class knapsack {
public:
    using items = std::vector<std::vector<knapsack_choice>>;

    knapsack(const items& all, double limit, std::size_t most_states)
        : all_(all), limit_(limit), most_states_(std::max<std::size_t>(most_states, 1)) {}

    [[nodiscard]] knapsack_solution run() {
        find_hulls();
        best_.resize(all_.size());
        for (std::size_t i = 0; i < all_.size(); ++i) {
            best_[i] = useful_[i].front();
        }
        best_cost_ = sum_of(best_).cost;
        if (sum_of(best_).weight > limit_) {
            return {};
        }
        if (walk_hulls()) {
            return {best_, best_cost_, true};
        }
        fill_up();
        find_bound();
        // A narrow search soon finds a good solution, which leaves less for a wider one.
        double missed = 0.0;
        for (width_ = std::min<std::size_t>(most_states_, 64);; width_ = std::min(most_states_, 8 * width_)) {
            missed = search();
            if (missed >= best_cost_ - slack_ || width_ == most_states_) {
                break;
            }
        }
        const bool is_optimal = missed >= best_cost_ - slack_;
        return {best_, is_optimal ? best_cost_ : missed, is_optimal};
    }

private:
    struct open_item {
        std::size_t item;
        std::vector<std::size_t> choices;
        double first_excess; ///< the least reduced cost above 0
    };

    /// Weight and cost of a solution, added in the order of the items.
    [[nodiscard]] knapsack_choice sum_of(const std::vector<std::size_t>& chosen) const {
        knapsack_choice sum{0.0, 0.0};
        for (std::size_t i = 0; i < chosen.size(); ++i) {
            sum.weight += all_[i][chosen[i]].weight;
            sum.cost += all_[i][chosen[i]].cost;
        }
        return sum;
    }

    void find_hulls() {
        useful_.resize(all_.size());
        for (std::size_t i = 0; i < all_.size(); ++i) {
            useful_[i] = useful_choices(all_[i]);
            append_hull(all_[i], useful_[i], i, steps_);
        }
        std::stable_sort(steps_.begin(), steps_.end(),
                         [](const hull_step& a, const hull_step& b) { return a.slope() > b.slope(); });
    }

    /// Goes down the hulls, steepest step first, as long as the limit allows; whether that reaches their ends.
    [[nodiscard]] bool walk_hulls() {
        double weight = sum_of(best_).weight;
        bool is_whole = true;
        for (const hull_step& s : steps_) {
            if (best_[s.item] != s.from || weight + s.weight > limit_) {
                if (is_whole) {
                    // Any price gives a bound; this one does not overflow.
                    price_ = std::min(s.slope(), 1e280 / (1.0 + std::fabs(limit_)));
                    is_whole = false;
                }
                continue;
            }
            best_[s.item] = s.to;
            weight += s.weight;
        }
        // By rounding only
        for (; sum_of(best_).weight > limit_; is_whole = false) {
            retreat();
        }
        best_cost_ = sum_of(best_).cost;
        return is_whole;
    }

    void retreat() {
        for (std::size_t i = 0; i < best_.size(); ++i) {
            const auto at = std::find(useful_[i].begin(), useful_[i].end(), best_[i]);
            if (at != useful_[i].begin()) {
                best_[i] = *(at - 1);
                return;
            }
        }
    }

    /// Changes one item at a time, the one that gains most, while that is possible.
    void fill_up() {
        for (;;) {
            const double weight = sum_of(best_).weight;
            double most = 0.0;
            std::size_t item = 0, choice = 0;
            for (std::size_t i = 0; i < all_.size(); ++i) {
                const knapsack_choice now = all_[i][best_[i]];
                for (const std::size_t j : useful_[i]) {
                    const double gain = now.cost - all_[i][j].cost;
                    if (gain > most && weight + (all_[i][j].weight - now.weight) <= limit_) {
                        most = gain, item = i, choice = j;
                    }
                }
            }
            std::vector<std::size_t> next = best_;
            if (most > 0.0) {
                next[item] = choice;
            }
            if (!improve(next)) {
                return;
            }
        }
    }

    /// Takes a solution if it is allowed and better; both by sums in the order of the items.
    bool improve(const std::vector<std::size_t>& chosen) {
        const knapsack_choice sum = sum_of(chosen);
        if (sum.cost < best_cost_ && sum.weight <= limit_) {
            best_ = chosen;
            best_cost_ = sum.cost;
            return true;
        }
        return false;
    }

    [[nodiscard]] double priced(std::size_t item, std::size_t choice) const {
        return all_[item][choice].cost + exact::product(price_, all_[item][choice].weight);
    }

    void find_bound() {
        double sum = 0.0, magnitude = 0.0;
        least_.resize(all_.size());
        for (std::size_t i = 0; i < all_.size(); ++i) {
            least_[i] = useful_[i].front();
            for (const std::size_t j : useful_[i]) {
                least_[i] = priced(i, j) < priced(i, least_[i]) ? j : least_[i];
            }
            sum += priced(i, least_[i]);
            magnitude +=
                std::fabs(all_[i][useful_[i].front()].cost) + exact::product(price_, all_[i][least_[i]].weight);
        }
        bound_ = sum - exact::product(price_, limit_);
        slack_ = 1e-12 * magnitude;
    }

    [[nodiscard]] std::vector<open_item> open_items() const {
        const double gap = best_cost_ - bound_ + slack_;
        std::vector<open_item> open;
        for (std::size_t i = 0; i < all_.size(); ++i) {
            open_item item{i, {}, std::numeric_limits<double>::infinity()};
            for (const std::size_t j : useful_[i]) {
                const double excess = priced(i, j) - priced(i, least_[i]);
                if (excess <= gap) {
                    item.choices.push_back(j);
                    item.first_excess = j == least_[i] ? item.first_excess : std::min(item.first_excess, excess);
                }
            }
            if (item.choices.size() > 1) {
                open.push_back(std::move(item));
            }
        }
        std::stable_sort(open.begin(), open.end(),
                         [](const open_item& a, const open_item& b) { return a.first_excess < b.first_excess; });
        return open;
    }

    /// Searches for better solutions; returns a cost below which there is none apart from the best.
    [[nodiscard]] double search() {
        const std::vector<open_item> open = open_items();
        // Weights and costs of states are those of a whole solution: items that are not decided have their least
        // choice.
        const knapsack_choice start = sum_of(least_);
        std::vector<std::vector<partial_plan>> stages{{{start.weight, start.cost, 0.0, 0, 0}}};
        // What the items that follow can give back of the weight at most
        std::vector<double> relief(open.size() + 1, 0.0);
        for (std::size_t k = open.size(); k-- > 0;) {
            const open_item& item = open[k];
            relief[k] =
                relief[k + 1] + (all_[item.item][least_[item.item]].weight - all_[item.item][item.choices[0]].weight);
        }
        double missed = std::numeric_limits<double>::infinity();
        const double weight_slack = 1e-12 * std::fabs(limit_);
        try_state(open, stages, 0);
        for (std::size_t k = 0; k < open.size(); ++k) {
            const open_item& item = open[k];
            const knapsack_choice least = all_[item.item][least_[item.item]];
            std::vector<partial_plan> next;
            for (std::size_t p = 0; p < stages.back().size(); ++p) {
                const partial_plan& from = stages.back()[p];
                for (const std::size_t j : item.choices) {
                    const knapsack_choice choice = all_[item.item][j];
                    const partial_plan to{
                        from.weight + (choice.weight - least.weight), from.cost + (choice.cost - least.cost),
                        from.excess + (priced(item.item, j) - priced(item.item, least_[item.item])), p, j};
                    if (bound_ + to.excess < best_cost_ - slack_ &&
                        to.weight - relief[k + 1] <= limit_ + weight_slack) {
                        next.push_back(to);
                    }
                }
            }
            remove_dominated(next);
            missed = std::min(missed, remove_least_promising(next));
            stages.push_back(std::move(next));
            for (std::size_t p = 0; p < stages.back().size(); ++p) {
                const partial_plan& s = stages.back()[p];
                if (s.cost < best_cost_ && s.weight <= limit_ + weight_slack) {
                    try_state(open, stages, p);
                }
            }
        }
        return missed;
    }

    /// Keeps width_ of them; returns the least bound of the others.
    [[nodiscard]] double remove_least_promising(std::vector<partial_plan>& states) const {
        if (states.size() <= width_) {
            return std::numeric_limits<double>::infinity();
        }
        std::stable_sort(states.begin(), states.end(),
                         [](const partial_plan& a, const partial_plan& b) { return a.excess < b.excess; });
        const double missed = bound_ + states[width_].excess;
        states.resize(width_);
        return missed;
    }

    void try_state(const std::vector<open_item>& open, const std::vector<std::vector<partial_plan>>& stages,
                   std::size_t at) {
        std::vector<std::size_t> chosen = least_;
        for (std::size_t k = stages.size() - 1; k > 0; --k) {
            chosen[open[k - 1].item] = stages[k][at].choice;
            at = stages[k][at].parent;
        }
        (void)improve(chosen);
    }

    const items& all_;
    double limit_;
    std::size_t most_states_, width_ = 0;
    std::vector<std::vector<std::size_t>> useful_;
    std::vector<hull_step> steps_;
    double price_ = 0.0;
    std::vector<std::size_t> least_; ///< the choice of each item that costs least at this price
    double bound_ = 0.0, slack_ = 0.0;
    std::vector<std::size_t> best_;
    double best_cost_ = 0.0;
};

} // namespace tersor::inline v0::detail

#endif // TERSOR_METRICS_ALLOCATION_KNAPSACK_HPP
