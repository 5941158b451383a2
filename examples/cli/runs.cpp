#include "runs.hpp"

#include <cmath>

namespace cli {

std::vector<float> clip(std::span<const float> values, std::size_t run, const calibrator& range,
                        const tersor::execution& threads) {
    if (range.how != calibrator::method::percentile || values.empty()) {
        return {};
    }
    std::vector<float> result(values.begin(), values.end());
    const std::size_t runs = (values.size() - 1) / run + 1;
    threads.for_each(static_cast<tersor::index>(runs), [&](tersor::index i) {
        const std::size_t first = static_cast<std::size_t>(i) * run;
        const std::span part = std::span(result).subspan(first, std::min(run, values.size() - first));
        thread_local std::vector<float> magnitudes;
        magnitudes.resize(part.size());
        std::ranges::transform(part, magnitudes.begin(), [](float x) { return std::abs(x); });
        const double wanted = std::ceil(range.percent / 100.0 * static_cast<double>(part.size()));
        const std::size_t rank = std::clamp<std::size_t>(static_cast<std::size_t>(wanted), 1, part.size()) - 1;
        std::ranges::nth_element(magnitudes, magnitudes.begin() + static_cast<std::ptrdiff_t>(rank));
        const float bound = magnitudes[rank];
        for (float& x : part) {
            x = std::clamp(x, -bound, bound);
        }
    });
    return result;
}

} // namespace cli
