// tersor calibrate --compatibility: the ranges, scales and zero points that other tools give for the same data.

#include "calibrate_method.hpp"

#include "usage.hpp"

#include "tersor/calibrators/compatibility/modelopt.hpp"
#include "tersor/calibrators/compatibility/onnxruntime.hpp"
#include "tersor/calibrators/compatibility/pytorch.hpp"
#include "tersor/quantizers/affine.hpp"

#include <Eigen/Core>

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace cli {

namespace {

namespace compatibility = tersor::compatibility;

tersor::index bins_of(const calibrate_arguments& a, tersor::index usual) {
    return a.bins != 0 ? a.bins : usual;
}

tersor::integer_bounds whole_bounds(const calibrate_arguments& a) {
    const std::int32_t half = 1 << (a.bits - 1);
    return a.is_signed ? tersor::integer_bounds{-half, half - 1} : tersor::integer_bounds{0, 2 * half - 1};
}

found_range with_parameters(tersor::value_range range, tersor::affine_parameters p) {
    return {range.lo, range.hi, static_cast<double>(p.scale), p.zero_point};
}

// Leaves values out that are not finite, where asked to, and counts.
class compatible_method : public calibration_method {
public:
    explicit compatible_method(const calibrate_arguments& a) : arguments_(a) {}

    void observe(std::span<const float> batch) final {
        if (arguments_.skip_non_finite) {
            finite_.clear();
            std::ranges::copy_if(batch, std::back_inserter(finite_), [](float x) { return std::isfinite(x); });
            skipped_ += static_cast<std::int64_t>(batch.size() - finite_.size());
            batch = finite_;
        }
        count_ += static_cast<std::int64_t>(batch.size());
        if (!batch.empty()) {
            take(batch);
        }
    }
    [[nodiscard]] std::int64_t count() const final { return count_; }
    [[nodiscard]] std::int64_t skipped() const final { return skipped_; }

protected:
    virtual void take(std::span<const float> batch) = 0;

    calibrate_arguments arguments_;

private:
    std::int64_t count_ = 0, skipped_ = 0;
    std::vector<float> finite_;
};

// MaxCalibrator and HistogramCalibrator: symmetric integers without the lowest one.
class modelopt_method final : public compatible_method {
public:
    explicit modelopt_method(const calibrate_arguments& a) : compatible_method(a), seen_(bins_of(a, 2048)) {
        if (!a.is_symmetric) {
            throw usage_error("--compatibility modelopt: its integers have no zero point; leave --asymmetric out");
        }
        if (a.bins != 0 && a.bins <= first_candidate && (a.method == "mse" || a.method == "kl")) {
            throw usage_error("--bins " + std::to_string(a.bins) + ": --compatibility modelopt searches from bin " +
                              std::to_string(first_candidate) + " on");
        }
    }

    [[nodiscard]] found_range range() const override {
        const compatibility::modelopt::integer_kind kind{arguments_.bits, !arguments_.is_signed};
        const std::string& method = arguments_.method;
        const float amax = method == "min_max"      ? largest_
                           : method == "percentile" ? seen_.percentile(arguments_.percentile).amax
                           : method == "mse"        ? seen_.mse(kind, first_candidate).amax
                                                    : seen_.entropy(kind, first_candidate).amax;
        const float lo = kind.is_unsigned ? 0.0f : -amax;
        return {lo, amax, static_cast<double>(amax / kind.highest()), 0};
    }

private:
    static constexpr tersor::index first_candidate = 128;

    void take(std::span<const float> batch) override {
        for (const float x : batch) {
            largest_ = std::max(largest_, std::abs(x));
        }
        if (arguments_.method != "min_max") {
            seen_.observe(batch);
        }
    }

    float largest_ = 0.0f;
    compatibility::modelopt::histogram seen_;
};

// MinMaxCalibrater, PercentileCalibrater and EntropyCalibrater with their usual bins and levels.
class onnxruntime_method final : public compatible_method {
public:
    explicit onnxruntime_method(const calibrate_arguments& a)
        : compatible_method(a), seen_(bins_of(a, a.method == "kl" ? levels : 2048)) {
        if (a.bits != 4 && a.bits != 8) {
            throw usage_error("--compatibility onnxruntime: its integers have 4 or 8 bits, not " +
                              std::to_string(a.bits));
        }
        if (a.bins != 0 && a.bins < levels && a.method == "kl") {
            throw usage_error("--bins " + std::to_string(a.bins) + ": --compatibility onnxruntime needs " +
                              std::to_string(levels) + " or more");
        }
    }

    [[nodiscard]] found_range range() const override {
        const std::string& method = arguments_.method;
        const tersor::value_range found = method == "min_max"      ? seen_.data()
                                          : method == "percentile" ? seen_.percentile(arguments_.percentile)
                                                                   : seen_.entropy(levels);
        tersor::integer_bounds bounds = whole_bounds(arguments_);
        if (!arguments_.is_symmetric) {
            return with_parameters(found, tersor::onnxruntime_affine(found, bounds));
        }
        if (arguments_.bits == 8) { // only these have symmetric bounds there
            bounds = arguments_.is_signed ? tersor::integer_bounds{-127, 127} : tersor::integer_bounds{0, 254};
        }
        return with_parameters(found, tersor::onnxruntime_symmetric(found, bounds));
    }

private:
    static constexpr tersor::index levels = 128;

    void take(std::span<const float> batch) override { seen_.observe(batch); }

    compatibility::onnxruntime::histogram seen_;
};

// MinMaxObserver, MovingAverageMinMaxObserver and HistogramObserver.
class pytorch_method final : public compatible_method {
public:
    explicit pytorch_method(const calibrate_arguments& a)
        : compatible_method(a), moving_(static_cast<float>(a.momentum)), seen_(bins_of(a, 2048)) {}

    [[nodiscard]] found_range range() const override {
        const std::string& method = arguments_.method;
        const tersor::value_range found =
            method == "min_max"          ? tersor::value_range{extremes_.state().min(), extremes_.state().max()}
            : method == "moving_average" ? tersor::value_range{moving_.state().min(), moving_.state().max()}
                                         : seen_.range();
        const tersor::integer_bounds bounds = whole_bounds(arguments_);
        return with_parameters(found, arguments_.is_symmetric ? tersor::pytorch_symmetric(found, bounds)
                                                              : tersor::pytorch_affine(found, bounds));
    }

private:
    void take(std::span<const float> batch) override {
        const Eigen::Map<const Eigen::VectorXf> all(batch.data(), static_cast<Eigen::Index>(batch.size()));
        if (arguments_.method == "min_max") {
            extremes_.observe(all);
        } else if (arguments_.method == "moving_average") {
            moving_.observe(all);
        } else {
            seen_.observe(batch);
        }
    }

    tersor::min_max extremes_;
    tersor::moving_average moving_;
    compatibility::pytorch::histogram_observer seen_;
};

struct tool {
    std::string_view name;
    std::vector<std::string_view> methods;
    std::function<std::unique_ptr<calibration_method>(const calibrate_arguments&)> make;
};

template <class Method>
std::unique_ptr<calibration_method> make(const calibrate_arguments& a) {
    return std::make_unique<Method>(a);
}

} // namespace

std::unique_ptr<calibration_method> make_compatible_method(const calibrate_arguments& a) {
    const tool tools[] = {{"modelopt", {"min_max", "percentile", "mse", "kl"}, make<modelopt_method>},
                          {"onnxruntime", {"min_max", "percentile", "kl"}, make<onnxruntime_method>},
                          {"pytorch", {"min_max", "moving_average", "mse"}, make<pytorch_method>}};
    std::string names;
    for (const tool& t : tools) {
        if (t.name != a.compatibility) {
            names += (names.empty() ? "" : ", ") + std::string(t.name);
            continue;
        }
        if (std::ranges::find(t.methods, a.method) == t.methods.end()) {
            std::string methods;
            for (const std::string_view each : t.methods) {
                methods += (methods.empty() ? "" : ", ") + std::string(each);
            }
            throw usage_error("--compatibility " + a.compatibility + " has no method '" + a.method +
                              "'; available: " + methods);
        }
        return t.make(a);
    }
    throw usage_error("unknown tool '" + a.compatibility + "' of --compatibility; available: " + names);
}

} // namespace cli
