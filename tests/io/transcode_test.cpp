#include "tersor/io/transcode.hpp"

#include "tersor/io/awq_reader.hpp"
#include "tersor/io/gptq_load.hpp"
#include "tersor/io/transcode_bitsandbytes.hpp"
#include "tersor/io/transcode_gguf.hpp"
#include "tests/common/golden.hpp"
#include "tests/io/affine_weights.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

namespace {

using namespace tersor;
using checkpoint::any_affine;
using checkpoint::expect_error;
using checkpoint::symmetric;

/// What a file of the layout holds of a weight.
affine_weight through_file(const affine_target& target, const affine_weight& w) {
    const affine_shape shape = shape_of(w);
    const checkpoint::opened file(
        checkpoint::written_by([&] { return declare(target, "l.weight", shape); },
                               [&](checkpoint::tensors& out) { append(target, out, "l.weight", w, shape); }));
    if (target.layout == affine_layout::awq) {
        return to_affine(awq_layout::find_weight(file.at("l.qweight"), "file", file.finder()));
    }
    gptq_layout::config known;
    known.storage = tersor::detail::gptq_storage(target);
    known.sym = false;
    return to_affine(gptq_layout::find_weight(file.at("l.qweight"), "file", file.finder(), known));
}

template <class Weight>
void expect_lossless(const transcoded<Weight>& result) {
    EXPECT_EQ(result.verdict, transcode_verdict{});
}

} // namespace

TEST(Transcode, HalfScalesPassThroughEveryLayoutUnchanged) {
    const affine_weight w = any_affine(4, 32, 96, 32, 1);
    affine_weight now = w;
    for (const auto layout : {affine_layout::gptq, affine_layout::awq, affine_layout::gptq_v2, affine_layout::gptq_p,
                              affine_layout::awq, affine_layout::gptq}) {
        const affine_target target{layout};
        const auto result = transcode(now, target);
        expect_lossless(result);
        now = through_file(target, result.weight);
        EXPECT_TRUE(now == w) << to_string(layout);
    }
    expect_lossless(transcode(now, {affine_layout::compressed_tensors}));
}

TEST(Transcode, TheRecordedGridsArriveInTheOtherLayouts) {
    const golden::file file("gptq/format_awq");
    affine_weight w;
    w.codes = file.tensor<std::uint8_t>("gemm.codes");
    w.rows = static_cast<tersor::index>(file.shape("gemm.codes")[0]);
    w.cols = static_cast<tersor::index>(file.shape("gemm.codes")[1]);
    w.scales = file.tensor<float>("rtn.scales_f32");
    w.groups = static_cast<tersor::index>(file.shape("rtn.scales_f32")[1]);
    w.zeros = file.tensor<std::uint8_t>("rtn.zeros");
    w.group_index = tersor::detail::ordered_group_index(w.cols, w.cols / w.groups);
    const auto rounded = transcode(w, {affine_layout::awq});
    EXPECT_FALSE(rounded.verdict.lossless);
    // a half has 11 bits: no scale, and so no value, moves by more than 2^-11 of itself
    EXPECT_GT(rounded.verdict.relative_squared_error, 0.0);
    EXPECT_LE(rounded.verdict.relative_squared_error, 0x1p-22);
    expect_lossless(transcode(rounded.weight, {affine_layout::gptq}));
    expect_lossless(to_gguf<gguf::q5_0>(rounded.weight));
    expect_lossless(transcode(w, {affine_layout::compressed_tensors, safetensors_dtype::f32}));
}

TEST(Transcode, FewerBitsWidenAndGroupsAreCut) {
    const affine_weight three = symmetric(any_affine(3, 32, 96, 48, 2));
    const auto wide = transcode(three, {affine_layout::awq});
    expect_lossless(wide);
    EXPECT_EQ(wide.weight.bits, 4);
    EXPECT_TRUE(is_symmetric(wide.weight));
    EXPECT_TRUE(checkpoint::same_floats(values_of(wide.weight), values_of(three)));
    expect_lossless(transcode(any_affine(3, 32, 96, 48, 2), {affine_layout::awq}));
    affine_weight swapped = any_affine(4, 8, 128, 32, 3);
    swapped.group_index = tersor::detail::ordered_group_index(128, 32);
    std::rotate(swapped.group_index.begin(), swapped.group_index.begin() + 48, swapped.group_index.end());
    const auto cut = transcode(swapped, {affine_layout::awq});
    expect_lossless(cut);
    EXPECT_EQ(cut.weight.groups, 8);
    EXPECT_TRUE(is_in_order(cut.weight));
    expect_lossless(transcode(any_affine(1, 32, 96, 48, 2), {affine_layout::gptq}));
}

