#include "calibrate_method.hpp"

#include "text.hpp"
#include "usage.hpp"

#include <Eigen/Core>

#include <algorithm>
#include <bit>
#include <string>
#include <utility>

namespace cli {

namespace {

void check_arguments(const calibrate_arguments& a) {
    if (a.bits < 2 || a.bits > 8) {
        throw usage_error("--bits " + std::to_string(a.bits) + ": expected 2 to 8");
    }
    const auto bins = static_cast<std::uint64_t>(std::max<std::int64_t>(a.bins, 0));
    if (a.bins != 0 && (a.bins < tersor::histogram::least_bins || a.bins > tersor::histogram::most_bins ||
                        !std::has_single_bit(bins))) {
        throw usage_error("--bins " + std::to_string(a.bins) + ": expected a power of two from 16 to 65536");
    }
    if (!(a.momentum > 0.0 && a.momentum <= 1.0)) {
        throw usage_error("--momentum " + short_text(a.momentum) + ": expected above 0 and at most 1");
    }
    if (!(a.percentile > 0.0 && a.percentile <= 100.0)) {
        throw usage_error("--percentile " + short_text(a.percentile) + ": expected above 0 and at most 100");
    }
}

any_calibrator make_calibrator(const calibrate_arguments& a, const threads& workers) {
    tersor::calibration_options options;
    options.bins = a.bins;
    options.skip_non_finite = a.skip_non_finite;
    options.execution = workers.run();
    if (a.method == "min_max") {
        return tersor::min_max(options);
    }
    if (a.method == "moving_average") {
        return tersor::moving_average(static_cast<float>(a.momentum), options);
    }
    if (a.method == "percentile") {
        return tersor::percentile(a.percentile, options);
    }
    if (a.method == "mse") {
        return tersor::mse(options);
    }
    if (a.method == "kl") {
        return tersor::kl_divergence(options);
    }
    throw usage_error("unknown method '" + a.method + "'; available: min_max, moving_average, percentile, mse, kl");
}

class library_method final : public calibration_method {
public:
    library_method(any_calibrator calibrator, integer_kind kind) : calibrator_(std::move(calibrator)), kind_(kind) {}

    void observe(std::span<const float> batch) override {
        const Eigen::Map<const Eigen::VectorXf> all(batch.data(), static_cast<Eigen::Index>(batch.size()));
        std::visit([&all](auto& c) { c.observe(all); }, calibrator_);
    }
    [[nodiscard]] std::int64_t count() const override {
        return std::visit([](const auto& c) { return c.count(); }, calibrator_);
    }
    [[nodiscard]] std::int64_t skipped() const override {
        return std::visit([](const auto& c) { return c.skipped(); }, calibrator_);
    }
    [[nodiscard]] found_range range() const override {
        return kind_.is_symmetric ? find_absmax_range(calibrator_, kind_.bits, kind_.is_signed)
                                  : find_zero_point_range(calibrator_, kind_.bits, kind_.is_signed);
    }

private:
    any_calibrator calibrator_;
    integer_kind kind_;
};

} // namespace

std::unique_ptr<calibration_method> make_method(const calibrate_arguments& a, const threads& workers) {
    check_arguments(a);
    if (!a.compatibility.empty()) {
        return make_compatible_method(a);
    }
    return std::make_unique<library_method>(make_calibrator(a, workers),
                                            integer_kind{a.bits, a.is_signed, a.is_symmetric});
}

} // namespace cli
