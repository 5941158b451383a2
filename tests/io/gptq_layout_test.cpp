#include "tersor/io/gptq_layout.hpp"

#include "tersor/formats/half.hpp"
#include "tersor/io/affine_weight_regroup.hpp"
#include "tersor/io/gptq_load.hpp"
#include "tersor/io/json.hpp"
#include "tests/common/golden.hpp"
#include "tests/common/isas.hpp"
#include "tests/io/affine_weights.hpp"

#include <gtest/gtest.h>
#include <unsupported/Eigen/CXX11/ThreadPool>

#include <cmath>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace {

using namespace tersor;
using checkpoint::expect_error;
using checkpoint::tensors;
namespace gptq_layout = tersor::gptq_layout;

std::set<std::string> cases_of(const golden::file& file) {
    std::set<std::string> cases;
    for (const std::string& name : file.names()) {
        if (name.ends_with(".codes")) {
            cases.insert(name.substr(0, name.size() - 6));
        }
    }
    return cases;
}

/// What the solver found: codes, scales in float, zero points, groups.
affine_weight recorded_weight(const golden::file& file, const std::string& name, int bits) {
    affine_weight w;
    w.bits = bits;
    w.codes = file.tensor<std::uint8_t>(name + ".codes");
    w.rows = static_cast<tersor::index>(file.shape(name + ".codes")[0]);
    w.cols = static_cast<tersor::index>(file.shape(name + ".codes")[1]);
    w.scales = file.tensor<float>(name + ".scale_f32");
    w.groups = static_cast<tersor::index>(file.shape(name + ".scale_f32")[1]);
    w.zeros = file.tensor<std::uint8_t>(name + ".zero");
    w.group_index = file.tensor<std::int32_t>(name + ".g_idx");
    return w;
}

tensors recorded_tensors(const golden::file& file, const std::string& name, const gptq_layout::storage& s) {
    tensors result;
    for (const std::string part : {"qweight", "scales", "g_idx"}) {
        result.add(file.opened().at(name + "." + part), "l." + part);
    }
    const auto* const zeros = s.zeros == gptq_layout::version::v1 ? ".qzeros_v1" : ".qzeros_v2";
    result.add(file.opened().at(name + zeros), "l.qzeros");
    return result;
}

template <class Check>
void for_each_case(const Check& check) {
    const golden::file file("gptq/format_gptq");
    std::size_t count = 0;
    for (const std::string& name : cases_of(file)) {
        SCOPED_TRACE(name);
        const json::value args = json::parse(file.metadata(name + ".args"));
        const bool planar = args.find("planar") != nullptr && args.at("planar").as_boolean();
        const int bits = static_cast<int>(args.at("bits").as_integer());
        for (const auto version : {gptq_layout::version::v1, gptq_layout::version::v2}) {
            const gptq_layout::storage s{version, planar ? gptq_layout::packing::planes : gptq_layout::packing::stream};
            check(file, name, recorded_weight(file, name, bits), s);
            ++count;
        }
    }
    EXPECT_GE(count, 2u);
}

gptq_layout::stored_weight found(const tensors& file, const gptq_layout::storage& s, checkpoint::opened& opened) {
    opened = checkpoint::opened(file);
    gptq_layout::config known;
    known.storage = s;
    known.sym = false;
    return gptq_layout::find_weight(opened.at("l.qweight"), "file", opened.finder(), known);
}

} // namespace

TEST(GptqLayout, WritesTheRecordedTensorsByteForByte) {
    for_each_case(
        [](const golden::file& file, const std::string& name, const affine_weight& w, const gptq_layout::storage& s) {
            const tensors expected = recorded_tensors(file, name, s);
            const tensors given = checkpoint::written_gptq("l.weight", w, s);
            ASSERT_EQ(given.all.size(), expected.all.size());
            for (const auto& [tensor, content] : expected.all) {
                EXPECT_TRUE(given.all.at(tensor) == content) << tensor;
            }
        });
}

TEST(GptqLayout, ReadsTheRecordedTensors) {
    for_each_case([](const golden::file& file, const std::string& name, affine_weight w,
                     const gptq_layout::storage& s) {
        checkpoint::opened opened;
        const gptq_layout::stored_weight stored = found(recorded_tensors(file, name, s), s, opened);
        const std::vector<float> scales = file.tensor<float>(name + ".scales"); // [groups x rows]
        for (tersor::index row = 0; row < w.rows; ++row) {
            for (tersor::index g = 0; g < w.groups; ++g) {
                w.scales[static_cast<std::size_t>(row * w.groups + g)] =
                    scales[static_cast<std::size_t>(g * w.rows + row)];
            }
        }
        EXPECT_TRUE(gptq_layout::to_affine(stored) == w);
        EXPECT_EQ(stored.shape, shape_of(w));
        std::vector<float> values(w.codes.size());
        gptq_layout::decode(stored, std::span<float>(values), execution{});
        EXPECT_TRUE(checkpoint::same_floats(values, values_of(w)));
        if (file.has(name + ".dequant_f16")) {
            const auto expected = file.tensor<std::uint16_t>(name + ".dequant_f16"); // [cols x rows]
            std::size_t different = 0;
            for (tersor::index row = 0; row < w.rows; ++row) {
                for (tersor::index c = 0; c < w.cols; ++c) {
                    different += fp16::encode(values[static_cast<std::size_t>(row * w.cols + c)]) !=
                                 expected[static_cast<std::size_t>(c * w.rows + row)];
                }
            }
            EXPECT_EQ(different, 0u);
        }
    });
}

