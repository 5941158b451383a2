#include "tersor/io/gptq_reader.hpp"

#include "tersor/io/awq_reader.hpp"
#include "tersor/io/gptq_load.hpp"
#include "tersor/quantizers/absmax.hpp"
#include "tersor/quantizers/blockwise.hpp"
#include "tersor/quantizers/zero_point.hpp"
#include "tests/io/affine_weights.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string>
#include <vector>

namespace {

using namespace tersor;
using checkpoint::any_affine;
using checkpoint::expect_error;
using checkpoint::symmetric;
using checkpoint::tensors;
namespace gptq_layout = tersor::gptq_layout;
using type = safetensors_dtype;

template <tersor::index N>
using uint4_groups = blockwise<zero_point<uint4>, N>;
template <tersor::index N>
using int4_groups = blockwise<absmax<int4>, N>;

gptq_layout::config config_with(gptq_layout::version zeros, std::optional<bool> sym) {
    gptq_layout::config known;
    known.storage.zeros = zeros;
    known.sym = sym;
    return known;
}

affine_weight read(const tensors& file, const std::optional<gptq_layout::config>& known = {}) {
    const checkpoint::opened opened(file);
    return gptq_layout::to_affine(gptq_layout::find_weight(opened.at("l.qweight"), "the file", opened.finder(), known));
}

affine_weight read_awq(const tensors& file) {
    const checkpoint::opened opened(file);
    return awq_layout::to_affine(awq_layout::find_weight(opened.at("l.qweight"), "the file", opened.finder()));
}

tensors example() {
    return checkpoint::written_gptq("l.weight", any_affine(4, 16, 64, 32, 1), {});
}

tensors awq_example() {
    return checkpoint::written_awq("l.weight", any_affine(4, 16, 64, 32, 1));
}

template <class Spoil>
void expect_refused(std::initializer_list<std::string_view> words, const Spoil& spoil) {
    tensors file = example();
    spoil(file);
    expect_error(error_code::corrupt_file, words, [&] { (void)read(file); });
}

template <class Spoil>
void expect_awq_refused(std::initializer_list<std::string_view> words, const Spoil& spoil) {
    tensors file = awq_example();
    spoil(file);
    expect_error(error_code::corrupt_file, words, [&] { (void)read_awq(file); });
}

std::vector<std::int32_t> words(std::size_t count) {
    return std::vector<std::int32_t>(count, 0x12345678);
}

} // namespace

TEST(GptqReader, BelievesSymmetricZeroPoints) {
    const affine_weight w = symmetric(any_affine(4, 16, 64, 32, 1));
    for (const auto written : {gptq_layout::version::v1, gptq_layout::version::v2}) {
        const tensors file = checkpoint::written_gptq("l.weight", w, {written});
        for (const auto said : {gptq_layout::version::v1, gptq_layout::version::v2}) {
            EXPECT_TRUE(read(file, config_with(said, true)) == w);
        }
        EXPECT_TRUE(read(file) == w);
        EXPECT_TRUE(read(file, config_with(gptq_layout::version::v1, {})) == w);
        EXPECT_TRUE(read(file, config_with(written, false)) == w);
    }
    // not symmetric by its configuration: then its version is the one that is named
    const tensors second = checkpoint::written_gptq("l.weight", w, {gptq_layout::version::v2});
    EXPECT_EQ(read(second, config_with(gptq_layout::version::v1, false)).zeros[0], 9);
    // version 2 by its configuration, which does not say that it is symmetric: 7 is a zero point as any other
    const tensors first = checkpoint::written_gptq("l.weight", w, {gptq_layout::version::v1});
    EXPECT_EQ(read(first, config_with(gptq_layout::version::v2, {})).zeros[0], 7);
}

TEST(GptqReader, TakesVersionOneWhereNothingIsSaid) {
    const affine_weight w = any_affine(4, 16, 64, 32, 1);
    EXPECT_TRUE(read(checkpoint::written_gptq("l.weight", w, {})) == w);
}

TEST(GptqReader, GroupsWithoutIndexAreRunsOfColumns) {
    const affine_weight w = any_affine(4, 16, 64, 32, 1);
    tensors file = checkpoint::written_gptq("l.weight", w, {});
    file.all.erase("l.g_idx");
    EXPECT_TRUE(read(file) == w);
    const affine_weight ragged = any_affine(4, 16, 80, 32, 1);
    file = checkpoint::written_gptq("l.weight", ragged, {});
    EXPECT_TRUE(read(file) == ragged);
    file.all.erase("l.g_idx");
    gptq_layout::config known;
    known.group_size = 32;
    known.sym = false;
    EXPECT_TRUE(read(file, known) == ragged);
    expect_error(error_code::corrupt_file, {"'l.scales'", "3 groups", "80 columns"}, [&] { (void)read(file); });
    known.desc_act = true;
    expect_error(error_code::corrupt_file, {"the file", "'l.qweight'", "g_idx", "desc_act"},
                 [&] { (void)read(file, known); });
}

