#include "tersor/quantizers/scale.hpp"

#include "tersor/formats/e8m0.hpp"

#include <Eigen/Core>
#include <gtest/gtest.h>

#include <limits>

using namespace tersor;

namespace {

template <class Scale>
class StoredScale : public testing::Test {};
using scale_types = testing::Types<float, Eigen::half, Eigen::bfloat16, e8m0>;
TYPED_TEST_SUITE(StoredScale, scale_types);

TYPED_TEST(StoredScale, IsPositiveAndFinite) {
    const float largest = std::numeric_limits<float>::max();
    for (const float scale : {0.0f, 1e-45f, 1e-39f, 1e-10f, 1.0f, 65520.0f, 1e10f, 3e38f, largest}) {
        const auto stored = static_cast<float>(stored_scale<TypeParam>(scale));
        EXPECT_GT(stored, 0.0f) << scale;
        EXPECT_LE(stored, largest) << scale;
    }
}

TYPED_TEST(StoredScale, KeepsWhatTheTypeHolds) {
    for (const float scale : {0x1p-14f, 0.5f, 1.0f, 4096.0f}) {
        EXPECT_EQ(static_cast<float>(stored_scale<TypeParam>(scale)), scale);
    }
}

TEST(StoredScale, SaturatesHalves) {
    EXPECT_EQ(static_cast<float>(stored_scale<Eigen::half>(1e6f)), 65504.0f);
    EXPECT_EQ(static_cast<float>(stored_scale<Eigen::half>(1e-20f)), 0x1p-24f);
}

TEST(StoredScale, RoundsHalfToEven) {
    EXPECT_EQ(static_cast<float>(stored_scale<Eigen::bfloat16>(1.0f + 0x1p-8f)), 1.0f);
    EXPECT_EQ(static_cast<float>(stored_scale<Eigen::bfloat16>(1.0f + 0x3p-8f)), 1.0f + 0x1p-6f);
}

} // namespace
