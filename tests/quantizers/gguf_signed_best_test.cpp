// Modes fast and best of the signed block formats: errors against mode reference, against what ggml reaches at best and
// against the least that the format allows.

#include "tests/quantizers/gguf_signed_cases.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace tersor;
using namespace gguf_signed;
using row = std::vector<float>;

// The weighted squared error of each block.
template <class Q>
std::vector<double> block_errors(const row& x, const row& weights, const std::vector<std::uint8_t>& bytes) {
    const row y = decode<Q>(bytes);
    const auto group = static_cast<std::size_t>(Q::group);
    std::vector<double> errors(x.size() / group);
    for (std::size_t i = 0; i < x.size(); ++i) {
        const double e = static_cast<double>(x[i]) - static_cast<double>(y[i]);
        errors[i / group] += (weights.empty() ? 1.0 : static_cast<double>(weights[i])) * e * e;
    }
    return errors;
}

double sum(const std::vector<double>& values) {
    double total = 0.0;
    for (const double v : values) {
        total += v;
    }
    return total;
}

// Signal over error in dB.
template <class Q>
double quality(const row& x, quantize_mode mode) {
    double signal = 0.0;
    for (const float v : x) {
        signal += static_cast<double>(v) * static_cast<double>(v);
    }
    return 10.0 * std::log10(signal / sum(block_errors<Q>(x, {}, encode<Q>(x, {}, mode))));
}

// Variance 1: normal, Laplace, Student's t of 4 degrees over sqrt(2).
row samples(int kind, std::size_t count) {
    std::mt19937_64 random(static_cast<unsigned>(17 + kind));
    std::normal_distribution<double> gauss;
    std::exponential_distribution<double> exponential(std::sqrt(2.0));
    std::student_t_distribution<double> student(4.0);
    row x(count);
    for (float& v : x) {
        const double sign = random() % 2 == 0 ? 1.0 : -1.0;
        v = static_cast<float>(kind == 0   ? gauss(random)
                               : kind == 1 ? sign * exponential(random)
                                           : student(random) / std::sqrt(2.0));
    }
    return x;
}

// The least error of a group with levels -N..N-1 and any real scale: between two breakpoints of the inverse scale the
// levels are constant, so that one scale in each interval finds all of them.
double least_error(const float* x, std::size_t n, int levels) {
    std::vector<double> breaks{0.0};
    double signal = 0.0;
    for (std::size_t i = 0; i < n; ++i) {
        const double size = std::fabs(static_cast<double>(x[i]));
        signal += size * size;
        for (int k = 0; k < levels && size > 0.0; ++k) {
            breaks.push_back((k + 0.5) / size);
        }
    }
    std::sort(breaks.begin(), breaks.end());
    breaks.push_back(2.0 * breaks.back());
    double gain = 0.0;
    for (std::size_t k = 1; k < breaks.size(); ++k) {
        for (const double sign : {-1.0, 1.0}) {
            const double inverse = sign * 0.5 * (breaks[k - 1] + breaks[k]);
            double a = 0.0, b = 0.0;
            for (std::size_t i = 0; i < n; ++i) {
                const double v = static_cast<double>(x[i]);
                const double l = std::clamp(std::nearbyint(v * inverse), -1.0 * levels, levels - 1.0);
                a += v * l;
                b += l * l;
            }
            gain = b > 0.0 ? std::max(gain, a * a / b) : gain;
        }
    }
    return signal - gain;
}

double least_errors(const row& x, std::size_t n, int levels) {
    double total = 0.0;
    for (std::size_t start = 0; start < x.size(); start += n) {
        total += least_error(x.data() + start, n, levels);
    }
    return total;
}

template <class Q>
class GgufSignedBest : public testing::Test {
protected:
    static constexpr auto group = static_cast<std::size_t>(Q::group);

    // Blocks of mode best are not worse than those of mode reference; 1e-5 is for sums in single precision.
    static void expect_not_worse(const row& x, const row& importance, const std::string& what) {
        const auto best = block_errors<Q>(x, importance, encode<Q>(x, importance, quantize_mode::best));
        const auto reference = block_errors<Q>(x, importance, encode<Q>(x, importance, quantize_mode::reference));
        for (std::size_t b = 0; b < best.size(); ++b) {
            EXPECT_TRUE(std::isfinite(best[b])) << what << ", block " << b;
            EXPECT_TRUE(!std::isfinite(reference[b]) || best[b] <= reference[b] * 1.00001)
                << what << ", block " << b << ": " << best[b] << " against " << reference[b];
        }
    }
};