TEST(GptqReader, ActOrderIsReadAndNoQuantizer) {
    const affine_weight w = checkpoint::act_ordered(any_affine(4, 16, 64, 32, 1), 3);
    const checkpoint::opened opened(checkpoint::written_gptq("l.weight", w, {}));
    const auto stored = gptq_layout::find_weight(opened.at("l.qweight"), "file", opened.finder());
    EXPECT_FALSE(stored.shape.in_order);
    EXPECT_EQ(stored.shape.group, 32);
    EXPECT_TRUE(gptq_layout::to_affine(stored) == w);
    std::vector<float> values(w.codes.size());
    gptq_layout::decode(stored, std::span<float>(values), execution{});
    EXPECT_TRUE(checkpoint::same_floats(values, values_of(w)));
    EXPECT_FALSE(gptq_layout::holds<uint4_groups<32>>(stored));
    expect_error(error_code::unsupported, {"'l.weight'", "with act-order"},
                 [&] { (void)gptq_layout::load<uint4_groups<32>>(stored); });
}

TEST(GptqReader, WeightsInOrderAreQuantizedTensors) {
    const affine_weight w = any_affine(4, 16, 64, 32, 1), s = symmetric(w);
    const checkpoint::opened opened(checkpoint::written_gptq("l.weight", w, {}));
    const auto stored = gptq_layout::find_weight(opened.at("l.qweight"), "file", opened.finder());
    using half_scaled = blockwise<zero_point<uint4, Eigen::half>, 32>;
    ASSERT_TRUE(gptq_layout::holds<uint4_groups<32>>(stored));
    ASSERT_TRUE(gptq_layout::holds<half_scaled>(stored));
    EXPECT_FALSE(gptq_layout::holds<uint4_groups<64>>(stored));
    EXPECT_FALSE(gptq_layout::holds<int4_groups<32>>(stored));
    EXPECT_TRUE(to_affine(gptq_layout::load<uint4_groups<32>>(stored)) == w);
    EXPECT_TRUE(to_affine(gptq_layout::load<half_scaled>(stored)) == w);
    const checkpoint::opened other(checkpoint::written_gptq("l.weight", s, {}));
    const auto centred = gptq_layout::find_weight(other.at("l.qweight"), "file", other.finder());
    ASSERT_TRUE(gptq_layout::holds<int4_groups<32>>(centred));
    EXPECT_TRUE(to_affine(gptq_layout::load<int4_groups<32>>(centred)) == s);
}

TEST(GptqReader, NamesWhatIsMissingOrDoesNotFit) {
    for (const std::string part : {"qzeros", "scales"}) {
        expect_refused({"the file", "'l.qweight'", "'l." + part + "'"},
                       [&](tensors& file) { file.all.erase("l." + part); });
    }
    expect_refused({"'l.qweight'", "I16"}, [](tensors& f) { f.all["l.qweight"].dtype = type::i16; });
    expect_refused({"'l.qweight'", "[128]"}, [](tensors& f) { f.all["l.qweight"].shape = {128}; });
    expect_refused({"'l.qzeros'", "U8"}, [](tensors& f) {
        f.add("l.qzeros", type::u8, {2, 2}, std::vector<std::uint8_t>(4));
    });
    expect_refused({"'l.scales'", "I32"}, [](tensors& f) { f.add("l.scales", type::i32, {2, 16}, words(32)); });
    expect_refused({"'l.qweight'", "8 words", "6 bits"}, [](tensors& f) {
        f.add("l.qzeros", type::i32, {2, 3}, words(6));
    });
    expect_refused({"'l.qzeros'", "9 words", "16 zero points"}, [](tensors& f) {
        f.add("l.qzeros", type::i32, {2, 9}, words(18));
    });
    expect_refused({"'l.scales'", "[2, 15]", "[2, 16]"}, [](tensors& f) {
        f.add("l.scales", type::f16, {2, 15}, std::vector<std::uint16_t>(30));
    });
    expect_refused({"'l.qzeros'", "[3, 2]", "[2, 2]"}, [](tensors& f) {
        f.add("l.qzeros", type::i32, {3, 2}, words(6));
    });
    expect_refused({"'l.scales'", "65 groups", "64 columns"}, [](tensors& f) {
        f.add("l.scales", type::f16, {65, 16}, std::vector<std::uint16_t>(65 * 16));
        f.add("l.qzeros", type::i32, {65, 2}, words(130));
        f.all.erase("l.g_idx");
    });
    expect_refused({"'l.g_idx'", "[63]", "[64]"},
                   [](tensors& f) { f.add("l.g_idx", type::i32, {63}, std::vector<std::int32_t>(63)); });
    expect_refused({"'l.g_idx'", "I64"},
                   [](tensors& f) { f.add("l.g_idx", type::i64, {64}, std::vector<std::int64_t>(64)); });
    for (const std::int32_t bad : {-1, 2, INT32_MIN}) {
        expect_refused({"'l.g_idx'", "group " + std::to_string(bad), "of 2"}, [&](tensors& f) {
            std::vector<std::int32_t> groups(64);
            groups[7] = bad;
            f.add("l.g_idx", type::i32, {64}, groups);
        });
    }
    for (const std::uint16_t bad : {std::uint16_t{0x7E00}, std::uint16_t{0x7C00}, std::uint16_t{0xFC00}}) {
        expect_refused({"'l.scales'", "finite", "[1, 3]"}, [&](tensors& f) {
            auto scales = f.values<std::uint16_t>("l.scales");
            scales[19] = bad;
            f.add("l.scales", type::f16, {2, 16}, scales);
        });
    }
    expect_refused({"'l.qweight'", "[0, 16]"}, [](tensors& f) {
        f.add("l.qweight", type::i32, {0, 16}, std::vector<std::int32_t>());
    });
}

