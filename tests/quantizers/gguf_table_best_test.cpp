// Modes fast and best of the formats with a table of values and of the ternary ones.

#include "tersor/quantizers/gguf/iq4_nl.hpp"
#include "tersor/quantizers/gguf/iq4_xs.hpp"
#include "tersor/quantizers/gguf/mxfp4.hpp"
#include "tersor/quantizers/gguf/nvfp4.hpp"
#include "tersor/quantizers/gguf/q1_0.hpp"
#include "tersor/quantizers/gguf/q2_0.hpp"
#include "tersor/quantizers/gguf/tq1_0.hpp"
#include "tersor/quantizers/gguf/tq2_0.hpp"

#include "tests/quantizers/gguf_table_blocks.hpp"

#include <gtest/gtest.h>

#include <string>

namespace {

using namespace tersor;

// Signal to noise in dB that a mode must reach on normal, Laplace and t4 values of variance 1.
struct least_quality {
    double gauss, laplace, t4;
};
template <class Q>
constexpr least_quality best_of = {};
template <>
constexpr least_quality best_of<gguf::iq4_nl> = {22.668, 21.264 + 0.15, 20.783 + 0.15};
template <>
constexpr least_quality best_of<gguf::iq4_xs> = {22.59, 21.179 + 0.15, 20.672 + 0.15};
template <>
constexpr least_quality best_of<gguf::mxfp4> = {19.0, 18.2, 17.85};
template <>
constexpr least_quality best_of<gguf::nvfp4> = {20.432 + 1.0, 20.653 + 0.9, 20.775 + 0.8};
template <>
constexpr least_quality best_of<gguf::tq1_0> = {7.2, 5.75, 5.0};
template <>
constexpr least_quality best_of<gguf::tq2_0> = {7.2, 5.75, 5.0};
template <>
constexpr least_quality best_of<gguf::q2_0> = {9.0, 7.9, 7.4};
template <>
constexpr least_quality best_of<gguf::q1_0> = {4.4, 3.0, 2.95};

// The best of ggml's recorded figures, which mode fast must reach.
template <class Q>
constexpr least_quality fast_of = {};
template <>
constexpr least_quality fast_of<gguf::iq4_nl> = {22.518, 21.264, 20.783};
template <>
constexpr least_quality fast_of<gguf::iq4_xs> = {22.44, 21.179, 20.672};
template <>
constexpr least_quality fast_of<gguf::mxfp4> = {18.75, 17.95, 17.6};
template <>
constexpr least_quality fast_of<gguf::nvfp4> = {20.4, 20.6, 20.7};

std::vector<float> samples(int kind, std::size_t count) {
    std::mt19937_64 random(static_cast<unsigned>(kind) + 1);
    std::vector<float> x(count);
    std::normal_distribution<double> normal;
    std::exponential_distribution<double> exponential(std::sqrt(2.0));
    std::student_t_distribution<double> student(4.0);
    for (float& v : x) {
        const double sign = random() % 2 == 0 ? 1.0 : -1.0;
        v = static_cast<float>(kind == 0   ? normal(random)
                               : kind == 1 ? sign * exponential(random)
                                           : student(random) / std::sqrt(2.0));
    }
    return x;
}

template <class Q>
double decibels(const std::vector<float>& x, quantize_mode mode) {
    const std::vector<float> y = gguf_blocks::decode<Q>(gguf_blocks::encode<Q>(x, {}, mode));
    const std::vector<float> zeros(x.size());
    return 10.0 * std::log10(gguf_blocks::squared_error(x, zeros, {}) / gguf_blocks::squared_error(x, y, {}));
}

template <class Q>
class GgufTableBest : public testing::Test {
protected:
    static constexpr auto size = static_cast<std::size_t>(Q::group);

