#ifndef TERSOR_EXAMPLES_CLI_RUNS_HPP
#define TERSOR_EXAMPLES_CLI_RUNS_HPP

// Groups of a size that is known only at run time: a tensor whose rows are whole groups is a matrix with one group per
// row, so that one instance of `quantize` per format serves every group size.

#include "spec.hpp"

#include "tersor/core/execution.hpp"
#include "tersor/core/quantized_tensor.hpp"
#include "tersor/formats/packing.hpp"
#include "tersor/quantizers/dequantize.hpp"
#include "tersor/quantizers/per_channel.hpp"
#include "tersor/quantizers/quantize.hpp"

#include <Eigen/Core>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace cli {

/// The values with those of each run of `run` values cut to the range that the calibrator finds: to +-c, the P-th
/// percentile of |x| (the smallest of the run's |x| that at least P per cent of them do not exceed). Without a
/// percentile an empty vector.
[[nodiscard]] std::vector<float> clip(std::span<const float> values, std::size_t run, const calibrator& range,
                                      const tersor::execution& threads);

/// Codes and parameters of runs; the codes of each run start on a byte.
template <class Quantizer>
struct coded_runs {
    std::vector<std::uint8_t> codes;
    std::vector<typename Quantizer::parameters> parameters;
};

using row_major = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

[[nodiscard]] inline tersor::quantize_options options_of(const calibrator& range, const tersor::execution& threads) {
    tersor::quantize_options options;
    options.least_squares = range.how == calibrator::method::mse;
    options.execution = threads;
    return options;
}

/// Quantizes a whole number of runs.
template <class Quantizer>
[[nodiscard]] coded_runs<Quantizer> quantize_runs(std::span<const float> values, std::size_t run,
                                                  const calibrator& range, const tersor::execution& threads) {
    const Eigen::Map<const row_major> matrix(values.data(), static_cast<Eigen::Index>(values.size() / run),
                                             static_cast<Eigen::Index>(run));
    auto [codes, parameters] =
        tersor::quantize<tersor::per_channel<Quantizer>>(matrix, options_of(range, threads)).release();
    return {std::move(codes), std::move(parameters)};
}

/// The values of a whole number of runs.
template <class Quantizer>
void dequantize_runs(std::span<const std::uint8_t> codes, std::span<const typename Quantizer::parameters> parameters,
                     std::size_t run, std::span<float> values, const tersor::execution& threads) {
    using rows = tersor::per_channel<Quantizer>;
    const auto count = static_cast<tersor::index>(values.size() / run);
    const tersor::quantized_view<rows> view(rows{}, {count, static_cast<tersor::index>(run)}, tersor::last_axis, codes,
                                            parameters);
    Eigen::Map<row_major> matrix(values.data(), count, static_cast<Eigen::Index>(run));
    tersor::dequantize_into(view, matrix, threads);
}

/// Cuts `count` codes that lie in runs of `from` anew into runs of `to`, each of which starts on a byte.
template <class Format>
[[nodiscard]] std::vector<std::uint8_t> recut_runs(std::vector<std::uint8_t> codes, std::size_t from, std::size_t to,
                                                   std::size_t count) {
    const auto is_seamless = [](std::size_t run) { return run * Format::bits % 8 == 0; };
    if (from == to || (is_seamless(from) && is_seamless(to))) {
        return codes;
    }
    const std::size_t from_bytes = tersor::packed_bytes(from, Format::bits);
    const std::size_t to_bytes = tersor::packed_bytes(to, Format::bits);
    std::vector<tersor::code_t<Format>> all(count);
    for (std::size_t i = 0; i < count / from; ++i) {
        tersor::unpack(Format{}, codes.data() + i * from_bytes, std::span(all).subspan(i * from, from));
    }
    codes.assign(count / to * to_bytes, 0);
    for (std::size_t i = 0; i < count / to; ++i) {
        const std::span<const tersor::code_t<Format>> run(all.data() + i * to, to);
        tersor::pack(Format{}, run, codes.data() + i * to_bytes);
    }
    return codes;
}

} // namespace cli

#endif // TERSOR_EXAMPLES_CLI_RUNS_HPP
