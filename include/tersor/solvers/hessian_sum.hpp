#ifndef TERSOR_SOLVERS_HESSIAN_SUM_HPP
#define TERSOR_SOLVERS_HESSIAN_SUM_HPP

// The sum of x x^T over a run of consecutive tokens, by chunks that lie at fixed positions of the whole sequence:
// chunk c is the tokens 1024 c .. 1024 c + 1023. Tokens of a chunk that is not complete are kept as they are, at the
// beginning of the run (if it begins inside a chunk) and at its end. So the sum does not depend on how the sequence was
// cut into runs, nor runs into calls.

#include "tersor/core/error.hpp"
#include "tersor/solvers/hessian_total.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

namespace tersor::inline v0::detail {

inline constexpr index tokens_per_chunk = 1024;

/// The largest magnitude of a value such that no sum over a chunk, nor one of 2^60 chunks' pairs, overflows.
template <class Scalar>
inline constexpr Scalar largest_activation = sizeof(Scalar) == sizeof(float) ? Scalar(0x1p58f) : Scalar(0x1p450);

/// Position of the first value that is not finite or is too large, or -1.
template <class Scalar>
[[nodiscard]] index find_too_large(const Scalar* values, index count) noexcept {
    constexpr Scalar most = largest_activation<Scalar>;
    bool is_bad = false;
    for (index i = 0; i < count; ++i) {
        is_bad |= !(values[i] <= most) | !(values[i] >= -most);
    }
    if (!is_bad) {
        return -1;
    }
    const Scalar* const first = std::find_if_not(values, values + count, [](Scalar x) { return std::abs(x) <= most; });
    return first - values;
}

/// How many columns and tokens a sum may have: what no size in bytes overflows with.
inline constexpr index most_hessian_columns = index{1} << 24;
inline constexpr index most_hessian_tokens = index{1} << 60;

/// Errors: `invalid_argument` if a run of that many tokens from `first` on is too long.
inline void check_hessian_tokens(index first, index count) {
    if (count > most_hessian_tokens - first) {
        raise(error_code::invalid_argument, "hessian: " + std::to_string(count) + " more tokens after token " +
                                                std::to_string(first) + " are above 2^60");
    }
}

/// How a run of tokens is divided: `head` end a chunk, `body` are whole chunks, `tail` begin one.
struct token_division {
    index head, body, tail;
};

constexpr token_division divide_tokens(index first, index count) noexcept {
    const index missing = (tokens_per_chunk - first % tokens_per_chunk) % tokens_per_chunk;
    const index head = std::min(missing, count);
    const index body = (count - head) / tokens_per_chunk * tokens_per_chunk;
    return {head, body, count - head - body};
}

template <class Scalar>
class hessian_sum {
public:
    hessian_sum() = default;
    hessian_sum(index columns, index first_token) : columns_(columns), first_(first_token), total_(columns) {}
    /// One whose parts were saved; their sizes are those of `division()`.
    hessian_sum(index columns, index first_token, index tokens, hessian_total total, std::vector<Scalar> head,
                std::vector<Scalar> tail)
        : columns_(columns), first_(first_token), tokens_(tokens), total_(std::move(total)), head_(std::move(head)),
          tail_(std::move(tail)) {}

    [[nodiscard]] index columns() const noexcept { return columns_; }
    [[nodiscard]] index first_token() const noexcept { return first_; }
    [[nodiscard]] index tokens() const noexcept { return tokens_; }
    [[nodiscard]] token_division division() const noexcept { return divide_tokens(first_, tokens_); }
    [[nodiscard]] const hessian_total& total() const noexcept { return total_; }
    [[nodiscard]] hessian_total& total() noexcept { return total_; }
    [[nodiscard]] const std::vector<Scalar>& head() const noexcept { return head_; }
    [[nodiscard]] const std::vector<Scalar>& tail() const noexcept { return tail_; }

    /// Adds `count` tokens, whose values load(token, tokens, out) writes. After an error whole loads are counted.
    template <class Load>
    void append(index count, const execution& exec, const Load& load) {
        const index chunks =
            (first_ + tokens_ + count - 1) / tokens_per_chunk - (first_ + tokens_) / tokens_per_chunk + 1;
        const execution quiet = exec.with_progress({});
        for (index done = 0, chunk = 0; done < count; ++chunk) {
            const token_division before = division();
            const bool is_head = before.head == tokens_ && (first_ + tokens_) % tokens_per_chunk != 0;
            const index wanted = tokens_per_chunk - (first_ + tokens_) % tokens_per_chunk;
            const index taken = std::min(wanted, count - done);
            std::vector<Scalar>& kept = is_head ? head_ : tail_;
            const std::size_t size = kept.size();
            const execution step = exec.part(static_cast<double>(chunk) / static_cast<double>(chunks),
                                             static_cast<double>(chunk + 1) / static_cast<double>(chunks));
            // One step, which cannot be cancelled in its middle.
            step.for_each(1, [&](index) {
                kept.resize(size + static_cast<std::size_t>(taken * columns_));
                load(done, taken, kept.data() + size);
                if (!is_head && taken == wanted) {
                    total_.add(token_block<Scalar>{kept.data(), tokens_per_chunk}, quiet);
                    kept.clear();
                }
                tokens_ += taken;
            });
            done += taken;
        }
    }

    /// Adds the run that begins where this one ends.
    void append(const hessian_sum& next, const execution& exec) {
        const auto add = [&](const std::vector<Scalar>& values, index count, const execution& part) {
            append(count, part, [&](index token, index tokens, Scalar* out) {
                std::copy_n(values.data() + token * columns_, tokens * columns_, out);
            });
        };
        const token_division parts = next.division();
        const execution quiet = exec.with_progress({});
        add(next.head_, parts.head, quiet);
        total_.add(next.total_);
        tokens_ += parts.body;
        add(next.tail_, parts.tail, quiet);
    }

    /// Calls write(i, j, high, low) for all i <= j with the sums over all tokens.
    template <class Write>
    void for_each_sum(const execution& exec, const Write& write) const {
        const token_division parts = division();
        const token_block<Scalar> rest[] = {{head_.data(), parts.head}, {tail_.data(), parts.tail}};
        total_.for_each_sum(rest, 2, exec, write);
    }

private:
    index columns_ = 0, first_ = 0, tokens_ = 0;
    hessian_total total_;
    std::vector<Scalar> head_, tail_;
};

} // namespace tersor::inline v0::detail

#endif // TERSOR_SOLVERS_HESSIAN_SUM_HPP
