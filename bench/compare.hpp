#ifndef TERSOR_BENCH_COMPARE_HPP
#define TERSOR_BENCH_COMPARE_HPP

// Measures a kernel against a limit loop: what this machine can do with the same traffic, in the same process, at the
// same time. Limit and kernel run alternately, one pair per iteration; the figure is the median of the pairs' ratios.
// Speeds of a shared machine wander by tens of percent, such ratios by a few.
//
//   void quantize_int8(benchmark::State& state) {
//       bench::buffer<float> in(bench::values(state));
//       bench::buffer<std::int8_t> out(in.size());
//       bench::compare(state, in.bytes(), bench::read4_write1(in, out), [&] { kernel(in, out); }, .72, .85);
//   }
//   BENCHMARK(quantize_int8)->Apply(bench::large)->Apply(bench::small);

#include <benchmark/benchmark.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <concepts>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace bench {

/// Work over part of a range of `count` values: called with [begin, end), by several threads at once.
using part = std::function<void(std::size_t begin, std::size_t end)>;

/// Where the parts of threads may begin: at multiples of that many values. By default no two share a cache line or a
/// group.
constexpr std::size_t usual_grain = 4096;

/// A limit loop over `count` values, in as many ways as this machine can run it; the fastest is taken.
struct limit {
    std::size_t count;
    std::vector<part> ways;
    std::size_t grain = usual_grain;
};

constexpr std::size_t large_bytes = std::size_t(64) << 20; ///< fp32 data that no cache holds
constexpr std::size_t small_bytes = std::size_t(192) << 10; ///< fp32 data that L2 holds together with its codes
constexpr int pairs = 15;

inline void arguments(benchmark::internal::Benchmark* benchmark, std::size_t bytes) {
    benchmark->ArgNames({"bytes", "threads"})->Unit(benchmark::kMicrosecond);
    for (const int threads : {1, 2}) {
        benchmark->Args({static_cast<long>(bytes), threads});
    }
    benchmark->Iterations(pairs)->UseManualTime();
}
/// 64 MiB of fp32, with one and with two threads: range(0) bytes, range(1) threads.
inline void large(benchmark::internal::Benchmark* benchmark) { arguments(benchmark, large_bytes); }
/// 192 KiB of fp32, with one and with two threads.
inline void small(benchmark::internal::Benchmark* benchmark) { arguments(benchmark, small_bytes); }