TYPED_TEST_SUITE(GgufSignedBest, formats, format_names);

TYPED_TEST(GgufSignedBest, IsNeverWorseThanReferenceOnTheRecordedInputs) {
    const golden::file inputs = recorded("inputs");
    const row x = inputs.tensor<float>("x"), importance = inputs.tensor<float>("imatrix");
    for (std::size_t start = 0; start < x.size(); start += importance.size()) {
        const row values(x.begin() + static_cast<std::ptrdiff_t>(start),
                         x.begin() + static_cast<std::ptrdiff_t>(start + importance.size()));
        const std::string what = "row " + std::to_string(start / importance.size());
        this->expect_not_worse(values, {}, what);
        this->expect_not_worse(values, importance, what + " with importance");
    }
}

TYPED_TEST(GgufSignedBest, IsNeverWorseThanReferenceForAnyKindAndMagnitude) {
    unsigned seed = 100;
    for (int kind = 0; kind < kinds; ++kind) {
        for (const float magnitude : magnitudes) {
            const row x = values_of(kind, magnitude, 2 * 256, ++seed);
            for (const int weights : {0, 1, 2}) {
                const row importance = weights == 0 ? row{} : importance_of(weights - 1, x.size(), seed);
                this->expect_not_worse(x, importance,
                                       "kind " + std::to_string(kind) + ", magnitude " + std::to_string(magnitude) +
                                           ", weights " + std::to_string(weights));
            }
        }
    }
}

TYPED_TEST(GgufSignedBest, GivesTheSameBytesOnEveryInstructionSet) {
    using Q = TypeParam;
    unsigned seed = 200;
    const std::size_t counts[] = {1, 2, 3, 5, 16, 17, 33};
    for (int kind = 0; kind < kinds; ++kind) {
        for (const float magnitude : {1.0f, 1e-8f, 1e-40f, 1e38f}) {
            ++seed;
            const row x = values_of(kind, magnitude, this->group * counts[seed % 7], seed);
            for (const quantize_mode mode : {quantize_mode::fast, quantize_mode::best}) {
                for (const bool weighted : {false, true}) {
                    const row importance = weighted ? importance_of(1, x.size(), seed) : row{};
                    const auto expected = encode<Q>(x, importance, mode);
                    for_each_isa([&] {
                        EXPECT_TRUE((encode<Q>(x, importance, mode) == expected))
                            << "kind " << kind << ", magnitude " << magnitude << ", mode " << static_cast<int>(mode);
                    });
                }
            }
        }
    }
}

TYPED_TEST(GgufSignedBest, DoesNotDependOnTheBlocksAround) {
    using Q = TypeParam;
    const row x = values_of(3, 1.0f, 20 * this->group, 7);
    for (const quantize_mode mode : {quantize_mode::fast, quantize_mode::best}) {
        const auto all = encode<Q>(x, {}, mode);
        for (std::size_t b = 0; b < 20; ++b) {
            const auto start = static_cast<std::ptrdiff_t>(b * this->group);
            const auto one = encode<Q>(row(x.begin() + start, x.begin() + start + Q::group), {}, mode);
            EXPECT_TRUE(std::equal(one.begin(), one.end(), all.begin() + static_cast<std::ptrdiff_t>(b * one.size())));
        }
    }
}

TYPED_TEST(GgufSignedBest, DecodesFiniteValuesWhateverTheMagnitude) {
    using Q = TypeParam;
    for (const quantize_mode mode : {quantize_mode::fast, quantize_mode::best}) {
        for (int kind = 0; kind < kinds; ++kind) {
            for (const float magnitude : magnitudes) {
                const row x = values_of(kind, magnitude, 2 * 256, 5);
                for (const float y : decode<Q>(encode<Q>(x, {}, mode))) {
                    ASSERT_TRUE(std::isfinite(y)) << "kind " << kind << ", magnitude " << magnitude;
                }
            }
        }
        for (const float y : decode<Q>(encode<Q>(row(512, 0.0f), {}, mode))) {
            ASSERT_EQ(y, 0.0f);
        }
    }
}

