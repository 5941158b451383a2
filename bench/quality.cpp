// Usage: quality [REGEX]
// How accurate the block formats of GGUF are: the SQNR in dB of each mode on 2^20 values of N(0,1), Laplace and Student
// t (4 degrees of freedom), all of variance 1 and in rows of 4096; beside it ggml's figure on N(0,1), what the best
// scalar quantizer of the same bits per value reaches without blocks (Lloyd-Max, interpolated between whole numbers of
// levels), and the bound of rate-distortion theory, 6.02 dB a bit.

#include "bench/gguf_blocks.hpp"

#include <tersor/tersor.hpp>

#include <cmath>
#include <cstdio>
#include <random>
#include <regex>
#include <string>

namespace {

using matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

template <class Draw>
matrix samples(Draw draw) {
    matrix x(256, 4096);
    std::mt19937_64 random(20);
    for (float& value : x.reshaped<Eigen::RowMajor>()) {
        value = static_cast<float>(draw(random));
    }
    return x;
}

template <class Quantizer>
double sqnr(const matrix& x, tersor::quantize_mode mode, bool weighted) {
    const std::vector<float> ones(static_cast<std::size_t>(x.cols()), 1.0f);
    tersor::quantize_options options{.mode = mode};
    if (weighted) {
        options.importance = ones;
    }
    return tersor::compare(x, tersor::quantize<Quantizer>(x, options)).sqnr_db;
}

/// SQNR of the Lloyd-Max quantizer of N(0,1) with that many levels, by iteration on the density.
double lloyd_max(int levels) {
    const auto density = [](double x) { return std::exp(-x * x / 2) / std::sqrt(2 * M_PI); };
    const auto tail = [](double x) { return std::erfc(x / std::sqrt(2.0)) / 2; };
    std::vector<double> values(static_cast<std::size_t>(levels));
    for (int i = 0; i < levels; ++i) {
        values[static_cast<std::size_t>(i)] = -3 + 6 * (i + 0.5) / levels;
    }
    double power = 0;
    for (int round = 0; round < 20000; ++round) {
        power = 0;
        double from = -40, moved = 0;
        for (std::size_t i = 0; i < values.size(); ++i) {
            const double to = i + 1 < values.size() ? (values[i] + values[i + 1]) / 2 : 40;
            const double mass = tail(from) - tail(to), center = (density(from) - density(to)) / mass;
            moved = std::max(moved, std::abs(center - values[i]));
            power += mass * center * center;
            from = to;
            values[i] = center;
        }
        if (moved < 1e-9) {
            break;
        }
    }
    return -10 * std::log10(1 - power);
}

/// The same for any number of bits.
double lloyd_max_bits(double bits) {
    const double levels = std::exp2(bits);
    const int below = static_cast<int>(levels);
    const double part = (bits - std::log2(below)) / (std::log2(below + 1) - std::log2(below));
    return lloyd_max(below) * (1 - part) + lloyd_max(below + 1) * part;
}

} // namespace

int main(int argc, char** argv) {
    const std::regex wanted(argc > 1 ? argv[1] : ".");
    std::normal_distribution<double> normal;
    std::exponential_distribution<double> exponential(std::sqrt(2.0));
    std::student_t_distribution<double> student(4);
    const matrix gauss = samples([&](auto& random) { return normal(random); });
    const matrix laplace = samples([&](auto& random) { return exponential(random) * (random() % 2 == 0 ? 1 : -1); });
    const matrix t4 = samples([&](auto& random) { return student(random) / std::sqrt(2.0); });
    std::printf("%-8s %6s | %9s %7s %7s %7s | %8s | %8s %8s | %9s %9s\n", "SQNR dB", "bits", "reference", "fast",
                "best", "ggml", "gain", "laplace", "t4", "Lloyd-Max", "bound");
    using tersor::quantize_mode;
    bench::for_each(tersor::gguf::all_quantizers{}, [&]<class Quantizer>() {
        if (!std::regex_search(Quantizer::name, wanted)) {
            return;
        }
        const double bits = 8.0 * sizeof(typename Quantizer::block) / double(Quantizer::group);
        const double reference = sqnr<Quantizer>(gauss, quantize_mode::reference, Quantizer::needs_importance);
        const double best = sqnr<Quantizer>(gauss, quantize_mode::best, false), ggml = bench::ggml<Quantizer>.sqnr;
        std::printf("%-8s %6.3f | %9.3f %7.3f %7.3f %7.3f | %+8.3f | %8.3f %8.3f | %9.3f %9.3f\n", Quantizer::name,
                    bits, reference, sqnr<Quantizer>(gauss, quantize_mode::fast, false), best, ggml, best - ggml,
                    sqnr<Quantizer>(laplace, quantize_mode::best, false),
                    sqnr<Quantizer>(t4, quantize_mode::best, false), lloyd_max_bits(bits), 6.0206 * bits);
        std::fflush(stdout);
    });
}
