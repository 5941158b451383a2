#ifndef TERSOR_TESTS_ODR_FINGERPRINT_HPP
#define TERSOR_TESTS_ODR_FINGERPRINT_HPP

// What every unit of the program computes: a hash of the codes and of the restored values, for each kind of quantizer.
// These functions are each unit's own; what they call of the library is shared by those that are linked together.

#include "odr/units.hpp"
#include "tersor/tersor.hpp"

#include <Eigen/Core>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace {

inline Eigen::MatrixXf trained_like(int rows, int cols) {
    Eigen::MatrixXf values(rows, cols);
    std::uint32_t state = 12345;
    for (int i = 0; i < rows; ++i) {
        for (int j = 0; j < cols; ++j) {
            std::int32_t sum = 0;
            for (int k = 0; k < 4; ++k) {
                state = state * 1664525u + 1013904223u;
                sum += static_cast<std::int32_t>(state >> 12) - (1 << 19);
            }
            values(i, j) = static_cast<float>(sum) * (1.0f / 33554432.0f);
        }
    }
    values(1, 3) = 7.0f;
    values(2, 0) = 1e-41f;
    values.row(4).setZero();
    return values;
}

inline std::uint64_t hash(const void* data, std::size_t size, std::uint64_t sum) {
    const auto* bytes = static_cast<const unsigned char*>(data);
    for (std::size_t i = 0; i < size; ++i) {
        sum = (sum ^ bytes[i]) * 1099511628211u;
    }
    return sum;
}

template <class Quantizer>
void add(std::vector<finding>& findings, const char* name, const tersor::quantize_options& options = {}) {
    const Eigen::MatrixXf values = trained_like(7, 203);
    const auto quantized = tersor::quantize<Quantizer>(values, options);
    const Eigen::MatrixXf restored = tersor::dequantize(quantized);
    std::uint64_t sum = hash(quantized.codes().data(), quantized.codes().size(), 14695981039346656037u);
    sum = hash(restored.data(), static_cast<std::size_t>(restored.size()) * sizeof(float), sum);
    findings.push_back({name, sum});
}

inline std::vector<finding> compute() {
    using namespace tersor;
    std::vector<finding> findings;
    add<absmax<int8>>(findings, "absmax<int8>");
    add<per_channel<zero_point<uint8>>>(findings, "per_channel<zero_point<uint8>>");
    add<blockwise<absmax<int4>, 32>>(findings, "blockwise<absmax<int4>, 32>");
    add<blockwise<absmax<int3>, 32>>(findings, "blockwise<absmax<int3>, 32>");
    add<blockwise<zero_point<uint4>, 64>>(findings, "blockwise<zero_point<uint4>, 64>");
    add<blockwise<absmax<nf4>, 64>>(findings, "blockwise<absmax<nf4>, 64>");
    add<double_quant<blockwise<absmax<nf4>, 64>>>(findings, "double_quant<blockwise<absmax<nf4>, 64>>");
    add<blockwise<absmax<dynamic8>, 128>>(findings, "blockwise<absmax<dynamic8>, 128>");
    add<per_channel<absmax<fp8_e4m3>>>(findings, "per_channel<absmax<fp8_e4m3>>");
    add<mxfp4>(findings, "mxfp4");
    add<mxfp8_e4m3>(findings, "mxfp8_e4m3");
    add<nvfp4>(findings, "nvfp4");
    quantize_options options;
    options.least_squares = true;
    add<blockwise<absmax<int4>, 32>>(findings, "blockwise<absmax<int4>, 32>, least squares", options);
    options = {};
    options.rounding = rounding::stochastic;
    options.seed = 7;
    add<blockwise<zero_point<uint4>, 64>>(findings, "blockwise<zero_point<uint4>, 64>, stochastic", options);
    return findings;
}

} // namespace

#endif // TERSOR_TESTS_ODR_FINGERPRINT_HPP
