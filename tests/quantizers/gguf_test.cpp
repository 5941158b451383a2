#include "tersor/quantizers/gguf.hpp"

#include "tersor/metrics/error_metrics.hpp"
#include "tersor/quantizers/dequantize.hpp"
#include "tersor/quantizers/quantize.hpp"

#include <Eigen/Core>
#include <gtest/gtest.h>

#include <cstdint>
#include <string_view>

using namespace tersor;

namespace {

// What ggml says of its types.
struct expected_type {
    std::string_view name;
    std::uint32_t id;
    int values, bytes;
};
constexpr expected_type expected_types[] = {
    {"q4_0", 2, 32, 18},      {"q4_1", 3, 32, 20},     {"q5_0", 6, 32, 22},      {"q5_1", 7, 32, 24},
    {"q8_0", 8, 32, 34},      {"q8_1", 9, 32, 36},     {"q2_k", 10, 256, 84},    {"q3_k", 11, 256, 110},
    {"q4_k", 12, 256, 144},   {"q5_k", 13, 256, 176},  {"q6_k", 14, 256, 210},   {"q8_k", 15, 256, 292},
    {"iq2_xxs", 16, 256, 66}, {"iq2_xs", 17, 256, 74}, {"iq3_xxs", 18, 256, 98}, {"iq1_s", 19, 256, 50},
    {"iq4_nl", 20, 32, 18},   {"iq3_s", 21, 256, 110}, {"iq2_s", 22, 256, 82},   {"iq4_xs", 23, 256, 136},
    {"iq1_m", 29, 256, 56},   {"tq1_0", 34, 256, 54},  {"tq2_0", 35, 256, 66},   {"mxfp4", 39, 32, 17},
    {"nvfp4", 40, 64, 36},    {"q1_0", 41, 128, 18},   {"q2_0", 42, 64, 18}};

} // namespace

TEST(Gguf, EveryTypeIsFoundByItsNumberAndHasTheSizeOfItsBlocks) {
    for (const expected_type& expected : expected_types) {
        const bool is_found = gguf::visit(expected.id, [&]<class Quantizer>() {
            EXPECT_EQ(Quantizer::name, expected.name);
            EXPECT_EQ(Quantizer::group, expected.values) << expected.name;
            EXPECT_EQ(sizeof(typename Quantizer::block), static_cast<std::size_t>(expected.bytes)) << expected.name;
            EXPECT_LE(alignof(typename Quantizer::block), 2u) << expected.name;
        });
        EXPECT_TRUE(is_found) << expected.name;
    }
    for (const std::uint32_t id : {0u, 1u, 4u, 5u, 24u, 30u, 31u, 36u, 43u, 0xFFFFFFFFu}) {
        EXPECT_FALSE(gguf::visit(id, []<class Quantizer>() { ADD_FAILURE() << Quantizer::name; })) << id;
    }
}

TEST(Gguf, QuantizesAndComparesAsAnyQuantizerDoes) {
    using row_major = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    const row_major w = row_major::Random(5, 768);
    const auto q = quantize<gguf::q4_k>(w);
    EXPECT_EQ(q.bytes(), 5u * 3 * 144);
    EXPECT_EQ(q.bits_per_weight(), 4.5);
    EXPECT_GT(compare(w, q).sqnr_db, 22.0);
    EXPECT_EQ(dequantize(quantize<gguf::q4_k>(Eigen::MatrixXf(w))), dequantize(q));
    EXPECT_LE(compare(w, q).mse, compare(w, quantize<gguf::q4_k>(w, {.mode = quantize_mode::reference})).mse);
}
