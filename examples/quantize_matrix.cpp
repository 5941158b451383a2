// Quantize a matrix to 4 bits, look at the error, get it back, and multiply with it while it stays small.

#include <tersor/tersor.hpp>

#include <cstdio>

int main() {
    const Eigen::MatrixXf weights = Eigen::MatrixXf::Random(256, 1024);

    const auto q = tersor::quantize<tersor::blockwise<tersor::absmax<tersor::nf4>, 64>>(weights);
    const Eigen::MatrixXf back = tersor::dequantize(q);
    const tersor::error_metrics error = tersor::compare(weights, q);
    const Eigen::VectorXf y = q * Eigen::VectorXf::Ones(1024);

    std::printf("%zu bytes instead of %zu: %.2f bits per weight, SQNR %.1f dB, y[0] = %g\n", q.bytes(),
                static_cast<std::size_t>(weights.size()) * sizeof(float), q.bits_per_weight(), error.sqnr_db,
                static_cast<double>(y[0]));

    // Values in [-1, 1]: no error is above half of the widest gap between two values of nf4.
    const bool is_close = (back - weights).cwiseAbs().maxCoeff() < 0.16f;
    const bool is_same_product = (back.rowwise().sum() - y).cwiseAbs().maxCoeff() < 1e-3f;
    return is_close && is_same_product && q.bits_per_weight() == 4.5 ? 0 : 1;
}
