#include "tersor/io/affine_weight.hpp"

#include "tersor/io/affine_weight_convert.hpp"
#include "tersor/io/affine_weight_regroup.hpp"
#include "tersor/quantizers/absmax.hpp"
#include "tersor/quantizers/blockwise.hpp"
#include "tersor/quantizers/per_channel.hpp"
#include "tersor/quantizers/zero_point.hpp"
#include "tests/io/affine_weights.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <string>
#include <vector>

namespace {

using namespace tersor;
using checkpoint::any_affine;
using checkpoint::any_quantized;
using checkpoint::expect_error;
using checkpoint::same_floats;

template <class Q>
void round_trip(int rows, int cols) {
    const auto q = any_quantized<Q>(rows, cols);
    const affine_weight w = to_affine(q);
    EXPECT_EQ(w.bits, Q::format::bits);
    EXPECT_TRUE(same_floats(values_of(w), checkpoint::values_of(q)));
    ASSERT_TRUE(holds<Q>(w));
    EXPECT_TRUE(from_affine<Q>(w) == q);
}

} // namespace

TEST(AffineWeight, QuantizedTensorsSurvive) {
    for (const auto& [rows, cols] : {std::pair{1, 1}, {3, 70}, {5, 96}}) {
        round_trip<per_channel<absmax<int8>>>(rows, cols);
        round_trip<blockwise<absmax<int4, Eigen::half>, 32>>(rows, cols);
        round_trip<blockwise<zero_point<uint3>, 32>>(rows, cols);
        round_trip<blockwise<zero_point<int4>, 32>>(rows, cols);
        round_trip<zero_point<uint8>>(rows, cols);
        round_trip<absmax<uint4>>(rows, cols);
    }
}

TEST(AffineWeight, SignedAndUnsignedCodesAreTheSameGrid) {
    const auto q = any_quantized<blockwise<zero_point<int4>, 32>>(4, 64);
    const affine_weight w = to_affine(q);
    EXPECT_EQ(w.zeros[0], q.parameters()[0].zero + 8);
    EXPECT_TRUE(same_floats(values_of(to_affine(from_affine<blockwise<zero_point<uint4>, 32>>(w))), values_of(w)));
    const affine_weight s = to_affine(any_quantized<blockwise<absmax<int4>, 32>>(4, 64));
    EXPECT_TRUE(is_symmetric(s));
    EXPECT_TRUE((holds<blockwise<zero_point<uint4>, 32>>(s)));
    EXPECT_FALSE((holds<blockwise<absmax<int4>, 32>>(w)));
    EXPECT_FALSE((holds<blockwise<zero_point<uint8>, 32>>(w)));
    expect_error(error_code::unsupported, {"[4 x 64]", "4 bits", "other bits"},
                 [&] { (void)from_affine<blockwise<zero_point<uint8>, 32>>(w); });
    expect_error(error_code::unsupported, {"zeros"}, [&] { (void)from_affine<blockwise<absmax<int4>, 32>>(w); });
    expect_error(error_code::unsupported, {"another size"}, [&] { (void)from_affine<per_channel<absmax<int4>>>(s); });
    affine_weight fine = s;
    fine.scales[0] = 1.0f / 3.0f;
    expect_error(error_code::unsupported, {"exact"},
                 [&] { (void)from_affine<blockwise<absmax<int4, Eigen::half>, 32>>(fine); });
    expect_error(error_code::unsupported, {"more than one"}, [&] { (void)from_affine<absmax<int4>>(s); });
}

TEST(AffineWeight, AnOrderPutsColumnsBack) {
    const auto q = any_quantized<blockwise<zero_point<uint4>, 32>>(3, 80);
    std::vector<std::int32_t> order(80);
    std::iota(order.begin(), order.end(), 0);
    std::mt19937 random(1);
    for (std::size_t i = order.size(); i > 1; --i) {
        std::swap(order[i - 1], order[random() % i]);
    }
    const affine_weight w = to_affine(q, order);
    const std::vector<float> stored = checkpoint::values_of(q), values = values_of(w);
    for (std::size_t row = 0; row < 3; ++row) {
        for (std::size_t k = 0; k < 80; ++k) {
            EXPECT_EQ(values[row * 80 + static_cast<std::size_t>(order[k])], stored[row * 80 + k]);
            EXPECT_EQ(w.group_index[static_cast<std::size_t>(order[k])], static_cast<std::int32_t>(k / 32));
        }
    }
    EXPECT_FALSE(is_in_order(w));
    const auto [sorted, order_of_sorted] = sort_columns(w);
    EXPECT_TRUE(is_in_order(sorted));
    EXPECT_TRUE(to_affine(from_affine<blockwise<zero_point<uint4>, 32>>(sorted), order_of_sorted) == w);
}

