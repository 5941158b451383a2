#ifndef TERSOR_EXAMPLES_CLI_RUNS_HPP
#define TERSOR_EXAMPLES_CLI_RUNS_HPP

// Groups of a size that is known only at run time: a tensor whose rows are whole groups is a matrix with one group per
// row, so that one instance of `quantize` per format serves every group size.

#include "spec.hpp"

#include "tersor/calibrators/weight_ranges.hpp"
#include "tersor/core/execution.hpp"
#include "tersor/core/quantized_tensor.hpp"
#include "tersor/formats/packing.hpp"
#include "tersor/quantizers/codec.hpp"
#include "tersor/quantizers/dequantize.hpp"
#include "tersor/quantizers/per_channel.hpp"
#include "tersor/quantizers/quantize.hpp"

#include <Eigen/Core>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace cli {

using row_major = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// Whether the range of a run is looked for before its values are quantized.
[[nodiscard]] inline bool has_own_range(const calibrator& range) noexcept {
    return range.how == calibrator::method::percentile || range.how == calibrator::method::kl;
}

/// That range, for a quantizer. Runs that are too short to have a distribution of their own share one.
template <class Quantizer>
class range_of_run {
public:
    range_of_run(std::span<const float> all, std::size_t run, const calibrator& range) : range_(range) {
        constexpr std::size_t enough = 2048;
        if (range.how == calibrator::method::kl && run < enough && run < all.size()) {
            shares_ = tersor::kl_range_of_groups<Quantizer>(all, run);
        }
    }
    [[nodiscard]] tersor::clipping_range operator()(std::span<const float> values) const {
        return shares_ ? tersor::scaled_range<Quantizer>(values, *shares_)
               : range_.how == calibrator::method::kl ? tersor::kl_range<Quantizer>(values)
                                                      : tersor::percentile_range<Quantizer>(values, range_.percent);
    }

private:
    const calibrator& range_;
    std::optional<tersor::clipping_range> shares_;
};

/// The values with those of each run of `run` values, of which the last may be shorter, cut to its range; empty if the
/// calibrator looks for none.
template <class Quantizer>
[[nodiscard]] std::vector<float> clip(std::span<const float> values, std::size_t run, const calibrator& range,
                                      const tersor::execution& threads) {
    if (!has_own_range(range) || values.empty()) {
        return {};
    }
    std::vector<float> result(values.begin(), values.end());
    const range_of_run<Quantizer> find(values, run, range);
    threads.for_each(static_cast<tersor::index>((values.size() - 1) / run + 1), [&](tersor::index i) {
        const std::size_t first = static_cast<std::size_t>(i) * run;
        const std::span part = std::span(result).subspan(first, std::min(run, values.size() - first));
        const tersor::clipping_range found = find(part);
        for (float& x : part) {
            x = std::clamp(x, found.lo, found.hi);
        }
    });
    return result;
}

/// Codes and parameters of runs; the codes of each run start on a byte.
template <class Quantizer>
struct coded_runs {
    std::vector<std::uint8_t> codes;
    std::vector<typename Quantizer::parameters> parameters;
};

[[nodiscard]] inline tersor::quantize_options options_of(const calibrator& range, const tersor::execution& threads) {
    tersor::quantize_options options;
    options.least_squares = range.how == calibrator::method::mse;
    options.execution = threads;
    return options;
}

/// Quantizes a whole number of runs, each under its own range.
template <class Quantizer>
[[nodiscard]] coded_runs<Quantizer> quantize_ranged_runs(std::span<const float> values, std::size_t run,
                                                         const calibrator& range, const tersor::execution& threads) {
    const std::size_t count = values.size() / run;
    const std::size_t bytes = tersor::packed_bytes(run, Quantizer::format::bits);
    coded_runs<Quantizer> coded;
    coded.codes.resize(count * bytes);
    coded.parameters.resize(count);
    const range_of_run<Quantizer> find(values, run, range);
    threads.for_each(static_cast<tersor::index>(count), [&](tersor::index i) {
        const auto at = static_cast<std::size_t>(i);
        const std::span<const float> part = values.subspan(at * run, run);
        const tersor::clipping_range found = find(part);
        const Quantizer q{};
        coded.parameters[at] = q.from_range(found.lo, found.hi);
        thread_local std::vector<std::uint8_t> codes;
        codes.resize(run);
        static_cast<void>(
            tersor::codec<Quantizer>::encode(q, part.data(), run, run, &coded.parameters[at], codes.data()));
        tersor::codec<Quantizer>::pack(q, codes.data(), run, coded.codes.data() + at * bytes);
    });
    return coded;
}

/// Quantizes a whole number of runs.
template <class Quantizer>
[[nodiscard]] coded_runs<Quantizer> quantize_runs(std::span<const float> values, std::size_t run,
                                                  const calibrator& range, const tersor::execution& threads) {
    if (has_own_range(range)) {
        return quantize_ranged_runs<Quantizer>(values, run, range, threads);
    }
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
