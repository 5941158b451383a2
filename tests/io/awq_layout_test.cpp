#include "tersor/io/awq_layout.hpp"

#include "tersor/formats/half.hpp"
#include "tersor/io/awq_reader.hpp"
#include "tests/common/golden.hpp"
#include "tests/io/affine_weights.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace {

using namespace tersor;
using checkpoint::expect_error;
using checkpoint::tensors;
namespace awq_layout = tersor::awq_layout;

/// The recorded grid and codes, with scales in float.
affine_weight recorded_weight(const golden::file& file) {
    affine_weight w;
    w.codes = file.tensor<std::uint8_t>("gemm.codes");
    w.rows = static_cast<tersor::index>(file.shape("gemm.codes")[0]);
    w.cols = static_cast<tersor::index>(file.shape("gemm.codes")[1]);
    w.scales = file.tensor<float>("rtn.scales_f32");
    w.groups = static_cast<tersor::index>(file.shape("rtn.scales_f32")[1]);
    w.zeros = file.tensor<std::uint8_t>("rtn.zeros");
    w.group_index = tersor::detail::ordered_group_index(w.cols, w.cols / w.groups);
    return w;
}

tensors recorded_tensors(const golden::file& file) {
    tensors result;
    for (const std::string part : {"qweight", "qzeros", "scales"}) {
        result.add(file.opened().at("gemm." + part), "l." + part);
    }
    return result;
}

} // namespace

TEST(AwqLayout, WritesTheRecordedTensorsByteForByte) {
    const golden::file file("gptq/format_awq");
    const tensors expected = recorded_tensors(file);
    const tensors given = checkpoint::written_awq("l.weight", recorded_weight(file));
    ASSERT_EQ(given.all.size(), expected.all.size());
    for (const auto& [tensor, content] : expected.all) {
        EXPECT_TRUE(given.all.at(tensor) == content) << tensor;
    }
}

TEST(AwqLayout, ReadsTheRecordedTensors) {
    const golden::file file("gptq/format_awq");
    const checkpoint::opened opened(recorded_tensors(file));
    ASSERT_TRUE(awq_layout::has_form(opened.at("l.qweight"), opened.at("l.scales")));
    const awq_layout::stored_weight stored = awq_layout::find_weight(opened.at("l.qweight"), "file", opened.finder());
    affine_weight w = recorded_weight(file);
    for (float& scale : w.scales) {
        scale = fp16::decode(fp16::encode(scale));
    }
    EXPECT_EQ(stored.name, "l.weight");
    EXPECT_EQ(stored.shape, shape_of(w));
    EXPECT_TRUE(awq_layout::to_affine(stored) == w);
    std::vector<float> values(w.codes.size());
    awq_layout::decode(stored, std::span<float>(values), execution{});
    EXPECT_TRUE(checkpoint::same_floats(values, values_of(w)));
    if (file.has("gemm.dequant_f16")) {
        const auto expected = file.tensor<std::uint16_t>("gemm.dequant_f16"); // [cols x rows]
        std::size_t different = 0;
        for (tersor::index i = 0; i < w.rows * w.cols; ++i) {
            different += fp16::encode(values[static_cast<std::size_t>(i)]) !=
                         expected[static_cast<std::size_t>(i % w.cols * w.rows + i / w.cols)];
        }
        EXPECT_EQ(different, 0u);
    }
}

TEST(AwqLayout, GemvFastIsTheRecordedOneBothWays) {
    const golden::file file("gptq/format_awq");
    const affine_weight w = recorded_weight(file);
    const auto words = file.tensor<std::int16_t>("gemv_fast.qweight_i16");
    EXPECT_EQ(awq_layout::pack_gemv_fast(w.codes, w.rows, w.cols), words);
    EXPECT_EQ(awq_layout::unpack_gemv_fast(words, w.rows, w.cols), w.codes);
    expect_error(error_code::shape_mismatch, {"[6 x 64]", "384"},
                 [] { (void)awq_layout::pack_gemv_fast(std::vector<std::uint8_t>(384), 6, 64); });
    expect_error(error_code::shape_mismatch, {"[4 x 96]"},
                 [] { (void)awq_layout::unpack_gemv_fast(std::vector<std::int16_t>(96), 4, 96); });
    expect_error(error_code::shape_mismatch, {"[4 x 64]", "65"},
                 [] { (void)awq_layout::unpack_gemv_fast(std::vector<std::int16_t>(65), 4, 64); });
}

TEST(AwqLayout, AnyWeightSurvives) {
    for (const auto& [rows, cols, group] : {std::tuple{8, 1, 1}, {8, 96, 96}, {136, 160, 32}, {264, 70, 14}}) {
        const affine_weight w = checkpoint::any_affine(4, rows, cols, group, 5);
        const checkpoint::opened opened(checkpoint::written_awq("a.b.weight", w));
        const auto stored = awq_layout::find_weight(opened.at("a.b.qweight"), "file", opened.finder());
        EXPECT_TRUE(awq_layout::to_affine(stored) == w) << rows << " x " << cols;
        std::vector<float> values(w.codes.size());
        awq_layout::decode(stored, std::span<float>(values), execution{});
        EXPECT_TRUE(checkpoint::same_floats(values, values_of(w)));
    }
}

TEST(AwqLayout, SaysWhatItCannotHold) {
    const auto refuse = [](const std::string& name, const affine_weight& w,
                           std::initializer_list<std::string_view> words) {
        expect_error(error_code::unsupported, words, [&] { (void)awq_layout::declare(name, shape_of(w)); });
        expect_error(error_code::unsupported, words, [&] {
            tensors out;
            awq_layout::append(out, name, w);
        });
    };
    refuse("l.weight", checkpoint::any_affine(3, 32, 64, 32, 1), {"'l.weight'", "[32 x 64]", "4 bits, not 3"});
    refuse("l.weight", checkpoint::any_affine(4, 12, 64, 32, 1), {"12 output", "8"});
    refuse("l.weight", checkpoint::any_affine(4, 8, 80, 32, 1), {"80 input", "groups of 32"});
    refuse("l.weight", checkpoint::act_ordered(checkpoint::any_affine(4, 8, 64, 32, 1), 2), {"order of their groups"});
    refuse("bias", checkpoint::any_affine(4, 8, 64, 32, 1), {"PREFIX.weight"});
}
