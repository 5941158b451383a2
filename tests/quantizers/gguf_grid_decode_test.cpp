// Decoding and packing of the grid types on arbitrary bytes, with every instruction set; their tables of neighbours.

#include "tests/quantizers/gguf_grid_types.hpp"

#include "tersor/core/error.hpp"
#include "tersor/simd/isa.hpp"

namespace {

using namespace tersor;

template <class Type>
class gguf_grid_decode : public ::testing::Test {
protected:
    static std::vector<typename Type::block> random_blocks(std::size_t count, std::mt19937& random) {
        std::vector<typename Type::block> blocks(count);
        std::vector<std::uint8_t> bytes(count * sizeof(blocks[0]));
        for (std::uint8_t& byte : bytes) {
            byte = static_cast<std::uint8_t>(random());
        }
        std::memcpy(blocks.data(), bytes.data(), bytes.size());
        return blocks;
    }

    static std::vector<float> naive_values(const typename Type::block& block) {
        using rules = typename Type::rules;
        const naive::super_block numbers = grid_types::numbers_of<Type>(block);
        const naive::grid& points = grid_types::near<Type>().points();
        std::vector<float> values(256);
        for (std::size_t i = 0; i < 256; ++i) {
            if constexpr (grid_types::is_iq1<Type>) {
                values[i] = naive::decode_iq1(rules::group, points, numbers, i);
            } else {
                static const std::vector<float> of_levels = rules::top == 2 ? std::vector<float>{8, 25, 43}
                                                            : std::is_same_v<Type, gguf::iq3_s>
                                                                ? std::vector<float>{1, 3, 5, 7, 9, 11, 13, 15}
                                                                : std::vector<float>{4, 12, 20, 28, 36, 44, 52, 62};
                const float unit = rules::top == 2 ? 0.25f : std::is_same_v<Type, gguf::iq3_s> ? 2.0f : 0.5f;
                values[i] = naive::decode(grid_types::magnitudes<Type>(), points, of_levels, unit, numbers, i);
            }
        }
        return values;
    }
};

TYPED_TEST_SUITE(gguf_grid_decode, grid_types::all);

TYPED_TEST(gguf_grid_decode, equals_the_formula_on_any_bytes) {
    std::mt19937 random(3);
    for (const std::size_t count : {1u, 2u, 3u, 17u, 200u}) {
        auto blocks = this->random_blocks(count, random);
        for (std::size_t n = 0; n < count; ++n) {
            // Every fourth d is one of the odd halves: zeros, subnormals, the largest, infinities, NaN.
            if (n % 4 == 3) {
                constexpr std::uint16_t odd[8] = {0, 0x8000, 1, 0x83FF, 0x7BFF, 0x7C00, 0xFC00, 0x7E01};
                auto codes = TypeParam::unpack(blocks[n]);
                codes.d = odd[n / 4 % 8];
                blocks[n] = TypeParam::pack(codes);
            }
        }
        for (int set = 0; set <= static_cast<int>(best_isa()); ++set) {
            const isa before = set_isa(static_cast<isa>(set));
            std::vector<float> found(256 * count);
            TypeParam::decode_blocks(blocks.data(), count, found.data());
            set_isa(before);
            for (std::size_t n = 0; n < count; ++n) {
                const std::vector<float> wanted = this->naive_values(blocks[n]);
                for (std::size_t i = 0; i < 256; ++i) {
                    const float value = found[256 * n + i];
                    const bool same = std::bit_cast<std::uint32_t>(value) == std::bit_cast<std::uint32_t>(wanted[i]);
                    ASSERT_TRUE(same || (std::isnan(value) && std::isnan(wanted[i])))
                        << value << " instead of " << wanted[i] << " at " << i << " of block " << n;
                }
            }
        }
    }
}

TYPED_TEST(gguf_grid_decode, packs_the_numbers_that_it_unpacks) {
    std::mt19937 random(4);
    for (const auto& block : this->random_blocks(300, random)) {
        const auto again = TypeParam::pack(TypeParam::unpack(block));
        ASSERT_EQ(std::memcmp(&again, &block, sizeof block), 0);
    }
}

TYPED_TEST(gguf_grid_decode, has_the_neighbours_that_distances_give) {
    using rules = typename TypeParam::rules;
    const detail::grid_tables& tables = detail::grid_tables_of<rules>();
    std::mt19937 random(5);
    for (int round = 0; round < 1500; ++round) {
        std::vector<int> levels(static_cast<std::size_t>(rules::positions));
        std::size_t word = 0;
        for (std::size_t i = 0; i < levels.size(); ++i) {
            levels[i] = static_cast<int>(random() % (rules::top + 1));
            word |= static_cast<std::size_t>(levels[i]) << (static_cast<std::size_t>(rules::bits) * i);
        }
        const std::vector<int> wanted = grid_types::near<TypeParam>().of(levels);
        const std::uint32_t cell = tables.cells[word];
        if ((cell & detail::grid_tables::off_grid) == 0) {
            ASSERT_EQ(tables.words[cell], word);
            ASSERT_EQ(wanted, std::vector<int>{static_cast<int>(cell)});
            continue;
        }
        ASSERT_EQ(cell & 0x3FF, wanted.size());
        const std::size_t first = (cell >> 10 & 0x1FFFFF) * 16;
        for (std::size_t k = 0; k < wanted.size(); ++k) {
            ASSERT_EQ(tables.lists[first + k], tables.words[wanted[k]]);
        }
    }
}

TYPED_TEST(gguf_grid_decode, refuses_the_reference_without_importance_where_the_peer_does) {
    const std::vector<float> x(512, 1.0f), importance(512, 1.0f);
    std::vector<typename TypeParam::block> out(2);
    TypeParam::encode_blocks(x, importance, quantize_mode::reference, out.data());
    TypeParam::encode_blocks(x, {}, quantize_mode::fast, out.data());
    TypeParam::encode_blocks(x, {}, quantize_mode::best, out.data());
    if (!TypeParam::needs_importance) {
        EXPECT_NO_THROW(TypeParam::encode_blocks(x, {}, quantize_mode::reference, out.data()));
        return;
    }
    try {
        TypeParam::encode_blocks(x, {}, quantize_mode::reference, out.data());
        FAIL() << "encoded without importance";
    } catch (const error& e) {
        EXPECT_EQ(e.code(), error_code::unsupported);
        EXPECT_NE(std::string(e.what()).find("512"), std::string::npos) << e.what();
    }
}

} // namespace