TEST(Transcode, SaysWhyALayoutCannotHoldAWeight) {
    const auto refuse = [](const affine_weight& w, affine_layout layout,
                           std::initializer_list<std::string_view> words) {
        expect_error(error_code::unsupported, words, [&] { (void)transcode(w, {layout}); });
    };
    refuse(any_affine(8, 8, 64, 32, 1), affine_layout::awq, {"awq", "[8 x 64]", "4 bits, not 8"});
    refuse(checkpoint::act_ordered(any_affine(4, 8, 64, 32, 1), 1), affine_layout::awq, {"order of their groups"});
    refuse(any_affine(4, 12, 64, 32, 1), affine_layout::gptq, {"gptq", "12 output"});
    affine_weight w = checkpoint::act_ordered(any_affine(4, 8, 64, 32, 1), 1);
    w.group_index[0] = 1 - w.group_index[0];
    refuse(w, affine_layout::compressed_tensors, {"compressed-tensors", "groups of 33"});
    w = any_affine(4, 8, 64, 32, 1);
    w.scales[5] = 1e9f;
    refuse(w, affine_layout::gptq, {"F16"});
    expect_error(error_code::invalid_argument, {"F64"}, [&] {
        (void)transcode(w, {affine_layout::gptq, safetensors_dtype::f64});
    });
}

TEST(Transcode, NamesOfLayouts) {
    EXPECT_EQ(find_affine_layout("gptq-v2"), affine_layout::gptq_v2);
    EXPECT_EQ(to_string(affine_layout::compressed_tensors), "compressed-tensors");
    EXPECT_FALSE(find_affine_layout("gguf").has_value());
}

TEST(TranscodeVerdict, MeasuresWhatScalesLose) {
    affine_weight before = any_affine(4, 1, 2, 2, 1);
    before.codes = {9, 6};
    before.zeros = {8};
    before.scales = {2.0f};
    affine_weight after = before;
    after.scales = {2.5f};
    const transcode_verdict verdict = compare_values(before, after);
    EXPECT_FALSE(verdict.lossless);
    EXPECT_EQ(verdict.max_error, 1.0);                              // -4 became -5
    EXPECT_EQ(verdict.relative_squared_error, (0.25 + 1.0) / 20.0); // of 4 + 16
    before.codes = {8, 8};
    EXPECT_TRUE(std::isinf(compare_values(before, after).relative_squared_error));
    after.rows = 2;
    expect_error(error_code::shape_mismatch, {"[1 x 2]", "[2 x 2]"}, [&] { (void)compare_values(before, after); });
}

TEST(TranscodeGguf, SymmetricGroupsBecomeEqualBlocks) {
    const affine_weight w = symmetric(any_affine(4, 3, 256, 128, 4));
    const auto blocks = to_gguf<gguf::q4_0>(w);
    expect_lossless(blocks);
    const affine_weight back = to_affine(blocks.weight);
    EXPECT_EQ(back.groups, 8);
    EXPECT_EQ(back.codes, w.codes);
    EXPECT_TRUE(checkpoint::same_floats(values_of(back), values_of(w)));
    expect_lossless(transcode(back, {affine_layout::compressed_tensors}));
}

TEST(TranscodeGguf, EveryTypeHoldsTheGridsThatItHas) {
    expect_lossless(to_gguf<gguf::q5_0>(any_affine(4, 4, 64, 32, 5)));
    expect_lossless(to_gguf<gguf::q5_0>(symmetric(any_affine(5, 4, 64, 64, 5))));
    expect_lossless(to_gguf<gguf::q8_0>(any_affine(7, 4, 64, 64, 5)));
    const auto bytes = to_gguf<gguf::q8_0>(symmetric(any_affine(8, 4, 64, 64, 5)));
    expect_lossless(bytes);
    EXPECT_TRUE(
        checkpoint::same_floats(values_of(to_affine(bytes.weight)), values_of(symmetric(any_affine(8, 4, 64, 64, 5)))));
    affine_weight seven = any_affine(4, 4, 64, 32, 6); // levels -7..8: turned
    std::fill(seven.zeros.begin(), seven.zeros.end(), std::uint8_t{7});
    std::fill(seven.codes.begin(), seven.codes.end(), std::uint8_t{15});
    expect_lossless(to_gguf<gguf::q4_0>(seven));
}

TEST(TranscodeGguf, AMinimumIsRounded) {
    affine_weight w = any_affine(4, 4, 64, 32, 7);
    for (float& scale : w.scales) {
        scale = std::ldexp(std::round(std::ldexp(scale, 6)) + 1.0f, -6); // few bits: zero * scale is a half
    }
    expect_lossless(to_gguf<gguf::q4_1>(w));
    expect_lossless(to_gguf<gguf::q5_1>(w));
    w = any_affine(5, 4, 64, 32, 7);
    const auto result = to_gguf<gguf::q5_1>(w);
    EXPECT_FALSE(result.verdict.lossless);
    // m = -zero * scale is at most 31 / 4, and half a step of a half there is 2^-9
    EXPECT_LE(result.verdict.max_error, 0x1p-9);
}

