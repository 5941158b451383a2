#include "tersor/io/gguf_tensor_values.hpp"

#include "tersor/io/gguf.hpp"
#include "tests/io/gguf_bytes.hpp"
#include "tests/io/golden_gguf.hpp"
#include "tests/common/errors.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace {

using tersor::gguf_file;
using tersor::gguf_type;

/// A file with one tensor "x" of these values, and the file's bytes.
struct one_tensor {
    template <class T>
    one_tensor(const std::vector<T>& values, std::uint64_t rows, std::uint32_t alignment = 32)
        : bytes(gguf_bytes()
                    .header(1, 1)
                    .alignment(alignment)
                    .tensor("x", {values.size() / rows, rows}, static_cast<std::uint32_t>(tersor::gguf_type_of<T>()), 0)
                    .pad(alignment)
                    .raw({reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)})
                    .pad(alignment)),
          file(gguf_file::from_bytes(as_byte_span(bytes))) {}
    one_tensor(const one_tensor&) = delete;
    [[nodiscard]] const tersor::gguf_tensor& tensor() const { return file.tensors()[0]; }

    std::string bytes;
    gguf_file file;
};

TEST(GgufTensorValues, AreWhatGgmlDecodes) {
    const auto file = gguf_file::open(golden::tiny_gguf());
    const golden::file values(golden::tiny_values);
    for (const std::string_view name : {"a.f32", "b.f16", "c.bf16"}) {
        EXPECT_EQ(tersor::read_floats(file.tensor(name)), values.tensor<float>("y." + std::string(name)));
        EXPECT_EQ(file.tensor(name).shape(), values.shape("y." + std::string(name)));
    }
}

TEST(GgufTensorValues, EveryPlainTypeDecodes) {
    EXPECT_EQ(tersor::read_floats(one_tensor(std::vector<std::int8_t>{-128, 127, 0}, 1).tensor()),
              (std::vector<float>{-128, 127, 0}));
    EXPECT_EQ(tersor::read_floats(one_tensor(std::vector<std::int16_t>{-32768, 5}, 1).tensor()),
              (std::vector<float>{-32768, 5}));
    EXPECT_EQ(tersor::read_floats(one_tensor(std::vector<std::int32_t>{16777217, -7}, 1).tensor()),
              (std::vector<float>{16777216, -7}));
    EXPECT_EQ(tersor::read_floats(one_tensor(std::vector<std::int64_t>{INT64_MIN, 3}, 1).tensor()),
              (std::vector<float>{-0x1p63f, 3}));
    EXPECT_EQ(tersor::read_floats(one_tensor(std::vector<double>{0.1, 1e300}, 1).tensor()),
              (std::vector<float>{0.1f, std::numeric_limits<float>::infinity()}));
    EXPECT_EQ(tersor::read_floats(one_tensor(std::vector<float>{0.1f}, 1).tensor()), (std::vector<float>{0.1f}));
    EXPECT_EQ(tersor::read_floats(one_tensor(std::vector<Eigen::half>{Eigen::half(0.5f)}, 1).tensor()),
              (std::vector<float>{0.5f}));
    EXPECT_EQ(tersor::read_floats(one_tensor(std::vector<Eigen::bfloat16>{Eigen::bfloat16(-3.0f)}, 1).tensor()),
              (std::vector<float>{-3.0f}));
}

TEST(GgufTensorValues, RowsCanBeReadOneByOne) {
    const one_tensor six(std::vector<std::int16_t>{1, 2, 3, 4, 5, 6}, 2);
    std::vector<float> row(3);
    tersor::read_floats(six.tensor(), 3, row);
    EXPECT_EQ(row, (std::vector<float>{4, 5, 6}));
    tersor::read_floats(six.tensor(), 6, std::span<float>());
    expect_error(
        tersor::error_code::shape_mismatch, [&] { tersor::read_floats(six.tensor(), 4, row); },
        "has 6 values; 3 from value 4 were asked for");
    expect_error(
        tersor::error_code::shape_mismatch, [&] { tersor::read_floats(six.tensor(), -1, row); }, "3 from value -1");
    expect_error(
        tersor::error_code::shape_mismatch, [&] { tersor::read_floats(six.tensor(), row); },
        "has 6 values, the destination 3");
}

