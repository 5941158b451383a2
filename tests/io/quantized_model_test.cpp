#include "tersor/io/quantized_model.hpp"

#include "tersor/io/bitsandbytes.hpp"
#include "tersor/io/compressed_tensors.hpp"
#include "tersor/io/safetensors_model_writer.hpp"
#include "tersor/quantizers/aliases.hpp"
#include "tersor/quantizers/compressed_tensors.hpp"
#include "tests/io/checkpoint_tensors.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace {

using namespace tersor;
using checkpoint::expect_error;
using checkpoint::same_floats;
using checkpoint::tensors;

using int4_groups = blockwise<absmax<int4>, 32>;
using uint4_groups = blockwise<zero_point<uint4>, 32>;

const std::string state_name = "b.weight.quant_state.bitsandbytes__nf4";

// A weight in each of the two layouts, and a plain one.
tensors example() {
    tensors out;
    const std::vector<std::int64_t> shape{6, 64};
    out.declare(bitsandbytes::declare<nf4_blockwise<64>>("b.weight", shape));
    bitsandbytes::append(out, "b.weight", checkpoint::any_quantized<nf4_blockwise<64>>(6, 64));
    out.declare(compressed_tensors::declare<uint4_groups>("c.weight", shape));
    compressed_tensors::append(out, "c.weight", checkpoint::any_quantized<uint4_groups>(6, 64));
    out.add("p.bias", safetensors_dtype::f32, {3}, std::vector<float>{1.0f, 2.0f, 3.0f});
    return out;
}

// A nested state for the weight of `example`.
void nest(tensors& file) {
    file.add("b.weight.absmax", safetensors_dtype::u8, {6}, std::vector<std::uint8_t>{0, 50, 100, 150, 200, 255});
    file.add("b.weight.nested_absmax", safetensors_dtype::f32, {1}, std::vector<float>{0.5f});
    file.add("b.weight.nested_quant_map", safetensors_dtype::f32, {256}, std::vector<float>(256, 0.25f));
    file.set_text(state_name, R"({"quant_type": "nf4", "blocksize": 64, "dtype": "bfloat16", "shape": [6, 64],)"
                              R"( "nested_blocksize": 256, "nested_dtype": "float32", "nested_offset": 0.125})");
}

void expect_refused(const tensors& file, error_code code, std::initializer_list<std::string_view> words) {
    const temporary_folder folder;
    file.write(folder / "m.safetensors");
    expect_error(code, words, [&] { (void)quantized_model::open(folder / "m.safetensors"); });
}

std::string state_with(const std::string& from, const std::string& to) {
    std::string text = example().text(state_name);
    const std::size_t place = text.find(from);
    EXPECT_NE(place, std::string::npos) << from << " in " << text;
    return text.replace(place, from.size(), to);
}

void expect_bad_state(const std::string& text, std::initializer_list<std::string_view> words,
                      error_code code = error_code::corrupt_file) {
    SCOPED_TRACE(text);
    tensors file = example();
    file.set_text(state_name, text);
    expect_refused(file, code, words);
}

// Reads everything that can be read; an error of the library is as good as success.
void read_all(const std::string& path) {
    try {
        const auto model = quantized_model::open(path);
        for (const model_weight& weight : model.weights()) {
            if (weight.is_readable && weight.elements() < 1 << 20) {
                (void)model.read(weight);
            }
            if (model.holds<nf4_blockwise<64>>(weight) && weight.shape.size() == 2) {
                (void)model.load<nf4_blockwise<64>>(weight);
            }
            if (model.holds<uint4_groups>(weight)) {
                (void)model.load<uint4_groups>(weight);
            }
        }
    } catch (const error&) {
    }
}

} // namespace

