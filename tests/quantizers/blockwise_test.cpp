#include "tersor/quantizers/blockwise.hpp"

#include "tersor/quantizers/aliases.hpp"
#include "tersor/quantizers/per_channel.hpp"
#include "tests/quantizers/by_definition.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

using namespace tersor;

namespace {

// A quantizer of a user's own, as small as one can be: the value's sign times the group's first magnitude.
struct sign_of_first {
    using format = int2;
    static constexpr tersor::index group = whole_tensor;
    struct parameters {
        float magnitude;
    };
    parameters fit(std::span<const float> values, std::span<const float>) const { return {std::fabs(values[0])}; }
    std::int8_t encode(float value, parameters) const { return value < 0.0f ? std::int8_t{-1} : std::int8_t{1}; }
    float decode(std::int8_t code, parameters p) const { return static_cast<float>(code) * p.magnitude; }
};

TEST(Blockwise, ChangesTheGroupAndNothingElse) {
    using inner = absmax<int8>;
    using blocks = blockwise<inner, 32>;
    static_assert(blocks::group == 32 && per_channel<inner>::group == whole_row && inner::group == whole_tensor);
    static_assert(std::is_same_v<blocks::parameters, inner::parameters> && std::is_same_v<blocks::format, int8>);
    static_assert(sizeof(blocks) == sizeof(inner));
    EXPECT_EQ(blocks{}.from_magnitude(2.0f), inner{}.from_magnitude(2.0f));
}

TEST(Blockwise, KeepsWhatTheInnerQuantizerIs) {
    static_assert(scaled_quantizer<nf4_blockwise<>> && range_quantizer<nf4_blockwise<>>);
    static_assert(affine_quantizer<uint4_blockwise<32>> && affine_quantizer<uint8_per_channel>);
    static_assert(scaled_quantizer<nf4_double_quant<>> && nf4_double_quant<>::group == 64);
    static_assert(std::is_same_v<parameter_array<nf4_double_quant<>>, nf4_double_quant<>::parameter_array>);
    EXPECT_EQ((nf4_blockwise<>{}), (nf4_blockwise<>{}));
}

TEST(Blockwise, TakesAUsersOwnQuantizer) {
    using blocks = blockwise<sign_of_first, 3>;
    static_assert(quantizer<blocks> && quantizer<per_channel<sign_of_first>>);
    const std::vector<float> x{2.0f, -3.0f, 4.0f, -5.0f, 6.0f, 7.0f, 8.0f};
    const auto decoded = by_definition::dequantize(by_definition::quantize(blocks{}, x, x.size()));
    EXPECT_EQ(decoded, (std::vector<float>{2.0f, -2.0f, 2.0f, -5.0f, 5.0f, 5.0f, 8.0f}));
}

TEST(Blockwise, SmallerBlocksNeverIncreaseTheError) {
    std::vector<float> x;
    for (int i = 0; i < 256; ++i) {
        x.push_back(std::sin(static_cast<float>(i)) * static_cast<float>(1 + i / 16));
    }
    const auto error = [&](auto q) {
        const auto decoded = by_definition::dequantize(by_definition::quantize(q, x, x.size()));
        double sum = 0.0;
        for (std::size_t i = 0; i < x.size(); ++i) {
            const double difference = static_cast<double>(decoded[i]) - static_cast<double>(x[i]);
            sum += difference * difference;
        }
        return sum;
    };
    EXPECT_LT(error(int8_blockwise<16>{}), error(int8_blockwise<128>{}));
    EXPECT_LT(error(int8_blockwise<128>{}), error(int8_per_tensor{}));
}

} // namespace
