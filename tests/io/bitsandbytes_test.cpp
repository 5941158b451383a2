#include "tests/common/golden.hpp"
#include "tests/io/checkpoint_tensors.hpp"

#include "tersor/formats/half.hpp"
#include "tersor/io/bitsandbytes.hpp"
#include "tersor/io/bitsandbytes_config.hpp"
#include "tersor/io/json.hpp"
#include "tersor/io/quantized_model.hpp"
#include "tersor/quantizers/aliases.hpp"
#include "tersor/quantizers/dequantize.hpp"
#include "tersor/quantizers/quantize.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace {

using namespace tersor;
using checkpoint::flat_values;
using checkpoint::matrix;
using checkpoint::same_floats;

using peer_nf4 = double_quant<nf4_blockwise<64>, 256, bitsandbytes_cpu<dynamic8>>;

quantize_options flattened() {
    quantize_options options;
    options.axis = flat;
    return options;
}

template <class Q, int Rank, class... Parts>
checkpoint::tensors written(const std::string& name, const basic_quantized<Q, Rank, Parts...>& q,
                            const bitsandbytes::write_options& options = {}) {
    checkpoint::tensors out;
    const std::vector<std::int64_t> shape(q.dimensions().begin(), q.dimensions().end());
    out.declare(bitsandbytes::declare<Q>(name, shape, options));
    bitsandbytes::append(out, name, q, options);
    for (const auto& [tensor, content] : out.all) {
        EXPECT_EQ(content.bytes.size(), bytes_of({tensor, content.dtype, content.shape})) << tensor;
    }
    return out;
}

void expect_tensor(const checkpoint::tensors& out, const golden::file& file, const std::string& name) {
    checkpoint::tensors expected;
    expected.add(file.opened().at(name), name);
    ASSERT_TRUE(out.all.contains(name)) << name;
    EXPECT_TRUE(out.all.at(name) == expected.all.at(name)) << name;
}

const std::string state_name = "weight.quant_state.bitsandbytes__nf4";

matrix golden_matrix(const golden::file& file, const std::string& name) {
    const std::vector<float> values = file.tensor<float>(name);
    const auto shape = file.shape(name);
    return Eigen::Map<const matrix>(values.data(), shape[0], shape[1]);
}

} // namespace

TEST(Bitsandbytes, ReadsTheRecordedCheckpointExactly) {
    const golden::file file("bitsandbytes/ckpt_linear_nf4_dq"), expected("bitsandbytes/ckpt_linear_nf4_dq_expected");
    const auto model = quantized_model::open(golden::path("bitsandbytes/ckpt_linear_nf4_dq"));
    ASSERT_EQ(model.weights().size(), 2u);
    const model_weight& weight = model.at("weight");
    EXPECT_EQ(weight.spec, "nf4/64+dq");
    EXPECT_EQ(weight.shape, expected.shape("w"));
    EXPECT_EQ(weight.dtype, expected.dtype("w"));
    EXPECT_EQ(weight.layout, weight_layout::bitsandbytes);
    std::size_t bytes = 0;
    for (const auto& tensor : file.opened().tensors()) {
        bytes += tensor.name == "bias" ? 0 : tensor.data.size();
    }
    EXPECT_EQ(weight.bytes, bytes);
    EXPECT_EQ(model.at("bias").spec, expected.dtype("w") == safetensors_dtype::bf16 ? "bf16" : "f16");

    std::vector<float> values = model.read(weight);
    const auto q = model.load<nf4_double_quant<64>>(weight);
    const matrix loaded = dequantize(q);
    EXPECT_TRUE(same_floats(flat_values(loaded), values));
    for (float& value : values) {
        value = weight.dtype == safetensors_dtype::bf16 ? bf16::decode(bf16::encode(value))
                                                        : fp16::decode(fp16::encode(value));
    }
    EXPECT_TRUE(same_floats(values, expected.tensor<float>("w")));
    const std::vector<float> scales = expected.tensor<float>("absmax_dq");
    for (std::size_t i = 0; i < scales.size(); ++i) {
        EXPECT_EQ(q.parameters()[i].scale, scales[i]) << i;
    }
}

TEST(Bitsandbytes, WritesTheRecordedCheckpointByteForByte) {
    const golden::file file("bitsandbytes/ckpt_linear_nf4_dq"), expected("bitsandbytes/ckpt_linear_nf4_dq_expected");
    const auto q = quantize<peer_nf4>(golden_matrix(expected, "w_original"), flattened());
    const auto out = written("weight", q, {expected.dtype("w"), q.parameters().offset()});
    EXPECT_EQ(out.all.size(), 6u);
    for (const auto& [name, tensor] : out.all) {
        expect_tensor(out, file, name);
    }
}

