#ifndef TERSOR_CALIBRATORS_MOVING_AVERAGE_HPP
#define TERSOR_CALIBRATORS_MOVING_AVERAGE_HPP

// Moving averages of the smallest and the largest value of each batch:
//
//   first batch:  lo = min of the batch           later:  lo = lo + momentum * (min of the batch - lo)
//
// and the same for hi, in float, each operation rounded: the rule of PyTorch's MovingAverageMinMaxObserver. The order
// of batches matters by nature. Merging appends the batches of another calibrator: with its average w of n batches, of
// which the first had the value f, lo = w + (1 - momentum)^n * (lo - f), equal to one pass up to rounding.

#include "tersor/calibrators/calibrator.hpp"
#include "tersor/calibrators/min_max.hpp"
#include "tersor/core/exact.hpp"

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace tersor::inline v0 {

/// Moving averages of the ends of ranges.
class moving_extremes {
public:
    explicit moving_extremes(float momentum = 0.01f) : momentum_(momentum) {}

    /// Goes on with the extremes of the next batch.
    void append(const extremes& batch) noexcept {
        if (batch.count() == 0) {
            return;
        }
        if (batches_ == 0) {
            min_ = first_min_ = batch.min();
            max_ = first_max_ = batch.max();
        } else {
            min_ = moved(min_, batch.min());
            max_ = moved(max_, batch.max());
        }
        ++batches_;
        count_ += batch.count();
    }
    /// Appends the batches of another average.
    void merge(const moving_extremes& next) noexcept {
        if (next.batches_ == 0) {
            return;
        }
        if (batches_ == 0) {
            *this = next;
            return;
        }
        double left = 1.0, factor = 1.0 - static_cast<double>(momentum_);
        for (std::int64_t n = next.batches_; n > 0; n >>= 1, factor *= factor) {
            left *= (n & 1) != 0 ? factor : 1.0;
        }
        const auto joined = [left](float before, float after, float first) {
            const double shift = exact::product(left, static_cast<double>(before) - static_cast<double>(first));
            return static_cast<float>(static_cast<double>(after) + shift);
        };
        min_ = joined(min_, next.min_, next.first_min_);
        max_ = joined(max_, next.max_, next.first_max_);
        batches_ += next.batches_;
        count_ += next.count_;
    }

    [[nodiscard]] float min() const noexcept { return min_; }
    [[nodiscard]] float max() const noexcept { return max_; }
    [[nodiscard]] std::int64_t count() const noexcept { return count_; }
    /// How many batches with values were seen.
    [[nodiscard]] std::int64_t batches() const noexcept { return batches_; }

    void save(detail::byte_writer& out) const {
        out.put(count_);
        out.put(batches_);
        for (const float value : {min_, max_, first_min_, first_max_}) {
            out.put(value);
        }
    }
    static moving_extremes load(detail::byte_reader& in, float momentum) {
        moving_extremes loaded(momentum);
        loaded.count_ = in.get<std::int64_t>();
        loaded.batches_ = in.get<std::int64_t>();
        for (float* const value : {&loaded.min_, &loaded.max_, &loaded.first_min_, &loaded.first_max_}) {
            *value = in.get_finite();
        }
        in.require(loaded.count_ >= 0 && loaded.count_ < std::int64_t{1} << 56 && loaded.batches_ >= 0 &&
                       loaded.batches_ <= loaded.count_ && (loaded.batches_ > 0) == (loaded.count_ > 0) &&
                       loaded.first_min_ <= loaded.first_max_ && loaded.min_ <= loaded.max_,
                   "moving averages");
        return loaded;
    }

    friend bool operator==(const moving_extremes&, const moving_extremes&) = default;

private:
    [[nodiscard]] float moved(float from, float towards) const noexcept {
        const float way = towards - from;
        if (std::abs(way) <= std::numeric_limits<float>::max()) {
            return from + exact::product(momentum_, way);
        }
        const double wide = static_cast<double>(towards) - static_cast<double>(from);
        return static_cast<float>(static_cast<double>(from) + exact::product(static_cast<double>(momentum_), wide));
    }

    float momentum_;
    float min_ = 0.0f, max_ = 0.0f, first_min_ = 0.0f, first_max_ = 0.0f;
    std::int64_t count_ = 0, batches_ = 0;
};

/// Ranges whose ends are moving averages over the batches.
class moving_average : public calibrator<moving_average, moving_extremes> {
public:
    static constexpr const char* name = "moving_average";

    /// `momentum` is the weight of a new batch. Errors: `invalid_argument` unless it is above 0 and at most 1.
    explicit moving_average(float momentum = 0.01f, calibration_options options = {})
        : calibrator(std::move(options)), momentum_(momentum) {
        if (!(momentum > 0.0f && momentum <= 1.0f)) {
            raise(error_code::invalid_argument,
                  "momentum " + std::to_string(momentum) + " of a moving average: expected above 0 and at most 1");
        }
    }

private:
    friend class calibrator<moving_average, moving_extremes>;
    static constexpr std::uint32_t id = 2;

    [[nodiscard]] moving_extremes make_state(bool) const { return moving_extremes(momentum_); }
    void require_equal_settings(const moving_average& other) const {
        if (other.momentum_ != momentum_) {
            raise(error_code::invalid_argument, "moving_average calibrators with momentum " +
                                                    std::to_string(momentum_) + " and " +
                                                    std::to_string(other.momentum_) + " cannot be merged");
        }
    }
    void save_settings(detail::byte_writer& out) const { out.put(momentum_); }
    static moving_average load_settings(detail::byte_reader& in, const calibration_options& options) {
        const float momentum = in.get_finite();
        in.require(momentum > 0.0f && momentum <= 1.0f, "momentum");
        return moving_average(momentum, options);
    }
    [[nodiscard]] moving_extremes load_state(detail::byte_reader& in) const {
        return moving_extremes::load(in, momentum_);
    }

    template <class Scalar, int Rank>
    void take(const detail::batch_reader<Scalar, Rank>& reader, int axis) {
        std::vector<detail::observed<extremes>> batch(states_.size());
        if (axis < 0) {
            reader.read(batch[0], extremes());
        } else {
            reader.read_channels(batch, axis);
        }
        for (std::size_t c = 0; c < batch.size(); ++c) {
            states_[c].state.append(batch[c].state);
            states_[c].skipped += batch[c].skipped;
        }
    }
    template <class Q>
    static clipping_range find_range(const moving_extremes& seen, const Q&) noexcept {
        return detail::including_zero(seen.min(), seen.max());
    }

    float momentum_;
};

} // namespace tersor::inline v0

#endif // TERSOR_CALIBRATORS_MOVING_AVERAGE_HPP
