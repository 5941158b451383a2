#include "tersor/quantizers/double_quant.hpp"

#include "tersor/core/error.hpp"
#include "tersor/formats/fp4.hpp"
#include "tersor/formats/integer.hpp"
#include "tersor/formats/nf4.hpp"
#include "tersor/formats/packing.hpp"
#include "tersor/quantizers/blockwise.hpp"
#include "tests/common/golden.hpp"
#include "tests/quantizers/by_definition.hpp"
#include "tests/quantizers/rounded_to.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

using namespace tersor;

namespace {

template <class Format, class Nested = dynamic8>
using quantizer_of = double_quant<blockwise<absmax<Format>, 64>, 256, Nested>;

std::vector<std::uint8_t> copy(std::span<const std::uint8_t> values) {
    return {values.begin(), values.end()};
}
std::vector<float> copy(std::span<const float> values) {
    return {values.begin(), values.end()};
}

// The recorded plain scales of one case, as parameters.
template <class Q>
std::vector<typename Q::parameters> recorded_scales(const golden::file& file, const std::string& stem) {
    std::vector<typename Q::parameters> parameters;
    for (const float scale : file.tensor<float>(stem + ".absmax")) {
        parameters.push_back({scale});
    }
    return parameters;
}

// Checks the coded scales against "<stem>.absmax_q<ending>" and "<stem>.nested_absmax<ending>".
template <class Q>
void check_scales(const golden::file& file, const std::string& stem, const std::string& ending) {
    using array = typename Q::parameter_array;
    const auto plain = recorded_scales<Q>(file, stem);
    const float offset = file.tensor<float>(stem + ".offset")[0];
    EXPECT_LE(ulps_between(array(plain).offset(), offset), 1);
    const array coded(plain, offset);
    EXPECT_TRUE(same(copy(coded.codes()), file.tensor<std::uint8_t>(stem + ".absmax_q" + ending)));
    EXPECT_TRUE(same(copy(coded.nested_scales()), file.tensor<float>(stem + ".nested_absmax" + ending)));
    if (ending.empty()) {
        std::vector<float> decoded;
        for (std::size_t i = 0; i < coded.size(); ++i) {
            decoded.push_back(coded[i].scale);
        }
        EXPECT_TRUE(same(decoded, file.tensor<float>(stem + ".absmax_dq")));
    }
}

template <class Format>
void check_file(const std::string& name) {
    using compiled = quantizer_of<Format, bitsandbytes_cpu<dynamic8>>;
    const golden::file file(name);
    int checked = 0;
    for (const std::string& stem : stems(file.names(), ".absmax_q")) {
        SCOPED_TRACE(stem);
        ++checked;
        check_scales<compiled>(file, stem, "");
        check_scales<quantizer_of<Format>>(file, stem, "_mid");
        const std::string x_name = case_of(stem) + ".x";
        if (!file.has(x_name)) {
            continue;
        }
        const auto x = file.tensor<float>(x_name);
        const auto c = by_definition::quantize(compiled{}, x, x.size(), block_of(stem, 64));
        std::vector<std::uint8_t> packed(packed_bytes(x.size(), 4));
        pack(Format{}, c.codes, packed.data());
        EXPECT_TRUE(same(packed, file.tensor<std::uint8_t>(stem + ".packed")));
        EXPECT_TRUE(same(scales_of(c.parameters), file.tensor<float>(stem + ".absmax")));
        if (file.has(stem + ".dq")) {
            const typename compiled::parameter_array coded(c.parameters, file.tensor<float>(stem + ".offset")[0]);
            EXPECT_TRUE(same(rounded_to(file.dtype(stem + ".dq"), by_definition::dequantize(c, coded)),
                             file.tensor<float>(stem + ".dq")));
        }
    }
    EXPECT_GE(checked, 1);
}

TEST(DoubleQuant, Nf4GivesTheBytesOfBitsandbytes) {
    check_file<nf4>("bitsandbytes/nf4_doublequant");
}

TEST(DoubleQuant, Fp4GivesTheBytesOfBitsandbytes) {
    check_file<fp4>("bitsandbytes/fp4_doublequant");
}

TEST(DoubleQuant, DecodesTheScalesOfACheckpoint) {
    const golden::file file("bitsandbytes/ckpt_linear_nf4_dq");
    const golden::file expected("bitsandbytes/ckpt_linear_nf4_dq_expected");
    const auto text = file.tensor<std::uint8_t>("weight.quant_state.bitsandbytes__nf4");
    const std::string state(text.begin(), text.end());
    const std::string key = "\"nested_offset\":";
    const auto offset = static_cast<float>(std::stod(state.substr(state.find(key) + key.size())));
    const quantizer_of<nf4>::parameter_array stored(file.tensor<std::uint8_t>("weight.absmax"),
                                                    file.tensor<float>("weight.nested_absmax"), offset,
                                                    file.tensor<float>("weight.nested_quant_map"));
    std::vector<float> decoded;
    for (std::size_t i = 0; i < stored.size(); ++i) {
        decoded.push_back(stored[i].scale);
    }
    EXPECT_TRUE(same(decoded, expected.tensor<float>("absmax_dq")));
}

using small = double_quant<blockwise<absmax<nf4>, 8>, 4>;

std::vector<small::parameters> some_scales(std::size_t count) {
    std::vector<small::parameters> scales;
    for (std::size_t i = 0; i < count; ++i) {
        scales.push_back({0.5f + 0.01f * static_cast<float>((i * 37) % 23)});
    }
    return scales;
}

TEST(DoubleQuant, DecodedScalesAreWithinTheCoarsestStepOfTheMap) {
    for (const std::size_t count : {1u, 3u, 4u, 5u, 17u}) {
        const auto plain = some_scales(count);
        const small::parameter_array coded(plain);
        ASSERT_EQ(coded.size(), count);
        for (std::size_t i = 0; i < count; ++i) {
            EXPECT_NEAR(coded[i].scale, plain[i].scale,
                        0.0071 * static_cast<double>(coded.nested_scales()[i / 4]) + 1e-7);
        }
    }
}

TEST(DoubleQuant, EqualScalesDecodeExactly) {
    for (const float scale : {0.0f, 1e-45f, 0.37f, 1e38f}) {
        const small::parameter_array coded(std::vector<small::parameters>(9, {scale}));
        for (std::size_t i = 0; i < coded.size(); ++i) {
            EXPECT_EQ(coded[i].scale, scale);
        }
    }
}

TEST(DoubleQuant, ADecodedScaleMayBeNegativeAndIsUsedAsItIs) {
    const small::parameter_array stored({0}, {2.0f}, 0.25f);
    const float expected = dynamic8::values[0] * 2.0f + 0.25f;
    ASSERT_LT(expected, 0.0f);
    EXPECT_EQ(stored[0].scale, expected);
    EXPECT_EQ(small{}.decode(15, stored[0]), expected);
}

TEST(DoubleQuant, CountsItsBytes) {
    const small::parameter_array coded(some_scales(17));
    EXPECT_EQ(coded.codes().size(), 17u);
    EXPECT_EQ(coded.nested_scales().size(), 5u);
    EXPECT_EQ(coded.bytes(), 17u + 5u * 4u + 4u);
    EXPECT_EQ(small::parameter_array().size(), 0u);
}

TEST(DoubleQuant, AViewShowsTheSameScales) {
    const small::parameter_array coded(some_scales(17));
    const small::parameter_view view = coded;
    EXPECT_EQ(view.size(), coded.size());
    EXPECT_EQ(view.bytes(), coded.bytes());
    for (std::size_t i = 0; i < view.size(); ++i) {
        EXPECT_EQ(view[i], coded[i]);
    }
    EXPECT_EQ(view, coded.view());
}

TEST(DoubleQuant, ArraysAreEqualIfTheirContentsAre) {
    const auto plain = some_scales(17);
    const small::parameter_array coded(plain);
    const small::parameter_array again(copy(coded.codes()), copy(coded.nested_scales()), coded.offset());
    EXPECT_EQ(coded, again);
    const small::parameter_array with_map(copy(coded.codes()), copy(coded.nested_scales()), coded.offset(),
                                          copy(coded.map()));
    EXPECT_EQ(coded, with_map);
    const small::parameter_array shifted(copy(coded.codes()), copy(coded.nested_scales()), coded.offset() + 1.0f);
    EXPECT_FALSE(coded == shifted);
}

TEST(DoubleQuant, TheMapOfAFileReplacesItsOwn) {
    std::vector<float> map = copy(std::span<const float>(dynamic8::values));
    map[200] = 0.5f;
    const small::parameter_array stored({200}, {2.0f}, 0.25f, map);
    EXPECT_EQ(stored[0].scale, 1.25f);
}

TEST(DoubleQuant, RefusesNumbersThatDoNotFit) {
    const std::vector<std::uint8_t> codes(5);
    EXPECT_THROW(small::parameter_array(codes, std::vector<float>(1), 0.0f), error);
    EXPECT_THROW(small::parameter_array(codes, std::vector<float>(3), 0.0f), error);
    EXPECT_THROW(small::parameter_array(codes, std::vector<float>(2), 0.0f, std::vector<float>(16)), error);
    EXPECT_NO_THROW(small::parameter_array(codes, std::vector<float>(2), 0.0f));
}

} // namespace