TEST(QuantizedModel, ListsAndReadsWeightsOfEveryLayout) {
    const temporary_folder folder;
    const tensors file = example();
    file.write(folder / "m.safetensors");
    auto opened = quantized_model::open(folder / "m.safetensors");
    const quantized_model model = std::move(opened);
    ASSERT_EQ(model.weights().size(), 3u);
    EXPECT_EQ(model.at("b.weight").spec, "nf4/64");
    EXPECT_EQ(model.at("b.weight").parts.front()->name, "b.weight");
    EXPECT_EQ(model.at("c.weight").spec, "uint4/32");
    EXPECT_EQ(model.at("c.weight").dtype, safetensors_dtype::f32);
    EXPECT_EQ(model.at("p.bias").spec, "f32");
    EXPECT_EQ(model.read(model.at("p.bias")), (std::vector<float>{1.0f, 2.0f, 3.0f}));
    EXPECT_EQ(model.find("c.weight_packed"), nullptr);
    EXPECT_TRUE(model.config().is(json::kind::null));
    std::uint64_t bytes = 0;
    for (const model_weight& weight : model.weights()) {
        bytes += weight.bytes;
    }
    EXPECT_EQ(bytes, model.files().data_bytes());
    expect_error(error_code::invalid_argument, {"'x'"}, [&] { (void)model.at("x"); });
    std::vector<float> small(5);
    expect_error(error_code::shape_mismatch, {"'p.bias'", "3", "5"}, [&] { model.read(model.at("p.bias"), small); });
    EXPECT_TRUE(model.holds<nf4_blockwise<64>>(model.at("b.weight")));
    EXPECT_FALSE(model.holds<nf4_blockwise<32>>(model.at("b.weight")));
    EXPECT_FALSE(model.holds<fp4_blockwise<64>>(model.at("b.weight")));
    EXPECT_FALSE(model.holds<nf4_double_quant<64>>(model.at("b.weight")));
    EXPECT_FALSE(model.holds<uint4_groups>(model.at("b.weight")));
    EXPECT_FALSE(model.holds<int4_groups>(model.at("c.weight")));
    EXPECT_FALSE(model.holds<uint4_groups>(model.at("p.bias")));
    expect_error(error_code::unsupported, {"'c.weight'"}, [&] { (void)model.load<int4_groups>(model.at("c.weight")); });
    expect_error(error_code::unsupported, {"'p.bias'"}, [&] { (void)model.load<int4_groups>(model.at("p.bias")); });
}

TEST(QuantizedModel, VisitsTheFirstQuantizerThatIsHeld) {
    const temporary_folder folder;
    example().write(folder / "m.safetensors");
    const auto model = quantized_model::open(folder / "m.safetensors");
    int bits = 0;
    const auto visitor = [&](const auto& q) { bits = std::decay_t<decltype(q)>::quantizer_type::format::bits * 100; };
    EXPECT_TRUE((model.visit<int4_groups, uint4_groups>(model.at("c.weight"), visitor)));
    EXPECT_EQ(bits, 400);
    EXPECT_FALSE((model.visit<int4_groups, uint4_groups>(model.at("b.weight"), visitor)));
    EXPECT_FALSE((model.visit<int4_groups, uint4_groups>(model.at("p.bias"), visitor)));
}

TEST(QuantizedModel, CompanionsMayStandInOtherShards) {
    const temporary_folder folder;
    const tensors file = example();
    std::vector<safetensors_declaration> declared;
    for (const auto& [name, tensor] : file.all) {
        declared.push_back({name, tensor.dtype, tensor.shape});
    }
    safetensors_model_options options;
    options.largest_shard = 1;
    safetensors_model_writer writer(folder / "model", declared, options);
    for (const auto& [name, tensor] : file.all) {
        writer.append(name, std::span<const std::byte>(tensor.bytes));
    }
    writer.add_file("config.json", R"({"torch_dtype": "float16"})");
    writer.commit();
    file.write(folder / "whole.safetensors");
    const auto whole = quantized_model::open(folder / "whole.safetensors"),
               model = quantized_model::open(folder / "model");
    EXPECT_EQ(model.files().files().size(), file.all.size());
    EXPECT_EQ(model.config().at("torch_dtype").as_string(), "float16");
    ASSERT_EQ(model.weights().size(), 3u);
    for (const model_weight& weight : model.weights()) {
        EXPECT_TRUE(same_floats(model.read(weight), whole.read(whole.at(weight.name))));
    }
}

