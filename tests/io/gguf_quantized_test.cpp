#include "tersor/io/gguf_quantized.hpp"

#include "tests/common/temporary_folder.hpp"

#include "tersor/quantizers/dequantize.hpp"
#include "tersor/quantizers/quantize.hpp"

#include <Eigen/Core>
#include <gtest/gtest.h>

using namespace tersor;

namespace {

using row_major = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

class GgufQuantized : public testing::Test {
protected:
    temporary_folder folder;
    std::string path = folder / "model.gguf";
    row_major weights = row_major::Random(3, 512);
};

} // namespace

TEST_F(GgufQuantized, EveryTypeSurvivesAFile) {
    [&]<class... Quantizers>(gguf::quantizer_list<Quantizers...>) {
        gguf_metadata metadata;
        std::vector<gguf_declaration> declared;
        const auto tensors = std::tuple(quantize<Quantizers>(weights, {.mode = quantize_mode::fast})...);
        (declared.push_back(declare(Quantizers::name, std::get<quantized_tensor<Quantizers>>(tensors))), ...);
        gguf_writer writer(path, gguf_layout(declared, metadata));
        (append(writer, Quantizers::name, std::get<quantized_tensor<Quantizers>>(tensors)), ...);
        writer.commit();
        const gguf_file file = gguf_file::open(path);
        const auto check = [&]<class Quantizer>() {
            const auto& expected = std::get<quantized_tensor<Quantizer>>(tensors);
            const gguf_tensor& tensor = file.tensor(Quantizer::name);
            const auto mapped = map_quantized<Quantizer>(tensor);
            EXPECT_TRUE(mapped == view(expected)) << Quantizer::name;
            EXPECT_EQ(mapped.codes().data(), reinterpret_cast<const std::uint8_t*>(tensor.data.data()));
            const std::vector<float> values = dequantize(tensor);
            const row_major back = dequantize(expected);
            EXPECT_TRUE(std::equal(values.begin(), values.end(), back.data(), back.data() + back.size()))
                << Quantizer::name;
        };
        (check.template operator()<Quantizers>(), ...);
    }
    (gguf::all_quantizers{});
}

TEST_F(GgufQuantized, PlainTypesAreReadToo) {
    gguf_metadata metadata;
    gguf_writer writer(path, gguf_layout({{"x", gguf_type::f32, {512, 3}}}, metadata));
    writer.append("x", std::span<const float>(weights.data(), 1536));
    writer.commit();
    const gguf_file file = gguf_file::open(path);
    EXPECT_EQ(dequantize(file.tensor("x")), std::vector<float>(weights.data(), weights.data() + 1536));
}

TEST_F(GgufQuantized, AnotherTypeOrAxisIsRefused) {
    const auto q = quantize<gguf::q8_0>(weights, {.mode = quantize_mode::fast});
    gguf_metadata metadata;
    gguf_writer writer(path, gguf_layout({declare("w", q)}, metadata));
    append(writer, "w", q);
    writer.commit();
    const gguf_file file = gguf_file::open(path);
    const auto code_of = [](auto&& work) {
        try {
            work();
        } catch (const error& e) {
            return e.code();
        }
        return error_code::io;
    };
    EXPECT_EQ(code_of([&] { (void)map_quantized<gguf::q4_0>(file.tensor("w")); }), error_code::invalid_argument);
    const auto columns = quantize<gguf::q8_0>(row_major::Random(32, 2).eval(), {.axis = 0});
    EXPECT_EQ(code_of([&] { (void)declare("w", columns); }), error_code::invalid_argument);
}
