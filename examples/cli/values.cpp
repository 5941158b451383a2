#include "values.hpp"

#include "cancellation.hpp"
#include "text.hpp"
#include "usage.hpp"

#include "tersor/metrics/error_metrics.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <sys/mman.h>
#include <thread>
#include <unistd.h>
#include <utility>

namespace cli {

threads::threads(int count) {
    constexpr int most = 1024;
    if (count < 0 || count > most) {
        throw usage_error("--threads " + std::to_string(count) + ": expected 1 to " + std::to_string(most) +
                          ", or 0 for one per core");
    }
    const int wanted = count == 0 ? static_cast<int>(std::thread::hardware_concurrency()) : count;
    if (wanted > 1) {
        pool_ = std::make_unique<Eigen::ThreadPool>(wanted - 1, false);
    }
}

tersor::execution threads::run(std::function<void(double)> progress) const {
    const tersor::execution base = pool_ ? tersor::execution(*pool_) : tersor::execution();
    return base.with_progress([progress = std::move(progress)](double done) {
        if (progress) {
            progress(done);
        }
        return !is_cancelled();
    });
}

void require_finite(const std::string& name, std::span<const std::int64_t> shape, std::span<const float> values,
                    const char* advice) {
    const auto is_bad = [](float x) { return (std::bit_cast<std::uint32_t>(x) & 0x7FFFFFFFu) > 0x7F7FFFFFu; };
    std::uint32_t largest = 0;
    for (const float x : values) {
        largest = std::max(largest, std::bit_cast<std::uint32_t>(x) & 0x7FFFFFFFu);
    }
    if (largest <= 0x7F7FFFFFu) {
        return;
    }
    const auto place = std::ranges::find_if(values, is_bad);
    auto rest = static_cast<std::int64_t>(place - values.begin());
    std::vector<std::int64_t> at(shape.size());
    for (std::size_t i = shape.size(); i-- > 0;) {
        at[i] = rest % shape[i];
        rest /= shape[i];
    }
    tersor::raise(tersor::error_code::non_finite, "tensor '" + name + "' has " +
                                                      (std::isnan(*place) ? "NaN"
                                                       : *place > 0       ? "infinity"
                                                                          : "-infinity") +
                                                      " at " + shape_text(at) + "; " + advice);
}

tersor::error_sums measure(std::span<const std::int64_t> shape, std::span<const float> values,
                           std::span<const float> decoded, const tersor::execution& exec) {
    using row_major = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    const auto cols = static_cast<Eigen::Index>(shape.empty() ? 1 : shape.back());
    const auto rows = cols == 0 ? 0 : static_cast<Eigen::Index>(values.size()) / cols;
    const Eigen::Map<const row_major> original(values.data(), rows, cols), other(decoded.data(), rows, cols);
    tersor::compare_options options;
    options.execution = exec;
    return tersor::compare(original, other, options).sums;
}

void add_histograms(tensor_report& to, std::span<const float> values, std::span<const float> decoded) {
    constexpr std::size_t bins = 81;
    const auto count = [](histogram& h, auto value_at, std::size_t size) {
        for (std::size_t i = 0; i < size; ++i) {
            const double magnitude = std::abs(value_at(i));
            h.reach = std::isfinite(magnitude) ? std::max(h.reach, magnitude) : h.reach;
        }
        h.counts.assign(bins, 0);
        const double scale = h.reach == 0.0 ? 0.0 : static_cast<double>(bins) / (2.0 * h.reach);
        for (std::size_t i = 0; i < size; ++i) {
            const double value = value_at(i);
            if (std::isfinite(value)) {
                const auto bin = static_cast<std::size_t>((value + h.reach) * scale);
                ++h.counts[h.reach == 0.0 ? bins / 2 : std::min(bin, bins - 1)];
            }
        }
    };
    count(
        to.values, [&](std::size_t i) { return static_cast<double>(values[i]); }, values.size());
    const auto difference = [&](std::size_t i) {
        return static_cast<double>(decoded[i]) - static_cast<double>(values[i]);
    };
    count(to.differences, difference, values.size());
}

void release_pages(std::span<const std::byte> bytes) noexcept {
    const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
    const auto first = (reinterpret_cast<std::uintptr_t>(bytes.data()) + page - 1) / page * page;
    const auto last = reinterpret_cast<std::uintptr_t>(bytes.data() + bytes.size()) / page * page;
    if (first < last) {
        ::madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED); // a hint: failure changes nothing
    }
}

} // namespace cli
