// Usage: quality [REGEX]
// How accurate the block formats of GGUF are: the SQNR in dB of each mode on 2^20 values of N(0,1), Laplace and Student
// t (4 degrees of freedom), all of variance 1 and in rows of 4096; beside it ggml's figure on N(0,1), what the best
// scalar quantizer of the same bits per value reaches without blocks (Lloyd-Max, interpolated between whole numbers of
// levels), and the bound of rate-distortion theory, 6.02 dB a bit.

#include "bench/gguf_blocks.hpp"

#include <tersor/tersor.hpp>

#include <algorithm>
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

/// What a format could hold at most: groups of `size` values with codes lo..hi and a scale (and for affine formats a
/// minimum, at most 0 where `below_zero`) that are free real numbers. Found by far more trials than any mode makes,
/// each followed by least squares for its codes and codes for those; on the first 2^17 values.
struct free_grid {
    int lo = 0, hi = 0;
    std::size_t size = 0;
    bool is_affine = false, below_zero = false;
};

template <class Quantizer>
constexpr free_grid grid_of{};
template <>
constexpr free_grid grid_of<tersor::gguf::q4_0>{-8, 7, 32};
template <>
constexpr free_grid grid_of<tersor::gguf::q5_0>{-16, 15, 32};
template <>
constexpr free_grid grid_of<tersor::gguf::q8_0>{-128, 127, 32};
template <>
constexpr free_grid grid_of<tersor::gguf::q3_k>{-4, 3, 16};
template <>
constexpr free_grid grid_of<tersor::gguf::q6_k>{-32, 31, 16};
template <>
constexpr free_grid grid_of<tersor::gguf::q4_1>{0, 15, 32, true, false};
template <>
constexpr free_grid grid_of<tersor::gguf::q5_1>{0, 31, 32, true, false};
template <>
constexpr free_grid grid_of<tersor::gguf::q2_k>{0, 3, 16, true, true};
template <>
constexpr free_grid grid_of<tersor::gguf::q4_k>{0, 15, 32, true, true};
template <>
constexpr free_grid grid_of<tersor::gguf::q5_k>{0, 31, 32, true, true};

/// The least squared error of one group near value = scale * code + offset.
double refined(const float* x, const free_grid& grid, double scale, double offset) {
    double least = 1e30;
    for (int round = 0; round < 3; ++round) {
        double n = 0, sx = 0, sl = 0, sll = 0, sxl = 0, sxx = 0;
        for (std::size_t i = 0; i < grid.size; ++i) {
            const double code = std::clamp(std::nearbyint((x[i] - offset) / scale), double(grid.lo), double(grid.hi));
            n += 1, sx += x[i], sl += code, sll += code * code, sxl += x[i] * code, sxx += double(x[i]) * x[i];
        }
        const double d = n * sll - sl * sl;
        const bool is_fit = grid.is_affine && d > 0;
        offset = is_fit ? (sll * sx - sl * sxl) / d : 0;
        scale = is_fit ? (n * sxl - sx * sl) / d : sll > 0 ? sxl / sll : 0;
        if (grid.below_zero && offset > 0) {
            offset = 0, scale = sll > 0 ? sxl / sll : 0;
        }
        least = std::min(least, sxx - 2 * scale * sxl - 2 * offset * sx + scale * scale * sll +
                                    2 * scale * offset * sl + n * offset * offset);
        if (scale == 0) {
            break;
        }
    }
    return least;
}

double sqnr_of_free_grid(const matrix& x, const free_grid& grid) {
    double signal = 0, noise = 0;
    for (std::size_t start = 0; start < (std::size_t{1} << 17); start += grid.size) {
        const float* const values = x.data() + start;
        const auto [low, high] = std::minmax_element(values, values + grid.size);
        const double reach = std::max(std::abs(*low), std::abs(*high));
        double least = 1e30;
        if (grid.is_affine) {
            const double lo = grid.below_zero ? std::min(*low, 0.0f) : *low, range = *high - lo;
            for (double a = -0.2; a < 0.45; a += 0.02) {
                for (double b = -0.2; b < 0.45; b += 0.02) {
                    const double from = lo + a * range, to = *high - b * range;
                    least = std::min(least, refined(values, grid, (to - from) / grid.hi, from));
                }
            }
        } else {
            for (double share = 0.55; share < 1.6; share += 0.004) {
                for (const double sign : {1.0, -1.0}) {
                    least = std::min(least, refined(values, grid, sign * share * reach / -grid.lo, 0));
                }
            }
        }
        noise += least;
        for (std::size_t i = 0; i < grid.size; ++i) {
            signal += double(values[i]) * values[i];
        }
    }
    return 10 * std::log10(signal / noise);
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
    std::printf("%-8s %6s | %9s %7s %7s %7s | %8s %7s | %8s %8s | %9s %9s\n", "SQNR dB", "bits", "reference", "fast",
                "best", "ggml", "gain", "at most", "laplace", "t4", "Lloyd-Max", "bound");
    using tersor::quantize_mode;
    bench::for_each(tersor::gguf::all_quantizers{}, [&]<class Quantizer>() {
        if (!std::regex_search(Quantizer::name, wanted)) {
            return;
        }
        const double bits = 8.0 * sizeof(typename Quantizer::block) / double(Quantizer::group);
        const double reference = sqnr<Quantizer>(gauss, quantize_mode::reference, Quantizer::needs_importance);
        const double best = sqnr<Quantizer>(gauss, quantize_mode::best, false), ggml = bench::ggml<Quantizer>.sqnr;
        char limit[16] = "-";
        if (grid_of<Quantizer>.size > 0) {
            // The gain over mode best on a part of the samples, which would have an SQNR of its own.
            const matrix part = gauss.topRows(32);
            const double gain =
                sqnr_of_free_grid(part, grid_of<Quantizer>) - sqnr<Quantizer>(part, quantize_mode::best, false);
            std::snprintf(limit, sizeof limit, "%.3f", best + gain);
        }
        std::printf("%-8s %6.3f | %9.3f %7.3f %7.3f %7.3f | %+8.3f %7s | %8.3f %8.3f | %9.3f %9.3f\n", Quantizer::name,
                    bits, reference, sqnr<Quantizer>(gauss, quantize_mode::fast, false), best, ggml, best - ggml, limit,
                    sqnr<Quantizer>(laplace, quantize_mode::best, false),
                    sqnr<Quantizer>(t4, quantize_mode::best, false), lloyd_max_bits(bits), 6.0206 * bits);
        std::fflush(stdout);
    });
}