TEST(TranscodeGguf, TheSmallestTypeThatKeepsEveryValueIsFound) {
    const auto expect_type = [](const affine_weight& w, gguf_type type, bool is_lossless) {
        const auto result = to_smallest_gguf(w);
        EXPECT_EQ(result.weight.type, type) << to_string(result.weight.type);
        EXPECT_EQ(result.verdict.lossless, is_lossless);
    };
    const affine_weight symmetric_four = symmetric(any_affine(4, 4, 64, 32, 8));
    expect_type(symmetric_four, gguf_type::q4_0, true);
    const auto blocks = to_gguf<gguf::q4_0>(symmetric_four);
    EXPECT_TRUE(std::ranges::equal(to_smallest_gguf(symmetric_four).weight.bytes, blocks.weight.codes()));
    affine_weight odd = any_affine(4, 4, 64, 32, 8);
    std::fill(odd.scales.begin(), odd.scales.end(), 1023.0f / 4096.0f); // ten bits: times 13 more than a half has
    std::fill(odd.zeros.begin(), odd.zeros.end(), std::uint8_t{13});
    expect_type(odd, gguf_type::q5_0, true);
    std::fill(odd.scales.begin(), odd.scales.end(), 0.25f);
    expect_type(odd, gguf_type::q4_1, true);
    expect_type(any_affine(7, 4, 64, 32, 8), gguf_type::q8_0, true);
    std::fill(odd.scales.begin(), odd.scales.end(), 1.0f / 3.0f); // no half: the same error in q5_0 and q8_0
    expect_type(odd, gguf_type::q5_0, false);
    expect_error(error_code::unsupported, {"q8_0", "8 bits"},
                 [] { (void)to_smallest_gguf(any_affine(8, 4, 64, 32, 8)); });
    expect_error(error_code::unsupported, {"runs of 16"}, [] { (void)to_smallest_gguf(any_affine(4, 4, 64, 16, 8)); });
}

TEST(TranscodeGguf, SaysWhyATypeCannotHoldAWeight) {
    expect_error(error_code::unsupported, {"q4_0", "[4 x 64]", "4 bits", "runs of 16"},
                 [] { (void)to_gguf<gguf::q4_0>(any_affine(4, 4, 64, 16, 1)); });
    expect_error(error_code::unsupported, {"q4_0", "5 bits", "block 0 of row 0"},
                 [] { (void)to_gguf<gguf::q4_0>(symmetric(any_affine(5, 4, 64, 32, 1))); });
    expect_error(error_code::unsupported, {"q4_1", "block 0"},
                 [] { (void)to_gguf<gguf::q4_1>(any_affine(5, 4, 64, 32, 1)); });
    expect_error(error_code::unsupported, {"q8_0"}, [] { (void)to_gguf<gguf::q8_0>(any_affine(8, 4, 64, 32, 1)); });
    affine_weight w = any_affine(4, 4, 64, 32, 1);
    w.scales[0] = 7e4f;
    expect_error(error_code::unsupported, {"F16"}, [&] { (void)to_gguf<gguf::q4_1>(w); });
}

TEST(TranscodeBitsandbytes, RowsOfBytesBecomeLlmInt8) {
    const affine_weight w = symmetric(any_affine(8, 5, 40, 40, 1));
    const auto result = to_llm_int8(w);
    // three roundings of a float
    EXPECT_LE(result.verdict.max_error, 3 * 0x1p-24 * 128.0 * 0.25);
    EXPECT_EQ(result.weight.parameters()[2].largest, w.scales[2] * 127.0f);
    expect_error(error_code::unsupported, {"LLM.int8", "one scale a row, not 2"},
                 [] { (void)to_llm_int8(any_affine(8, 5, 40, 20, 1)); });
    affine_weight low = w;
    low.zeros[3] = 0;
    low.codes[3 * 40] = 200;
    expect_error(error_code::unsupported, {"row 3", "level 200"}, [&] { (void)to_llm_int8(low); });
}

TEST(TranscodeBitsandbytes, SmallGridsBecomeFp4) {
    const auto two = to_fp4<64>(any_affine(2, 4, 128, 64, 1));
    EXPECT_LE(two.verdict.relative_squared_error, 0x1p-44); // three roundings of a float
    const auto three = to_fp4<32>(symmetric(any_affine(3, 4, 128, 64, 1)));
    EXPECT_LE(three.verdict.relative_squared_error, 0x1p-44);
    const auto exact = to_fp4<64>(symmetric(any_affine(2, 4, 128, 64, 1)));
    expect_lossless(exact); // -2 .. 1 of one half
    expect_error(error_code::unsupported, {"fp4", "4 bits", "row 0 from column 0"},
                 [] { (void)to_fp4<64>(any_affine(4, 4, 128, 64, 1)); });
    expect_error(error_code::unsupported, {"runs of 32, not of 64"},
                 [] { (void)to_fp4<64>(any_affine(2, 4, 128, 32, 1)); });
}
