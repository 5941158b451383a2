#ifndef TERSOR_QUANTIZERS_FIT_PASSINGS_HPP
#define TERSOR_QUANTIZERS_FIT_PASSINGS_HPP

// The scales at which values pass from one level to the next, sorted in linear time: the largest first, equal ones by
// value and level, so that the order is the same everywhere.

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace tersor::inline v0::detail {

/// Below `scale` a value is at level + 1.
struct scale_passing {
    double scale;
    std::uint32_t value, level;
};

/// Sorts passings; an object keeps its memory from call to call.
class passing_sorter {
public:
    /// Sorts by buckets of about equal ratios: the bits of positive numbers order as the numbers do.
    void sort(std::vector<scale_passing>& passings) {
        const std::size_t count = passings.size();
        if (count < 64) {
            std::sort(passings.begin(), passings.end(), comes_first);
            return;
        }
        const auto key = [](const scale_passing& p) { return std::bit_cast<std::uint64_t>(p.scale) >> 20; };
        std::uint64_t least = ~std::uint64_t{0}, most = 0;
        for (const scale_passing& p : passings) {
            least = std::min(least, key(p));
            most = std::max(most, key(p));
        }
        const double factor = static_cast<double>(count - 1) / static_cast<double>(most - least + 1);
        const auto bucket = [&](const scale_passing& p) {
            return static_cast<std::size_t>(static_cast<double>(most - key(p)) * factor);
        };
        starts_.assign(count + 1, 0);
        for (const scale_passing& p : passings) {
            ++starts_[bucket(p) + 1];
        }
        for (std::size_t b = 1; b <= count; ++b) {
            starts_[b] += starts_[b - 1];
        }
        buckets_.resize(count);
        for (const scale_passing& p : passings) {
            buckets_[starts_[bucket(p)]++] = p;
        }
        // starts_[b] is now the end of bucket b.
        for (std::size_t b = 0, first = 0; b < count; first = starts_[b++]) {
            if (starts_[b] > first + 1) {
                std::sort(buckets_.begin() + static_cast<std::ptrdiff_t>(first),
                          buckets_.begin() + static_cast<std::ptrdiff_t>(starts_[b]), comes_first);
            }
        }
        passings.swap(buckets_);
    }

private:
    static bool comes_first(const scale_passing& a, const scale_passing& b) noexcept {
        if (a.scale != b.scale) {
            return a.scale > b.scale;
        }
        return a.value != b.value ? a.value < b.value : a.level < b.level;
    }

    std::vector<scale_passing> buckets_;
    std::vector<std::size_t> starts_;
};

} // namespace tersor::inline v0::detail

#endif // TERSOR_QUANTIZERS_FIT_PASSINGS_HPP
