#include "tersor/core/quantized_tensor.hpp"

#include "tersor/formats/half.hpp"
#include "tersor/quantizers/aliases.hpp"
#include "tersor/quantizers/nvfp4.hpp"

#include <gtest/gtest.h>

#include <array>
#include <concepts>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

using namespace tersor;

namespace {

using tersor::index;
using Q = blockwise<absmax<int3>, 4>;
using tensor = quantized_tensor<Q, 2>;

// Two rows of five values: two bytes of codes and two groups each.
tensor example() {
    return {Q{}, {2, 5}, 1, {0x11, 0x22, 0x33, 0x44}, {{1.0f}, {2.0f}, {3.0f}, {4.0f}}};
}

template <class Call>
std::string message_of(const Call& call) {
    try {
        call();
    } catch (const error& e) {
        return std::string(to_string(e.code())) + ": " + e.what();
    }
    return "nothing";
}

TEST(QuantizedTensor, IsARegularType) {
    static_assert(std::regular<tensor> && std::swappable<tensor>);
    static_assert(std::is_nothrow_move_constructible_v<tensor>);
    tensor a = example(), b = a;
    EXPECT_EQ(a, b);
    EXPECT_NE(a.codes().data(), b.codes().data());
    tensor c = std::move(b);
    EXPECT_EQ(c, a);
    tensor d;
    swap(c, d);
    EXPECT_EQ(d, a);
    EXPECT_EQ(c, tensor());
    c = d;
    EXPECT_EQ(c, a);
    c = tensor();
    EXPECT_NE(c, a);
}

TEST(QuantizedTensor, DiffersWhereAnyPartDiffers) {
    const tensor a = example();
    EXPECT_NE(a, (tensor{Q{}, {2, 5}, 1, {0x11, 0x22, 0x33, 0x45}, {{1.0f}, {2.0f}, {3.0f}, {4.0f}}}));
    EXPECT_NE(a, (tensor{Q{}, {2, 5}, 1, {0x11, 0x22, 0x33, 0x44}, {{1.0f}, {2.0f}, {3.0f}, {5.0f}}}));
    EXPECT_NE((tensor{Q{}, {4, 4}, 1, std::vector<std::uint8_t>(8), {{1.0f}, {1.0f}, {1.0f}, {1.0f}}}),
              (tensor{Q{}, {4, 4}, 0, std::vector<std::uint8_t>(8), {{1.0f}, {1.0f}, {1.0f}, {1.0f}}}));
    using scaled = quantized_tensor<nvfp4, 1>;
    EXPECT_NE((scaled{nvfp4{2.0f}, {4}, 0, {1, 2}, {{3}}}), (scaled{nvfp4{4.0f}, {4}, 0, {1, 2}, {{3}}}));
}

TEST(QuantizedTensor, DefaultOneIsEmpty) {
    const tensor empty;
    EXPECT_TRUE(empty.empty());
    EXPECT_EQ(empty.rows(), 0);
    EXPECT_EQ(empty.cols(), 0);
    EXPECT_EQ(empty.bytes(), 0u);
    EXPECT_EQ(empty.bits_per_weight(), 0.0);
    EXPECT_EQ(empty.codes().size(), 0u);
    EXPECT_EQ(empty.layout().groups, 0);
}

TEST(QuantizedTensor, TellsItsParts) {
    const tensor q = example();
    EXPECT_EQ(q.rows(), 2);
    EXPECT_EQ(q.cols(), 5);
    EXPECT_EQ(q.size(), 10);
    EXPECT_EQ(q.dimension(1), 5);
    EXPECT_EQ(q.dimensions(), (std::array<index, 2>{2, 5}));
    EXPECT_EQ(q.axis(), 1);
    EXPECT_EQ(q.layout(),
              (row_layout{.rows = 2, .length = 5, .group = 4, .groups_per_row = 2, .groups = 4, .row_bytes = 2}));
    EXPECT_EQ(q.row_codes(1)[0], 0x33);
    EXPECT_EQ(q.row_codes(1).size(), 2u);
    EXPECT_EQ(q.group_of(1, 3), 2);
    EXPECT_EQ(q.group_of(1, 4), 3);
    EXPECT_EQ(q.parameters()[3].scale, 4.0f);
}

TEST(QuantizedTensor, CountsCodesParametersAndState) {
    EXPECT_EQ(example().bytes(), 4u + 4 * sizeof(float));
    EXPECT_EQ(example().bits_per_weight(), 8.0 * 20 / 10);
    const quantized_tensor<nvfp4, 1> with_state{nvfp4{2.0f}, {32}, 0, std::vector<std::uint8_t>(16), {{3}, {4}}};
    EXPECT_EQ(with_state.bytes(), 16u + 2 + sizeof(float));
    const quantized_tensor<blockwise<absmax<int8, Eigen::half>, 8>, 1> half{
        {}, {8}, 0, std::vector<std::uint8_t>(8), {{}}};
    EXPECT_EQ(half.bytes(), 8u + 2);
    EXPECT_EQ(half.bits_per_weight(), 10.0);
}

TEST(QuantizedTensor, LayoutFollowsTheAxis) {
    const std::array<index, 3> dimensions{2, 3, 5};
    using cube = quantized_tensor<Q, 3>;
    EXPECT_EQ(cube::layout_of(dimensions, 2).rows, 6);
    EXPECT_EQ(cube::layout_of(dimensions, 1).rows, 10);
    EXPECT_EQ(cube::layout_of(dimensions, 1).length, 3);
    EXPECT_EQ(cube::layout_of(dimensions, 0).length, 2);
    EXPECT_EQ(cube::layout_of(dimensions, flat).rows, 1);
    EXPECT_EQ(cube::layout_of(dimensions, flat).length, 30);
    EXPECT_EQ(cube::layout_of(dimensions, flat).groups, 8);
    EXPECT_EQ((quantized_tensor<absmax<int8>, 3>::layout_of(dimensions, 2).groups), 1);
    EXPECT_EQ((quantized_tensor<int8_per_channel, 3>::layout_of(dimensions, 2).groups), 6);
    EXPECT_EQ(cube::layout_of({2, 0, 5}, 2).groups, 0);
    EXPECT_EQ((tensor{Q{}, {2, 5}, last_axis, std::vector<std::uint8_t>(4), {{}, {}, {}, {}}}.axis()), 1);
}

TEST(QuantizedTensor, RowsOfOddBitsAreWholeBytes) {
    EXPECT_EQ(make_row_layout(1, 8, 0, 3).row_bytes, 3);
    EXPECT_EQ(make_row_layout(1, 9, 0, 3).row_bytes, 4);
    EXPECT_EQ(make_row_layout(1, 1, 0, 5).row_bytes, 1);
    EXPECT_EQ(make_row_layout(1, 0, 0, 5).row_bytes, 0);
    EXPECT_EQ(make_row_layout(1, index{1} << 60, 0, 8).row_bytes, index{1} << 60);
}

TEST(QuantizedTensor, WrongPartsAreNamed) {
    EXPECT_EQ(message_of([] {
                  tensor(Q{}, {2, 5}, 1, {0x11, 0x22, 0x33}, {{1.0f}, {2.0f}, {3.0f}, {4.0f}});
              }),
              "shape_mismatch: a tensor of shape [2 x 5] with codes of 3 bits has 4 bytes of codes, not 3");
    EXPECT_EQ(message_of([] {
                  tensor(Q{}, {2, 5}, 1, {0x11, 0x22, 0x33, 0x44}, {{1.0f}});
              }),
              "shape_mismatch: a tensor of shape [2 x 5] has 4 groups, not 1");
    EXPECT_EQ(message_of([] {
                  tensor(Q{}, {2, -5}, 1, {}, {});
              }),
              "invalid_argument: negative size in the shape [2 x -5]");
    EXPECT_EQ(message_of([] { tensor(Q{}, {2, 5}, 2, {}, {}); }), "invalid_argument: axis 2 of a tensor of rank 2");
    EXPECT_EQ(message_of([] { tensor(Q{}, {2, 5}, -3, {}, {}); }), "invalid_argument: axis -3 of a tensor of rank 2");
    // A shape whose size cannot be counted must not pass for a small one.
    constexpr index half = index{1} << 33;
    EXPECT_EQ(message_of([] {
                  tensor(Q{}, {half, half}, 1, {}, {});
              }),
              "invalid_argument: the values of the shape [8589934592 x 8589934592] cannot be counted");
    EXPECT_EQ(message_of([] {
                  quantized_tensor<Q, 3>(Q{}, {half, half, 0}, 2, {}, {});
              }),
              "invalid_argument: the values of the shape [8589934592 x 8589934592 x 0] cannot be counted");
    EXPECT_EQ(message_of([] { tensor(Q{}, {half, 0}, 1, {}, {}); }), "nothing");
}

TEST(QuantizedTensor, GivesItsMemoryBack) {
    tensor q = example();
    const std::uint8_t* const memory = q.codes().data();
    auto [codes, parameters] = std::move(q).release();
    EXPECT_EQ(codes.data(), memory);
    EXPECT_EQ(parameters.size(), 4u);
}

TEST(QuantizedView, BorrowsAndComparesByValue) {
    using borrowed = quantized_view<Q, 2>;
    static_assert(std::regular<borrowed>);
    const tensor q = example();
    const borrowed v = view(q);
    EXPECT_EQ(v.codes().data(), q.codes().data());
    EXPECT_EQ(v.bytes(), q.bytes());
    const tensor same = example();
    EXPECT_EQ(v, view(same));
    EXPECT_EQ(view(v), v);
    EXPECT_EQ(borrowed(), borrowed());
    const std::vector<std::uint8_t> bytes{0x11, 0x22, 0x33, 0x44};
    const std::vector<Q::parameters> scales{{1.0f}, {2.0f}, {3.0f}, {4.0f}};
    EXPECT_EQ(v, (borrowed{Q{}, {2, 5}, 1, bytes, scales}));
    EXPECT_EQ(message_of([&] {
                  borrowed(Q{}, {2, 6}, 1, bytes, scales);
              }),
              "shape_mismatch: a tensor of shape [2 x 6] with codes of 3 bits has 6 bytes of codes, not 4");
}

} // namespace
