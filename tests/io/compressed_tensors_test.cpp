#include "tests/common/golden.hpp"
#include "tests/io/checkpoint_tensors.hpp"

#include "tersor/io/compressed_tensors.hpp"
#include "tersor/io/compressed_tensors_config.hpp"
#include "tersor/io/json.hpp"
#include "tersor/io/quantized_model.hpp"
#include "tersor/quantizers/aliases.hpp"
#include "tersor/quantizers/compressed_tensors.hpp"
#include "tersor/quantizers/dequantize.hpp"
#include "tersor/quantizers/mx.hpp"
#include "tersor/quantizers/nvfp4.hpp"
#include "tersor/quantizers/quantize.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

namespace {

using namespace tersor;
using checkpoint::flat_values;
using checkpoint::matrix;
using checkpoint::same_floats;
namespace ct = tersor::compressed_tensors;

template <class Q, int Rank, class... Parts>
checkpoint::tensors encoded(const std::string& name, const basic_quantized<Q, Rank, Parts...>& q,
                            std::optional<ct::format> wanted = {}) {
    checkpoint::tensors out;
    const std::vector<std::int64_t> shape(q.dimensions().begin(), q.dimensions().end());
    out.declare(ct::declare<Q>(name, shape, wanted));
    ct::append(out, name, q, wanted);
    for (const auto& [tensor, content] : out.all) {
        EXPECT_EQ(content.bytes.size(), bytes_of({tensor, content.dtype, content.shape})) << tensor;
    }
    return out;
}

// What the library recorded for a case, and what is written here, byte for byte; then read back from a file.
template <class Q>
void check_recorded(const std::string& name, bool same_scale_type = true) {
    SCOPED_TRACE(name);
    const golden::file file("gptq/format_compressed_tensors");
    if (!file.has(name + ".weight_packed")) {
        return; // the file has other cases
    }
    const std::vector<float> w = file.tensor<float>("W");
    const auto shape = file.shape("W");
    const auto q = quantize<Q>(Eigen::Map<const matrix>(w.data(), shape.at(0), shape.at(1)));
    const auto out = encoded("weight", q, ct::format::pack_quantized);
    checkpoint::tensors recorded;
    for (const auto* const part : {"weight_packed", "weight_scale", "weight_zero_point", "weight_shape"}) {
        if (file.has(name + "." + part)) {
            recorded.add(file.opened().at(name + "." + part), part);
            ASSERT_TRUE(out.all.contains(part)) << part;
            if (same_scale_type || std::string(part) != "weight_scale") {
                EXPECT_TRUE(out.all.at(part) == recorded.all.at(part)) << part;
            }
        }
    }
    EXPECT_EQ(out.all.size(), recorded.all.size());

    const temporary_folder folder;
    recorded.write(folder / "m.safetensors");
    const auto model = quantized_model::open(folder / "m.safetensors");
    ASSERT_EQ(model.weights().size(), 1u);
    EXPECT_TRUE(same_floats(model.read(model.at("weight")), file.tensor<float>(name + ".dequant")));
    if (same_scale_type) {
        ASSERT_TRUE(model.holds<Q>(model.at("weight")));
        EXPECT_TRUE(model.load<Q>(model.at("weight")) == q);
    }
}

} // namespace

TEST(CompressedTensors, WritesAndReadsTheRecordedWeightsByteForByte) {
    check_recorded<blockwise<compressed_tensors_absmax<int4>, 32>>("w4_g32_sym");
    check_recorded<blockwise<compressed_tensors_zero_point<int4>, 32>>("w4_g32_asym");
    check_recorded<blockwise<compressed_tensors_zero_point<int3>, 32>>("w3_g32_asym");
    check_recorded<per_channel<compressed_tensors_absmax<int8>>>("w8_ch_sym");
    check_recorded<blockwise<compressed_tensors_absmax<int2>, 32>>("w2_g32_sym");
    check_recorded<blockwise<compressed_tensors_zero_point<int5>, 32>>("w5_g32_asym");
    check_recorded<blockwise<compressed_tensors_absmax<int4, Eigen::half>, 32>>("w4_g32_sym_f16scale", false);
}

