#include "tersor/io/compressed_tensors_affine.hpp"

#include "tersor/io/compressed_tensors_config.hpp"
#include "tersor/io/compressed_tensors_load.hpp"
#include "tersor/io/compressed_tensors_reader.hpp"
#include "tersor/io/json.hpp"
#include "tests/common/golden.hpp"
#include "tests/io/affine_weights.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

namespace {

using namespace tersor;
using checkpoint::expect_error;
using checkpoint::tensors;
namespace ct = tersor::compressed_tensors;

ct::stored_weight found(const checkpoint::opened& file, std::span<const ct::hint> hints = {}) {
    return ct::find_weight(file.at("l.weight_packed"), "file", file.finder(), hints);
}

std::vector<float> decoded(const ct::stored_weight& stored) {
    std::vector<float> values(static_cast<std::size_t>(stored.rows * stored.cols));
    ct::decode(stored, std::span<float>(values), execution{});
    return values;
}

} // namespace

TEST(CompressedTensorsAffine, WritesTheRecordedTensorsByteForByte) {
    const golden::file file("gptq/format_compressed_tensors");
    std::size_t count = 0;
    for (const std::string& tensor : file.names()) {
        if (!tensor.ends_with(".codes_i8")) {
            continue;
        }
        ++count;
        const std::string name = tensor.substr(0, tensor.size() - 9);
        SCOPED_TRACE(name);
        affine_weight w;
        w.bits = static_cast<int>(json::parse(file.metadata(name + ".args")).at("num_bits").as_integer());
        const int half = 1 << (w.bits - 1);
        for (const std::int8_t code : file.tensor<std::int8_t>(tensor)) {
            w.codes.push_back(static_cast<std::uint8_t>(code + half));
        }
        w.rows = static_cast<tersor::index>(file.shape(tensor)[0]);
        w.cols = static_cast<tersor::index>(file.shape(tensor)[1]);
        w.scales = file.tensor<float>(name + ".weight_scale");
        w.groups = static_cast<tersor::index>(file.shape(name + ".weight_scale")[1]);
        w.zeros.assign(w.scales.size(), static_cast<std::uint8_t>(half));
        if (file.has(name + ".zero_i8")) {
            const auto zeros = file.tensor<std::int8_t>(name + ".zero_i8");
            for (std::size_t i = 0; i < zeros.size(); ++i) {
                w.zeros[i] = static_cast<std::uint8_t>(zeros[i] + half);
            }
        }
        w.group_index = tersor::detail::ordered_group_index(w.cols, w.cols / w.groups);
        tensors expected;
        for (const std::string part : {"weight_packed", "weight_scale", "weight_zero_point", "weight_shape"}) {
            if (file.has(name + "." + part)) {
                expected.add(file.opened().at(name + "." + part), "l." + part);
            }
        }
        const auto storage = ct::storage_of(shape_of(w), file.dtype(name + ".weight_scale"));
        const tensors given = checkpoint::written_compressed("l.weight", w, storage);
        ASSERT_EQ(given.all.size(), expected.all.size());
        for (const auto& [part, content] : expected.all) {
            EXPECT_TRUE(given.all.at(part) == content) << part;
        }
        const checkpoint::opened opened(expected);
        const std::vector<ct::hint> hints{{w.bits, w.groups > 1 ? w.cols / w.groups : 0, 0}};
        EXPECT_TRUE(ct::to_affine(found(opened, hints)) == w);
        EXPECT_TRUE(checkpoint::same_floats(values_of(w), file.tensor<float>(name + ".dequant")));
    }
    EXPECT_GE(count, 2u);
}

TEST(CompressedTensorsAffine, EveryWidthSurvivesWithZeroPointsAndGroupIndex) {
    for (int bits = 1; bits <= 8; ++bits) {
        for (const bool is_symmetric : {false, true}) {
            for (const bool moves : {false, true}) {
                SCOPED_TRACE(bits);
                affine_weight w = checkpoint::any_affine(bits, 33, 96, 32, static_cast<unsigned>(bits));
                w = is_symmetric ? checkpoint::symmetric(w) : w;
                w = moves ? checkpoint::act_ordered(w, 3) : w;
                const auto storage = ct::storage_of(shape_of(w), safetensors_dtype::f16);
                EXPECT_EQ(storage.zero_points, !is_symmetric);
                EXPECT_EQ(storage.group_index, moves);
                const checkpoint::opened opened(checkpoint::written_compressed("l.weight", w, storage));
                const auto stored = found(opened);
                EXPECT_TRUE(ct::to_affine(stored) == w);
                EXPECT_TRUE(stored.scheme == ct::scheme_of(shape_of(w), storage));
                EXPECT_TRUE(checkpoint::same_floats(decoded(stored), values_of(w)));
            }
        }
    }
}

