#include "tersor/metrics/memory_footprint.hpp"

#include "tersor/formats/half.hpp"
#include "tersor/quantizers/aliases.hpp"
#include "tersor/quantizers/compressed_tensors.hpp"
#include "tersor/quantizers/modelopt.hpp"
#include "tersor/quantizers/mx.hpp"
#include "tersor/quantizers/nvfp4.hpp"
#include "tersor/quantizers/quantize.hpp"

#include "tests/common/errors.hpp"

#include <Eigen/Core>
#include <gtest/gtest.h>

#include <limits>

using namespace tersor;

namespace {

constexpr std::size_t billion = 1'000'000'000;

TEST(MemoryFootprint, SeventyBillionParametersTake280GbAt32Bits) {
    EXPECT_EQ(memory_footprint(70 * billion, 32).total(), 280 * billion);
    EXPECT_EQ(byte_text(memory_footprint(70 * billion, 32).total()), "280.0 GB");
    EXPECT_EQ(byte_text(memory_footprint(70 * billion, 16).total()), "140.0 GB");
    EXPECT_EQ(byte_text(memory_footprint(70 * billion, 4).total()), "35.0 GB");
    EXPECT_EQ(memory_footprint(70 * billion, 4).bits_per_weight(), 4.0);
}

TEST(MemoryFootprint, ScalesOfNf4AreCounted) {
    const footprint plain = memory_footprint<nf4_blockwise<64>>(70'000, 1'000'000);
    EXPECT_EQ(plain.codes, 35 * billion);
    EXPECT_EQ(plain.parameters, 70 * billion / 64 * 4);
    EXPECT_EQ(plain.bits_per_weight(), 4.5);
    EXPECT_EQ(to_string(plain), "39.4 GB (35.0 GB codes + 4.4 GB parameters), 4.500 bits per weight");

    const footprint nested = memory_footprint<nf4_double_quant<64>>(70'000, 1'000'000);
    const std::size_t scales = 70 * billion / 64;
    EXPECT_EQ(nested.parameters, scales + (scales + 255) / 256 * 4 + 4);
    EXPECT_NEAR(nested.bits_per_weight(), 4.0 + 8.0 / 64 + 32.0 / (64 * 256), 1e-9);
    EXPECT_EQ(to_string(nested), "36.1 GB (35.0 GB codes + 1.1 GB parameters), 4.127 bits per weight");
    EXPECT_EQ(to_string(memory_footprint(70 * billion, 16)), "140.0 GB, 16.000 bits per weight");
}

// A scale of 12 bits: parameters need not fill bytes.
struct narrow_scale : blockwise<absmax<int4>, 32> {
    static constexpr int parameter_bits = 12;
};

template <class Q>
class MemoryFootprintOf : public testing::Test {};
using quantizers =
    testing::Types<absmax<int8>, int8_per_channel, int4_blockwise<32>, blockwise<absmax<int3>, 7>,
                   blockwise<absmax<int6, Eigen::half>, 64>, uint8_per_tensor, uint4_blockwise<128>,
                   blockwise<zero_point<int5, Eigen::bfloat16>, 64>, nf4_blockwise<64>, nf4_double_quant<64>,
                   per_channel<double_quant<absmax<nf4>, 16>>, dynamic8_blockwise<256>, mxfp4, mxfp6, mxfp8, nvfp4,
                   nvfp4_single, modelopt_nvfp4, blockwise<compressed_tensors_zero_point<int4>, 32>, narrow_scale>;
TYPED_TEST_SUITE(MemoryFootprintOf, quantizers);

TYPED_TEST(MemoryFootprintOf, AgreesWithTheBytesOfQuantizedTensors) {
    for (const auto& [rows, cols] : {std::pair{1, 1}, {1, 4096}, {5, 64}, {37, 200}, {300, 65}, {3, 0}, {0, 3}}) {
        const auto q = quantize<TypeParam>(Eigen::MatrixXf::Random(rows, cols).eval());
        const footprint expected = memory_footprint(q);
        EXPECT_EQ(memory_footprint<TypeParam>(rows, cols), expected) << rows << " x " << cols;
        EXPECT_EQ(expected.total(), q.bytes());
        EXPECT_EQ(expected.bits_per_weight(), q.bits_per_weight()) << rows << " x " << cols;
    }
}

TEST(MemoryFootprint, FootprintsAdd) {
    footprint sum = memory_footprint(10, 8);
    sum += memory_footprint<int8_per_channel>(2, 10);
    EXPECT_EQ(sum, (footprint{30, 30, 8}));
    EXPECT_EQ(footprint{}.bits_per_weight(), 0.0);
}

TEST(MemoryFootprint, BytesAreNamedInDecimalUnits) {
    EXPECT_EQ(byte_text(0), "0 B");
    EXPECT_EQ(byte_text(999), "999 B");
    EXPECT_EQ(byte_text(1000), "1.0 kB");
    EXPECT_EQ(byte_text(1049), "1.0 kB");
    EXPECT_EQ(byte_text(1050), "1.1 kB");
    EXPECT_EQ(byte_text(999'949), "999.9 kB");
    EXPECT_EQ(byte_text(999'950), "1.0 MB");
    EXPECT_EQ(byte_text(std::numeric_limits<std::size_t>::max()), "18.4 EB");
}

TEST(MemoryFootprint, ImpossibleSizesAreRefused) {
    EXPECT_EQ(code_of_error([] { return memory_footprint(8, 0); }), error_code::invalid_argument);
    EXPECT_EQ(code_of_error([] { return memory_footprint(8, 65); }), error_code::invalid_argument);
    EXPECT_EQ(code_of_error([] { return memory_footprint(~std::size_t{0}, 9); }), error_code::invalid_argument);
    EXPECT_EQ(code_of_error([] { return memory_footprint<int8_per_channel>(-1, 4); }), error_code::invalid_argument);
    EXPECT_EQ(code_of_error(
                  [] { return memory_footprint<int8_per_channel>(std::ptrdiff_t{1} << 40, std::ptrdiff_t{1} << 40); }),
              error_code::invalid_argument);
    EXPECT_EQ(memory_footprint(~std::size_t{0}, 8).total(), ~std::size_t{0});
}

} // namespace