    // The error of every block against that of another mode: never more, but for the rounding of sums.
    static void expect_no_worse(const std::vector<float>& x, const std::vector<float>& w) {
        const std::vector<float> best = gguf_blocks::decode<Q>(gguf_blocks::encode<Q>(x, w, quantize_mode::best));
        const std::vector<float> reference =
            gguf_blocks::decode<Q>(gguf_blocks::encode<Q>(x, w, quantize_mode::reference));
        for (std::size_t b = 0; b < x.size() / size; ++b) {
            const auto part = [&](const std::vector<float>& v) { return std::span(v).subspan(b * size, size); };
            const std::span<const float> weights = w.empty() ? std::span<const float>() : part(w);
            const double was = gguf_blocks::squared_error(part(x), part(reference), weights);
            const double is = gguf_blocks::squared_error(part(x), part(best), weights);
            // Where the rule of the reference overflows, its error is not a number.
            ASSERT_FALSE(is > was * (1.0 + 2e-6)) << "block " << b << ": " << is << " against " << was;
            ASSERT_TRUE(std::isfinite(is)) << "block " << b;
        }
    }
};
using best_formats = testing::Types<gguf::iq4_nl, gguf::iq4_xs, gguf::mxfp4, gguf::nvfp4, gguf::tq1_0, gguf::tq2_0,
                               gguf::q2_0, gguf::q1_0>;
TYPED_TEST_SUITE(GgufTableBest, best_formats);

TYPED_TEST(GgufTableBest, IsNeverWorseThanReferenceOnABlockOfOrdinaryMagnitude) {
    const std::vector<float> x = gguf_blocks::ordinary_values(65536 / this->size, this->size, 1);
    this->expect_no_worse(x, {});
    this->expect_no_worse(x, gguf_blocks::weights(x.size(), 2));
}

TYPED_TEST(GgufTableBest, IsNeverWorseThanReferenceOnABlockOfAnyMagnitude) {
    const std::vector<float> x = gguf_blocks::mixed_values(65536 / this->size, this->size, 3);
    this->expect_no_worse(x, {});
    this->expect_no_worse(x, gguf_blocks::weights(x.size(), 4));
}

TYPED_TEST(GgufTableBest, IsNeverWorseThanReferenceOnTheRecordedInputs) {
    const golden::file inputs = gguf_blocks::recorded("inputs");
    const std::vector<float> x = inputs.tensor<float>("x");
    const std::vector<float> row = inputs.tensor<float>("imatrix");
    std::vector<float> w;
    for (std::size_t i = 0; i < x.size(); ++i) {
        w.push_back(row[i % row.size()]);
    }
    this->expect_no_worse(x, {});
    this->expect_no_worse(x, w);
}

TYPED_TEST(GgufTableBest, EveryInstructionSetWritesTheSameBytes) {
    using Q = TypeParam;
    for (const std::size_t blocks : {1u, 2u, 3u, 5u, 16u, 17u, 33u, 64u}) {
        const std::vector<float> x = gguf_blocks::mixed_values(blocks, this->size, static_cast<unsigned>(blocks));
        for (const std::vector<float>& w : {std::vector<float>(), gguf_blocks::weights(x.size(), 5)}) {
            for (const quantize_mode mode : {quantize_mode::fast, quantize_mode::best}) {
                const auto first = gguf_blocks::encode<Q>(x, w, mode);
                gguf_blocks::for_each_isa([&](isa set) {
                    const auto again = gguf_blocks::encode<Q>(x, w, mode);
                    for (std::size_t b = 0; b < blocks; ++b) {
                        ASSERT_TRUE(gguf_blocks::same_bytes(again[b], first[b])) << to_string(set) << ' ' << b;
                    }
                });
            }
        }
    }
}

TYPED_TEST(GgufTableBest, ABlockDoesNotDependOnItsNeighbours) {
    using Q = TypeParam;
    const std::vector<float> x = gguf_blocks::ordinary_values(37, this->size, 6);
    const std::vector<float> w = gguf_blocks::weights(x.size(), 7);
    const auto all = gguf_blocks::encode<Q>(x, w, quantize_mode::best);
    for (std::size_t b = 0; b < 37; ++b) {
        const auto part = [&](const std::vector<float>& v) { return std::span(v).subspan(b * this->size, this->size); };
        ASSERT_TRUE(gguf_blocks::same_bytes(gguf_blocks::encode<Q>(part(x), part(w), quantize_mode::best)[0], all[b]));
    }
}

TYPED_TEST(GgufTableBest, ReachesItsQuality) {
    constexpr std::size_t count = 1 << 18;
    EXPECT_GE(decibels<TypeParam>(samples(0, count), quantize_mode::best), best_of<TypeParam>.gauss);
    EXPECT_GE(decibels<TypeParam>(samples(1, count), quantize_mode::best), best_of<TypeParam>.laplace);
    EXPECT_GE(decibels<TypeParam>(samples(2, count), quantize_mode::best), best_of<TypeParam>.t4);
    EXPECT_GE(decibels<TypeParam>(samples(0, count), quantize_mode::fast), fast_of<TypeParam>.gauss);
    EXPECT_GE(decibels<TypeParam>(samples(1, count), quantize_mode::fast), fast_of<TypeParam>.laplace);
    EXPECT_GE(decibels<TypeParam>(samples(2, count), quantize_mode::fast), fast_of<TypeParam>.t4);
}

TYPED_TEST(GgufTableBest, ZerosStayZeros) {
    const std::vector<float> x(this->size * 3, -0.0f);
    for (const quantize_mode mode : {quantize_mode::reference, quantize_mode::fast, quantize_mode::best}) {
        for (const float y : gguf_blocks::decode<TypeParam>(gguf_blocks::encode<TypeParam>(x, {}, mode))) {
            ASSERT_EQ(y, 0.0f);
        }
    }
}

TYPED_TEST(GgufTableBest, ExtremeMagnitudesAndWeightsGiveFiniteValues) {
    using Q = TypeParam;
    for (const float magnitude : {1e-45f, 1e-40f, 1e-8f, 1e6f, 1e20f, 1e38f, 3.4e38f}) {
        for (const float weight : {0.0f, 1e-45f, 1e-30f, 1.0f, 3e38f}) {
            std::vector<float> x(this->size * 2), w(x.size(), weight);
            for (std::size_t i = 0; i < x.size(); ++i) {
                x[i] = magnitude * (i % 3 == 0 ? 1.0f : i % 3 == 1 ? -0.5f : 0.25f);
            }
            for (const quantize_mode mode : {quantize_mode::fast, quantize_mode::best}) {
                const auto y = gguf_blocks::decode<Q>(gguf_blocks::encode<Q>(x, w, mode));
                // Whatever these formats do without a search, they say so by what they store.
                if (mode == quantize_mode::best || std::string(Q::name).substr(0, 3) == "iq4") {
                    for (const float v : y) {
                        ASSERT_TRUE(std::isfinite(v)) << magnitude << ' ' << weight;
                    }
                }
            }
        }
    }
}

TYPED_TEST(GgufTableBest, AValueWithoutWeightDoesNotMatter) {
    using Q = TypeParam;
    if (Q::format::bits > 1) {
        std::vector<float> x = samples(0, this->size), w(x.size(), 1.0f);
        const double clean =
            gguf_blocks::squared_error(x, gguf_blocks::decode<Q>(gguf_blocks::encode<Q>(x, w, quantize_mode::best)), w);
        x[5] = 40.0f;
        w[5] = 0.0f;
        const double outlier =
            gguf_blocks::squared_error(x, gguf_blocks::decode<Q>(gguf_blocks::encode<Q>(x, w, quantize_mode::best)), w);
        EXPECT_LE(outlier, clean * 1.1);
    }
}

} // namespace
