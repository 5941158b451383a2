#include "tersor/io/safetensors_values.hpp"

#include "tersor/io/safetensors.hpp"
#include "tests/io/safetensors_bytes.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <vector>

namespace {

using tersor::safetensors_dtype;
using tersor::safetensors_file;

/// A file with one tensor `x`, kept together with its bytes. Spaces in the header shift the data.
struct sample {
    template <class T>
    sample(const std::string& dtype, const std::string& shape, const std::vector<T>& values, std::size_t shift = 0)
        : bytes(make(dtype, shape, {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)}, shift)) {
        file = safetensors_file::from_bytes(as_byte_span(bytes));
    }

    static std::string make(const std::string& dtype, const std::string& shape, const std::string& data,
                            std::size_t shift) {
        std::string header = "{\"x\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape + ",\"data_offsets\":[0," +
                             std::to_string(data.size()) + "]}}";
        header.append((8 - header.size() % 8) % 8 + shift, ' ');
        return safetensors_bytes(header, data);
    }

    [[nodiscard]] const tersor::safetensors_tensor& x() const { return file.at("x"); }

    std::string bytes;
    safetensors_file file;
};

TEST(SafetensorsValues, WidensHalvesExactly) {
    EXPECT_EQ(tersor::read_floats(sample("F16", "[3]", std::vector<std::uint16_t>{0x3C00, 0xC000, 0x0001}).x()),
              (std::vector<float>{1.0F, -2.0F, 0x1p-24F}));
    EXPECT_EQ(tersor::read_floats(sample("BF16", "[2]", std::vector<std::uint16_t>{0x3F80, 0xC040}).x()),
              (std::vector<float>{1.0F, -3.0F}));
}

TEST(SafetensorsValues, WidensEveryCodeFromAnyAddress) {
    std::vector<std::uint16_t> codes(65536);
    for (std::size_t i = 0; i < codes.size(); ++i) {
        codes[i] = static_cast<std::uint16_t>(i);
    }
    const auto bits = [](float value) { return std::bit_cast<std::uint32_t>(value); };
    for (const std::size_t shift : {0U, 1U}) {
        const auto halves = tersor::read_floats(sample("F16", "[65536]", codes, shift).x());
        const auto brains = tersor::read_floats(sample("BF16", "[65536]", codes, shift).x());
        for (std::size_t i = 0; i < codes.size(); ++i) {
            ASSERT_EQ(bits(halves[i]), bits(tersor::fp16::decode(codes[i]))) << i;
            ASSERT_EQ(bits(brains[i]), bits(tersor::bf16::decode(codes[i]))) << i;
        }
    }
}

TEST(SafetensorsValues, RoundsDoubles) {
    const sample s("F64", "[3]", std::vector<double>{0.1, 1e300, -1.5});
    EXPECT_EQ(tersor::read_floats(s.x()), (std::vector<float>{0.1F, std::numeric_limits<float>::infinity(), -1.5F}));
}

TEST(SafetensorsValues, ReadsFromAnyAddress) {
    const std::vector<float> values = {1.0F, -2.5F, 3.25F, 1e-40F};
    for (std::size_t shift = 0; shift < 8; ++shift) {
        const sample s("F32", "[2,2]", values, shift);
        EXPECT_EQ(tersor::read_floats(s.x()), values);
        EXPECT_EQ(tersor::read_values<float>(s.x()), values);
        EXPECT_EQ(tersor::can_map<float>(s.x()), shift % 4 == 0);
    }
}

TEST(SafetensorsValues, ReadsARange) {
    const sample s("BF16", "[4]", std::vector<std::uint16_t>{0x3F80, 0x4000, 0x4040, 0x4080});
    std::vector<float> two(2);
    tersor::read_floats(s.x(), 1, two);
    EXPECT_EQ(two, (std::vector<float>{2.0F, 3.0F}));
    tersor::read_floats(s.x(), 4, std::span<float>());
    EXPECT_THROW(tersor::read_floats(s.x(), 3, two), tersor::error);
    EXPECT_THROW(tersor::read_floats(s.x(), -1, two), tersor::error);
    EXPECT_THROW(tersor::read_floats(s.x(), 5, std::span<float>()), tersor::error);
    EXPECT_THROW(tersor::read_floats(s.x(), std::span<float>(two)), tersor::error) << "all or nothing";
}