TEST(GgufTensorValues, BlocksAreReadWhole) {
    const auto file = gguf_file::open(golden::tiny_gguf());
    std::vector<float> some(32);
    expect_error(
        tersor::error_code::shape_mismatch, [&] { tersor::read_floats(file.tensor("d.q4_0"), 16, some); },
        "is q4_0 in blocks of 32 values; 32 from value 16 were asked for");
    expect_error(
        tersor::error_code::shape_mismatch,
        [&] { tersor::read_floats(file.tensor("d.q4_0"), 0, std::span(some).first(31)); }, "31 from value 0");
}

TEST(GgufTensorValues, StoredValuesAreCopiedAtAnyAddress) {
    const std::vector<double> values = {0.5, -1.25, 3.0};
    const one_tensor unaligned(values, 1, 1);
    EXPECT_EQ(tersor::read_values<double>(unaligned.tensor()), values);
    EXPECT_EQ(tersor::read_floats(unaligned.tensor()), (std::vector<float>{0.5f, -1.25f, 3.0f}));
    expect_error(
        tersor::error_code::invalid_argument,
        [&] { static_cast<void>(tersor::read_values<float>(unaligned.tensor())); }, "tensor 'x' is f64, not f32");
}

TEST(GgufTensorValues, MatricesAreSeenInPlace) {
    const auto file = gguf_file::open(golden::tiny_gguf());
    const auto& tensor = file.tensor("a.f32");
    ASSERT_TRUE(tersor::can_map<float>(tensor));
    const auto matrix = tersor::map_matrix<float>(tensor);
    EXPECT_EQ(matrix.rows(), 3);
    EXPECT_EQ(matrix.cols(), 7);
    EXPECT_EQ(static_cast<const void*>(matrix.data()), static_cast<const void*>(tensor.data.data()));
    EXPECT_EQ(matrix(2, 6), tersor::read_floats(tensor)[20]);
    EXPECT_EQ(tersor::map_matrix<Eigen::half>(file.tensor("b.f16")).cols(), 33);
    const auto stacked = tersor::map_matrix<Eigen::bfloat16>(file.tensor("c.bf16"));
    EXPECT_EQ(stacked.rows(), 6);
    EXPECT_EQ(stacked.cols(), 16);
    EXPECT_FALSE(tersor::can_map<double>(tensor));
    expect_error(
        tersor::error_code::invalid_argument, [&] { static_cast<void>(tersor::map_matrix<double>(tensor)); },
        "tensor 'a.f32' is f32, not f64");
}

TEST(GgufTensorValues, UnalignedMatricesAreNotSeenInPlace) {
    // at two neighbouring addresses a double cannot be aligned
    std::string bytes = gguf_bytes().header(1, 1).alignment(1).tensor("x", {1}, 28, 0).data(8, 1);
    bytes.reserve(bytes.size() + 8);
    std::vector<std::byte> space(bytes.size() + 8);
    std::size_t mapped = 0;
    for (std::size_t shift = 0; shift < 8; ++shift) {
        std::memcpy(space.data() + shift, bytes.data(), bytes.size());
        const auto file = gguf_file::from_bytes(std::span(space).subspan(shift, bytes.size()));
        if (tersor::can_map<double>(file.tensors()[0])) {
            ++mapped;
        } else {
            expect_error(
                tersor::error_code::unsupported,
                [&] { static_cast<void>(tersor::map_matrix<double>(file.tensors()[0])); },
                "is not aligned for its type; copy it");
        }
    }
    EXPECT_EQ(mapped, 8 / alignof(double));
}

} // namespace
