#ifndef TERSOR_CORE_EXECUTION_HPP
#define TERSOR_CORE_EXECUTION_HPP

// How a long operation runs: in the calling thread, or on a pool that the caller owns; with a progress callback that
// can also cancel. Nothing here starts a thread. Results never depend on any of it.

#include "tersor/core/concepts.hpp"
#include "tersor/core/error.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

namespace tersor::inline v0 {

/// Told how much of an operation is done, 0 to 1; returns false to cancel it. Called by one thread at a time.
using progress_callback = std::function<bool(double done)>;

/// Where an operation runs and whom it tells. Sequential and silent by default.
class execution {
public:
    execution() = default;

    /// Runs on a pool with `Schedule(std::function<void()>)` and `NumThreads()`, such as Eigen::ThreadPool, which must
    /// outlive the operation. The calling thread works too, so that a pool of n - 1 threads keeps n cores busy.
    template <class Pool>
    requires requires(Pool& pool, std::function<void()> work) {
        pool.Schedule(std::move(work));
        pool.NumThreads();
    }
    execution(Pool& pool)
        : schedule_([&pool](std::function<void()> work) { pool.Schedule(std::move(work)); }),
          helpers_(static_cast<index>(pool.NumThreads())) {}

    /// The same, with a progress callback.
    [[nodiscard]] execution with_progress(progress_callback callback) const {
        execution copy = *this;
        copy.progress_ = std::move(callback);
        return copy;
    }

    /// The same for one part of an operation, whose progress goes from `from` to `to`.
    [[nodiscard]] execution part(double from, double to) const {
        execution copy = *this;
        if (progress_) {
            copy.progress_ = [whole = progress_, from, to](double done) { return whole(from + (to - from) * done); };
        }
        return copy;
    }

    /// Calls work(i) once for every i in [0, count), in any order, on any thread.
    /// Errors: the exception of the smallest i that threw, or after which the progress callback threw; `cancelled` if
    /// the callback returned false.
    template <class Work>
    void for_each(index count, const Work& work) const {
        const index helpers = std::min(helpers_, count - 1);
        if (helpers <= 0 && !progress_) {
            for (index i = 0; i < count; ++i) {
                work(i);
            }
            return;
        }
        // Shared with the pool: a helper may be scheduled only after the work is done and this call has returned.
        const auto state = std::make_shared<shared_state>();
        state->count = count;
        // Runs of neighbours: who works on them finds memory pages and their successors where the last ones were.
        state->run = std::max<index>(1, count / (32 * (std::max<index>(helpers, 0) + 1)));
        const Work* const body = &work;
        // However this call ends, no helper is left that uses its arguments.
        struct closing {
            shared_state& state;
            ~closing() {
                std::unique_lock lock(state.mutex);
                state.closed = true;
                state.idle.wait(lock, [this] { return state.active == 0; });
            }
        };
        {
            const closing guard{*state};
            for (index i = 0; i < helpers; ++i) {
                schedule_([state, body, this] {
                    {
                        const std::lock_guard lock(state->mutex);
                        if (state->closed) {
                            return;
                        }
                        ++state->active;
                    }
                    take_turns(*state, *body);
                    const std::lock_guard lock(state->mutex);
                    --state->active;
                    state->idle.notify_all();
                });
            }
            take_turns(*state, work);
        }
        // Taken from the state, so that no late helper is the one that frees the exception.
        if (const std::exception_ptr failure = std::exchange(state->failure, nullptr)) {
            std::rethrow_exception(failure);
        }
        if (state->cancelled) {
            raise(error_code::cancelled,
                  "cancelled after " + std::to_string(state->finished) + " of " + std::to_string(count) + " steps");
        }
    }

private:
    struct shared_state {
        std::atomic<index> next{0};
        index count = 0;
        index run = 1;
        std::mutex mutex;
        std::condition_variable idle;
        index active = 0;
        index finished = 0;
        bool closed = false;
        bool cancelled = false;
        std::exception_ptr failure;
        /// Only what comes before it is still done: runs are handed out in order, so that some of it may be left.
        std::atomic<index> limit{std::numeric_limits<index>::max()};

        void stop_at(index i) noexcept {
            limit = i;
            next = count;
        }
    };

    template <class Work>
    void take_turns(shared_state& state, const Work& work) const {
        for (index first; (first = state.next.fetch_add(state.run)) < state.count;) {
            const index last = std::min(first + state.run, state.count);
            for (index i = first; i < last && i < state.limit; ++i) {
                take_turn(state, work, i);
            }
        }
    }

    template <class Work>
    void take_turn(shared_state& state, const Work& work, index i) const {
#if defined(__cpp_exceptions)
        try {
            work(i);
            report(state);
        } catch (...) {
            const std::lock_guard lock(state.mutex);
            if (i < state.limit) {
                state.failure = std::current_exception();
                state.stop_at(i);
            }
        }
#else
        work(i);
        report(state);
#endif
    }

    void report(shared_state& state) const {
        if (!progress_) {
            return;
        }
        const std::lock_guard lock(state.mutex);
        ++state.finished;
        const double done = static_cast<double>(state.finished) / static_cast<double>(state.count);
        if (!state.cancelled && !progress_(done)) {
            state.cancelled = true;
            state.stop_at(0);
        }
    }

    std::function<void(std::function<void()>)> schedule_;
    index helpers_ = 0;
    progress_callback progress_;
};

} // namespace tersor::inline v0

#endif // TERSOR_CORE_EXECUTION_HPP
