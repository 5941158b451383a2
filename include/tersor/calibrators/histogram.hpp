#ifndef TERSOR_CALIBRATORS_HISTOGRAM_HPP
#define TERSOR_CALIBRATORS_HISTOGRAM_HPP

// The histogram that calibrators share. Its state is a function of the values alone: neither their order nor how they
// were cut into batches and merged again makes a difference.
//
//   2^k   the smallest power of two above every |x|;  width = 2^(k+1) / bins, a power of two too
//   bin   j = trunc(|x| / width) on the side of the sign of x; zero is on the positive side
//
// When a value of 2^k or more arrives, neighbouring bins are folded: trunc(trunc(|x| / w) / 2) = trunc(|x| / 2w).
// Counts are 64-bit integers. Zeros, the smallest and the largest value are kept exactly. Below 2^-126 bins do not get
// narrower.

#include "tersor/calibrators/bytes.hpp"
#include "tersor/calibrators/kernels.hpp"
#include "tersor/core/concepts.hpp"
#include "tersor/core/error.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

namespace tersor::inline v0 {

/// Counts of values in bins of equal width on both sides of zero.
class histogram {
public:
    static constexpr index least_bins = 16, most_bins = 65536;

    /// Errors: `invalid_argument` unless `bins` is a power of two from 16 to 65536.
    explicit histogram(index bins = 4096) : bins_(bins) {
        if (bins < least_bins || bins > most_bins || !std::has_single_bit(static_cast<std::size_t>(bins))) {
            raise(error_code::invalid_argument,
                  "a histogram of " + std::to_string(bins) + " bins: expected a power of two from 16 to 65536");
        }
    }

    /// Counts values. False if one is not finite; only some are then counted.
    [[nodiscard]] bool add(const float* x, std::size_t count) {
        // Small enough that the next values are on their way from memory while these are counted.
        constexpr std::size_t tile = 1024;
        const auto middle = static_cast<std::int32_t>(bins_ / 2);
        std::uint16_t* const four = count >= 4096 ? tables() : nullptr;
        std::size_t pending = 0; // values in the tables
        float reach = count_ == 0 ? 0.0f : std::ldexp(1.0f, exponent_), inverse = std::ldexp(1.0f, -width_exponent());
        for (std::size_t i = 0; i < count; i += tile) {
            const std::size_t size = std::min(tile, count - i);
            float lo = 0.0f, hi = 0.0f;
            if (!TERSOR_DISPATCH(find_extremes(x + i, size, lo, hi))) {
                flush(pending);
                return false;
            }
            if (!(std::max(-lo, hi) < reach)) {
                flush(pending);
                grow(exponent_for(std::max(-lo, hi)));
                reach = std::ldexp(1.0f, exponent_);
                inverse = std::ldexp(1.0f, -width_exponent());
            }
            min_ = count_ == 0 ? lo : std::min(min_, lo);
            max_ = count_ == 0 ? hi : std::max(max_, hi);
            count_ += static_cast<std::int64_t>(size);
            std::size_t first = 0;
            if (four != nullptr) {
                // A 16-bit count holds a quarter of the values of 255 tiles.
                if (pending == 255 * tile) {
                    flush(pending);
                }
                first = size / 8 * 8;
                zeros_ += static_cast<std::int64_t>(TERSOR_DISPATCH(count_bins(x + i, first, inverse, middle, four)));
                pending += tile;
            }
            for (std::size_t k = first; k < size; k += 256) {
                std::int32_t found[256];
                const std::size_t run = std::min<std::size_t>(256, size - k);
                zeros_ += static_cast<std::int64_t>(TERSOR_DISPATCH(find_bins(x + i + k, run, inverse, middle, found)));
                for (std::size_t m = 0; m < run; ++m) {
                    ++counts_[static_cast<std::size_t>(found[m])];
                }
            }
        }
        flush(pending);
        return true;
    }

    /// Joins the counts of other values. Errors: `invalid_argument` if the numbers of bins differ.
    void merge(const histogram& other) {
        if (other.bins_ != bins_) {
            raise(error_code::invalid_argument, "histograms of " + std::to_string(bins_) + " and " +
                                                    std::to_string(other.bins_) + " bins cannot be merged");
        }
        if (other.count_ == 0) {
            return;
        }
        grow(count_ == 0 ? other.exponent_ : std::max(exponent_, other.exponent_));
        const int shift = exponent_ - other.exponent_;
        for_each_half(
            [&](std::size_t j, auto at) { counts_[at(shift < 31 ? j >> shift : 0)] += other.counts_[at(j)]; });
        min_ = count_ == 0 ? other.min_ : std::min(min_, other.min_);
        max_ = count_ == 0 ? other.max_ : std::max(max_, other.max_);
        count_ += other.count_;
        zeros_ += other.zeros_;
    }

