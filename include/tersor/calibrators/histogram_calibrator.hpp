#ifndef TERSOR_CALIBRATORS_HISTOGRAM_CALIBRATOR_HPP
#define TERSOR_CALIBRATORS_HISTOGRAM_CALIBRATOR_HPP

// What the calibrators whose state is a histogram share: `percentile`, `mse`, `kl_divergence`.

#include "tersor/calibrators/calibrator.hpp"
#include "tersor/calibrators/histogram.hpp"

#include <bit>
#include <cstdint>
#include <string>
#include <utility>

namespace tersor::inline v0 {

/// A calibrator over a histogram of the values.
template <class Derived>
class histogram_calibrator : public calibrator<Derived, histogram> {
protected:
    explicit histogram_calibrator(calibration_options options) : calibrator<Derived, histogram>(std::move(options)) {
        // Names a wrong number of bins now, not when values arrive.
        (void)make_state(false);
    }

    friend class calibrator<Derived, histogram>;

    [[nodiscard]] histogram make_state(bool) const {
        const calibration_options& options = this->options_;
        return histogram(options.bins != 0 ? options.bins : options.channel_axis ? 2048 : 4096);
    }
    void require_equal_settings(const histogram_calibrator& other) const {
        const index bins = make_state(false).bins(), others = other.make_state(false).bins();
        if (bins != others) {
            raise(error_code::invalid_argument, std::string(Derived::name) + " calibrators with histograms of " +
                                                    std::to_string(bins) + " and " + std::to_string(others) +
                                                    " bins cannot be merged");
        }
    }
    void save_settings(detail::byte_writer& out) const {
        out.put(static_cast<std::uint32_t>(make_state(false).bins()));
    }
    static index load_bins(detail::byte_reader& in) {
        const auto bins = in.get<std::uint32_t>();
        in.require(bins >= histogram::least_bins && bins <= histogram::most_bins && std::has_single_bit(bins),
                   "number of bins");
        return static_cast<index>(bins);
    }
    [[nodiscard]] histogram load_state(detail::byte_reader& in) const {
        return histogram::load(in, make_state(false).bins());
    }
};

} // namespace tersor::inline v0

#endif // TERSOR_CALIBRATORS_HISTOGRAM_CALIBRATOR_HPP
