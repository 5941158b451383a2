#include "tersor/solvers/gptq_reference_grid.hpp"

#include "common/golden.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

namespace {

// Every row, rule and width of the recorded search; an all-zero row is compared by value, since its zero point hangs on
// the last bit of -lo / scale.
TEST(ReferenceGrid, ReproducesTheRecordedGrids) {
    const golden::file file("gptq/find_params");
    const auto values = file.tensor<float>("W");
    const auto rows = static_cast<std::size_t>(file.shape("W")[0]), n = values.size() / rows;
    for (const int bits : {2, 3, 4, 8}) {
        for (const std::string rule : {"asym", "asym_mse", "sym", "sym_mse"}) {
            const std::string name = "w" + std::to_string(bits) + "_" + rule;
            if (!file.has(name + ".codes")) {
                continue;
            }
            const tersor::reference_grid<float> grid{
                .bits = bits, .symmetric = rule.starts_with("sym"), .search = rule.ends_with("mse")};
            const auto codes = file.tensor<std::uint8_t>(name + ".codes");
            const auto scales = file.tensor<float>(name + ".scale"), zeros = file.tensor<float>(name + ".zero");
            for (std::size_t r = 0; r < rows; ++r) {
                SCOPED_TRACE(name + " row " + std::to_string(r));
                const std::span<const float> row(values.data() + r * n, n);
                const auto p = grid.fit(row);
                EXPECT_EQ(p.scale, scales[r]);
                EXPECT_EQ(p.zero, zeros[r]);
                for (std::size_t i = 0; i < n; ++i) {
                    EXPECT_EQ(grid.encode(row[i], p), codes[r * n + i]) << i;
                }
            }
        }
    }
}

TEST(ReferenceGrid, FloatAndDoubleAgree) {
    const std::vector<float> narrow{0.3f, -1.25f, 0.75f, 2.5f};
    const std::vector<double> wide(narrow.begin(), narrow.end());
    const auto a = tersor::reference_grid<float>{.bits = 3}.fit(narrow);
    const auto b = tersor::reference_grid<double>{.bits = 3}.fit(wide);
    EXPECT_NEAR(static_cast<double>(a.scale), b.scale, 1e-7 * b.scale);
    EXPECT_EQ(static_cast<double>(a.zero), b.zero);
    EXPECT_EQ(b.scale, 3.75 / 7);
    EXPECT_EQ(b.zero, 2.0);
}

TEST(ReferenceGrid, SymmetricRowsWithoutNegativeValuesReachHalf) {
    const std::vector<double> row{0.0, 0.5, 1.5};
    const tersor::reference_grid<double> grid{.bits = 4, .symmetric = true};
    const auto p = grid.fit(row);
    EXPECT_EQ(p.scale, 1.5 / 15);
    EXPECT_EQ(p.zero, 8.0);
    EXPECT_EQ(grid.encode(1.5, p), 15);
    EXPECT_NEAR(grid.decode(15, p), 0.7, 1e-12);
}

TEST(ReferenceGrid, SearchNeverHasALargerError) {
    const std::vector<double> row{0.1, -0.2, 0.15, 4.0, -0.3, 0.22, -0.11, 0.05, 0.31, -0.27};
    const auto error = [&](const tersor::reference_grid<double>& grid) {
        const auto p = grid.fit(row);
        double sum = 0;
        for (const double x : row) {
            sum += std::pow(std::abs(grid.decode(grid.encode(x, p), p) - x), 2.4);
        }
        return sum;
    };
    EXPECT_LT(error({.bits = 3, .search = true}), error({.bits = 3}));
}

TEST(ReferenceGrid, ExtremeValuesGiveFiniteGrids) {
    for (const float extreme : {std::numeric_limits<float>::denorm_min(), 1e-38f, 1e38f}) {
        const std::vector<float> row{extreme, -extreme, 0.0f};
        for (const bool symmetric : {false, true}) {
            const tersor::reference_grid<float> grid{.bits = 4, .symmetric = symmetric};
            const auto p = grid.fit(row);
            EXPECT_GT(p.scale, 0.0f);
            EXPECT_LT(p.scale, std::numeric_limits<float>::infinity());
            EXPECT_GE(p.zero, 0.0f);
            EXPECT_LE(p.zero, 15.0f);
            EXPECT_EQ(grid.decode(grid.encode(0.0f, p), p), 0.0f);
        }
    }
}

TEST(ReferenceGrid, BitsOutOfRangeAreRefused) {
    const std::vector<float> row{1.0f};
    for (const int bits : {-1, 0, 1, 9, 32}) {
        EXPECT_THROW(static_cast<void>(tersor::reference_grid<float>{.bits = bits}.fit(row)), tersor::error);
    }
    for (const float exponent : {0.0f, -1.0f, std::numeric_limits<float>::quiet_NaN()}) {
        EXPECT_THROW(static_cast<void>(tersor::reference_grid<float>{.search = true, .exponent = exponent}.fit(row)),
                     tersor::error);
    }
}

} // namespace