TEST(Bitsandbytes, WritesWhatItLoadedByteForByte) {
    const golden::file file("bitsandbytes/ckpt_linear_nf4_dq");
    const auto model = quantized_model::open(golden::path("bitsandbytes/ckpt_linear_nf4_dq"));
    const auto q = model.load<nf4_double_quant<64>>(model.at("weight"));
    const auto out = written("weight", q, {model.at("weight").dtype, q.parameters().offset()});
    for (const auto& [name, tensor] : out.all) {
        expect_tensor(out, file, name);
    }
}

TEST(Bitsandbytes, ReadsAndWritesTheRecordedInt8Checkpoint) {
    const golden::file file("bitsandbytes/ckpt_linear_int8"), expected("bitsandbytes/ckpt_linear_int8_expected");
    const auto model = quantized_model::open(golden::path("bitsandbytes/ckpt_linear_int8"));
    const model_weight& weight = model.at("weight");
    EXPECT_EQ(weight.spec, "int8/row");
    EXPECT_EQ(weight.dtype, safetensors_dtype::f16);
    EXPECT_TRUE(same_floats(model.read(weight), expected.tensor<float>("w_f32")));

    const auto q = quantize<llm_int8>(golden_matrix(expected, "w_original"));
    EXPECT_TRUE(model.load<llm_int8>(weight) == q);
    const auto out = written("weight", q);
    for (const auto& [name, tensor] : out.all) {
        expect_tensor(out, file, name);
    }
    const matrix decoded = dequantize(q);
    EXPECT_TRUE(same_floats(flat_values(decoded), expected.tensor<float>("w_f32")));
}

TEST(Bitsandbytes, Int8DecodesZerosAndExtremesToFiniteValues) {
    matrix w(4, 3);
    w << 0, 0, 0, 1e38f, -3e38f, 2.0f, 1e-40f, -2e-41f, 0, 1e-45f, 0, -1e-45f;
    const auto q = quantize<llm_int8>(w);
    const matrix decoded = dequantize(q);
    EXPECT_TRUE(decoded.allFinite());
    EXPECT_TRUE((decoded.row(0).array() == 0.0f).all());
    EXPECT_NEAR(decoded(1, 1) / 3e38f, -1.0f, 1e-5f);
    EXPECT_NEAR(decoded(2, 0) / 1e-40f, 1.0f, 1e-2f);
}

// Every size, stored in a file and read back: what was quantized, and the values it stands for.
template <class Q>
void round_trip(int rows, int cols, safetensors_dtype original, const std::string& spec) {
    SCOPED_TRACE(spec + " " + std::to_string(rows) + " x " + std::to_string(cols));
    const temporary_folder folder;
    const auto q = quantize<Q>(checkpoint::sample(rows, cols), flattened());
    const auto out = written("a.weight", q, {original, {}});
    out.write(folder / "model.safetensors");
    const auto model = quantized_model::open(folder / "model.safetensors");
    ASSERT_EQ(model.weights().size(), 1u);
    const model_weight& weight = model.at("a.weight");
    EXPECT_EQ(weight.spec, spec);
    EXPECT_EQ(weight.dtype, original);
    EXPECT_EQ(weight.shape, (std::vector<std::int64_t>{rows, cols}));
    const matrix expected = dequantize(q);
    EXPECT_TRUE(same_floats(model.read(weight), flat_values(expected)));
    ASSERT_TRUE(model.holds<Q>(weight));
    const auto loaded = model.load<Q>(weight);
    EXPECT_TRUE(std::ranges::equal(loaded.codes(), q.codes()));
    EXPECT_TRUE(loaded.parameters() == q.parameters());
    const matrix again = dequantize(loaded);
    EXPECT_TRUE(same_floats(flat_values(again), flat_values(expected)));
    EXPECT_TRUE(written("a.weight", loaded, {original, {}}).all == out.all);
}

TEST(Bitsandbytes, EverySizeSurvivesAFile) {
    constexpr int sizes[][2] = {{1, 1}, {1, 2}, {3, 1}, {7, 9}, {5, 64}, {8, 65}, {33, 127}, {64, 256}, {130, 131}};
    for (const auto& [rows, cols] : sizes) {
        round_trip<nf4_blockwise<64>>(rows, cols, safetensors_dtype::bf16, "nf4/64");
        round_trip<nf4_double_quant<64>>(rows, cols, safetensors_dtype::f16, "nf4/64+dq");
        round_trip<fp4_blockwise<32>>(rows, cols, safetensors_dtype::f32, "fp4/32");
        round_trip<fp4_double_quant<128>>(rows, cols, safetensors_dtype::bf16, "fp4/128+dq");
        round_trip<dynamic8_blockwise<256>>(rows, cols, safetensors_dtype::f32, "dynamic8/256");
        round_trip<double_quant<dynamic8_blockwise<4096>>>(rows, cols, safetensors_dtype::f32, "dynamic8/4096+dq");
        round_trip<nf4_blockwise<4096>>(rows, cols, safetensors_dtype::f32, "nf4/4096");
    }
}