TEST(QuantizedModel, PlainFloatsOfEightBitsAreRead) {
    const temporary_folder folder;
    tensors file;
    const std::vector<std::uint8_t> codes{0x38, 0xB8, 0x40};
    file.add("a", safetensors_dtype::f8_e4m3, {3}, codes);
    file.add("b", safetensors_dtype::f8_e5m2, {3}, codes);
    file.add("c", safetensors_dtype::i64, {1}, std::vector<std::int64_t>{7});
    file.add("d", safetensors_dtype::f16, {0, 4}, std::vector<std::uint16_t>{});
    file.write(folder / "m.safetensors");
    const auto model = quantized_model::open(folder / "m.safetensors");
    EXPECT_EQ(model.at("a").spec, "fp8_e4m3");
    EXPECT_EQ(model.read(model.at("a")), (std::vector<float>{1.0f, -1.0f, 2.0f}));
    EXPECT_EQ(model.read(model.at("b")), (std::vector<float>{0.5f, -0.5f, 2.0f}));
    EXPECT_EQ(model.at("c").spec, "i64");
    EXPECT_FALSE(model.at("c").is_readable);
    EXPECT_TRUE(model.read(model.at("d")).empty());
    expect_error(error_code::unsupported, {"'c'", "I64"}, [&] { (void)model.read(model.at("c")); });
}

TEST(QuantizedModel, ThreadsDoNotChangeValues) {
    struct pool {
        int NumThreads() const { return 3; }
        void Schedule(std::function<void()> work) { work(); }
    } threads;
    const temporary_folder folder;
    tensors file;
    const std::vector<std::int64_t> shape{300, 1024};
    file.declare(compressed_tensors::declare<uint4_groups>("c.weight", shape));
    compressed_tensors::append(file, "c.weight", checkpoint::any_quantized<uint4_groups>(300, 1024));
    file.write(folder / "m.safetensors");
    const auto model = quantized_model::open(folder / "m.safetensors");
    const model_weight& weight = model.at("c.weight");
    EXPECT_TRUE(same_floats(model.read(weight), model.read(weight, execution(threads))));
    expect_error(error_code::cancelled, {},
                 [&] { (void)model.read(weight, execution().with_progress([](double) { return false; })); });
}

TEST(QuantizedModel, EveryMissingCompanionIsNamed) {
    const tensors whole = example();
    for (const std::string name :
         {"b.weight", "b.weight.absmax", "b.weight.quant_map", "c.weight_scale", "c.weight_shape"}) {
        SCOPED_TRACE(name);
        tensors file = whole;
        file.all.erase(name);
        expect_refused(file, error_code::corrupt_file, {"'" + name + "'"});
    }
    tensors file = whole;
    file.all.erase(state_name);
    expect_refused(file, error_code::corrupt_file, {"'b.weight.absmax'", "quant_state"});
    nest(file = whole);
    for (const std::string name : {"b.weight.nested_absmax", "b.weight.nested_quant_map"}) {
        tensors incomplete = file;
        incomplete.all.erase(name);
        expect_refused(incomplete, error_code::corrupt_file, {"'" + name + "'"});
    }
    file.set_text(state_name, whole.text(state_name));
    expect_refused(file, error_code::corrupt_file, {"nested_offset", "b.weight.nested_absmax"});
}

TEST(QuantizedModel, StatesThatAreNotStatesAreRefused) {
    const auto damaged = [](const std::string& from, const std::string& to,
                            std::initializer_list<std::string_view> words) {
        expect_bad_state(state_with(from, to), words);
    };
    expect_bad_state("", {state_name});
    expect_bad_state("{", {state_name});
    expect_bad_state("[]", {state_name, "quant_type"});
    expect_bad_state("\xFF\xFE{}", {state_name});
    expect_bad_state(std::string(5000, '['), {state_name});
    damaged("\"blocksize\": 64", "\"blocksize\": 0", {state_name, "blocksize"});
    damaged("\"blocksize\": 64", "\"blocksize\": -64", {state_name, "blocksize"});
    damaged("\"blocksize\": 64", "\"blocksize\": 6.5", {state_name, "blocksize"});
    damaged("\"blocksize\": 64", "\"blocksize\": \"64\"", {state_name, "blocksize"});
    damaged("\"blocksize\": 64", "\"blocksize\": 1e300", {state_name, "blocksize"});
    damaged("\"blocksize\": 64, ", "", {state_name, "blocksize", "missing"});
    damaged("\"blocksize\": 64", "\"blocksize\": 32", {"b.weight.absmax"});
    damaged("\"blocksize\": 64", "\"blocksize\": 128", {"b.weight.absmax"});
    damaged("[6, 64]", "null", {state_name, "shape"});
    damaged("[6, 64]", "[6, -64]", {state_name, "shape"});
    damaged("[6, 64]", "[6, 64.5]", {state_name, "shape"});
    damaged("[6, 64]", "[6, 65]", {"'b.weight'", "195"});
    damaged("[6, 64]", "[]", {"'b.weight'"});
    damaged("[6, 64]", "[0, 64]", {"'b.weight'"});
    damaged("[6, 64]", "[4611686018427387904, 4611686018427387904]", {state_name, "shape"});
    damaged("[6, 64]", "[4294967296, 4294967296]", {state_name, "elements"});
    expect_bad_state(state_with("bfloat16", "int7"), {state_name, "int7"}, error_code::unsupported);
    expect_bad_state(state_with("\"nf4\"", "\"fp4\""), {state_name, "fp4"}, error_code::unsupported);
    tensors file = example();
    nest(file);
    const std::string text = file.text(state_name);
    const auto damaged_nested = [&](const std::string& from, const std::string& to) {
        tensors copy = file;
        std::string changed = text;
        copy.set_text(state_name, changed.replace(changed.find(from), from.size(), to));
        expect_refused(copy, error_code::corrupt_file, {"b.weight"});
    };
    damaged_nested("256", "0");
    damaged_nested("256", "5");
    damaged_nested("256", "null");
    damaged_nested("0.125", "\"0.125\"");
    damaged_nested("0.125", "1e300");
    damaged_nested("0.125", "NaN");
}

