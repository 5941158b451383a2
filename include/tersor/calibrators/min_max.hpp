#ifndef TERSOR_CALIBRATORS_MIN_MAX_HPP
#define TERSOR_CALIBRATORS_MIN_MAX_HPP

// The whole range of the values: from the smallest to the largest one.

#include "tersor/calibrators/calibrator.hpp"

#include <algorithm>
#include <cstdint>

namespace tersor::inline v0 {

/// The smallest and the largest of some values.
class extremes {
public:
    /// Takes values into account; false if one is not finite.
    [[nodiscard]] bool add(const float* x, std::size_t count) {
        extremes next;
        if (!TERSOR_DISPATCH(find_extremes(x, count, next.min_, next.max_))) {
            return false;
        }
        next.count_ = static_cast<std::int64_t>(count);
        merge(next);
        return true;
    }
    /// Joins those of other values.
    void merge(const extremes& other) noexcept {
        if (other.count_ > 0) {
            min_ = count_ == 0 ? other.min_ : std::min(min_, other.min_);
            max_ = count_ == 0 ? other.max_ : std::max(max_, other.max_);
            count_ += other.count_;
        }
    }

    [[nodiscard]] float min() const noexcept { return min_; }
    [[nodiscard]] float max() const noexcept { return max_; }
    [[nodiscard]] std::int64_t count() const noexcept { return count_; }

    void save(detail::byte_writer& out) const {
        out.put(count_);
        out.put(min_);
        out.put(max_);
    }
    static extremes load(detail::byte_reader& in) {
        extremes loaded;
        loaded.count_ = in.get<std::int64_t>();
        loaded.min_ = in.get_finite();
        loaded.max_ = in.get_finite();
        in.require(loaded.count_ >= 0 && loaded.min_ <= loaded.max_ &&
                       (loaded.count_ > 0 || (loaded.min_ == 0.0f && loaded.max_ == 0.0f)),
                   "extremes");
        return loaded;
    }

    friend bool operator==(const extremes&, const extremes&) = default;

private:
    float min_ = 0.0f, max_ = 0.0f;
    std::int64_t count_ = 0;
};

/// Ranges from the smallest to the largest value seen.
class min_max : public calibrator<min_max, extremes> {
public:
    static constexpr const char* name = "min_max";

    explicit min_max(calibration_options options = {}) : calibrator(std::move(options)) {}

private:
    friend class calibrator<min_max, extremes>;
    static constexpr std::uint32_t id = 1;

    static extremes make_state(bool) { return {}; }
    static void require_equal_settings(const min_max&) noexcept {}
    static void save_settings(detail::byte_writer&) noexcept {}
    static min_max load_settings(detail::byte_reader&, const calibration_options& options) { return min_max(options); }
    static extremes load_state(detail::byte_reader& in) { return extremes::load(in); }
    template <class Q>
    static clipping_range find_range(const extremes& seen, const Q&) noexcept {
        return detail::including_zero(seen.min(), seen.max());
    }
};

} // namespace tersor::inline v0

#endif // TERSOR_CALIBRATORS_MIN_MAX_HPP