TYPED_TEST(GgufSignedBest, SpendsItsErrorWhereTheImportanceIsLow) {
    using Q = TypeParam;
    const row x = samples(2, 64 * 256);
    row importance(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) {
        importance[i] = i % 4 == 0 ? 50.0f : 1.0f;
    }
    const double given = sum(block_errors<Q>(x, importance, encode<Q>(x, importance, quantize_mode::best)));
    const double without = sum(block_errors<Q>(x, importance, encode<Q>(x, {}, quantize_mode::best)));
    EXPECT_LT(given, 0.98 * without);
}

// What ggml reaches at best (the better of no and uniform importance), and what is asked of mode best beyond it.
template <class Q>
struct figures;
template <>
struct figures<gguf::q4_0> {
    static constexpr double ggml[3] = {21.777, 19.713, 19.0}, gain = 0.05;
};
template <>
struct figures<gguf::q5_0> {
    static constexpr double ggml[3] = {27.878, 25.731, 24.978}, gain = 0.06;
};
template <>
struct figures<gguf::q8_0> {
    static constexpr double ggml[3] = {45.447, 43.428, 42.666}, gain = 0.9;
};
template <>
struct figures<gguf::q8_1> : figures<gguf::q8_0> {};
template <>
struct figures<gguf::q8_k> {
    static constexpr double ggml[3] = {43.144, 39.957, 37.533}, gain = 0.1;
};
template <>
struct figures<gguf::q3_k> {
    static constexpr double ggml[3] = {16.806, 15.398, 15.062}, gain = 0.04;
};
template <>
struct figures<gguf::q6_k> {
    static constexpr double ggml[3] = {35.246, 33.472, 33.004}, gain = 0.3;
};

TYPED_TEST(GgufSignedBest, ReachesMoreThanGgmlOnNormalAndLaplaceSamples) {
    using Q = TypeParam;
    for (const int kind : {0, 1}) {
        const row x = samples(kind, 1 << 18);
        EXPECT_GT(quality<Q>(x, quantize_mode::best), figures<Q>::ggml[kind] + figures<Q>::gain) << kind;
        // The samples are others than ggml's: 0.03 dB are three deviations of the difference.
        EXPECT_GT(quality<Q>(x, quantize_mode::fast), figures<Q>::ggml[kind] - 0.03) << kind;
    }
}

// How close mode best comes to the least error that any scales give, halves and integers or not.
TEST(GgufQ40, BestIsTheLeastErrorOfTheFormat) {
    for (const int kind : {0, 1, 2}) {
        const row x = samples(kind, 1 << 12);
        const double least = least_errors(x, 32, 8);
        EXPECT_LT(sum(block_errors<gguf::q4_0>(x, {}, encode<gguf::q4_0>(x, {}, quantize_mode::best))), 1.002 * least);
    }
}

TEST(GgufQ50, BestIsTheLeastErrorOfTheFormat) {
    for (const int kind : {0, 1, 2}) {
        const row x = samples(kind, 1 << 12);
        const double least = least_errors(x, 32, 16);
        EXPECT_LT(sum(block_errors<gguf::q5_0>(x, {}, encode<gguf::q5_0>(x, {}, quantize_mode::best))), 1.005 * least);
    }
}

TEST(GgufQ3K, BestIsNearTheLeastErrorOfAnyScales) {
    for (const int kind : {0, 1, 2}) {
        const row x = samples(kind, 1 << 12);
        const double least = least_errors(x, 16, 4);
        EXPECT_LT(sum(block_errors<gguf::q3_k>(x, {}, encode<gguf::q3_k>(x, {}, quantize_mode::best))), 1.02 * least);
    }
}

TEST(GgufQ6K, BestIsNearTheLeastErrorOfAnyScales) {
    for (const int kind : {0, 1, 2}) {
        const row x = samples(kind, 1 << 12);
        const double least = least_errors(x, 16, 32);
        EXPECT_LT(sum(block_errors<gguf::q6_k>(x, {}, encode<gguf::q6_k>(x, {}, quantize_mode::best))), 1.08 * least);
    }
}

} // namespace
