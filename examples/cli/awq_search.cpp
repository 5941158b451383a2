// AWQ's search for the formats and groups that its checkpoints have, and its search of bounds for any others.

#include "scaling.hpp"

#include "tersor/formats/integer.hpp"
#include "tersor/quantizers/absmax.hpp"
#include "tersor/quantizers/blockwise.hpp"
#include "tersor/quantizers/per_channel.hpp"
#include "tersor/quantizers/zero_point.hpp"
#include "tersor/core/exact.hpp"
#include "tersor/linalg/multiply.hpp"
#include "tersor/solvers/awq.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace cli {

namespace {

template <class Quantizer>
std::optional<tersor::awq_report> search(tersor::index group, const std::vector<float_matrix>& weights,
                                         const tersor::channel_statistics& magnitudes, const tersor::hessian& h,
                                         const tersor::awq_options& options) {
    switch (group) {
    case 128:
        return tersor::awq_shared<tersor::blockwise<Quantizer, 128>>(weights, magnitudes, h, options);
    case 64:
        return tersor::awq_shared<tersor::blockwise<Quantizer, 64>>(weights, magnitudes, h, options);
    default:
        return {};
    }
}

} // namespace

std::optional<tersor::awq_report> search_awq(const spec& s, const std::vector<float_matrix>& weights,
                                             const tersor::channel_statistics& magnitudes, const tersor::hessian& h,
                                             const tersor::awq_options& options) {
    if (s.range != calibrator{} || s.format->bits != 4) {
        return {};
    }
    if (s.format->family == family::zero_point) {
        return search<tersor::zero_point<tersor::uint4>>(s.group, weights, magnitudes, h, options);
    }
    if (s.format->family == family::absmax) {
        return search<tersor::absmax<tersor::int4>>(s.group, weights, magnitudes, h, options);
    }
    return {};
}

void search_clip(const float_matrix& weights, const std::vector<float>& scales, tersor::index group,
                 const float_matrix& h, const std::function<void(std::span<const float>, std::span<float>)>& round,
                 const tersor::execution& exec, weight_scaling& found) {
    constexpr int steps = 10;
    const tersor::index rows = weights.rows(), cols = weights.cols(), groups = (cols - 1) / group + 1;
    float_matrix scaled(rows, cols), clipped(rows, cols), rounded(rows, cols), largest(rows, groups);
    for (tersor::index r = 0; r < rows; ++r) {
        for (tersor::index j = 0; j < cols; ++j) {
            scaled(r, j) = weights(r, j) * scales[static_cast<std::size_t>(j)];
        }
        for (tersor::index g = 0; g < groups; ++g) {
            largest(r, g) = scaled.row(r).segment(g * group, std::min(group, cols - g * group)).cwiseAbs().maxCoeff();
        }
    }
    float_matrix upper = largest;
    Eigen::MatrixXd least = Eigen::MatrixXd::Constant(rows, groups, std::numeric_limits<double>::infinity());
    for (int i = 0; i < steps; ++i) {
        const auto share = static_cast<float>(1.0 - i / 20.0);
        for (tersor::index r = 0; r < rows; ++r) {
            for (tersor::index j = 0; j < cols; ++j) {
                const float bound = largest(r, j / group) * share;
                clipped(r, j) = std::clamp(scaled(r, j), -bound, bound);
            }
        }
        const auto size = static_cast<std::size_t>(rows * cols);
        round({clipped.data(), size}, {rounded.data(), size});
        exec.for_each(groups, [&](tersor::index g) {
            const tersor::index start = g * group, length = std::min(group, cols - start);
            float_matrix d(rows, length), dh = float_matrix::Zero(rows, length);
            for (tersor::index r = 0; r < rows; ++r) {
                for (tersor::index j = 0; j < length; ++j) {
                    d(r, j) = (rounded(r, start + j) - scaled(r, start + j)) /
                              scales[static_cast<std::size_t>(start + j)];
                }
            }
            tersor::linalg::multiply_add<float>(tersor::linalg::view(dh), tersor::linalg::view(std::as_const(d)),
                                                tersor::linalg::view(h).block(start, start, length, length));
            for (tersor::index r = 0; r < rows; ++r) {
                double error = 0.0;
                for (tersor::index j = 0; j < length; ++j) {
                    error += tersor::exact::product(static_cast<double>(d(r, j)), static_cast<double>(dh(r, j)));
                }
                if (error < least(r, g)) {
                    least(r, g) = error;
                    upper(r, g) = largest(r, g) * share;
                }
            }
        });
    }
    const tersor::index before = found.upper.rows();
    found.upper.conservativeResize(before + rows, groups);
    found.upper.bottomRows(rows) = upper;
    found.lower = -found.upper;
    found.group = group;
}

} // namespace cli
