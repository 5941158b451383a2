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

inline std::uint64_t hash(const void* data, std::size_t size, std::uint64_t sum = 14695981039346656037u) {
    const auto* bytes = static_cast<const unsigned char*>(data);
    for (std::size_t i = 0; i < size; ++i) {
        sum = (sum ^ bytes[i]) * 1099511628211u;
    }
    return sum;
}

template <class Matrix>
std::uint64_t hash_of(const Matrix& values) {
    return hash(values.data(), static_cast<std::size_t>(values.size()) * sizeof(float));
}

template <class Quantizer>
auto add(std::vector<finding>& findings, const char* name, const tersor::quantize_options& options = {}) {
    const auto quantized = tersor::quantize<Quantizer>(trained_like(7, 203), options);
    const Eigen::MatrixXf restored = tersor::dequantize(quantized);
    findings.push_back({std::string(name) + ", codes", hash(quantized.codes().data(), quantized.codes().size())});
    findings.push_back({std::string(name) + ", values", hash_of(restored)});
    return quantized;
}

inline std::vector<finding> compute() {
    using namespace tersor;
    std::vector<finding> findings;
    add<per_channel<zero_point<uint8>>>(findings, "per_channel<zero_point<uint8>>");
    add<double_quant<blockwise<absmax<nf4>, 64>>>(findings, "double_quant<blockwise<absmax<nf4>, 64>>");
    add<per_channel<absmax<fp8_e4m3>>>(findings, "per_channel<absmax<fp8_e4m3>>");
    add<mxfp4>(findings, "mxfp4");
    add<nvfp4>(findings, "nvfp4");

    using int3_blocks = blockwise<absmax<int3>, 32>;
    const auto quantized = add<int3_blocks>(findings, "blockwise<absmax<int3>, 32>");
    quantize_options options;
    options.least_squares = true;
    add<int3_blocks>(findings, "blockwise<absmax<int3>, 32>, least squares", options);
    options = {.rounding = rounding::stochastic, .seed = 7};
    add<int3_blocks>(findings, "blockwise<absmax<int3>, 32>, stochastic", options);

    const error_metrics figures = compare(trained_like(7, 203), quantized);
    findings.push_back({"compare, mse", hash(&figures.mse, sizeof figures.mse)});
    const Eigen::VectorXf product = quantized * Eigen::VectorXf(trained_like(7, 203).row(0).transpose());
    findings.push_back({"product", hash_of(product)});
    return findings;
}

} // namespace

#endif // TERSOR_TESTS_ODR_FINGERPRINT_HPP