TEST(GptqReader, WordsThatCodesDoNotFillAreRefused) {
    tensors file = checkpoint::written_gptq("l.weight", any_affine(3, 32, 64, 32, 1), {});
    file.add("l.qweight", type::i32, {7, 32}, words(7 * 32));
    expect_error(error_code::corrupt_file, {"'l.qweight'", "7 words", "3 bits"}, [&] { (void)read(file); });
    gptq_layout::config planes;
    planes.storage.packing = gptq_layout::packing::planes;
    expect_error(error_code::corrupt_file, {"'l.qzeros'", "planes"}, [&] { (void)read(example(), planes); });
}

TEST(AwqReader, NamesWhatIsMissingOrDoesNotFit) {
    for (const std::string part : {"qzeros", "scales"}) {
        expect_awq_refused({"the file", "'l.qweight'", "'l." + part + "'"},
                           [&](tensors& file) { file.all.erase("l." + part); });
    }
    expect_awq_refused({"'l.qweight'", "I16"}, [](tensors& f) { f.all["l.qweight"].dtype = type::i16; });
    expect_awq_refused({"'l.scales'", "[2, 15]", "[2, 16]"}, [](tensors& f) {
        f.add("l.scales", type::f16, {2, 15}, std::vector<std::uint16_t>(30));
    });
    expect_awq_refused({"'l.qzeros'", "[2, 3]", "[2, 2]"}, [](tensors& f) {
        f.add("l.qzeros", type::i32, {2, 3}, words(6));
    });
    expect_awq_refused({"'l.scales'", "3 groups", "64 columns"}, [](tensors& f) {
        f.add("l.scales", type::f16, {3, 16}, std::vector<std::uint16_t>(48));
        f.add("l.qzeros", type::i32, {3, 2}, words(6));
    });
    expect_awq_refused({"'l.scales'", "finite"}, [](tensors& f) {
        f.add("l.scales", type::f16, {2, 16}, std::vector<std::uint16_t>(32, 0x7C00));
    });
}

TEST(GptqReader, DamagedTensorsNeverDoMoreThanFail) {
    std::mt19937 random(7);
    const auto below = [&random](std::size_t n) { return random() % n; };
    const std::vector<type> types{type::i32, type::f16, type::f32, type::u8, type::i64, type::bf16};
    std::size_t accepted = 0, refused = 0;
    for (int round = 0; round < 3000; ++round) {
        const bool is_awq = round % 3 == 0;
        tensors file = is_awq ? awq_example() : example();
        for (std::size_t changes = 1 + below(2); changes > 0; --changes) {
            auto place = file.all.begin();
            std::advance(place, static_cast<std::ptrdiff_t>(below(file.all.size())));
            auto& [name, tensor] = *place;
            switch (below(5)) {
            case 0:
                tensor.bytes[below(tensor.bytes.size())] = static_cast<std::byte>(below(256));
                break;
            case 1:
                tensor.dtype = types[below(types.size())];
                break;
            case 2:
                tensor.shape[below(tensor.shape.size())] = static_cast<std::int64_t>(below(130));
                break;
            case 3:
                std::swap(tensor.shape.front(), tensor.shape.back());
                break;
            default:
                if (name != "l.qweight") {
                    file.all.erase(place);
                }
            }
            // a file's tensors always have the bytes of their type and shape
            for (auto& [other, content] : file.all) {
                content.bytes.resize(bytes_of({other, content.dtype, content.shape}));
            }
            if (file.all.at("l.qweight").bytes.empty() || file.all.size() < 2) {
                break;
            }
            std::erase_if(file.all, [](const auto& entry) { return entry.second.bytes.empty(); });
        }
        try {
            (void)(is_awq ? read_awq(file) : read(file));
            ++accepted;
        } catch (const error& e) {
            EXPECT_EQ(e.code(), error_code::corrupt_file) << e.what();
            EXPECT_NE(std::string_view(e.what()).find("'l."), std::string_view::npos) << e.what();
            ++refused;
        }
    }
    EXPECT_GT(accepted, 100u);
    EXPECT_GT(refused, 1000u);
}