/// Seconds that `work` takes.
template <class Work>
double seconds_of(const Work& work) {
    const auto start = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// How many fp32 values a benchmark made by `large` or `small` works on.
inline std::size_t values(const benchmark::State& state) {
    return static_cast<std::size_t>(state.range(0)) / sizeof(float);
}

/// Threads that start a piece of work together; the caller is one of them. They sleep between pieces.
class team {
public:
    explicit team(std::size_t threads) : size_(threads) {
        for (std::size_t index = 1; index < threads; ++index) {
            workers_.emplace_back([this, index] { serve(index); });
        }
    }
    ~team() {
        {
            const std::lock_guard lock(mutex_);
            stop_ = true;
        }
        wake_.notify_all();
        for (std::thread& worker : workers_) {
            worker.join();
        }
    }
    team(const team&) = delete;
    team& operator=(const team&) = delete;

    [[nodiscard]] std::size_t size() const { return size_; }

    /// Seconds from the moment that all threads are awake until `work(index)` has returned in every one.
    double run(const std::function<void(std::size_t)>& work) {
        ready_ = 1;
        done_ = 1;
        {
            const std::lock_guard lock(mutex_);
            work_ = &work;
            ++round_;
        }
        wake_.notify_all();
        spin_until([&] { return ready_ == size_; });
        return seconds_of([&] {
            go_ = round_;
            work(0);
            spin_until([&] { return done_ == size_; });
        });
    }

private:
    // Gives the core away now and then: where other programs keep it busy, the awaited thread may need it.
    template <class Condition>
    static void spin_until(const Condition& condition) {
        for (int turns = 1; !condition(); ++turns) {
            if (turns % 4096 == 0) {
                std::this_thread::yield();
            }
        }
    }

    void serve(std::size_t index) {
        for (std::size_t seen = 0;;) {
            const std::function<void(std::size_t)>* work = nullptr;
            {
                std::unique_lock lock(mutex_);
                wake_.wait(lock, [&] { return stop_ || round_ != seen; });
                if (stop_) {
                    return;
                }
                seen = round_;
                work = work_;
            }
            ++ready_;
            spin_until([&] { return go_ == seen; });
            (*work)(index);
            ++done_;
        }
    }

    std::size_t size_;
    std::vector<std::thread> workers_;
    std::mutex mutex_;
    std::condition_variable wake_;
    const std::function<void(std::size_t)>* work_ = nullptr;
    std::size_t round_ = 0;
    bool stop_ = false;
    std::atomic<std::size_t> ready_{0}, go_{0}, done_{0};
};

/// Seconds of one pass over [0, count), split among the team at multiples of `grain`; each thread repeats its own part
/// `passes` times.
template <class Body>
double seconds_per_pass(team& threads, std::size_t count, std::size_t grain, const Body& body, std::size_t passes) {
    const std::size_t size = threads.size();
    const std::size_t step = (count + size * grain - 1) / (size * grain) * grain;
    const double seconds = threads.run([&](std::size_t index) {
        const std::size_t begin = std::min(count, index * step), end = std::min(count, begin + step);
        for (std::size_t pass = 0; pass < passes; ++pass) {
            body(begin, end);
        }
    });
    return seconds / static_cast<double>(passes);
}

inline double median(std::vector<double> values) {
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    return *middle;
}

/// How many passes of `once` (seconds per pass, given the number of passes) fill a sample of at least 4 ms.
template <class Once>
std::size_t passes_for(const Once& once) {
    // The least of three: another program on the same core may hold up one of them.
    const auto least = [&](std::size_t passes) { return std::min({once(passes), once(passes), once(passes)}); };
    std::size_t passes = 1;
    while (least(passes) * static_cast<double>(passes) < 4e-3) {
        passes *= 2;
    }
    return passes;
}

/// The way of `reference` that is fastest on this machine now.
inline const part& fastest_way(team& threads, const limit& reference) {
    const part* best = &reference.ways.front();
    double least = 1e30;
    for (const part& way : reference.ways) {
        const auto once = [&](std::size_t passes) { return seconds_per_pass(threads, reference.count, reference.grain, way, passes); };
        const std::size_t passes = passes_for(once);
        const double seconds = std::min({once(passes), once(passes), once(passes)});
        if (seconds < least) {
            least = seconds;
            best = &way;
        }
    }
    return *best;
}

/// Runs `reference` and `kernel` in turns with state.range(1) threads. Reports as counters: `GB/s` and `limit_GB/s`
/// (`bytes` per pass; where a pass counts operations, giga-operations), `ratio` (kernel speed / limit speed), and the
/// ratios to reach, `must` and `stretch` (0: none stated).
/// A kernel of type void(begin, end) is split among the threads as the limit is; one of type void() is called once per
/// pass and divides its own work.
template <class Kernel>
void compare(benchmark::State& state, std::size_t bytes, const limit& reference, const Kernel& kernel, double must,
             double stretch) {
    team threads(static_cast<std::size_t>(state.range(1)));
    const part& way = fastest_way(threads, reference);
    const auto run_limit = [&](std::size_t passes) { return seconds_per_pass(threads, reference.count, reference.grain, way, passes); };
    const auto run_kernel = [&](std::size_t passes) {
        if constexpr (std::invocable<const Kernel&, std::size_t, std::size_t>) {
            return seconds_per_pass(threads, reference.count, reference.grain, kernel, passes);
        } else {
            return seconds_of([&] {
                       for (std::size_t pass = 0; pass < passes; ++pass) {
                           kernel();
                       }
                   }) / static_cast<double>(passes);
        }
    };
    const std::size_t limit_passes = passes_for(run_limit), kernel_passes = passes_for(run_kernel);

    std::vector<double> limit_seconds, kernel_seconds, ratios;
    for ([[maybe_unused]] auto pair : state) {
        limit_seconds.push_back(run_limit(limit_passes));
        kernel_seconds.push_back(run_kernel(kernel_passes));
        ratios.push_back(limit_seconds.back() / kernel_seconds.back());
        state.SetIterationTime(kernel_seconds.back());
    }
    const double giga = static_cast<double>(bytes) * 1e-9;
    state.counters["GB/s"] = giga / median(kernel_seconds);
    state.counters["limit_GB/s"] = giga / median(limit_seconds);
    state.counters["ratio"] = median(ratios);
    state.counters["must"] = must;
    state.counters["stretch"] = stretch;
}

/// For a target in GB/s and not as a ratio: runs `kernel` alone, called as in `compare` over `count` values, and
/// reports `GB/s`, `must_GB/s` and `stretch_GB/s`.
template <class Kernel>
void measure(benchmark::State& state, std::size_t bytes, std::size_t count, const Kernel& kernel, double must,
             double stretch) {
    team threads(static_cast<std::size_t>(state.range(1)));
    const part body = [&](std::size_t begin, std::size_t end) {
        if constexpr (std::invocable<const Kernel&, std::size_t, std::size_t>) {
            kernel(begin, end);
        } else if (begin == 0) {
            kernel();
        }
    };
    const auto once = [&](std::size_t passes) { return seconds_per_pass(threads, count, usual_grain, body, passes); };
    const std::size_t passes = passes_for(once);
    std::vector<double> seconds;
    for ([[maybe_unused]] auto sample : state) {
        seconds.push_back(once(passes));
        state.SetIterationTime(seconds.back());
    }
    state.counters["GB/s"] = static_cast<double>(bytes) * 1e-9 / median(seconds);
    state.counters["must_GB/s"] = must;
    state.counters["stretch_GB/s"] = stretch;
}

} // namespace bench

#endif // TERSOR_BENCH_COMPARE_HPP