TEST(AffineWeight, AGroupIndexNamesStoredGroupsAnew) {
    // stored: the third group first, each in reverse
    const auto q = any_quantized<blockwise<zero_point<uint4>, 8>>(2, 24);
    std::vector<std::int32_t> order, groups(24);
    for (const int first : {16, 0, 8}) {
        for (int i = 7; i >= 0; --i) {
            order.push_back(first + i);
        }
    }
    for (std::size_t c = 0; c < 24; ++c) {
        groups[c] = static_cast<std::int32_t>(c / 8);
    }
    const affine_weight named = to_affine(q, order, groups), plain = to_affine(q, order);
    EXPECT_EQ(named.group_index, groups);
    EXPECT_TRUE(is_in_order(named));
    EXPECT_FALSE(is_in_order(plain));
    EXPECT_TRUE(same_floats(values_of(named), values_of(plain)));
    groups[5] = 2;
    expect_error(error_code::invalid_argument, {"column 5", "group"}, [&] { (void)to_affine(q, order, groups); });
    groups[5] = 0;
    order[0] = order[1];
    expect_error(error_code::invalid_argument, {"column"}, [&] { (void)to_affine(q, order, groups); });
    order.pop_back();
    expect_error(error_code::shape_mismatch, {"23", "24"}, [&] { (void)to_affine(q, order); });
}

TEST(AffineWeight, OtherFormsKeepValues) {
    const affine_weight w = any_affine(3, 4, 96, 48, 3);
    EXPECT_EQ(common_run(w), 48);
    EXPECT_TRUE(same_floats(values_of(regroup(w, 16)), values_of(w)));
    EXPECT_EQ(regroup(w, 16).groups, 6);
    expect_error(error_code::invalid_argument, {"48", "32"}, [&] { (void)regroup(w, 32); });
    for (int bits = 3; bits <= 8; ++bits) {
        EXPECT_TRUE(same_floats(values_of(widen(w, bits)), values_of(w)));
        EXPECT_TRUE(is_symmetric(widen(checkpoint::symmetric(w), bits)));
        EXPECT_TRUE(same_floats(values_of(widen(checkpoint::symmetric(w), bits)), values_of(checkpoint::symmetric(w))));
    }
    expect_error(error_code::invalid_argument, {"3 bits", "2"}, [&] { (void)widen(w, 2); });
    affine_weight ragged = any_affine(4, 2, 40, 16, 1);
    EXPECT_EQ(common_run(ragged), 8);
    EXPECT_EQ(shape_of(ragged).group, 16);
    EXPECT_TRUE(same_floats(values_of(regroup(ragged, 8)), values_of(ragged)));
}

TEST(AffineWeight, CodesOfValuesAreRoundedToEvenAndClamped) {
    affine_weight w = any_affine(2, 1, 6, 6, 1);
    w.zeros = {1};
    w.scales = {2.0f};
    EXPECT_EQ(encode_affine(w, std::vector<float>{-9.0f, -1.0f, 0.9f, 1.0f, 3.0f, 1e30f}).codes,
              (std::vector<std::uint8_t>{0, 0, 1, 2, 2, 3}));
    expect_error(error_code::shape_mismatch, {"5 values", "[1 x 6]"},
                 [&] { (void)encode_affine(w, std::vector<float>(5)); });
}

TEST(AffineWeight, ChecksNameWhatIsWrong) {
    const auto refuse = [](error_code code, std::initializer_list<std::string_view> words, auto spoil) {
        affine_weight w = any_affine(4, 8, 64, 32, 1);
        spoil(w);
        expect_error(code, words, [&] { check(w, "'l.weight'"); });
    };
    using enum error_code;
    refuse(invalid_argument, {"'l.weight'", "[8 x 64]", "9 bits"}, [](affine_weight& w) { w.bits = 9; });
    refuse(invalid_argument, {"0 bits"}, [](affine_weight& w) { w.bits = 0; });
    refuse(shape_mismatch, {"512 codes", "511"}, [](affine_weight& w) { w.codes.pop_back(); });
    refuse(shape_mismatch, {"16 scales", "17"}, [](affine_weight& w) { w.scales.push_back(1.0f); });
    refuse(shape_mismatch, {"16 zeros"}, [](affine_weight& w) { w.zeros.clear(); });
    refuse(shape_mismatch, {"64 entries"}, [](affine_weight& w) { w.group_index.pop_back(); });
    refuse(invalid_argument, {"codes above 15"}, [](affine_weight& w) { w.codes[3] = 16; });
    refuse(invalid_argument, {"zeros above 15"}, [](affine_weight& w) { w.zeros[3] = 255; });
    refuse(invalid_argument, {"column 5", "group -1 of 2"}, [](affine_weight& w) { w.group_index[5] = -1; });
    refuse(invalid_argument, {"column 5", "group 2 of 2"}, [](affine_weight& w) { w.group_index[5] = 2; });
    refuse(non_finite, {"row 2", "group 1"}, [](affine_weight& w) { w.scales[5] = std::nanf(""); });
    refuse(invalid_argument, {"65 groups"}, [](affine_weight& w) { w.groups = 65; });
    refuse(invalid_argument, {"valid sizes"}, [](affine_weight& w) { w.rows = 0; });
    refuse(invalid_argument, {"valid sizes"}, [](affine_weight& w) { w.cols = -1; });
    const affine_weight w = any_affine(4, 8, 64, 32, 1);
    std::vector<float> few(3);
    expect_error(shape_mismatch, {"[8 x 64]", "3"}, [&] { dequantize_into(w, few); });
}