TEST(Bitsandbytes, Int8OfEverySizeSurvivesAFile) {
    for (const auto& [rows, cols] : {std::pair{1, 1}, {3, 5}, {64, 33}, {2, 20000}}) {
        const temporary_folder folder;
        const auto q = quantize<llm_int8>(checkpoint::sample(rows, cols));
        written("x.y.weight", q).write(folder / "m.safetensors");
        const auto model = quantized_model::open(folder / "m.safetensors");
        ASSERT_EQ(model.weights().size(), 1u);
        const matrix expected = dequantize(q);
        EXPECT_TRUE(same_floats(model.read(model.at("x.y.weight")), flat_values(expected)));
        EXPECT_TRUE(model.load<llm_int8>(model.at("x.y.weight")) == q);
    }
}

TEST(Bitsandbytes, CodesAlongWholeRowsAreTheFlattenedOnes) {
    const matrix w = checkpoint::sample(6, 128);
    EXPECT_TRUE(written("w", quantize<nf4_blockwise<64>>(w)).all ==
                written("w", quantize<nf4_blockwise<64>>(w, flattened())).all);
    checkpoint::expect_error(error_code::unsupported, {"'w'", "flat"}, [] {
        checkpoint::tensors out;
        bitsandbytes::append(out, "w", quantize<nf4_blockwise<64>>(checkpoint::sample(6, 100)));
    });
}

TEST(Bitsandbytes, CodesMayBeStoredInAnyElementType) {
    const temporary_folder folder;
    const auto q = quantize<nf4_blockwise<64>>(checkpoint::sample(10, 13), flattened());
    const matrix expected = dequantize(q);
    for (const auto type :
         {safetensors_dtype::bf16, safetensors_dtype::f32, safetensors_dtype::f64, safetensors_dtype::i8}) {
        auto out = written("w", q);
        auto& codes = out.all.at("w");
        const auto width = static_cast<std::size_t>(bits_of(type)) / 8;
        codes.bytes.resize((codes.bytes.size() + width - 1) / width * width);
        codes.dtype = type;
        codes.shape = {static_cast<std::int64_t>(codes.bytes.size() / width), 1};
        out.write(folder / "m.safetensors");
        const auto model = quantized_model::open(folder / "m.safetensors");
        EXPECT_TRUE(same_floats(model.read(model.at("w")), flat_values(expected)));
    }
}

TEST(Bitsandbytes, TheMapsOfTheFileDecide) {
    const temporary_folder folder;
    const auto q = quantize<nf4_double_quant<64>>(checkpoint::sample(20, 50), flattened());
    auto out = written("w", q);
    std::vector<float> map = out.values<float>("w.quant_map"), nested = out.values<float>("w.nested_quant_map");
    for (float& value : map) {
        value = std::nextafter(value, 2.0f);
    }
    for (float& value : nested) {
        value = std::nextafter(value, -2.0f);
    }
    out.add("w.quant_map", safetensors_dtype::f32, {16}, map);
    out.add("w.nested_quant_map", safetensors_dtype::f32, {256}, nested);
    out.write(folder / "m.safetensors");
    const auto model = quantized_model::open(folder / "m.safetensors");
    const auto codes = out.values<std::uint8_t>("w"), scales = out.values<std::uint8_t>("w.absmax");
    const auto outer = out.values<float>("w.nested_absmax");
    std::vector<float> expected(1000);
    for (std::size_t i = 0; i < expected.size(); ++i) {
        const std::size_t code = i % 2 == 0 ? codes[i / 2] >> 4 : codes[i / 2] & 15u;
        const float product = exact::product(nested[scales[i / 64]], outer[0]);
        expected[i] = map[code] * (product + q.parameters().offset());
    }
    EXPECT_TRUE(same_floats(model.read(model.at("w")), expected));
    EXPECT_FALSE(model.holds<nf4_double_quant<64>>(model.at("w")));
    using any_map = double_quant<blockwise<absmax<table_format<4, true>>, 64>>;
    const matrix loaded = dequantize(model.load<any_map>(model.at("w")));
    EXPECT_TRUE(same_floats(flat_values(loaded), expected));
}

