// The recorded bytes and values of the formats with a table of values and of the ternary and binary ones.

#include "tersor/quantizers/gguf/iq4_nl.hpp"
#include "tersor/quantizers/gguf/iq4_xs.hpp"
#include "tersor/quantizers/gguf/mxfp4.hpp"
#include "tersor/quantizers/gguf/nvfp4.hpp"
#include "tersor/quantizers/gguf/q1_0.hpp"
#include "tersor/quantizers/gguf/q2_0.hpp"
#include "tersor/quantizers/gguf/tq1_0.hpp"
#include "tersor/quantizers/gguf/tq2_0.hpp"

#include "tests/quantizers/gguf_table_blocks.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <cstring>
#include <span>
#include <string>
#include <vector>

namespace {

using namespace tersor;

// The bytes of all rows, each encoded on its own.
template <class Q>
std::vector<std::uint8_t> encode_rows(const std::vector<float>& x, std::size_t cols,
                                      std::span<const float> importance) {
    std::vector<std::uint8_t> bytes;
    std::vector<typename Q::block> row(cols / static_cast<std::size_t>(Q::group));
    for (std::size_t start = 0; start < x.size(); start += cols) {
        Q::encode_blocks(std::span(x).subspan(start, cols), importance, quantize_mode::reference, row.data());
        const auto* const first = reinterpret_cast<const std::uint8_t*>(row.data());
        bytes.insert(bytes.end(), first, first + row.size() * sizeof(row[0]));
    }
    return bytes;
}

std::size_t count_differences(const std::vector<std::uint8_t>& a, const std::vector<std::uint8_t>& b) {
    std::size_t differences = a.size() == b.size() ? 0 : 1;
    for (std::size_t i = 0; i < a.size() && i < b.size(); ++i) {
        differences += a[i] != b[i] ? 1 : 0;
    }
    return differences;
}

template <class Q, bool UsesImportance>
struct recorded {
    using quantizer = Q;
    static constexpr bool uses_importance = UsesImportance;
};

template <class Case>
class GgufTableGolden : public testing::Test {
protected:
    const golden::file inputs = gguf_blocks::recorded("inputs");
    const golden::file results =
        gguf_blocks::recorded(std::string(Case::quantizer::name).substr(0, 3) == "iq4" ? "iq4" : "small");
    const std::vector<float> x = inputs.tensor<float>("x");
    const std::vector<float> importance = inputs.tensor<float>("imatrix");
    const isa before = active_isa();
    ~GgufTableGolden() override { set_isa(before); }

    static std::string upper_name() {
        std::string name = Case::quantizer::name;
        for (char& c : name) {
            c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
        }
        return name;
    }
};
using all_cases =
    testing::Types<recorded<gguf::iq4_nl, true>, recorded<gguf::iq4_xs, true>, recorded<gguf::mxfp4, false>,
                   recorded<gguf::nvfp4, false>, recorded<gguf::tq1_0, false>, recorded<gguf::tq2_0, false>,
                   recorded<gguf::q1_0, false>, recorded<gguf::q2_0, false>>;
TYPED_TEST_SUITE(GgufTableGolden, all_cases);

TYPED_TEST(GgufTableGolden, ReferenceModeWritesTheRecordedBytesOnEveryInstructionSet) {
    using Q = typename TypeParam::quantizer;
    const std::vector<std::uint8_t> expected = this->results.template tensor<std::uint8_t>("q." + this->upper_name());
    const std::string weighted_name = TypeParam::uses_importance ? "q_im." : "q.";
    const std::vector<std::uint8_t> expected_weighted =
        this->results.template tensor<std::uint8_t>(weighted_name + this->upper_name());
    isas::for_each_isa([&](isa set) {
        const std::size_t cols = this->importance.size();
        EXPECT_EQ(count_differences(encode_rows<Q>(this->x, cols, {}), expected), 0u) << to_string(set);
        EXPECT_EQ(count_differences(encode_rows<Q>(this->x, cols, this->importance), expected_weighted), 0u)
            << to_string(set) << " with importance";
    });
}

TYPED_TEST(GgufTableGolden, DecodesTheRecordedBytesToTheRecordedValues) {
    using Q = typename TypeParam::quantizer;
    const std::vector<std::uint8_t> bytes = this->results.template tensor<std::uint8_t>("q." + this->upper_name());
    const std::vector<float> expected = this->results.template tensor<float>("y." + this->upper_name());
    std::vector<typename Q::block> blocks(bytes.size() / sizeof(typename Q::block));
    std::memcpy(blocks.data(), bytes.data(), bytes.size());
    isas::for_each_isa([&](isa set) {
        const std::vector<float> y = gguf_blocks::decode<Q>(blocks);
        ASSERT_FALSE(expected.empty());
        for (std::size_t i = 0; i < expected.size(); ++i) {
            ASSERT_TRUE(y[i] == expected[i] || (std::isnan(y[i]) && std::isnan(expected[i])))
                << to_string(set) << " value " << i << ": " << y[i] << " instead of " << expected[i];
        }
    });
}

TEST(GgufIq4Nl, FirstFitWritesTheRecordedBytes) {
    const std::vector<float> x = gguf_blocks::recorded("inputs").tensor<float>("x");
    const std::vector<std::uint8_t> expected = gguf_blocks::recorded("iq4").tensor<std::uint8_t>("q_ref.IQ4_NL");
    std::vector<gguf::iq4_nl::block> blocks(x.size() / 32);
    gguf::iq4_nl::encode_blocks_first_fit(x, blocks.data());
    for (std::size_t b = 0; b < blocks.size(); ++b) {
        gguf::iq4_nl::block wanted;
        std::memcpy(&wanted, expected.data() + b * sizeof wanted, sizeof wanted);
        EXPECT_EQ(blocks[b].d, wanted.d) << "block " << b;
        // The recording holds whatever was in memory for the codes of zero blocks.
        if ((wanted.d & 0x7FFF) != 0) {
            EXPECT_EQ(std::memcmp(blocks[b].qs, wanted.qs, sizeof wanted.qs), 0) << "block " << b;
        }
    }
}

} // namespace