TEST(CompressedTensorsAffine, RowsThatDoNotFillWordsSurvive) {
    for (const auto& [bits, rows, cols, group] : {std::tuple{3, 1, 7, 7}, {5, 7, 31, 31}, {1, 40, 100, 10}}) {
        const affine_weight w = checkpoint::any_affine(bits, rows, cols, group, 9);
        const checkpoint::opened opened(checkpoint::written_compressed("l.weight", w, ct::storage_of(shape_of(w))));
        const std::vector<ct::hint> hints{{bits, group < cols ? group : 0, 0}};
        EXPECT_TRUE(ct::to_affine(found(opened, hints)) == w) << bits;
    }
}

TEST(CompressedTensorsAffine, BytesAndOneScaleAreAffineToo) {
    tensors file;
    file.add("l.weight", safetensors_dtype::i8, {2, 3}, std::vector<std::int8_t>{-128, -1, 0, 1, 5, 127});
    file.add("l.weight_scale", safetensors_dtype::f32, {1}, std::vector<float>{0.5f});
    const checkpoint::opened opened(file);
    const auto stored = ct::find_weight(opened.at("l.weight"), "file", opened.finder());
    const affine_weight w = ct::to_affine(stored);
    EXPECT_EQ(w.codes, (std::vector<std::uint8_t>{0, 127, 128, 129, 133, 255}));
    EXPECT_EQ(w.scales, (std::vector<float>{0.5f, 0.5f}));
    EXPECT_EQ(w.zeros, (std::vector<std::uint8_t>{128, 128}));
    EXPECT_TRUE(checkpoint::same_floats(decoded(stored), values_of(w)));
}

TEST(CompressedTensorsAffine, TheConfigurationNamesTheOrder) {
    const affine_shape shape{4, 32, 64, 2, 32, false, false};
    ct::config_builder builder;
    builder.add("l.weight", ct::scheme_of(shape, ct::storage_of(shape)));
    const json::value config = builder.build();
    const json::value& weights = config.at("config_groups").at("group_0").at("weights");
    EXPECT_EQ(weights.at("actorder").as_string(), "group");
    EXPECT_FALSE(weights.at("symmetric").as_boolean());
    EXPECT_EQ(weights.at("group_size").as_integer(), 32);
}

TEST(CompressedTensorsAffine, SaysWhatItCannotHold) {
    affine_weight w = checkpoint::any_affine(4, 8, 80, 32, 1);
    expect_error(error_code::unsupported, {"'l.weight'", "3 groups of 32", "80 columns"},
                 [&] { (void)ct::declare("l.weight", shape_of(w), {}); });
    w = checkpoint::act_ordered(checkpoint::any_affine(4, 8, 64, 32, 1), 1);
    expect_error(error_code::unsupported, {"no group index"},
                 [&] { (void)ct::declare("l.weight", shape_of(w), {}); });
    w.group_index.back() = 1 - w.group_index.back(); // 33 and 31 columns
    expect_error(error_code::unsupported, {"2 groups of 33"},
                 [&] { (void)ct::declare("l.weight", shape_of(w), ct::storage_of(shape_of(w))); });
    w = checkpoint::any_affine(4, 8, 64, 32, 1);
    expect_error(error_code::unsupported, {"zero points"}, [&] {
        tensors out;
        ct::append(out, "l.weight", w, {safetensors_dtype::f32, false, false});
    });
    tensors file = checkpoint::written_compressed("l.weight", w, {});
    auto scales = file.values<float>("l.weight_scale");
    scales[1] = HUGE_VALF;
    file.add("l.weight_scale", safetensors_dtype::f32, {8, 2}, scales);
    const checkpoint::opened opened(file);
    expect_error(error_code::corrupt_file, {"'l.weight_scale'", "not finite"},
                 [&] { (void)ct::to_affine(found(opened)); });
}
