#include "tests/linalg/naive.hpp"

#include "tersor/linalg/gram.hpp"
#include "tersor/linalg/multiply.hpp"

#include "common/isas.hpp"

#include <gtest/gtest.h>
#include <unsupported/Eigen/CXX11/ThreadPool>

#include <algorithm>
#include <bit>
#include <limits>
#include <vector>

namespace {

using naive::matrix;
using tersor::index;
namespace linalg = tersor::linalg;

struct shape {
    index rows, cols, depth;
};
// Below, at and above every tile, block of k and slab of columns; and each of the sizes alone.
const shape shapes[] = {{1, 1, 1},     {2, 3, 5},    {14, 32, 256}, {15, 33, 257}, {7, 65, 300}, {130, 17, 513},
                        {170, 40, 64}, {3, 4099, 2}, {0, 4, 4},     {4, 0, 4},     {4, 4, 0}};

template <class Scalar>
class Multiply : public testing::Test {};
using scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(Multiply, scalars);

TYPED_TEST(Multiply, IsOneChainOfFusedStepsPerElementWithEveryInstructionSetAndThreads) {
    using Scalar = TypeParam;
    Eigen::ThreadPool pool(1);
    for (const shape s : shapes) {
        SCOPED_TRACE(testing::Message() << s.rows << " x " << s.cols << " x " << s.depth);
        const auto a = naive::random<Scalar>(s.rows, s.depth, 1), b = naive::random<Scalar>(s.depth, s.cols, 2);
        const auto start = naive::random<Scalar>(s.rows, s.cols, 3);
        auto sum = start, difference = start;
        naive::multiply<Scalar>(sum, a, b, 1);
        naive::multiply<Scalar>(difference, a, b, -1);
        isas::for_each_isa([&] {
            for (const tersor::execution& exec : {tersor::execution{}, tersor::execution(pool)}) {
                auto c = start;
                linalg::multiply_add(linalg::view(c), linalg::view(a), linalg::view(b), exec);
                EXPECT_TRUE(naive::is_same<Scalar>(c, sum));
                c = start;
                linalg::multiply_subtract(linalg::view(c), linalg::view(a), linalg::view(b), exec);
                EXPECT_TRUE(naive::is_same<Scalar>(c, difference));
            }
        });
    }
}

TYPED_TEST(Multiply, GivesTheUpperTriangleOfAGramMatrixAndLeavesTheRest) {
    using Scalar = TypeParam;
    Eigen::ThreadPool pool(1);
    for (const shape s : shapes) {
        const index n = std::min<index>(s.cols, 200);
        SCOPED_TRACE(testing::Message() << s.depth << " x " << n);
        const auto x = naive::random<Scalar>(s.depth, n, 4), start = naive::random<Scalar>(n, n, 5);
        auto expected = start;
        naive::gram<Scalar>(expected, x);
        isas::for_each_isa([&] {
            for (const tersor::execution& exec : {tersor::execution{}, tersor::execution(pool)}) {
                auto c = start;
                linalg::add_gram(linalg::view(c), linalg::view(x), exec);
                EXPECT_TRUE(naive::is_same<Scalar>(c, expected));
            }
        });
    }
}

TYPED_TEST(Multiply, WorksOnBlocksOfOneMatrix) {
    using Scalar = TypeParam;
    const auto start = naive::random<Scalar>(90, 110, 6);
    matrix<Scalar> c = start.block(3, 5, 40, 50);
    naive::multiply<Scalar>(c, start.block(3, 60, 40, 20), start.block(50, 5, 20, 50), 1);
    auto expected = start;
    expected.block(3, 5, 40, 50) = c;
    isas::for_each_isa([&] {
        auto m = start;
        const auto whole = linalg::view(m);
        linalg::multiply_add(whole.block(3, 5, 40, 50), whole.block(3, 60, 40, 20), whole.block(50, 5, 20, 50));
        EXPECT_TRUE(naive::is_same<Scalar>(m, expected));
    });
}

TEST(MultiplyErrors, NameBothShapes) {
    matrix<float> c(2, 3), a(2, 4), b(5, 3);
    try {
        linalg::multiply_add(linalg::view(c), linalg::view(a), linalg::view(b));
        FAIL();
    } catch (const tersor::error& error) {
        EXPECT_EQ(error.code(), tersor::error_code::shape_mismatch);
        EXPECT_STREQ(error.what(), "multiply_add: a [2 x 4] times b [5 x 3] does not fit c [2 x 3]");
    }
    EXPECT_THROW(linalg::add_gram(linalg::view(c), linalg::view(a)), tersor::error);
}

TEST(MultiplyProgress, GoesFromNothingToAllAndCancels) {
    const auto a = naive::random<float>(40, 600, 1), b = naive::random<float>(600, 50, 2);
    matrix<float> c = matrix<float>::Zero(40, 50);
    std::vector<double> seen;
    linalg::multiply_add(linalg::view(c), linalg::view(a), linalg::view(b),
                         tersor::execution{}.with_progress([&](double done) {
                             seen.push_back(done);
                             return true;
                         }));
    ASSERT_FALSE(seen.empty());
    EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
    EXPECT_EQ(seen.back(), 1.0);
    try {
        linalg::multiply_add(linalg::view(c), linalg::view(a), linalg::view(b),
                             tersor::execution{}.with_progress([](double) { return false; }));
        FAIL();
    } catch (const tersor::error& error) {
        EXPECT_EQ(error.code(), tersor::error_code::cancelled);
    }
}

// One step at a time: c = fma(a, b, c) for hard cases, which the generic instruction set must get right without the
// instruction. The reference is the standard library's.
TEST(FusedStep, IsRoundedOnceInHardCases) {
    constexpr float inf = std::numeric_limits<float>::infinity(), tiny = std::numeric_limits<float>::denorm_min();
    constexpr float least = std::numeric_limits<float>::min(), most = std::numeric_limits<float>::max();
    std::vector<float> values = {0.0f,
                                 -0.0f,
                                 1.0f,
                                 -1.0f,
                                 1.5f,
                                 tiny,
                                 -tiny,
                                 3 * tiny,
                                 least,
                                 -least,
                                 least / 2,
                                 most,
                                 -most,
                                 inf,
                                 -inf,
                                 0x1.000002p0f,
                                 0x1.fffffep-1f,
                                 0x1.fffffep0f,
                                 0x1p-24f,
                                 -0x1p-24f,
                                 0x1p-25f,
                                 0x1.8p-24f,
                                 0x1p24f,
                                 0x1p-149f,
                                 0x1p-75f,
                                 0x1.000002p-75f,
                                 -0x1.fffffep-76f,
                                 0x1p-126f,
                                 0x1.fffffep-127f,
                                 0x1p63f,
                                 0x1.000002p64f,
                                 0x1p104f,
                                 0x1p-12f,
                                 0x1.001p0f,
                                 0x1.002p12f};
    std::mt19937 engine(7);
    std::vector<float> a, b, c;
    for (const float x : values) {
        for (const float y : values) {
            for (const float z : values) {
                a.push_back(x), b.push_back(y), c.push_back(z);
            }
        }
    }
    // Random patterns; sums that nearly cancel; and halfway cases, moved by the least amount.
    for (int i = 0; i < 300000; ++i) {
        const auto any = [&] { return std::bit_cast<float>(static_cast<std::uint32_t>(engine())); };
        float x = any(), y = any(), z = any();
        if (i % 3 == 1) {
            x = std::ldexp(1.0f + static_cast<float>(engine() % 4096) * 0x1p-12f,
                           static_cast<int>(engine() % 140) - 130);
            y = 1.0f + static_cast<float>(engine() % 4096) * 0x1p-12f;
            z = std::nextafter(-x * y, engine() % 2 == 0 ? inf : -inf);
        } else if (i % 3 == 2) {
            z = std::ldexp(1.0f + static_cast<float>(engine() % (1u << 23)) * 0x1p-23f,
                           static_cast<int>(engine() % 250) - 125);
            // (1 + 2^-23) (1 - 2^-23) is so near to 1 that a sum in double would be a tie.
            const float near = 1.0f + static_cast<float>(engine() % 2) * 0x1p-23f;
            x = std::ldexp(engine() % 2 == 0 ? -near : near, std::ilogb(z) - 12);
            y = std::ldexp(1.0f + static_cast<float>(static_cast<int>(engine() % 3) - 1) * 0x1p-23f, -12);
        }
        a.push_back(x), b.push_back(y), c.push_back(z);
    }
    isas::for_each_isa([&] {
        int wrong = 0;
        for (std::size_t i = 0; i < a.size() && wrong < 5; ++i) {
            float sum = c[i];
            linalg::multiply_add(linalg::matrix_view<float>{&sum, 1, 1, 1},
                                 linalg::matrix_view<const float>{&a[i], 1, 1, 1},
                                 linalg::matrix_view<const float>{&b[i], 1, 1, 1});
            const float expected = std::fma(a[i], b[i], c[i]);
            const bool same = std::isnan(expected)
                                  ? std::isnan(sum)
                                  : std::bit_cast<std::uint32_t>(expected) == std::bit_cast<std::uint32_t>(sum);
            wrong += same ? 0 : 1;
            EXPECT_TRUE(same) << std::hexfloat << a[i] << " * " << b[i] << " + " << c[i] << " = " << expected
                              << ", got " << sum;
        }
    });
}

} // namespace