namespace {

std::string quantization_text(const ct::scheme& s) {
    ct::config_builder builder;
    builder.add("a.weight", s);
    return json::write(builder.build());
}

template <class Q>
void round_trip(int rows, int cols, const std::string& spec, std::optional<ct::format> wanted = {}) {
    SCOPED_TRACE(spec + " " + std::to_string(rows) + " x " + std::to_string(cols));
    const temporary_folder folder;
    const auto q = checkpoint::any_quantized<Q>(rows, cols);
    const auto out = encoded("a.weight", q, wanted);
    out.write(folder / "m.safetensors", {{"quantization_config", quantization_text(ct::scheme_of<Q>(wanted))}});
    const auto model = quantized_model::open(folder / "m.safetensors");
    ASSERT_EQ(model.weights().size(), 1u);
    const model_weight& weight = model.at("a.weight");
    EXPECT_EQ(weight.spec, spec);
    EXPECT_EQ(weight.layout, weight_layout::compressed_tensors);
    EXPECT_EQ(weight.shape, (std::vector<std::int64_t>{rows, cols}));
    EXPECT_TRUE(same_floats(model.read(weight), checkpoint::values_of(q)));
    ASSERT_TRUE(model.holds<Q>(weight));
    EXPECT_TRUE(model.load<Q>(weight) == q);
}

template <int Bits>
void round_trip_integers(int rows, int cols) {
    const std::string bits = std::to_string(Bits);
    round_trip<absmax<integer<Bits, true>>>(rows, cols, "int" + bits + "/tensor");
    round_trip<per_channel<absmax<integer<Bits, true>, Eigen::bfloat16>>>(rows, cols, "int" + bits + "/row");
    round_trip<zero_point<integer<Bits, false>>>(rows, cols, "uint" + bits + "/tensor");
    round_trip<per_channel<zero_point<integer<Bits, false>, Eigen::half>>>(rows, cols, "uint" + bits + "/row");
    round_trip<per_channel<zero_point<integer<Bits, true>>>>(rows, cols, "uint" + bits + "/row");
    if (cols % 32 == 0) {
        round_trip<blockwise<absmax<integer<Bits, true>>, 32>>(rows, cols, "int" + bits + "/32");
        round_trip<blockwise<zero_point<integer<Bits, false>>, 32>>(rows, cols, "uint" + bits + "/32");
    }
}

} // namespace

TEST(CompressedTensors, IntegersOfOddAndEvenWidthsSurviveAFile) {
    for (const auto& [rows, cols] : {std::pair{1, 1}, {3, 7}, {33, 31}, {17, 64}, {40, 100}, {64, 352}}) {
        round_trip_integers<3>(rows, cols);
        round_trip_integers<4>(rows, cols);
        round_trip_integers<5>(rows, cols);
        round_trip_integers<8>(rows, cols);
    }
}

TEST(CompressedTensors, BytesAndWordsHoldTheSameIntegers) {
    for (const auto& [rows, cols] : {std::pair{1, 3}, {33, 31}, {40, 100}}) {
        round_trip<per_channel<absmax<int8>>>(rows, cols, "int8/row", ct::format::pack_quantized);
        round_trip<per_channel<zero_point<uint8>>>(rows, cols, "uint8/row", ct::format::int_quantized);
        round_trip<zero_point<uint8>>(rows, cols, "uint8/tensor", ct::format::int_quantized);
        const auto q = checkpoint::any_quantized<per_channel<absmax<int5>>>(rows, cols);
        const temporary_folder folder;
        encoded("a.weight", q, ct::format::int_quantized).write(folder / "m.safetensors");
        const auto model = quantized_model::open(folder / "m.safetensors");
        EXPECT_TRUE(same_floats(model.read(model.at("a.weight")), checkpoint::values_of(q)));
    }
}