    [[nodiscard]] index bins() const noexcept { return bins_; }
    /// How many values were counted.
    [[nodiscard]] std::int64_t count() const noexcept { return count_; }
    /// How many of them are zero.
    [[nodiscard]] std::int64_t zeros() const noexcept { return zeros_; }
    /// The smallest value; 0 if there is none.
    [[nodiscard]] float min() const noexcept { return min_; }
    /// The largest value; 0 if there is none.
    [[nodiscard]] float max() const noexcept { return max_; }
    /// The counts, from -2^k to 2^k; empty if there are no values.
    [[nodiscard]] std::span<const std::int64_t> counts() const noexcept { return counts_; }
    /// The width of a bin.
    [[nodiscard]] float width() const noexcept { return std::ldexp(1.0f, width_exponent()); }
    /// The lower edge of a bin; of bins() the upper edge of the last one. At most 2^127 times 2 in magnitude: a double.
    [[nodiscard]] double edge(index bin) const noexcept {
        return static_cast<double>(bin - bins_ / 2) * static_cast<double>(width());
    }

    friend bool operator==(const histogram&, const histogram&) = default;

    /// Appends the state, without the number of bins.
    void save(detail::byte_writer& out) const {
        out.put(count_);
        if (count_ == 0) {
            return;
        }
        out.put(zeros_);
        out.put(min_);
        out.put(max_);
        for (const std::int64_t n : counts_) {
            out.put_count(n);
        }
    }

    /// Reads what `save` wrote. Errors: `corrupt_file`.
    static histogram load(detail::byte_reader& in, index bins) {
        histogram h(bins);
        const auto count = in.get<std::int64_t>();
        if (count == 0) {
            return h;
        }
        const auto zeros = in.get<std::int64_t>();
        h.min_ = in.get_finite();
        h.max_ = in.get_finite();
        in.require(count > 0 && zeros >= 0 && zeros <= count && h.min_ <= h.max_, "counts or extremes of a histogram");
        in.require_left(static_cast<std::size_t>(bins));
        h.grow(h.exponent_for(std::max(-h.min_, h.max_)));
        for (std::int64_t& n : h.counts_) {
            n = in.get_count();
            in.require(n <= count - h.count_, "sum of the counts of a histogram");
            h.count_ += n;
        }
        h.zeros_ = zeros;
        const auto filled = [](std::int64_t n) { return n > 0; };
        const auto first = std::find_if(h.counts_.begin(), h.counts_.end(), filled) - h.counts_.begin();
        const auto last = h.counts_.rend() - std::find_if(h.counts_.rbegin(), h.counts_.rend(), filled) - 1;
        in.require(h.count_ == count && zeros <= h.counts_[static_cast<std::size_t>(bins / 2)] &&
                       first == h.bin_of(h.min_) && last == h.bin_of(h.max_),
                   "bins of a histogram");
        return h;
    }

private:
    [[nodiscard]] int least_exponent() const noexcept {
        return std::countr_zero(static_cast<std::size_t>(bins_)) - 127;
    }
    [[nodiscard]] int exponent_for(float magnitude) const noexcept {
        int exponent = 0;
        std::frexp(magnitude, &exponent); // magnitude < 2^exponent
        return magnitude == 0.0f ? least_exponent() : std::max(exponent, least_exponent());
    }
    [[nodiscard]] int width_exponent() const noexcept {
        return exponent_ + 1 - std::countr_zero(static_cast<std::size_t>(bins_));
    }
    [[nodiscard]] index bin_of(float x) const noexcept {
        std::int32_t bin = 0;
        TERSOR_DISPATCH(
            find_bins(&x, 1, std::ldexp(1.0f, -width_exponent()), static_cast<std::int32_t>(bins_ / 2), &bin));
        return bin;
    }

    // Calls work(j, at) for the bins of both sides from zero outwards; at(j) is the position of bin j of that side.
    template <class Work>
    void for_each_half(const Work& work) const {
        const auto half = static_cast<std::size_t>(bins_ / 2);
        for (std::size_t j = 0; j < half; ++j) {
            work(j, [half](std::size_t i) { return half + i; });
            work(j, [half](std::size_t i) { return half - 1 - i; });
        }
    }

    void grow(int exponent) {
        if (counts_.empty()) {
            counts_.resize(static_cast<std::size_t>(bins_));
        } else if (exponent > exponent_) {
            const int shift = exponent - exponent_;
            for_each_half([&](std::size_t j, auto at) {
                const std::size_t to = shift < 31 ? j >> shift : 0;
                if (to != j) {
                    counts_[at(to)] += counts_[at(j)];
                    counts_[at(j)] = 0;
                }
            });
        }
        exponent_ = exponent;
    }

    std::uint16_t* tables() const {
        thread_local std::vector<std::uint16_t> memory;
        if (memory.size() < static_cast<std::size_t>(4 * bins_)) {
            memory.resize(static_cast<std::size_t>(4 * bins_));
        }
        return memory.data();
    }

    void flush(std::size_t& pending) {
        if (pending == 0) {
            return;
        }
        std::uint16_t* const four = tables();
        for (std::size_t i = 0; i < counts_.size(); ++i) {
            counts_[i] += four[4 * i] + four[4 * i + 1] + four[4 * i + 2] + four[4 * i + 3];
        }
        std::memset(four, 0, counts_.size() * 4 * sizeof *four);
        pending = 0;
    }

    index bins_;
    int exponent_ = 0;
    float min_ = 0.0f, max_ = 0.0f;
    std::int64_t count_ = 0, zeros_ = 0;
    std::vector<std::int64_t> counts_;
};

} // namespace tersor::inline v0

#endif // TERSOR_CALIBRATORS_HISTOGRAM_HPP