TEST(GptqLayout, ABiasIsRoundedToHalf) {
    const golden::file file("gptq/format_gptq");
    if (file.has("bias_in")) {
        tensors out;
        out.declare({{"l.bias", safetensors_dtype::f16, file.shape("bias")}});
        tersor::detail::append_scales(out, "l.bias", file.tensor<float>("bias_in"), safetensors_dtype::f16);
        EXPECT_EQ(out.values<std::uint16_t>("l.bias"), file.tensor<std::uint16_t>("bias"));
    }
    EXPECT_EQ(file.dtype("bias"), safetensors_dtype::f16);
}

TEST(GptqLayout, CodesOfValuesAreThoseOfThePacker) {
    for_each_case([](const golden::file&, const std::string&, const affine_weight& w, const gptq_layout::storage&) {
        EXPECT_TRUE(encode_affine(w, values_of(w)).codes == w.codes);
    });
}

TEST(GptqLayout, EveryWidthAndVersionSurvives) {
    for (int bits = 2; bits <= 8; ++bits) {
        for (const auto version : {gptq_layout::version::v1, gptq_layout::version::v2}) {
            for (const auto packing : {gptq_layout::packing::stream, gptq_layout::packing::planes}) {
                SCOPED_TRACE(bits);
                const gptq_layout::storage s{version, packing};
                for (const auto& [rows, cols] : {std::pair{32, 64}, {64, 32}, {96, 160}}) {
                    const affine_weight w = checkpoint::any_affine(bits, rows, cols, 32, unsigned(bits));
                    checkpoint::opened opened;
                    const auto stored = found(checkpoint::written_gptq("l.weight", w, s), s, opened);
                    EXPECT_EQ(stored.name, "l.weight");
                    EXPECT_TRUE(gptq_layout::to_affine(stored) == w);
                }
            }
        }
    }
}

TEST(GptqLayout, FewerThan32FeaturesDoWhereTheyFillWords) {
    const gptq_layout::storage s{gptq_layout::version::v1, gptq_layout::packing::stream};
    for (const auto& [bits, rows, cols] : {std::tuple{4, 8, 40}, {2, 16, 48}, {8, 4, 4}, {6, 16, 80}}) {
        const affine_weight w = checkpoint::any_affine(bits, rows, cols, cols, 7);
        checkpoint::opened opened;
        EXPECT_TRUE(gptq_layout::to_affine(found(checkpoint::written_gptq("l.weight", w, s), s, opened)) == w);
    }
}

TEST(GptqLayout, AZeroOfZeroBorrowsFromItsNeighbour) {
    affine_weight w = checkpoint::any_affine(4, 8, 32, 32, 1);
    w.zeros = {5, 0, 3, 15, 0, 0, 8, 1};
    const tensors file = checkpoint::written_gptq("l.weight", w, {});
    EXPECT_EQ(file.values<std::uint32_t>("l.qzeros"), std::vector<std::uint32_t>{0x1800F305u - 0x11111111u});
    w = checkpoint::any_affine(3, 32, 32, 32, 1);
    std::fill(w.zeros.begin(), w.zeros.end(), std::uint8_t{0});
    EXPECT_EQ(checkpoint::written_gptq("l.weight", w, {}).values<std::uint32_t>("l.qzeros"),
              std::vector<std::uint32_t>(3, 0xFFFFFFFFu));
}

TEST(GptqLayout, SaysWhatItCannotHold) {
    const auto refuse = [](const std::string& name, const affine_weight& w, const gptq_layout::storage& s,
                           std::initializer_list<std::string_view> words) {
        expect_error(error_code::unsupported, words, [&] { (void)gptq_layout::declare(name, shape_of(w), s); });
        expect_error(error_code::unsupported, words, [&] {
            tensors out;
            gptq_layout::append(out, name, w, s);
        });
    };
    refuse("l.weight", checkpoint::any_affine(3, 32, 40, 40, 1), {}, {"'l.weight'", "[32 x 40]", "40 input", "3 bits"});
    refuse("l.weight", checkpoint::any_affine(4, 12, 32, 32, 1), {}, {"12 output", "4 bits"});
    refuse("l.weight", checkpoint::any_affine(4, 8, 32, 32, 1),
           {gptq_layout::version::v2, gptq_layout::packing::planes}, {"8 output"});
    refuse("l.weight", checkpoint::any_affine(1, 32, 32, 32, 1), {}, {"2 to 8 bits, not 1"});
    refuse("embedding", checkpoint::any_affine(4, 32, 32, 32, 1), {}, {"PREFIX.weight", "'embedding'"});
    affine_weight w = checkpoint::any_affine(4, 32, 32, 32, 1);
    w.scales[3] = 1e6f;
    expect_error(error_code::unsupported, {"1000000", "F16"},
                 [&] { (void)checkpoint::written_gptq("l.weight", w, {}); });
    w.scales[3] = std::nanf("");
    expect_error(error_code::non_finite, {"'l.weight'", "row 3", "group 0"},
                 [&] { (void)checkpoint::written_gptq("l.weight", w, {}); });
}

TEST(GptqLayout, ThreadsAndInstructionSetsDoNotChangeValues) {
    const affine_weight w = checkpoint::any_affine(4, 160, 96, 32, 3);
    checkpoint::opened opened;
    const auto stored = found(checkpoint::written_gptq("l.weight", w, {}), {}, opened);
    isas::for_each_isa([&] {
        Eigen::ThreadPool pool(3);
        std::vector<float> values(w.codes.size());
        gptq_layout::decode(stored, std::span<float>(values), execution(pool));
        for (tersor::index i = 0; i < w.rows * w.cols; ++i) {
            const auto place = static_cast<std::size_t>(i / w.cols * w.groups + i % w.cols / 32);
            const int steps = w.codes[static_cast<std::size_t>(i)] - w.zeros[place];
            ASSERT_EQ(values[static_cast<std::size_t>(i)], static_cast<float>(steps) * w.scales[place]);
        }
    });
}
