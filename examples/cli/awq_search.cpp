// AWQ's search for the formats and groups that its checkpoints have.

#include "scaling.hpp"

#include "tersor/formats/integer.hpp"
#include "tersor/quantizers/absmax.hpp"
#include "tersor/quantizers/blockwise.hpp"
#include "tersor/quantizers/per_channel.hpp"
#include "tersor/quantizers/zero_point.hpp"
#include "tersor/solvers/awq.hpp"

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

} // namespace cli
