#ifndef TERSOR_EXAMPLES_CLI_VALUES_HPP
#define TERSOR_EXAMPLES_CLI_VALUES_HPP

// Values of tensors on their way through the program.

#include "report.hpp"

#include "tersor/core/execution.hpp"
#include "tersor/io/safetensors_tensor.hpp"

#include <Eigen/Core>
#include <unsupported/Eigen/CXX11/ThreadPool>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

namespace cli {

/// The threads that `--threads N` asks for: 0 is one per core. Throws usage_error for a negative or absurd number.
class threads {
public:
    explicit threads(int count);
    /// How to run an operation: cancelled by a signal, telling `progress` how much is done, if it is given.
    [[nodiscard]] tersor::execution run(std::function<void(double)> progress = {}) const;

private:
    std::unique_ptr<Eigen::ThreadPool> pool_;
};

/// Throws tersor::error non_finite with the tensor and the position of its first NaN or infinity; `advice` ends the
/// message.
void require_finite(const std::string& name, std::span<const std::int64_t> shape, std::span<const float> values,
                    const char* advice = "only finite values can be quantized");

/// How far `decoded` is from `values`, both of that shape.
[[nodiscard]] tersor::error_sums measure(std::span<const std::int64_t> shape, std::span<const float> values,
                                         std::span<const float> decoded, const tersor::execution& exec);

/// Adds histograms of the values and of the differences to a report.
void add_histograms(tensor_report& to, std::span<const float> values, std::span<const float> decoded);

/// Lets the system have back the memory that holds these bytes of a mapped file; they are read again when needed.
void release_pages(std::span<const std::byte> bytes) noexcept;

} // namespace cli

#endif // TERSOR_EXAMPLES_CLI_VALUES_HPP
