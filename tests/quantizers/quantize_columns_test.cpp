// Column-major values are quantized as they lie in memory: the same codes and parameters as from rows.

#include "tersor/quantizers/aliases.hpp"
#include "tersor/quantizers/quantize.hpp"
#include "tests/common/isas.hpp"

#include <gtest/gtest.h>

#include <Eigen/Core>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>

using namespace tersor;

namespace {

using row_major = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// Values of many magnitudes, with zeros.
row_major values(Eigen::Index rows, Eigen::Index columns) {
    std::uint32_t state = 7;
    return row_major::NullaryExpr(rows, columns, [&] {
        state = state * 1664525u + 1013904223u;
        const float x = static_cast<float>(state >> 8) * 0x1p-23f - 1.0f;
        return state % 11 == 0 ? 0.0f : std::ldexp(x, static_cast<int>(state >> 4) % 9 - 4);
    });
}

template <class Q, class Matrix>
void expect_same(const row_major& rows, const Matrix& columns) {
    const auto a = quantize<Q>(rows);
    const auto b = quantize<Q>(columns);
    ASSERT_TRUE(std::equal(a.codes().begin(), a.codes().end(), b.codes().begin(), b.codes().end()))
        << rows.rows() << " x " << rows.cols();
    ASSERT_TRUE(a.parameters() == b.parameters()) << rows.rows() << " x " << rows.cols();
}

template <class Q>
class QuantizeColumns : public testing::Test {};

using quantizers = testing::Types<blockwise<absmax<int8>, 32>, blockwise<absmax<nf4>, 64>,
                                  per_channel<zero_point<uint4>>, absmax<int8>>;
TYPED_TEST_SUITE(QuantizeColumns, quantizers);

} // namespace

TYPED_TEST(QuantizeColumns, AllShapesGiveWhatRowsGive) {
    constexpr Eigen::Index shapes[][2] = {{1, 64},   {15, 64},   {16, 32},   {64, 64},   {65, 320},
                                          {100, 77}, {256, 130}, {300, 257}, {1030, 96}, {1040, 33}};
    isas::for_each_isa([&] {
        for (const auto& [rows, columns] : shapes) {
            const row_major x = values(rows, columns);
            expect_same<TypeParam>(x, Eigen::MatrixXf(x));
        }
    });
}

TYPED_TEST(QuantizeColumns, AnyPlaceInMemoryAndAnyScalarGivesTheSame) {
    const row_major x = values(1100, 64);
    Eigen::MatrixXf room(1107, 66);
    room.setConstant(std::numeric_limits<float>::infinity());
    for (Eigen::Index first : {0, 1, 6}) {
        room.middleCols(1, 64).middleRows(first, 1100) = x;
        expect_same<TypeParam>(x, room.block(first, 1, 1100, 64));
        room.setConstant(std::numeric_limits<float>::infinity());
    }
    expect_same<TypeParam>(x, Eigen::MatrixXd(x.cast<double>()));
}

TYPED_TEST(QuantizeColumns, ValuesThatAreNotFiniteAreNamed) {
    for (const float bad : {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
        Eigen::MatrixXf x = values(130, 64);
        x(129, 63) = bad;
        x(77, 40) = bad;
        try {
            (void)quantize<TypeParam>(x);
            ADD_FAILURE() << "no error for " << bad;
        } catch (const error& e) {
            EXPECT_NE(std::string(e.what()).find("(77, 40)"), std::string::npos) << e.what();
        }
    }
}

TYPED_TEST(QuantizeColumns, ExtremeScalesGiveWhatRowsGive) {
    // Where quotients may not be taken as products, the definition decides.
    for (const float factor : {0x1p-140f, 0x1p-100f, 0x1p120f}) {
        const row_major x = values(64, 64) * factor;
        expect_same<TypeParam>(x, Eigen::MatrixXf(x));
    }
}
