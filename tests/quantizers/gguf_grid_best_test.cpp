// Modes best and fast of the grid types: never worse than the reference, the exact solution for a given d, the same
// bytes with every instruction set, sensible blocks for odd input.

#include "tests/quantizers/gguf_grid_types.hpp"

#include "tersor/simd/isa.hpp"

#include <cmath>
#include <limits>
#include <string>

namespace {

using namespace tersor;

template <class Type>
class gguf_grid_best : public ::testing::Test {
protected:
    using blocks = std::vector<typename Type::block>;

    static blocks encode(const std::vector<float>& x, const std::vector<float>& importance, quantize_mode mode) {
        blocks out(x.size() / 256);
        Type::encode_blocks(x, importance, mode, out.data());
        return out;
    }

    // Decoded values against x; importance may be empty.
    static double error_of(const blocks& b, const std::vector<float>& x, const std::vector<float>& importance) {
        std::vector<float> y(x.size());
        Type::decode_blocks(b.data(), b.size(), y.data());
        double sum = 0.0;
        for (std::size_t i = 0; i < x.size(); ++i) {
            const double off = static_cast<double>(y[i]) - static_cast<double>(x[i]);
            sum += (importance.empty() ? 1.0 : static_cast<double>(importance[i])) * off * off;
        }
        // A half that overflowed decodes to infinities and NaN.
        return std::isfinite(sum) ? sum : std::numeric_limits<double>::infinity();
    }

