#include "tersor/quantizers/compressed_tensors.hpp"

#include "tersor/quantizers/absmax.hpp"
#include "tersor/quantizers/zero_point.hpp"
#include "tests/common/golden.hpp"
#include "tests/quantizers/by_definition.hpp"

#include <Eigen/Core>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

using namespace tersor;

namespace {

template <class Q>
void check_case(const golden::file& file, const std::string& stem) {
    const auto columns = static_cast<std::size_t>(file.shape("W").back());
    const auto groups = static_cast<std::size_t>(file.shape(stem + ".weight_scale").back());
    const auto c = by_definition::quantize(Q{}, file.tensor<float>("W"), columns, columns / groups);
    EXPECT_TRUE(same(scales_of(c.parameters), file.tensor<float>(stem + ".weight_scale")));
    EXPECT_TRUE(same(c.codes, file.tensor<std::int8_t>(stem + ".codes_i8")));
    if (file.has(stem + ".dequant")) {
        EXPECT_TRUE(same(by_definition::dequantize(c), file.tensor<float>(stem + ".dequant")));
    }
    if constexpr (requires { Q{}.from_range(0.0f, 0.0f).zero; }) {
        std::vector<std::int8_t> zeros;
        for (const auto p : c.parameters) {
            zeros.push_back(p.zero);
        }
        EXPECT_TRUE(same(zeros, file.tensor<std::int8_t>(stem + ".zero_i8")));
    }
}

template <class Format>
void check_bits(const golden::file& file, const std::string& stem) {
    const std::string arguments = file.metadata(stem + ".args");
    const bool half = arguments.find("float16") != std::string::npos;
    if (file.has(stem + ".zero_i8")) {
        half ? check_case<compressed_tensors_zero_point<Format, Eigen::half>>(file, stem)
             : check_case<compressed_tensors_zero_point<Format>>(file, stem);
    } else {
        half ? check_case<compressed_tensors_absmax<Format, Eigen::half>>(file, stem)
             : check_case<compressed_tensors_absmax<Format>>(file, stem);
    }
}

TEST(CompressedTensors, GivesTheRecordedScalesAndCodes) {
    const golden::file file("gptq/format_compressed_tensors");
    int checked = 0;
    for (const std::string& stem : stems(file.names(), ".codes_i8")) {
        SCOPED_TRACE(stem);
        ++checked;
        switch (stem.at(1)) {
        case '2':
            check_bits<int2>(file, stem);
            break;
        case '3':
            check_bits<int3>(file, stem);
            break;
        case '4':
            check_bits<int4>(file, stem);
            break;
        case '5':
            check_bits<int5>(file, stem);
            break;
        case '6':
            check_bits<int6>(file, stem);
            break;
        case '7':
            check_bits<int7>(file, stem);
            break;
        case '8':
            check_bits<int8>(file, stem);
            break;
        default:
            ADD_FAILURE() << "unknown number of bits";
        }
    }
    EXPECT_GE(checked, 2);
}

TEST(CompressedTensors, AScaleOfZeroBecomesTheEpsilonOfItsType) {
    EXPECT_EQ(compressed_tensors_absmax<int4>{}.from_magnitude(0.0f).scale, 0x1p-23f);
    EXPECT_EQ(static_cast<float>(compressed_tensors_absmax<int4, Eigen::half>{}.from_magnitude(0.0f).scale), 0x1p-10f);
    EXPECT_EQ(static_cast<float>(compressed_tensors_absmax<int4, Eigen::bfloat16>{}.from_magnitude(0.0f).scale),
              0x1p-7f);
    const auto zeros = compressed_tensors_zero_point<int4>{}.from_range(0.0f, 0.0f);
    EXPECT_EQ(zeros.scale, 0x1p-23f);
    EXPECT_EQ(zeros.zero, 0);
}

TEST(CompressedTensors, SymmetricScalesAreThoseOfTheFullRange) {
    const absmax<int4, float, integer_range::full> full;
    const compressed_tensors_absmax<int4> q;
    for (const float magnitude : {1e-30f, 0.3f, 7.5f, 1e30f}) {
        EXPECT_EQ(q.from_magnitude(magnitude).scale, full.from_magnitude(magnitude).scale);
        EXPECT_EQ(q.encode(-magnitude, q.from_magnitude(magnitude)),
                  full.encode(-magnitude, full.from_magnitude(magnitude)));
    }
}

TEST(CompressedTensors, TheSumWithTheZeroPointIsRounded) {
    // 0.5 is a tie: alone it goes to 0, with an odd zero point the sum 1.5 goes to 2.
    const compressed_tensors_zero_point<int4>::parameters p{1.0f, 1};
    EXPECT_EQ(compressed_tensors_zero_point<int4>{}.encode(0.5f, p), 2);
    EXPECT_EQ(zero_point<int4>{}.encode(0.5f, {1.0f, 1}), 1);
}

TEST(CompressedTensors, ExtremeGroupsDecodeToFiniteValues) {
    for (const float magnitude : {1e-45f, 1e-40f, 1e-38f, 1.0f, 1e38f}) {
        for (const std::vector<float>& x :
             {std::vector<float>{magnitude}, std::vector<float>{-magnitude, magnitude / 2}}) {
            for (const float decoded : by_definition::round_trip(compressed_tensors_zero_point<int4>{}, x)) {
                EXPECT_TRUE(std::isfinite(decoded));
            }
            for (const float decoded : by_definition::round_trip(compressed_tensors_absmax<int8, Eigen::half>{}, x)) {
                EXPECT_TRUE(std::isfinite(decoded));
            }
        }
    }
}

} // namespace
