// What a hostile file may cost: the reader's memory stays below a small multiple of the file's size, and its time grows
// about as the file's size, whatever the header claims.

#include "tersor/io/gguf.hpp"
#include "tests/common/peak_memory.hpp"
#include "tests/io/gguf_bytes.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <string>

namespace {

void read(const std::string& bytes) {
    static_cast<void>(tersor::gguf_file::from_bytes(as_byte_span(bytes)));
}

void expect_at_most(long multiple, const std::string& name, const std::string& bytes) {
    const long growth = peak_memory_growth([&] { read(bytes); });
    EXPECT_GE(growth, 0) << name;
    if (measurement_is_exact) {
        EXPECT_LE(growth, multiple * static_cast<long>(bytes.size())) << name;
    }
}

constexpr std::size_t size = 1 << 20;

/// As many entries as fit, each of the fewest bytes.
std::string smallest_entries(std::size_t bytes, std::uint64_t claimed) {
    gguf_bytes file;
    file.header(0, claimed);
    for (unsigned i = 0; file.str().size() < bytes; ++i) {
        file.key(std::string(1, static_cast<char>(1 + i % 255)), 0).raw("v");
    }
    return file;
}

std::string different_keys(std::size_t count) {
    gguf_bytes file;
    file.header(0, count);
    for (std::size_t i = 0; i < count; ++i) {
        file.key("the same long beginning of every key " + std::to_string(i), 0).raw("v");
    }
    return file;
}

std::string different_tensors(std::size_t count, std::uint64_t claimed) {
    gguf_bytes file;
    file.header(claimed, 1).alignment(1);
    for (std::size_t i = 0; i < count; ++i) {
        std::string name(4, ' ');
        for (std::size_t j = 0; j < 4; ++j) {
            name[j] = static_cast<char>('0' + (i >> (6 * j)) % 64);
        }
        file.tensor(name, {}, 24, i);
    }
    return file.data(count, 1);
}

TEST(GgufMemory, IsASmallMultipleOfTheFile) {
    expect_at_most(8, "counts", gguf_bytes().header(size / 24, 0).pad(size));
    expect_at_most(8, "entries that repeat", smallest_entries(size, size / 14));
    expect_at_most(8, "claimed entries", smallest_entries(size / 2, size / 28));
    expect_at_most(8, "entries", different_keys(size / 60));
    expect_at_most(8, "tensors", different_tensors(size / 29, size / 29));
    expect_at_most(8, "claimed tensors", different_tensors(size / 58, size / 29));
    expect_at_most(2, "string", gguf_bytes().header(0, 1).key("k", 8).text(std::string(size, 'x')));
    expect_at_most(2, "array", gguf_bytes().header(0, 1).key("k", 9).u32(0).u64(size).raw(std::string(size, 'x')));
    expect_at_most(2, "strings",
                   gguf_bytes().header(0, 1).key("k", 9).u32(8).u64(size / 8).raw(std::string(size, '\0')));
    expect_at_most(2, "data", gguf_bytes().header(1, 0).tensor("x", {size}, 24, 0).data(size));
}

TEST(GgufMemory, ArraysOfStringsTakeASmallMultipleToo) {
    const std::string bytes = gguf_bytes().header(0, 1).key("k", 9).u32(8).u64(size / 8).raw(std::string(size, '\0'));
    const long growth = peak_memory_growth([&] {
        const auto file = tersor::gguf_file::from_bytes(as_byte_span(bytes));
        static_cast<void>(file.get<std::vector<std::string>>("k"));
    });
    EXPECT_GE(growth, 0);
    if (measurement_is_exact) {
        EXPECT_LE(growth, 8 * static_cast<long>(bytes.size()));
    }
}

TEST(GgufMemory, ManyNamesTakeNoQuadraticTime) {
    // pairwise comparison of 2^17 names takes minutes
    const std::string keys = different_keys(1 << 17);
    const std::string tensors = different_tensors(1 << 17, 1 << 17);
    const auto start = std::chrono::steady_clock::now();
    read(keys);
    read(tensors);
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
}

} // namespace