TEST(CompressedTensors, FloatsOfEverySizeSurviveAFile) {
    for (const auto& [rows, cols] : {std::pair{1, 1}, {3, 7}, {40, 100}}) {
        round_trip<fp8_per_tensor>(rows, cols, "fp8_e4m3/tensor");
        round_trip<fp8_per_channel>(rows, cols, "fp8_e4m3/row");
        round_trip<per_channel<absmax<fp8_e5m2, Eigen::bfloat16>>>(rows, cols, "fp8_e5m2/row");
    }
    for (const auto& [rows, cols] : {std::pair{1, 32}, {33, 64}, {40, 20480}}) {
        round_trip<blockwise<absmax<fp8_e4m3>, 16>>(rows, cols, "fp8_e4m3/16");
        round_trip<mxfp4>(rows, cols, "mxfp4");
        round_trip<mxfp8>(rows, cols, "mxfp8");
        round_trip<compressed_tensors_nvfp4>(rows, cols, "nvfp4");
    }
}

TEST(CompressedTensors, Nvfp4IsStoredWithADivisor) {
    const auto q = quantize<nvfp4>(checkpoint::sample(24, 64));
    const auto out = encoded("l.weight", q);
    EXPECT_EQ(out.values<float>("l.weight_global_scale"), std::vector<float>{1.0f / q.quantizer().tensor_scale});
    const temporary_folder folder;
    out.write(folder / "m.safetensors");
    const auto model = quantized_model::open(folder / "m.safetensors");
    const std::vector<float> values = model.read(model.at("l.weight"));
    const matrix expected = dequantize(q);
    for (std::size_t i = 0; i < values.size(); ++i) {
        EXPECT_LE(std::abs(values[i] - expected.data()[i]), 0x1p-22f * std::abs(expected.data()[i]));
    }
}

TEST(CompressedTensors, Nvfp4ByTheRuleOfTheLibrary) {
    matrix w(1, 32);
    for (int i = 0; i < 32; ++i) {
        w(0, i) = i < 16 ? static_cast<float>(i) - 8.0f : 0.001f * static_cast<float>(i - 16);
    }
    const auto q = quantize<compressed_tensors_nvfp4>(w);
    const float divisor = 2688.0f / 8.0f;
    EXPECT_EQ(q.quantizer().global_scale, divisor);
    EXPECT_EQ(q.parameters()[0].scale, fp8_e4m3::encode(divisor * (8.0f / 6.0f)));
    EXPECT_EQ(q.parameters()[1].scale, fp8_e4m3::encode(divisor * (0.015f / 6.0f)));
    const auto zeros = quantize<compressed_tensors_nvfp4>(matrix(matrix::Zero(2, 16)));
    EXPECT_EQ(zeros.parameters()[0].scale, fp8_e4m3::encode(0.125f));
    EXPECT_TRUE((dequantize(zeros).array() == 0.0f).all());
    EXPECT_EQ(zeros.quantizer().global_scale, 1.0f);
}