TEST(Bitsandbytes, TheStateIsTheTextThatPythonWrites) {
    using bitsandbytes::write_state;
    const auto text_of = [](float offset) {
        const std::string text =
            write_state({"nf4", 64, safetensors_dtype::f16, {2, 3}, bitsandbytes::nested_state{256, offset}});
        const std::string start =
            "{\"quant_type\": \"nf4\", \"blocksize\": 64, \"dtype\": \"float16\", \"shape\": [2, 3], "
            "\"nested_blocksize\": 256, \"nested_dtype\": \"float32\", \"nested_offset\": ";
        EXPECT_TRUE(text.starts_with(start)) << text;
        return text.substr(start.size(), text.size() - start.size() - 1);
    };
    EXPECT_EQ(text_of(0.0f), "0.0");
    EXPECT_EQ(text_of(1.0f), "1.0");
    EXPECT_EQ(text_of(-12.5f), "-12.5");
    EXPECT_EQ(text_of(0.1f), "0.10000000149011612");
    EXPECT_EQ(text_of(0.0001f), "9.999999747378752e-05");
    EXPECT_EQ(text_of(0.00012207031f), "0.0001220703125");
    EXPECT_EQ(text_of(1e16f), "1.0000000272564224e+16");
    EXPECT_EQ(text_of(9e15f), "8999999815811072.0");
    EXPECT_EQ(text_of(0x1p60f), "1.152921504606847e+18");
    EXPECT_EQ(text_of(0x1p-60f), "8.673617379884035e-19");
    EXPECT_EQ(text_of(123456.0f), "123456.0");
    EXPECT_EQ(write_state({"fp4", 128, safetensors_dtype::f32, {7}, {}}),
              "{\"quant_type\": \"fp4\", \"blocksize\": 128, \"dtype\": \"float32\", \"shape\": [7]}");
}

TEST(Bitsandbytes, AnUnknownOffsetLeavesRoomForEveryOffset) {
    const bitsandbytes::quant_state state{"nf4", 64, safetensors_dtype::bf16, {2, 3}, bitsandbytes::nested_state{}};
    const std::size_t room = bitsandbytes::longest_state(state);
    std::mt19937 random(3);
    for (int i = 0; i < 100000; ++i) {
        const auto offset = std::bit_cast<float>(static_cast<std::uint32_t>(random()));
        if (std::isfinite(offset)) {
            auto known = state;
            known.nested->offset = offset;
            const std::string text = bitsandbytes::write_state(known);
            ASSERT_LE(text.size(), room) << text;
            ASSERT_EQ(bitsandbytes::read_state(text, "test").nested->offset, offset);
        }
    }
}

TEST(Bitsandbytes, SaysWhichWeightsItCannotHold) {
    const std::vector<std::int64_t> shape{8, 64};
    const auto refuses = [&](auto quantizer) {
        using Q = decltype(quantizer);
        EXPECT_FALSE(bitsandbytes::can_hold<Q>);
        checkpoint::expect_error(error_code::unsupported, {"'w'", "compressed-tensors"},
                                 [&] { (void)bitsandbytes::declare<Q>("w", shape); });
    };
    refuses(int8_per_channel{});
    refuses(per_channel<absmax<nf4>>{});
    refuses(blockwise<absmax<nf4>, 16>{});
    refuses(blockwise<absmax<nf4>, 96>{});
    refuses(fp8_per_channel{});
    checkpoint::expect_error(error_code::unsupported, {"'w'", "PREFIX.weight"},
                             [&] { (void)bitsandbytes::declare<llm_int8>("w", shape); });
}

TEST(Bitsandbytes, ConfigIsWhatTransformersWrites) {
    bitsandbytes::config c;
    c.double_quant = true;
    c.skipped_modules = {"lm_head"};
    const std::string text = json::write(bitsandbytes::quantization_config(c));
    EXPECT_EQ(text, "{\"_load_in_4bit\":true,\"_load_in_8bit\":false,\"bnb_4bit_compute_dtype\":\"bfloat16\","
                    "\"bnb_4bit_quant_storage\":\"uint8\",\"bnb_4bit_quant_type\":\"nf4\","
                    "\"bnb_4bit_use_double_quant\":true,\"llm_int8_enable_fp32_cpu_offload\":false,"
                    "\"llm_int8_has_fp16_weight\":false,\"llm_int8_skip_modules\":[\"lm_head\"],"
                    "\"llm_int8_threshold\":6.0,\"load_in_4bit\":true,\"load_in_8bit\":false,"
                    "\"quant_method\":\"bitsandbytes\"}");
    const auto none = bitsandbytes::quantization_config({});
    EXPECT_TRUE(none.at("llm_int8_skip_modules").is(json::kind::null));
}
