// Mode reference of the grid types against the naive rules, byte for byte, with every instruction set.

#include "tests/quantizers/gguf_grid_types.hpp"

#include "tersor/core/error.hpp"
#include "tersor/simd/isa.hpp"

namespace {

using namespace tersor;

template <class Type>
class gguf_grid_reference : public ::testing::Test {
protected:
    static typename Type::block naive_block(const std::vector<float>& x, const float* importance) {
        if constexpr (grid_types::is_iq1<Type>) {
            return grid_types::block_of<Type>(
                naive::encode_iq1(Type::rules::group == 16, grid_types::near<Type>(), x.data(), importance));
        } else {
            naive::super_block numbers =
                naive::encode(grid_types::magnitudes<Type>(), grid_types::near<Type>(), x.data(), importance);
            if (std::is_same_v<Type, gguf::iq3_s>) {
                naive::misplace(numbers, x.data());
            }
            return grid_types::block_of<Type>(numbers);
        }
    }

    static void expect_same(const std::vector<float>& x, const std::vector<float>& importance,
                            const std::string& what) {
        std::vector<typename Type::block> found(1), wanted(1);
        wanted[0] = naive_block(x, importance.empty() ? nullptr : importance.data());
        for (int set = 0; set <= static_cast<int>(best_isa()); ++set) {
            const isa before = set_isa(static_cast<isa>(set));
            Type::encode_blocks(x, importance, quantize_mode::reference, found.data());
            set_isa(before);
            EXPECT_TRUE(grid_types::same_bytes(found, wanted)) << what << " with " << to_string(static_cast<isa>(set));
        }
    }
};

TYPED_TEST_SUITE(gguf_grid_reference, grid_types::all);

TYPED_TEST(gguf_grid_reference, equals_the_naive_rules_on_blocks_of_many_kinds) {
    std::mt19937 random(1);
    for (int round = 0; round < 3; ++round) {
        for (int kind = 0; kind < grid_types::kinds; ++kind) {
            for (const float size : {0.02f, 1.0f, 1e-3f, 300.0f}) {
                const std::vector<float> x = grid_types::values_of_kind(kind, size, random);
                const std::string what = "kind " + std::to_string(kind) + " size " + std::to_string(size);
                if (!TypeParam::needs_importance) {
                    this->expect_same(x, {}, what);
                }
                this->expect_same(x, grid_types::weights_of_kind(round, random), what + " weighted");
            }
        }
    }
}

TYPED_TEST(gguf_grid_reference, equals_the_naive_rules_on_all_magnitudes) {
    std::mt19937 random(2);
    for (int exponent = -45; exponent <= 38; ++exponent) {
        const auto size = static_cast<float>(std::pow(10.0, exponent));
        for (const int kind : {0, 3, 4, 5}) {
            const std::vector<float> x = grid_types::values_of_kind(kind, kind == 0 ? 0.2f * size : size, random);
            const std::string what = "kind " + std::to_string(kind) + " size 1e" + std::to_string(exponent);
            if (!TypeParam::needs_importance) {
                this->expect_same(x, {}, what);
            }
            this->expect_same(x, grid_types::weights_of_kind(1, random), what + " weighted");
        }
    }
}

} // namespace