TEST(QuantizedModel, CompanionsThatDoNotFitAreRefused) {
    const auto replaced = [](const std::string& name, safetensors_dtype type, std::vector<std::int64_t> shape,
                             error_code code = error_code::corrupt_file) {
        SCOPED_TRACE(name);
        tensors file = example();
        std::int64_t count = bits_of(type) / 8;
        for (const std::int64_t extent : shape) {
            count *= extent;
        }
        file.add(name, type, shape, std::vector<std::uint8_t>(static_cast<std::size_t>(count)));
        expect_refused(file, code, {"'" + name + "'"});
    };
    using type = safetensors_dtype;
    replaced("b.weight", type::u8, {191, 1});
    replaced("b.weight", type::u8, {193, 1});
    replaced("b.weight.absmax", type::f32, {5});
    replaced("b.weight.absmax", type::u8, {6});
    replaced("b.weight.quant_map", type::f32, {15});
    replaced("b.weight.quant_map", type::f16, {16});
    replaced(state_name, type::i8, {100});
    replaced("c.weight_packed", type::i32, {6, 9});
    replaced("c.weight_packed", type::i32, {5, 8});
    replaced("c.weight_packed", type::i32, {48});
    replaced("c.weight_packed", type::f32, {6, 8});
    replaced("c.weight_scale", type::f32, {6, 5});
    replaced("c.weight_scale", type::f32, {5, 2});
    replaced("c.weight_scale", type::f32, {6, 0});
    replaced("c.weight_scale", type::f32, {12});
    replaced("c.weight_scale", type::i32, {6, 2}, error_code::unsupported);
    replaced("c.weight_zero_point", type::i32, {1, 1});
    replaced("c.weight_zero_point", type::i8, {6, 2});
    replaced("c.weight_shape", type::i64, {3});
    replaced("c.weight_shape", type::i32, {2});
    replaced("c.weight_shape", type::i64, {2}); // zeros
    replaced("c.weight_g_idx", type::i32, {63});
    replaced("c.weight_g_idx", type::i64, {64});
    tensors file = example();
    file.add("c.weight_shape", type::i64, {2}, std::vector<std::int64_t>{6, INT64_MAX});
    expect_refused(file, error_code::corrupt_file, {"'c.weight_packed'"});
    file.add("c.weight_shape", type::i64, {2}, std::vector<std::int64_t>{6, -64});
    expect_refused(file, error_code::corrupt_file, {"'c.weight_shape'"});
    file = example();
    file.add("c.weight_g_idx", type::i32, {64}, std::vector<std::int32_t>(64, 2));
    expect_refused(file, error_code::corrupt_file, {"'c.weight_g_idx'", "group 2 of 2"});
    file = example();
    std::vector<float> map(16, 1.0f);
    map[3] = std::numeric_limits<float>::infinity();
    file.add("b.weight.quant_map", type::f32, {16}, map);
    expect_refused(file, error_code::corrupt_file, {"'b.weight.quant_map'", "finite"});
    file = example();
    file.add("c.weight", type::f32, {6, 64}, std::vector<float>(384));
    expect_refused(file, error_code::corrupt_file, {"'c.weight'", "two ways"});
}

