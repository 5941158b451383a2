#ifndef TERSOR_TESTS_QUANTIZERS_ROUNDED_TO_HPP
#define TERSOR_TESTS_QUANTIZERS_ROUNDED_TO_HPP

// Recorded values of tensors that were F16 or BF16 are rounded to that type.

#include "tersor/io/safetensors.hpp"

#include <Eigen/Core>

#include <vector>

/// The values rounded to the type of a recorded tensor, as floats.
inline std::vector<float> rounded_to(tersor::safetensors_dtype type, std::vector<float> values) {
    for (float& value : values) {
        if (type == tersor::safetensors_dtype::bf16) {
            value = static_cast<float>(static_cast<Eigen::bfloat16>(value));
        } else if (type == tersor::safetensors_dtype::f16) {
            value = static_cast<float>(static_cast<Eigen::half>(value));
        }
    }
    return values;
}

#endif // TERSOR_TESTS_QUANTIZERS_ROUNDED_TO_HPP
