#ifndef TERSOR_TESTS_QUANTIZERS_WHOLE_PATH_HPP
#define TERSOR_TESTS_QUANTIZERS_WHOLE_PATH_HPP

// `quantize` and `dequantize` against the scalar members of a quantizer, bit for bit, on every instruction set at hand.

#include "tersor/core/quantized_tensor.hpp"
#include "tersor/formats/packing.hpp"
#include "tersor/quantizers/dequantize.hpp"
#include "tersor/quantizers/quantize.hpp"
#include "tersor/simd/isa.hpp"
#include "tests/quantizers/by_definition.hpp"

#include <Eigen/Core>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

namespace whole_path {

using row_major = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// Runs a function once per instruction set of this machine, up to the one that was active.
template <class Function>
void on_each_isa(const Function& function) {
    const tersor::isa best = tersor::active_isa();
    for (const tersor::isa set : {tersor::isa::generic, tersor::isa::avx2, tersor::isa::avx512}) {
        if (set <= best) {
            SCOPED_TRACE(tersor::to_string(set));
            tersor::set_isa(set);
            function();
        }
    }
    tersor::set_isa(best);
}

/// The packed codes of rows of `columns` values.
template <tersor::quantizer Q>
std::vector<std::uint8_t> packed_rows(const std::vector<tersor::code_of<Q>>& codes, std::size_t columns) {
    const std::size_t bytes = tersor::packed_bytes(columns, Q::format::bits);
    std::vector<std::uint8_t> packed(codes.size() / columns * bytes);
    for (std::size_t row = 0; row < codes.size() / columns; ++row) {
        tersor::pack(typename Q::format{}, std::span(codes).subspan(row * columns, columns),
                     packed.data() + row * bytes);
    }
    return packed;
}

/// Parameters as a quantized tensor stores them.
template <tersor::quantizer Q>
tersor::parameter_array<Q> as_stored(const std::vector<typename Q::parameters>& parameters) {
    if constexpr (std::is_same_v<tersor::parameter_array<Q>, std::vector<typename Q::parameters>>) {
        return parameters;
    } else {
        return tersor::parameter_array<Q>(std::span<const typename Q::parameters>(parameters));
    }
}

inline std::vector<std::uint32_t> bits_of(const float* values, std::size_t count) {
    std::vector<std::uint32_t> bits(count);
    for (std::size_t i = 0; i < count; ++i) {
        bits[i] = std::bit_cast<std::uint32_t>(values[i]);
    }
    return bits;
}

/// Expects codes, parameters and decoded values of both ways to be the same bits.
template <tersor::quantizer Q>
void expect_definition(const std::vector<float>& x, std::size_t columns) {
    const auto c = by_definition::quantize(Q{}, x, columns);
    const auto stored = as_stored<Q>(c.parameters);
    const auto packed = packed_rows<Q>(c.codes, columns);
    const auto decoded = by_definition::dequantize(c, stored);
    const auto rows = static_cast<Eigen::Index>(x.size() / columns);
    const Eigen::Map<const row_major> matrix(x.data(), rows, static_cast<Eigen::Index>(columns));
    on_each_isa([&] {
        const auto q = tersor::quantize<Q>(matrix);
        EXPECT_TRUE(same(std::vector<std::uint8_t>(q.codes().begin(), q.codes().end()), packed));
        EXPECT_TRUE(q.parameters() == stored);
        EXPECT_TRUE(q.quantizer() == c.quantizer);
        const row_major values = tersor::dequantize(q);
        EXPECT_TRUE(same(bits_of(values.data(), x.size()), bits_of(decoded.data(), x.size())));
    });
}

/// Values that are hard for a rounding rule: ties, zeros of both signs, subnormals, large ones, several scales.
inline std::vector<float> hard_values(std::size_t count, float scale, bool is_signed) {
    std::vector<float> x(count);
    std::uint32_t state = 12345;
    for (std::size_t i = 0; i < count; ++i) {
        state = state * 1664525u + 1013904223u;
        const auto random = static_cast<float>(static_cast<std::int32_t>(state)) * 0x1p-31f;
        switch (state >> 28) {
        case 0:
            x[i] = 0.0f;
            break;
        case 1:
            x[i] = -0.0f;
            break;
        case 2:
            x[i] = scale * (std::round(random * 254.0f) / 254.0f);
            break;
        case 3:
            x[i] = scale * (std::round(random * 12.0f) / 12.0f);
            break;
        case 4:
            x[i] = scale * random * 1e-3f;
            break;
        case 5:
            x[i] = random * 1e-42f;
            break;
        default:
            x[i] = scale * random;
            break;
        }
        x[i] = is_signed ? x[i] : std::fabs(x[i]);
    }
    return x;
}

} // namespace whole_path

#endif // TERSOR_TESTS_QUANTIZERS_WHOLE_PATH_HPP
