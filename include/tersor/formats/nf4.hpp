#ifndef TERSOR_FORMATS_NF4_HPP
#define TERSOR_FORMATS_NF4_HPP

// NF4, the 4-bit "normal float": quantiles of the normal distribution scaled to [-1, 1], with an exact zero (code 7).
// The values ascend with the code. Source: Dettmers et al., QLoRA, arXiv:2305.14314; values as bitsandbytes has them.

#include "tersor/formats/codebook.hpp"

#include <array>

namespace tersor::inline v0 {

/// The values of NF4, by code.
struct nf4_values {
    static constexpr int bits = 4;
    static constexpr bool high_nibble_first = true;
    static constexpr std::array<float, 16> values{
        -1.0f,      -0.6961928f, -0.52507305f, -0.3949175f, -0.28444138f, -0.18477343f, -0.091050036f, 0.0f,
        0.0795803f, 0.1609302f,  0.2461123f,   0.33791524f, 0.44070983f,  0.562617f,    0.72295684f,   1.0f};
};

/// The 4-bit normal float of QLoRA and bitsandbytes; two codes a byte, the first in the high nibble.
using nf4 = codebook<nf4_values>;

} // namespace tersor::inline v0

#endif // TERSOR_FORMATS_NF4_HPP
