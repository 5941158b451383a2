#include "tersor/core/exact.hpp"

#include <gtest/gtest.h>

using namespace tersor;

namespace {

// a * b = 1 + 2^-11 + 2^-24, of which the last bit is lost when the product is rounded, but not in a fused operation.
template <class Float>
Float sum_of_product(Float a, Float b, Float c) {
    return exact::product(a, b) + c;
}

TEST(ExactProduct, IsRoundedBeforeItIsAdded) {
    volatile float a = 1.0f + 0x1p-12f;
    EXPECT_EQ(sum_of_product<float>(a, a, -(1.0f + 0x1p-11f)), 0.0f);
    volatile double b = 1.0 + 0x1p-27;
    EXPECT_EQ(sum_of_product<double>(b, b, -(1.0 + 0x1p-26)), 0.0);
}

TEST(ExactProduct, IsAConstantExpression) {
    static_assert(exact::product(3.0f, 0.5f) == 1.5f);
    static_assert(exact::product(-3.0, 0.5) == -1.5);
}

} // namespace
