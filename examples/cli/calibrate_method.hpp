#ifndef TERSOR_EXAMPLES_CLI_CALIBRATE_METHOD_HPP
#define TERSOR_EXAMPLES_CLI_CALIBRATE_METHOD_HPP

// What decides the range of a dataset: a calibrator of the library, or the rules of another tool (--compatibility).

#include "calibrate_range.hpp"
#include "commands.hpp"
#include "values.hpp"

#include <cstdint>
#include <memory>
#include <span>

namespace cli {

/// Sees the batches of one dataset and decides its range.
class calibration_method {
public:
    calibration_method() = default;
    calibration_method(const calibration_method&) = delete;
    calibration_method& operator=(const calibration_method&) = delete;
    virtual ~calibration_method() = default;

    virtual void observe(std::span<const float> batch) = 0;
    /// How many values were seen, and how many left out because they are not finite.
    [[nodiscard]] virtual std::int64_t count() const = 0;
    [[nodiscard]] virtual std::int64_t skipped() const = 0;
    /// The range of the values seen; there is one at least.
    [[nodiscard]] virtual found_range range() const = 0;
};

/// The method that the arguments name, its settings checked. Throws usage_error.
[[nodiscard]] std::unique_ptr<calibration_method> make_method(const calibrate_arguments& arguments,
                                                              const threads& workers);

/// The same as the tool does it that --compatibility names. Throws usage_error for what it does not have.
[[nodiscard]] std::unique_ptr<calibration_method> make_compatible_method(const calibrate_arguments& arguments);

} // namespace cli

#endif // TERSOR_EXAMPLES_CLI_CALIBRATE_METHOD_HPP