TEST(CompressedTensors, AGroupIndexSortsColumns) {
    const temporary_folder folder;
    const auto q = checkpoint::any_quantized<blockwise<zero_point<uint4>, 16>>(5, 48);
    auto out = encoded("w", q);
    std::vector<std::int32_t> groups(48);
    for (int c = 0; c < 48; ++c) {
        groups[static_cast<std::size_t>(c)] = c % 3;
    }
    out.add("w_g_idx", safetensors_dtype::i32, {48}, groups);
    out.write(folder / "m.safetensors");
    const auto model = quantized_model::open(folder / "m.safetensors");
    const std::vector<float> values = model.read(model.at("w"));
    for (int row = 0; row < 5; ++row) {
        for (int c = 0; c < 48; ++c) {
            const auto p = q.parameters()[static_cast<std::size_t>(row * 3 + c % 3)];
            const auto code = packed_code<uint4>(q.row_codes(row).data(), static_cast<std::size_t>(c));
            EXPECT_EQ(values[static_cast<std::size_t>(row * 48 + c)], q.quantizer().decode(code, p));
        }
    }
    EXPECT_FALSE((model.holds<blockwise<zero_point<uint4>, 16>>(model.at("w"))));
    groups[3] = -1; // as it is before anything filled it in
    out.add("w_g_idx", safetensors_dtype::i32, {48}, groups);
    out.write(folder / "m.safetensors");
    EXPECT_TRUE(
        same_floats(quantized_model::open(folder / "m.safetensors").read(model.at("w")), checkpoint::values_of(q)));
}

TEST(CompressedTensors, BlocksOfRowsAreRead) {
    const temporary_folder folder;
    checkpoint::tensors file;
    std::vector<std::uint8_t> codes(5 * 6);
    for (std::size_t i = 0; i < codes.size(); ++i) {
        codes[i] = static_cast<std::uint8_t>(i * 5 % 120);
    }
    const std::vector<float> scales{1.0f, 2.0f, 3.0f, 4.0f, 5.0f, 6.0f};
    file.add("w.weight", safetensors_dtype::f8_e4m3, {5, 6}, codes);
    file.add("w.weight_scale", safetensors_dtype::f32, {3, 2}, scales);
    file.write(folder / "m.safetensors",
               {{"quantization_config",
                 R"({"config_groups":{"g":{"weights":{"num_bits":8,"type":"float","block_structure":[2,4]}}}})"}});
    const auto model = quantized_model::open(folder / "m.safetensors");
    EXPECT_EQ(model.at("w.weight").spec, "fp8_e4m3/4x2");
    const std::vector<float> values = model.read(model.at("w.weight"));
    for (std::size_t i = 0; i < codes.size(); ++i) {
        EXPECT_EQ(values[i], fp8_e4m3::decode(codes[i]) * scales[i / 6 / 2 * 2 + i % 6 / 4]) << i;
    }
}

TEST(CompressedTensors, GroupsThatEndBeforeTheirSizeAreReadWithAConfiguration) {
    const temporary_folder folder;
    const auto q = checkpoint::any_quantized<blockwise<absmax<int8>, 32>>(3, 40);
    checkpoint::tensors file;
    file.add("w.weight", safetensors_dtype::i8, {3, 40}, std::vector<std::uint8_t>(q.codes().begin(), q.codes().end()));
    std::vector<float> scales;
    for (const auto p : q.parameters()) {
        scales.push_back(p.scale);
    }
    file.add("w.weight_scale", safetensors_dtype::f32, {3, 2}, scales);
    file.write(folder / "m.safetensors",
               {{"quantization_config",
                 quantization_text({ct::format::int_quantized, 8, false, true, ct::strategy::group, 32})}});
    const auto model = quantized_model::open(folder / "m.safetensors");
    EXPECT_TRUE(same_floats(model.read(model.at("w.weight")), checkpoint::values_of(q)));
    checkpoint::expect_error(error_code::unsupported, {"'w.weight' [3, 40]", "multiples of 32"},
                             [&] { (void)encoded("w.weight", q); });
}

