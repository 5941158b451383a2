// A number format of your own is a list of values. Codes of 3 bits have eight; these lie dense around zero, where most
// values of a Laplace distribution are.

#include <tersor/tersor.hpp>

#include <array>
#include <cmath>
#include <cstdio>

struct laplace3_values {
    static constexpr int bits = 3;
    static constexpr std::array<float, 8> values{-1.0f, -0.5f, -0.22f, -0.06f, 0.06f, 0.22f, 0.5f, 1.0f};
};
using laplace3 = tersor::codebook<laplace3_values>;

int main() {
    // Laplace-distributed weights from uniform ones
    const Eigen::MatrixXf weights = Eigen::MatrixXf::Random(256, 512).unaryExpr(
        [](float u) { return std::copysign(-std::log(1.0f - 0.999f * std::abs(u)), u); });

    const auto own = tersor::quantize<tersor::blockwise<tersor::absmax<laplace3>, 64>>(weights);
    const auto even = tersor::quantize<tersor::blockwise<tersor::absmax<tersor::int3>, 64>>(weights);
    const double own_sqnr = tersor::compare(weights, own).sqnr_db;
    const double even_sqnr = tersor::compare(weights, even).sqnr_db;

    std::printf("3 bits a weight: int3 %.1f dB, own values %.1f dB; both take %zu bytes\n", even_sqnr, own_sqnr,
                own.bytes());
    return own_sqnr > even_sqnr + 1.0 && own.bytes() == even.bytes() ? 0 : 1;
}
