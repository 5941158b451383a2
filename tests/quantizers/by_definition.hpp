#ifndef TERSOR_TESTS_QUANTIZERS_BY_DEFINITION_HPP
#define TERSOR_TESTS_QUANTIZERS_BY_DEFINITION_HPP

// Quantization by the scalar members of a quantizer alone, and comparisons of long results.

#include "tersor/core/concepts.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

namespace by_definition {

/// What a quantizer makes of a tensor of rows of `columns` values; groups of `group` values run along a row.
template <tersor::quantizer Q>
struct coded {
    Q quantizer;
    std::size_t group;
    std::size_t columns;
    std::vector<typename Q::parameters> parameters;
    std::vector<tersor::code_of<Q>> codes;
};

inline float magnitude_of(std::span<const float> values) {
    float magnitude = 0.0f;
    for (const float x : values) {
        magnitude = std::max(magnitude, std::fabs(x));
    }
    return magnitude;
}

/// Calls function(first, size, is_ragged) for each group.
template <class Function>
void for_each_group(std::size_t count, std::size_t columns, std::size_t group, const Function& function) {
    for (std::size_t row = 0; row < count; row += columns) {
        for (std::size_t first = 0; first < columns; first += group) {
            const std::size_t size = std::min(group, columns - first);
            function(row + first, size, size < group);
        }
    }
}

template <tersor::quantizer Q>
coded<Q> quantize(Q q, const std::vector<float>& x, std::size_t columns, std::size_t group) {
    if constexpr (tersor::prepared_quantizer<Q>) {
        q = q.prepare(magnitude_of(x));
    }
    coded<Q> result{q, group, columns, {}, {}};
    for_each_group(x.size(), columns, group, [&](std::size_t first, std::size_t size, bool ragged) {
        const auto values = std::span(x).subspan(first, size);
        typename Q::parameters p = q.fit(values, {});
        bool done = false;
        if constexpr (requires { q.from_magnitude_ragged(1.0f); }) {
            if (ragged) {
                p = q.from_magnitude_ragged(magnitude_of(values));
                std::ranges::transform(values, std::back_inserter(result.codes),
                                       [&](float v) { return q.encode_ragged(v, p); });
                done = true;
            }
        }
        if (!done) {
            std::ranges::transform(values, std::back_inserter(result.codes), [&](float v) { return q.encode(v, p); });
        }
        result.parameters.push_back(p);
    });
    return result;
}

/// Groups as long as the quantizer says.
template <tersor::quantizer Q>
coded<Q> quantize(Q q, const std::vector<float>& x, std::size_t columns) {
    const std::size_t group = Q::group > 0
                                  ? static_cast<std::size_t>(Q::group)
                                  : std::max<std::size_t>(1, Q::group == tersor::whole_row ? columns : x.size());
    return quantize(q, x, Q::group == tersor::whole_tensor ? std::max<std::size_t>(1, x.size()) : columns, group);
}

/// The values of all codes; `parameters` is anything that gives those of group g by [g].
template <tersor::quantizer Q, class Parameters>
std::vector<float> dequantize(const coded<Q>& c, const Parameters& parameters) {
    std::vector<float> values(c.codes.size());
    std::size_t g = 0;
    for_each_group(values.size(), c.columns, c.group, [&](std::size_t first, std::size_t size, bool) {
        for (std::size_t i = first; i < first + size; ++i) {
            values[i] = c.quantizer.decode(c.codes[i], parameters[g]);
        }
        ++g;
    });
    return values;
}

template <tersor::quantizer Q>
std::vector<float> dequantize(const coded<Q>& c) {
    return dequantize(c, c.parameters);
}

/// Decoded values of a tensor in one group of its own length.
template <tersor::quantizer Q>
std::vector<float> round_trip(const Q& q, const std::vector<float>& x) {
    return dequantize(quantize(q, x, std::max<std::size_t>(1, x.size())));
}

} // namespace by_definition

/// Equal length and equal elements (NaN equal to NaN); the message names the first difference.
template <class A, class B>
testing::AssertionResult same(const std::vector<A>& actual, const std::vector<B>& expected) {
    if (actual.size() != expected.size()) {
        return testing::AssertionFailure() << actual.size() << " elements, expected " << expected.size();
    }
    std::size_t differing = 0;
    std::size_t first = 0;
    for (std::size_t i = actual.size(); i-- > 0;) {
        const bool both_nan = actual[i] != actual[i] && expected[i] != expected[i];
        if (!both_nan && !(actual[i] == expected[i])) {
            ++differing;
            first = i;
        }
    }
    if (differing == 0) {
        return testing::AssertionSuccess();
    }
    return testing::AssertionFailure() << differing << " of " << actual.size() << " differ, the first at " << first
                                       << ": " << +actual[first] << ", expected " << +expected[first];
}

/// How many floats lie between two finite floats.
inline std::int64_t ulps_between(float a, float b) {
    const auto position = [](float x) -> std::int64_t {
        const auto pattern = std::bit_cast<std::int32_t>(x);
        return pattern < 0 ? -static_cast<std::int64_t>(pattern & 0x7FFFFFFF) : pattern;
    };
    return std::abs(position(a) - position(b));
}

/// The part of "<case>.<rest>" before the first dot.
inline std::string case_of(const std::string& name) {
    return name.substr(0, name.find('.'));
}

/// The tensors of a file whose name ends with `ending`, without that ending.
inline std::vector<std::string> stems(const std::vector<std::string>& names, const std::string& ending) {
    std::vector<std::string> result;
    for (const std::string& name : names) {
        if (name.ends_with(ending)) {
            result.push_back(name.substr(0, name.size() - ending.size()));
        }
    }
    return result;
}

/// The number after ".b" in "<case>.b<block>", or `otherwise`.
inline std::size_t block_of(const std::string& stem, std::size_t otherwise) {
    const std::size_t place = stem.rfind(".b");
    return place == std::string::npos ? otherwise : std::stoul(stem.substr(place + 2));
}

/// The scales of {scale} parameters.
template <class Parameters>
std::vector<float> scales_of(const std::vector<Parameters>& parameters) {
    std::vector<float> scales;
    for (const Parameters& p : parameters) {
        scales.push_back(static_cast<float>(p.scale));
    }
    return scales;
}

#endif // TERSOR_TESTS_QUANTIZERS_BY_DEFINITION_HPP
