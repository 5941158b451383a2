// The grid types against the bytes and values that ggml wrote, and their grids against its tables.

#include "tests/common/golden.hpp"
#include "tests/quantizers/gguf_grid_types.hpp"

#include <cctype>
#include <string>

namespace {

using namespace tersor;

// The full sets, or the cut that holds inputs and results in one file.
struct recorded {
    golden::file inputs, results;
    static recorded open() {
        if (golden::available("ggml/iquants") && golden::available("ggml/inputs")) {
            return {golden::file("ggml/inputs"), golden::file("ggml/iquants")};
        }
        return cut();
    }
    static recorded cut() { return {golden::file("ggml/grid_types"), golden::file("ggml/grid_types")}; }
};

template <class Type>
std::string recorded_name() {
    std::string name = Type::name;
    for (char& c : name) {
        c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    }
    return name;
}

template <class Type>
class gguf_grid_golden : public ::testing::Test {
protected:
    // The rows whose encoding differs from the recorded bytes, of all that were recorded for the type.
    static std::string differing_rows(const recorded& files) {
        const std::vector<float> x = files.inputs.tensor<float>("x"), imatrix = files.inputs.tensor<float>("imatrix");
        const std::size_t cols = imatrix.size(), rows = x.size() / cols;
        std::string differing;
        for (const bool weighted : {false, true}) {
            const std::string name = (weighted ? "q_im." : "q.") + recorded_name<Type>();
            if (!files.results.has(name)) {
                continue;
            }
            const std::vector<std::uint8_t> bytes = files.results.tensor<std::uint8_t>(name);
            std::vector<typename Type::block> found(cols / 256);
            const std::size_t size = found.size() * sizeof(found[0]);
            EXPECT_EQ(bytes.size(), rows * size);
            for (std::size_t r = 0; r < rows; ++r) {
                const std::span<const float> importance =
                    weighted ? std::span<const float>(imatrix) : std::span<const float>();
                Type::encode_blocks(std::span(x).subspan(r * cols, cols), importance, quantize_mode::reference,
                                    found.data());
                if (std::memcmp(found.data(), bytes.data() + r * size, size) != 0) {
                    differing += " " + name + " row " + std::to_string(r);
                }
            }
        }
        return differing;
    }

    static std::size_t count_wrong_values(const recorded& files) {
        const bool needs = Type::needs_importance;
        const std::vector<std::uint8_t> bytes =
            files.results.tensor<std::uint8_t>((needs ? "q_im." : "q.") + recorded_name<Type>());
        const std::vector<float> values = files.results.tensor<float>((needs ? "y_im." : "y.") + recorded_name<Type>());
        std::vector<typename Type::block> blocks(values.size() / 256);
        std::memcpy(blocks.data(), bytes.data(), blocks.size() * sizeof(blocks[0]));
        std::vector<float> found(values.size());
        Type::decode_blocks(blocks.data(), blocks.size(), found.data());
        std::size_t wrong = 0;
        for (std::size_t i = 0; i < values.size(); ++i) {
            wrong += found[i] == values[i] || (std::isnan(found[i]) && std::isnan(values[i])) ? 0 : 1;
        }
        return wrong;
    }
};

TYPED_TEST_SUITE(gguf_grid_golden, grid_types::all);

TYPED_TEST(gguf_grid_golden, encodes_to_the_recorded_bytes) {
    EXPECT_EQ(this->differing_rows(recorded::open()), "");
    EXPECT_EQ(this->differing_rows(recorded::cut()), "");
}

TYPED_TEST(gguf_grid_golden, decodes_to_the_recorded_values) {
    EXPECT_EQ(this->count_wrong_values(recorded::open()), 0u);
    EXPECT_EQ(this->count_wrong_values(recorded::cut()), 0u);
}

// FNV-1a over the packed points, low byte first, as made from the recorded tables.
template <class Rules>
std::uint64_t hash_of_grid() {
    std::uint64_t hash = 0xcbf29ce484222325u;
    for (const std::uint16_t word : Rules::words) {
        for (const unsigned byte : {word & 255u, unsigned{word} >> 8}) {
            hash = (hash ^ byte) * 0x100000001b3u;
        }
    }
    return hash;
}

TEST(gguf_grids, are_the_recorded_ones) {
    EXPECT_EQ(hash_of_grid<gguf::iq2_xxs::rules>(), 0x6fca17f5c451905du);
    EXPECT_EQ(hash_of_grid<gguf::iq2_xs::rules>(), 0x29d6ac8e0e6b14e3u);
    EXPECT_EQ(hash_of_grid<gguf::iq2_s::rules>(), 0x641f9aa3fbd98694u);
    EXPECT_EQ(hash_of_grid<gguf::iq3_xxs::rules>(), 0x79d733576d562547u);
    EXPECT_EQ(hash_of_grid<gguf::iq3_s::rules>(), 0x55b224116d1e5ca2u);
    EXPECT_EQ(hash_of_grid<gguf::iq1_s::rules>(), 0x3f1880817eeffa4u);
}

template <class Type>
void expect_tables(const std::string& name, float unit_of_values) {
    using rules = typename Type::rules;
    if (!golden::available("ggml/tables")) {
        return; // the hashes stand for them
    }
    const golden::file tables("ggml/tables");
    const std::vector<std::uint8_t> levels = tables.tensor<std::uint8_t>(name + "_grid_levels");
    std::vector<int> values;
    if constexpr (rules::is_ternary) {
        for (const std::int8_t v : tables.tensor<std::int8_t>(name + "_grid")) {
            values.push_back(v);
        }
    } else {
        for (const std::uint8_t v : tables.tensor<std::uint8_t>(name + "_grid")) {
            values.push_back(v);
        }
    }
    const naive::grid points = naive::grid_of(rules::words, rules::positions, rules::bits);
    const std::int8_t* const bytes = detail::grid_bytes<rules>();
    ASSERT_EQ(levels.size(), points.size() * static_cast<std::size_t>(rules::positions));
    for (std::size_t i = 0; i < levels.size(); ++i) {
        const auto each = static_cast<std::size_t>(rules::positions);
        ASSERT_EQ(points[i / each][i % each], levels[i]) << name << " " << i;
        ASSERT_EQ(static_cast<float>(bytes[i]), unit_of_values * static_cast<float>(values[i])) << name << " " << i;
    }
}

TEST(gguf_grids, are_the_tables_of_the_peer) {
    expect_tables<gguf::iq2_xxs>("iq2xxs", 1.0f);
    expect_tables<gguf::iq2_xs>("iq2xs", 1.0f);
    expect_tables<gguf::iq2_s>("iq2s", 1.0f);
    expect_tables<gguf::iq3_xxs>("iq3xxs", 1.0f);
    expect_tables<gguf::iq3_s>("iq3s", 1.0f);
    expect_tables<gguf::iq1_s>("iq1s", 8.0f);
}

} // namespace