    static double decibels(const std::vector<float>& x, quantize_mode mode) {
        double power = 0.0;
        for (const float v : x) {
            power += static_cast<double>(v) * static_cast<double>(v);
        }
        return 10.0 * std::log10(power / error_of(encode(x, {}, mode), x, {}));
    }
};

TYPED_TEST_SUITE(gguf_grid_best, grid_types::all);

TYPED_TEST(gguf_grid_best, is_never_worse_than_the_reference) {
    std::mt19937 random(6);
    for (int round = 0; round < 3; ++round) {
        for (int kind = 0; kind < grid_types::kinds; ++kind) {
            for (const float size : {0.02f, 1.0f, 1e-6f, 3e4f}) {
                const std::vector<float> x = grid_types::values_of_kind(kind, size, random);
                const std::vector<float> w = grid_types::weights_of_kind(round, random);
                const std::string what = "kind " + std::to_string(kind) + " size " + std::to_string(size);
                const double close = 1.0 + 1e-12; // sums in another order
                const double best = this->error_of(this->encode(x, {}, quantize_mode::best), x, {});
                if (!TypeParam::needs_importance) {
                    EXPECT_LE(best, close * this->error_of(this->encode(x, {}, quantize_mode::reference), x, {}))
                        << what;
                }
                EXPECT_LE(best, close * this->error_of(this->encode(x, {}, quantize_mode::fast), x, {})) << what;
                EXPECT_LE(this->error_of(this->encode(x, w, quantize_mode::best), x, w),
                          close * this->error_of(this->encode(x, w, quantize_mode::reference), x, w))
                    << what << " weighted";
            }
        }
    }
}

TYPED_TEST(gguf_grid_best, gives_the_same_bytes_with_every_instruction_set) {
    std::mt19937 random(7);
    for (int kind = 0; kind < grid_types::kinds; ++kind) {
        std::vector<float> x, w;
        for (int k = 0; k < 3; ++k) {
            const std::vector<float> more = grid_types::values_of_kind(kind, 0.1f, random);
            const std::vector<float> weights = grid_types::weights_of_kind(k, random);
            x.insert(x.end(), more.begin(), more.end());
            w.insert(w.end(), weights.begin(), weights.end());
        }
        for (const quantize_mode mode : {quantize_mode::fast, quantize_mode::best}) {
            for (const bool weighted : {false, true}) {
                std::vector<typename TypeParam::block> first;
                for (int set = 0; set <= static_cast<int>(best_isa()); ++set) {
                    const isa before = set_isa(static_cast<isa>(set));
                    const auto found = this->encode(x, weighted ? w : std::vector<float>{}, mode);
                    set_isa(before);
                    first = set == 0 ? found : first;
                    EXPECT_TRUE(grid_types::same_bytes(found, first)) << "kind " << kind << " weighted " << weighted;
                }
            }
        }
    }
}

TYPED_TEST(gguf_grid_best, is_finite_and_no_worse_than_zeros_on_all_magnitudes) {
    std::mt19937 random(8);
    for (int exponent = -45; exponent <= 38; ++exponent) {
        const auto size = static_cast<float>(std::pow(10.0, exponent));
        for (const int kind : {0, 4, 6}) {
            const std::vector<float> x = grid_types::values_of_kind(kind, kind == 0 ? 0.2f * size : size, random);
            const auto found = this->encode(x, {}, quantize_mode::best);
            double power = 0.0;
            for (const float v : x) {
                power += static_cast<double>(v) * static_cast<double>(v);
            }
            const double error = this->error_of(found, x, {});
            EXPECT_TRUE(std::isfinite(error)) << "kind " << kind << " size 1e" << exponent;
            EXPECT_LE(error, power) << "kind " << kind << " size 1e" << exponent;
        }
    }
    const std::vector<float> zeros(256, 0.0f);
    EXPECT_EQ(this->error_of(this->encode(zeros, {}, quantize_mode::best), zeros, {}), 0.0);
}

// The search of sixteen vectors or scales at once against all points one after the other, with one sign wrong or none.
template <class Rules, bool Flip>
void expect_best_points() {
    const detail::grid_tables& tables = detail::grid_tables_of<Rules>();
    std::mt19937 random(11);
    std::normal_distribution<float> normal;
    for (int round = 0; round < 20; ++round) {
        detail::grid_searches all;
        for (std::size_t k = 0; k < 16; ++k) {
            for (std::size_t i = 0; i < static_cast<std::size_t>(Rules::positions); ++i) {
                all.x[i * 16 + k] = Rules::is_ternary ? normal(random) : std::fabs(normal(random));
                all.w[i * 16 + k] = round % 2 == 0 ? 1.0f : std::fabs(normal(random));
            }
            const float factor = 0.3f + 0.1f * static_cast<float>(k);
            for (std::size_t level = 0; level <= static_cast<std::size_t>(Rules::top); ++level) {
                const float step = factor / static_cast<float>(Rules::values[Rules::top]);
                all.values[level * 16 + k] = 2.0f * step * static_cast<float>(Rules::values[level]);
            }
            all.point[k] = static_cast<std::int32_t>(random() % tables.count);
        }
        TERSOR_DISPATCH(gguf::search_all_points<Rules, Flip>(tables, all));
        for (std::size_t k = 0; k < 16; ++k) {
            double least = 1e300, in_run = 1e300;
            for (std::size_t point = 0; point < tables.count; ++point) {
                double error = 0.0, penalty = 1e300;
                for (std::size_t i = 0; i < static_cast<std::size_t>(Rules::positions); ++i) {
                    const std::size_t level =
                        tables.words[point] >> (static_cast<std::size_t>(Rules::bits) * i) & ((1u << Rules::bits) - 1);
                    const double value = static_cast<double>(all.values[level * 16 + k]),
                                 x = static_cast<double>(all.x[i * 16 + k]);
                    const double w = static_cast<double>(all.w[i * 16 + k]);
                    error += w * (value - x) * (value - x);
                    penalty = std::min(penalty, 4.0 * w * value * x);
                }
                error += Flip ? penalty : 0.0;
                least = std::min(least, error);
                const bool within = all.run[k] < 0
                                        ? point == static_cast<std::size_t>(all.point[k])
                                        : point >= tables.run_first[static_cast<std::size_t>(all.run[k])] &&
                                              point < tables.run_first[static_cast<std::size_t>(all.run[k]) + 1];
                in_run = within ? std::min(in_run, error) : in_run;
            }
            EXPECT_NEAR(static_cast<double>(all.error[k]), least, 1e-5 * (1.0 + least));
            EXPECT_NEAR(in_run, least, 1e-5 * (1.0 + least));
        }
    }
}

TYPED_TEST(gguf_grid_best, searches_all_points_of_the_grid) {
    for (int set = 0; set <= static_cast<int>(best_isa()); ++set) {
        const isa before = set_isa(static_cast<isa>(set));
        expect_best_points<typename TypeParam::rules, false>();
        if constexpr (!grid_types::is_iq1<TypeParam>) {
            expect_best_points<typename TypeParam::rules, true>();
        }
        set_isa(before);
    }
}

TYPED_TEST(gguf_grid_best, ignores_values_without_weight) {
    std::mt19937 random(9);
    const std::vector<float> x = grid_types::values_of_kind(0, 1.0f, random), none(256, 0.0f);
    EXPECT_EQ(this->error_of(this->encode(x, none, quantize_mode::best), x, none), 0.0);
}

TYPED_TEST(gguf_grid_best, is_more_accurate_than_the_peer_on_gaussian_values) {
    // Decibels over the best of the peer (fast is the peer's search with uniform weights), as measured and rounded
    // down.
    const double wanted = grid_types::is_iq1<TypeParam> ? 0.7 : std::is_same_v<TypeParam, gguf::iq3_xxs> ? 0.2 : 0.3;
    std::mt19937 random(10);
    std::vector<float> x;
    for (int k = 0; k < 64; ++k) {
        const std::vector<float> more = grid_types::values_of_kind(0, 1.0f, random);
        x.insert(x.end(), more.begin(), more.end());
    }
    EXPECT_GE(this->decibels(x, quantize_mode::best), this->decibels(x, quantize_mode::fast) + wanted);
}

} // namespace