TEST(CompressedTensors, SaysWhichWeightsItCannotHold) {
    const std::vector<std::int64_t> shape{8, 64};
    const auto refuses = [&](auto quantizer) {
        using Q = decltype(quantizer);
        EXPECT_FALSE(ct::can_hold<Q>);
        checkpoint::expect_error(error_code::unsupported, {"bitsandbytes"},
                                 [&] { (void)ct::declare<Q>("w", shape); });
    };
    refuses(nf4_blockwise<64>{});
    refuses(double_quant<int4_blockwise<32>>{});
    refuses(mxfp6{});
    refuses(blockwise<absmax<fp4_e2m1>, 32>{});
    checkpoint::expect_error(error_code::unsupported, {"int-quantized", "nvfp4-pack-quantized"},
                             [&] { (void)ct::scheme_of<nvfp4>(ct::format::int_quantized); });
    const std::vector<std::int64_t> cube{2, 8, 64}, none{0, 64};
    checkpoint::expect_error(error_code::unsupported, {"[2, 8, 64]"},
                             [&] { (void)ct::declare<int8_per_channel>("w", cube); });
    checkpoint::expect_error(error_code::unsupported, {"[0, 64]"},
                             [&] { (void)ct::declare<int8_per_channel>("w", none); });
    checkpoint::expect_error(error_code::unsupported, {"'w'", "rows"}, [] {
        quantize_options options;
        options.axis = 0;
        checkpoint::tensors out;
        ct::append(out, "w", quantize<int8_per_channel>(checkpoint::sample(4, 4), options));
    });
}

TEST(CompressedTensors, OneSchemeTargetsEveryLinearLayer) {
    ct::config_builder builder;
    builder.add("model.layers.0.q_proj.weight", ct::scheme_of<blockwise<absmax<int4>, 128>>());
    builder.add("model.layers.1.q_proj.weight", ct::scheme_of<blockwise<absmax<int4>, 128>>());
    builder.add("model.embed_tokens.weight", ct::scheme_of<blockwise<absmax<int4>, 128>>(), false);
    builder.ignore("lm_head.weight");
    EXPECT_EQ(
        json::write(builder.build()),
        "{\"config_groups\":{\"group_0\":{\"format\":\"pack-quantized\",\"input_activations\":null,"
        "\"output_activations\":null,\"targets\":[\"Linear\",\"model.embed_tokens\"],\"weights\":{\"actorder\":null,"
        "\"block_structure\":null,\"dynamic\":false,\"group_size\":128,\"num_bits\":4,\"observer\":\"minmax\","
        "\"observer_kwargs\":{},\"strategy\":\"group\",\"symmetric\":true,\"type\":\"int\"}}},"
        "\"format\":\"pack-quantized\",\"global_compression_ratio\":null,\"ignore\":[\"lm_head\"],"
        "\"kv_cache_scheme\":null,\"quant_method\":\"compressed-tensors\",\"quantization_status\":\"compressed\"}");
}

TEST(CompressedTensors, SeveralSchemesNameTheirLayers) {
    ct::config_builder builder;
    const auto coarse = ct::scheme_of<blockwise<zero_point<uint4>, 64>>(),
               fine = ct::scheme_of<int8_per_channel>();
    for (const std::string layer : {"0", "1", "2"}) {
        builder.add("model.layers." + layer + ".mlp.up_proj.weight", coarse);
        builder.add("model.layers." + layer + ".mlp.down_proj.weight", layer == "1" ? fine : coarse);
        builder.add("model.layers." + layer + ".v_proj.weight", fine);
    }
    const auto config = builder.build();
    EXPECT_EQ(config.at("format").as_string(), "mixed-precision");
    const auto& groups = config.at("config_groups");
    EXPECT_EQ(
        json::write(groups.at("group_0").at("targets")),
        R"(["re:^model\\.layers\\.\\d+\\.mlp\\.up_proj$","model.layers.0.mlp.down_proj","model.layers.2.mlp.down_proj"])");
    EXPECT_EQ(json::write(groups.at("group_1").at("targets")),
              R"(["re:^model\\.layers\\.\\d+\\.v_proj$","model.layers.1.mlp.down_proj"])");
    EXPECT_FALSE(groups.at("group_0").at("weights").at("symmetric").as_boolean());
    EXPECT_TRUE(groups.at("group_0").at("input_activations").is(json::kind::null));
    EXPECT_EQ(groups.at("group_1").at("input_activations").at("strategy").as_string(), "token");
}
