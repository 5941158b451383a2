#ifndef TERSOR_EXAMPLES_CLI_HQQ_RUNS_HPP
#define TERSOR_EXAMPLES_CLI_HQQ_RUNS_HPP

// HQQ for runs of a length that is known only at run time: each run is a row of a matrix.

#include "runs.hpp"

#include "tersor/solvers/hqq.hpp"

#include <utility>

namespace cli {

template <class Quantizer>
[[nodiscard]] coded_runs<Quantizer> search_runs(std::span<const float> values, std::size_t run, bool is_reference,
                                                const tersor::execution& threads) {
    const Eigen::Map<const row_major> matrix(values.data(), static_cast<Eigen::Index>(values.size() / run),
                                             static_cast<Eigen::Index>(run));
    tersor::hqq_options options;
    options.mode = is_reference ? tersor::quantize_mode::reference : tersor::quantize_mode::best;
    options.error = tersor::hqq_error::absolute;
    options.execution = threads;
    auto [codes, parameters] = tersor::hqq<tersor::per_channel<Quantizer>>(matrix, options).weights.release();
    return {std::move(codes), std::move(parameters)};
}

} // namespace cli

#endif // TERSOR_EXAMPLES_CLI_HQQ_RUNS_HPP