TEST(QuantizedModel, OtherVariantsAreChecked) {
    using type = safetensors_dtype;
    const auto refused = [](const tensors& file, error_code code, std::initializer_list<std::string_view> words) {
        expect_refused(file, code, words);
    };
    tensors file;
    file.add("SCB", type::f32, {3}, std::vector<float>(3));
    refused(file, error_code::corrupt_file, {"'weight'", "missing"});
    file.add("weight", type::i8, {4, 2}, std::vector<std::int8_t>(8));
    refused(file, error_code::corrupt_file, {"'SCB'"});
    file.add("SCB", type::f32, {4}, std::vector<float>(4));
    file.add("weight_format", type::u8, {}, std::vector<std::uint8_t>{2});
    refused(file, error_code::unsupported, {"'weight_format'"});

    tensors nv;
    nv.add("x.weight_packed", type::u8, {2, 16}, std::vector<std::uint8_t>(32));
    nv.add("x.weight_scale", type::f8_e4m3, {2, 2}, std::vector<std::uint8_t>(4));
    refused(nv, error_code::corrupt_file, {"'x.weight_packed'", "x.weight_global_scale"});
    nv.add("x.weight_global_scale", type::f32, {1}, std::vector<float>{0.0f});
    refused(nv, error_code::corrupt_file, {"'x.weight_global_scale'"});
    nv.add("x.weight_global_scale", type::f32, {1}, std::vector<float>{2.0f});
    nv.add("x.weight_scale", type::f8_e4m3, {2, 3}, std::vector<std::uint8_t>(6));
    refused(nv, error_code::corrupt_file, {"'x.weight_scale'", "[2, 2]"});

    tensors few = tensors();
    few.add("x.weight_packed", type::i32, {2, 1}, std::vector<std::int32_t>(2));
    few.add("x.weight_scale", type::f32, {2, 1}, std::vector<float>(2));
    few.add("x.weight_shape", type::i64, {2}, std::vector<std::int64_t>{2, 4});
    refused(few, error_code::unsupported, {"'x.weight_packed'", "config.json"});
}

TEST(QuantizedModel, EmptyWeightsAreRead) {
    using type = safetensors_dtype;
    const temporary_folder folder;
    tensors file;
    const std::vector<std::int64_t> none{0, 64};
    file.declare(bitsandbytes::declare<nf4_double_quant<64>>("b.weight", none));
    bitsandbytes::append(file, "b.weight", quantized_tensor<nf4_double_quant<64>>({}, {0, 64}, flat, {}, {}));
    file.add("x.weight_packed", type::i32, {0, 8}, std::vector<std::int32_t>());
    file.add("x.weight_scale", type::f32, {0, 2}, std::vector<float>());
    file.add("x.weight_shape", type::i64, {2}, std::vector<std::int64_t>{0, 64});
    file.write(folder / "m.safetensors");
    const auto model = quantized_model::open(folder / "m.safetensors");
    for (const model_weight& weight : model.weights()) {
        EXPECT_EQ(weight.elements(), 0);
        EXPECT_TRUE(model.read(weight).empty());
    }
    EXPECT_TRUE(model.load<nf4_double_quant<64>>(model.at("b.weight")).empty());
}

TEST(QuantizedModel, DamagedFilesNeverDoMoreThanFail) {
    const temporary_folder folder;
    tensors file = example();
    nest(file);
    const std::string path = folder / "m.safetensors";
    file.write(path);
    const std::string good = temporary_folder::read(path);
    std::mt19937 random(11);
    const auto any_of = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
    for (int round = 0; round < 1000; ++round) {
        std::string bad = good;
        const std::size_t text = bad.find("{\"quant_type\"");
        const std::size_t header = 1300, begin = round % 3 == 0 ? 0 : round % 3 == 1 ? 8 : text;
        const std::size_t length = round % 3 == 0 ? bad.size() : round % 3 == 1 ? header : bad.size() - text;
        for (std::size_t changes = 1 + any_of(3); changes > 0; --changes) {
            char& c = bad[begin + any_of(length)];
            c = any_of(2) == 0 ? static_cast<char>('0' + any_of(10)) : static_cast<char>(any_of(256));
        }
        read_all(folder.write("bad.safetensors", bad));
    }
}