TEST(SafetensorsValues, IntegersAreNotFloats) {
    const sample s("I32", "[1]", std::vector<std::int32_t>{7});
    EXPECT_THROW((void)tersor::read_floats(s.x()), tersor::error);
    EXPECT_EQ(tersor::read_values<std::int32_t>(s.x()), std::vector<std::int32_t>{7});
    EXPECT_THROW((void)tersor::read_values<std::uint32_t>(s.x()), tersor::error);
    EXPECT_THROW((void)tersor::read_values<float>(s.x()), tersor::error);
}

TEST(SafetensorsValues, MapsMatricesInPlace) {
    const sample s("F32", "[2,3]", std::vector<float>{1, 2, 3, 4, 5, 6});
    const auto m = tersor::map_matrix<float>(s.x());
    EXPECT_EQ(m.rows(), 2);
    EXPECT_EQ(m.cols(), 3);
    EXPECT_EQ(m(1, 0), 4.0F);
    EXPECT_EQ(static_cast<const void*>(m.data()), static_cast<const void*>(s.x().data.data()));
    const sample row("I16", "[3]", std::vector<std::int16_t>{7, 8, 9});
    EXPECT_EQ(tersor::map_matrix<std::int16_t>(row.x()).rows(), 1);
    EXPECT_EQ(tersor::map_matrix<std::int16_t>(row.x())(0, 2), 9);
    const sample half("F16", "[1,1]", std::vector<std::uint16_t>{0x3C00});
    EXPECT_EQ(static_cast<float>(tersor::map_matrix<Eigen::half>(half.x())(0, 0)), 1.0F);
}

TEST(SafetensorsValues, RefusesToMapWhatDoesNotFit) {
    const sample unaligned("F32", "[1,1]", std::vector<float>{1}, 1);
    EXPECT_THROW((void)tersor::map_matrix<float>(unaligned.x()), tersor::error);
    const sample cube("F32", "[1,1,1]", std::vector<float>{1});
    EXPECT_THROW((void)tersor::map_matrix<float>(cube.x()), tersor::error);
    const sample scalar("F32", "[]", std::vector<float>{1});
    EXPECT_THROW((void)tersor::map_matrix<float>(scalar.x()), tersor::error);
    EXPECT_EQ(tersor::read_floats(scalar.x()), std::vector<float>{1});
    EXPECT_THROW((void)tersor::map_matrix<std::int32_t>(unaligned.x()), tersor::error);
}

TEST(SafetensorsValues, EmptyTensorsHaveNoValues) {
    const sample s("F32", "[0,4]", std::vector<float>{});
    EXPECT_TRUE(tersor::read_floats(s.x()).empty());
    EXPECT_TRUE(tersor::read_values<float>(s.x()).empty());
    EXPECT_EQ(tersor::map_matrix<float>(s.x()).cols(), 4);
}

TEST(SafetensorsValues, KnowsTheTypesOfCpp) {
    EXPECT_EQ(tersor::safetensors_dtype_of<bool>(), safetensors_dtype::boolean);
    EXPECT_EQ(tersor::safetensors_dtype_of<std::uint8_t>(), safetensors_dtype::u8);
    EXPECT_EQ(tersor::safetensors_dtype_of<std::int8_t>(), safetensors_dtype::i8);
    EXPECT_EQ(tersor::safetensors_dtype_of<std::int16_t>(), safetensors_dtype::i16);
    EXPECT_EQ(tersor::safetensors_dtype_of<std::uint32_t>(), safetensors_dtype::u32);
    EXPECT_EQ(tersor::safetensors_dtype_of<std::int64_t>(), safetensors_dtype::i64);
    EXPECT_EQ(tersor::safetensors_dtype_of<unsigned long long>(), safetensors_dtype::u64);
    EXPECT_EQ(tersor::safetensors_dtype_of<double>(), safetensors_dtype::f64);
    EXPECT_EQ(tersor::safetensors_dtype_of<Eigen::bfloat16>(), safetensors_dtype::bf16);
}

} // namespace
