#ifndef TERSOR_TESTS_FORMATS_BITSANDBYTES_BLOCKS_HPP
#define TERSOR_TESTS_FORMATS_BITSANDBYTES_BLOCKS_HPP

// Checks a format against the blocks that bitsandbytes quantized, scaling each block as bitsandbytes does.

#include "tersor/formats/packing.hpp"

#include "tests/common/golden.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

/// How a block is divided by its largest magnitude M.
enum class block_scaling {
    portable, ///< x * (1 / max(M, 1e-38)); a partial last block: x / max(M, 1e-38)
    compiled  ///< x * (1 / M)
};

inline std::vector<float> scaled_blocks(const std::vector<float>& x, std::size_t block, block_scaling scaling) {
    std::vector<float> scaled(x.size());
    for (std::size_t begin = 0; begin < x.size(); begin += block) {
        const std::size_t end = std::min(begin + block, x.size());
        float largest = 0.0f;
        for (std::size_t i = begin; i < end; ++i) {
            largest = std::max(largest, std::fabs(x[i]));
        }
        if (scaling == block_scaling::portable) {
            largest = std::max(largest, 1e-38f);
        }
        const bool divides = scaling == block_scaling::portable && end - begin < block;
        const float inverse = 1.0f / largest;
        for (std::size_t i = begin; i < end; ++i) {
            scaled[i] = divides ? x[i] / largest : x[i] * inverse;
        }
    }
    return scaled;
}

template <class Format>
std::vector<std::uint8_t> encode_all(const Format& format, const std::vector<float>& values) {
    std::vector<std::uint8_t> codes;
    for (const float value : values) {
        codes.push_back(format.encode(value));
    }
    return codes;
}

/// Checks every tensor "<case>[.b<block>].<ending>" of a file whose case starts with `prefix` against the codes of
/// <case>.x; a name without block means `default_block`. The codes are packed if the ending is "packed".
template <class Format>
void expect_golden_blocks(const Format& format, const std::string& file, const std::string& prefix,
                          const std::string& ending, block_scaling scaling, std::size_t default_block) {
    const golden::file recorded(file);
    int checked = 0;
    for (const std::string& name : recorded.names()) {
        const std::size_t last = name.rfind('.');
        if (!name.starts_with(prefix) || name.substr(last + 1) != ending) {
            continue;
        }
        const std::size_t dot = name.find('.');
        const std::size_t block = dot == last ? default_block : std::stoul(name.substr(dot + 2));
        const auto x = recorded.tensor<float>(name.substr(0, dot) + ".x");
        std::vector<std::uint8_t> codes = encode_all(format, scaled_blocks(x, block, scaling));
        if (ending == "packed") {
            std::vector<std::uint8_t> packed(tersor::packed_bytes(codes.size(), Format::bits));
            tersor::pack<Format>(format, codes, packed.data());
            codes = packed;
        }
        EXPECT_EQ(codes, recorded.tensor<std::uint8_t>(name)) << file << " " << name;
        ++checked;
    }
    EXPECT_GT(checked, 0) << file;
}

/// Checks the values, the order and the midpoints of a 4-bit format.
template <class Format>
void expect_golden_tables(const std::string& name) {
    const golden::file maps("bitsandbytes/maps");
    EXPECT_EQ(std::vector(Format::values.begin(), Format::values.end()), maps.tensor<float>(name));
    EXPECT_EQ(std::vector(Format::midpoints.begin(), Format::midpoints.end()), maps.tensor<float>(name + "_mid"));
    EXPECT_EQ(std::vector(Format::order.begin(), Format::order.end()), maps.tensor<std::uint8_t>(name + "_order"));
}

#endif // TERSOR_TESTS_FORMATS_BITSANDBYTES_BLOCKS_HPP
