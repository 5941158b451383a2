#ifndef TERSOR_TESTS_QUANTIZERS_CODEC_SUITE_HPP
#define TERSOR_TESTS_QUANTIZERS_CODEC_SUITE_HPP

// The typed suite that holds the vector loops of every quantizer to its scalar definition: same parameters, codes,
// packed bytes and decoded values, bit for bit, on every instruction set, for awkward sizes and awkward data.
//
// The quantizers are listed in codec_types.hpp; each codec_*_test.cpp instantiates the suite for one family of them.

#include "tersor/core/concepts.hpp"
#include "tersor/core/options.hpp"
#include "tersor/quantizers/codec.hpp"
#include "tersor/simd/isa.hpp"
#include "tests/common/isas.hpp"
#include "tests/common/reference.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

namespace codec_suite {

using random = std::mt19937;

inline constexpr std::size_t sizes[] = {0,  1,  2,  5,  7,   8,   15,  16,  17,   31,  32,
                                        33, 63, 64, 65, 127, 129, 255, 257, 1000, 4999};

enum class data { normal, uniform, signed_zeros, ties, near_ties, constant, subnormal, huge, mixed, long_significand };
inline constexpr data kinds[] = {data::normal,    data::uniform,         data::signed_zeros, data::ties,
                                 data::near_ties, data::constant,        data::subnormal,    data::huge,
                                 data::mixed,     data::long_significand};

inline float between(random& r, float lo, float hi) {
    return lo + (hi - lo) * static_cast<float>(r() >> 8) * 0x1p-24f;
}

/// The finite values of a format and the points half-way between them.
template <class Format>
std::vector<float> midpoints_of(const Format& format) {
    std::vector<float> values;
    for (int code = 0; code < 1 << Format::bits; ++code) {
        const int extended = std::is_signed_v<typename Format::code_type> && code >= 1 << (Format::bits - 1)
                                 ? code - (1 << Format::bits)
                                 : code;
        const float value = format.decode(static_cast<typename Format::code_type>(extended));
        if (std::isfinite(value)) {
            values.push_back(value);
        }
    }
    std::ranges::sort(values);
    const std::size_t count = values.size();
    for (std::size_t i = 0; i + 1 < count; ++i) {
        values.push_back(values[i] / 2 + values[i + 1] / 2);
    }
    return values;
}

/// A scale of few bits, so that small multiples of it are exact, or of all 24.
inline float scale_of(data kind, random& r) {
    const float power = std::ldexp(1.0f, static_cast<int>(r() % 60) - 30);
    switch (kind) {
    case data::ties:
        return static_cast<float>(1 + r() % 1023) * power;
    case data::long_significand:
        return r() % 2 == 0 ? 0x1.fffffep0f * power : 0x1.fffffcp0f * power;
    default:
        return between(r, 1.0f, 2.0f) * power;
    }
}

/// Values at, and next to, the boundaries between codes for a group whose largest magnitude sets its scale.
template <class Q>
void fill_boundaries(std::span<float> group, const std::vector<float>& points, data kind, random& r) {
    const float scale = scale_of(kind, r);
    for (float& x : group) {
        x = points[r() % points.size()] * scale;
        const unsigned side = r() % 4;
        x = side == 0   ? std::nextafter(x, -std::numeric_limits<float>::infinity())
            : side == 1 ? std::nextafter(x, std::numeric_limits<float>::infinity())
                        : x;
    }
    const float largest = typename Q::format{}.largest;
    if constexpr (requires { Q::reach(); }) {
        group[0] = Q::reach() * scale;
    } else if constexpr (tersor::affine_quantizer<Q>) {
        // The whole grid: scale * steps wide, with zero somewhere on it.
        const auto steps = static_cast<float>(Q::format::highest - Q::format::lowest);
        const auto below = static_cast<float>(r() % static_cast<unsigned>(steps + 1.0f));
        for (float& x : group) {
            x = std::clamp(x, -below * scale, (steps - below) * scale);
        }
        group[0] = -below * scale;
        group[group.size() - 1] = (steps - below) * scale;
    } else {
        group[0] = largest * scale;
    }
    if (!tersor::affine_quantizer<Q> && r() % 2 == 0) {
        group[0] = -group[0];
    }
}

template <class Q>
std::vector<float> make(data kind, std::size_t count, std::size_t group, unsigned seed) {
    random r(seed);
    std::normal_distribution<float> normal;
    std::vector<float> x(count);
    const float constant = between(r, -3.0f, 3.0f);
    const std::vector<float> points = midpoints_of(typename Q::format{});
    for (std::size_t first = 0; first < count; first += group) {
        const auto values = std::span(x).subspan(first, std::min(group, count - first));
        for (float& v : values) {
            switch (kind) {
            case data::normal:
                v = normal(r);
                break;
            case data::uniform:
                v = between(r, -0.02f, 0.07f);
                break;
            case data::signed_zeros:
                v = r() % 3 == 0 ? between(r, -1.0f, 1.0f) : r() % 2 == 0 ? 0.0f : -0.0f;
                break;
            case data::constant:
                v = constant;
                break;
            case data::subnormal:
                v = between(r, -1.0f, 1.0f) * 0x1p-127f;
                break;
            case data::huge:
                v = between(r, -1.0f, 1.0f) * 3.4e38f;
                break;
            case data::mixed:
                v = std::ldexp(between(r, -1.0f, 1.0f), static_cast<int>(r() % 250) - 124);
                break;
            default:
                break;
            }
        }
        // Some groups of nothing but zeros, and some of which one value is everything.
        if (kind == data::signed_zeros && r() % 2 == 0) {
            std::ranges::fill(values, r() % 2 == 0 ? 0.0f : -0.0f);
            values[r() % values.size()] = r() % 2 == 0 ? 0.0f : between(r, -1.0f, 1.0f);
        }
        if (kind == data::ties || kind == data::near_ties || kind == data::long_significand) {
            fill_boundaries<Q>(values, points, kind, r);
        }
    }
    return x;
}

/// What the scalar members of a quantizer make of one row.
template <class Q>
struct definition {
    Q quantizer;
    std::vector<typename Q::parameters> parameters;
    std::vector<std::uint8_t> codes, packed;
    std::vector<float> values;

    definition(const Q& q, std::span<const float> x, std::size_t group) : quantizer(q) {
        float largest = 0.0f;
        for (const float v : x) {
            largest = std::max(largest, std::fabs(v));
        }
        if constexpr (tersor::prepared_quantizer<Q>) {
            quantizer = q.prepare(largest);
        }
        for (std::size_t first = 0; first < x.size(); first += group) {
            add_group(x.subspan(first, std::min(group, x.size() - first)));
        }
        pack();
        const auto stored = tersor::parameter_array<Q>(parameters);
        for (std::size_t i = 0; i < x.size(); ++i) {
            values.push_back(quantizer.decode(static_cast<tersor::code_of<Q>>(codes[i]), stored[i / group]));
        }
    }

private:
    void add_group(std::span<const float> x) {
        typename Q::parameters p = quantizer.fit(x, {});
        bool is_ragged = false;
        if constexpr (requires { quantizer.from_magnitude_ragged(1.0f); }) {
            is_ragged = Q::group > 0 && x.size() < static_cast<std::size_t>(Q::group);
            if (is_ragged) {
                float largest = 0.0f;
                for (const float v : x) {
                    largest = std::max(largest, std::fabs(v));
                }
                p = quantizer.from_magnitude_ragged(largest);
                for (const float v : x) {
                    codes.push_back(static_cast<std::uint8_t>(quantizer.encode_ragged(v, p)));
                }
            }
        }
        for (std::size_t i = 0; i < x.size() && !is_ragged; ++i) {
            codes.push_back(static_cast<std::uint8_t>(quantizer.encode(x[i], p)));
        }
        parameters.push_back(p);
    }

    void pack() {
        using format = typename Q::format;
        if constexpr (tersor::is_high_nibble_first<format>) {
            packed.assign((codes.size() + 1) / 2, static_cast<std::uint8_t>(format{}.encode(0.0f) & 15));
            for (std::size_t i = 0; i < codes.size(); ++i) {
                const int byte = packed[i / 2], code = codes[i] & 15;
                packed[i / 2] = static_cast<std::uint8_t>(i % 2 == 0 ? code << 4 | (byte & 15) : (byte & 0xF0) | code);
            }
        } else {
            packed = reference::pack_bits(codes, format::bits);
        }
    }
};

template <class T>
testing::AssertionResult equal_bits(std::span<const T> actual, std::span<const T> expected, std::span<const float> x) {
    for (std::size_t i = 0; i < expected.size(); ++i) {
        bool same = actual[i] == expected[i];
        if constexpr (std::is_same_v<T, float>) {
            same = std::bit_cast<std::uint32_t>(actual[i]) == std::bit_cast<std::uint32_t>(expected[i]);
        }
        if (!same) {
            return testing::AssertionFailure() << "at " << i << ": " << +actual[i] << ", expected " << +expected[i]
                                               << " for " << std::hexfloat << (i < x.size() ? x[i] : 0.0f);
        }
    }
    return testing::AssertionSuccess();
}

using isas::for_each_isa;

/// Calls body(x, group, expected) for all data and sizes until something fails.
template <class Q, class Body>
void for_each_case(const Body& body) {
    unsigned seed = 0;
    for (const data kind : kinds) {
        for (const std::size_t size : sizes) {
            const std::size_t group =
                Q::group > 0 ? static_cast<std::size_t>(Q::group) : std::max<std::size_t>(size, 1);
            const std::vector<float> x = make<Q>(kind, size, group, ++seed);
            SCOPED_TRACE("data kind " + std::to_string(static_cast<int>(kind)) + ", size " + std::to_string(size));
            const definition<Q> expected(Q{}, x, group);
            for_each_isa([&] { body(std::span(x), group, expected); });
            if (testing::Test::HasFailure()) {
                return;
            }
        }
    }
}

} // namespace codec_suite

template <class Q>
class Codec : public testing::Test {};
TYPED_TEST_SUITE_P(Codec);

TYPED_TEST_P(Codec, ParametersAndCodesAreThoseOfTheDefinition) {
    using Q = TypeParam;
    using parameters = typename Q::parameters;
    codec_suite::for_each_case<Q>([](std::span<const float> x, std::size_t group, const auto& expected) {
        const std::size_t groups = expected.parameters.size(), count = x.size();
        const Q& q = expected.quantizer;
        std::vector<parameters> p(groups);
        // One more byte than is asked for shows whether something is written behind the end.
        std::vector<std::uint8_t> codes(count + 1, 0xA5);
        ASSERT_TRUE(tersor::codec<Q>::fit(q, x.data(), count, group, nullptr, p.data()));
        EXPECT_TRUE(p == expected.parameters) << "fit";
        ASSERT_TRUE(tersor::codec<Q>::encode(q, x.data(), count, group, expected.parameters.data(), codes.data()));
        EXPECT_TRUE(codec_suite::equal_bits<std::uint8_t>(codes, expected.codes, x)) << "encode";
        EXPECT_EQ(codes[count], 0xA5);

        p.assign(groups, parameters{});
        codes.assign(count + 1, 0xA5);
        ASSERT_TRUE(tersor::codec<Q>::quantize(q, x.data(), count, group, p.data(), codes.data()));
        EXPECT_TRUE(p == expected.parameters) << "quantize";
        EXPECT_TRUE(codec_suite::equal_bits<std::uint8_t>(codes, expected.codes, x)) << "quantize";
        EXPECT_EQ(codes[count], 0xA5);
    });
}

TYPED_TEST_P(Codec, BytesAndValuesAreThoseOfTheDefinition) {
    using Q = TypeParam;
    codec_suite::for_each_case<Q>([](std::span<const float> x, std::size_t group, const auto& expected) {
        const std::size_t count = x.size();
        const Q& q = expected.quantizer;
        std::vector<std::uint8_t> packed(expected.packed.size() + 1, 0xA5), scratch(count);
        tersor::codec<Q>::pack(q, expected.codes.data(), count, packed.data());
        EXPECT_TRUE(codec_suite::equal_bits<std::uint8_t>(packed, expected.packed, {})) << "pack";
        EXPECT_EQ(packed.back(), 0xA5);

        const auto stored = tersor::parameter_array<Q>(expected.parameters);
        std::vector<typename Q::parameters> p;
        for (std::size_t g = 0; g < expected.parameters.size(); ++g) {
            p.push_back(stored[g]);
        }
        // From the start, and from the middle of a group: any multiple of eight.
        for (const std::size_t first : {std::size_t{0}, count / 16 * 8, count / 8 * 8}) {
            std::vector<float> values(count - first + 1, 77.0f);
            tersor::codec<Q>::decode(q, expected.packed.data() + first / 8 * std::size_t{Q::format::bits},
                                     count - first, group, group - first % group, p.data() + first / group,
                                     values.data(), scratch.data());
            EXPECT_TRUE(
                codec_suite::equal_bits<float>(values, std::span(expected.values).subspan(first), x.subspan(first)))
                << "decode from " << first;
            EXPECT_EQ(values.back(), 77.0f);
        }
    });
}

TYPED_TEST_P(Codec, ValuesThatAreNotFiniteAreFoundWhereverTheyStand) {
    using Q = TypeParam;
    using limits = std::numeric_limits<float>;
    for (const std::size_t count : {1u, 5u, 32u, 64u, 300u, 4999u}) {
        const std::size_t group = Q::group > 0 ? static_cast<std::size_t>(Q::group) : count;
        std::vector<float> x = codec_suite::make<Q>(codec_suite::data::normal, count, group, 1);
        const codec_suite::definition<Q> good(Q{}, x, group);
        std::vector<typename Q::parameters> p(good.parameters.size());
        std::vector<std::uint8_t> codes(count);
        for (std::size_t at = 0; at < count; at += 1 + at / 3) {
            const float before = x[at];
            for (const float bad :
                 {limits::quiet_NaN(), -limits::quiet_NaN(), limits::infinity(), -limits::infinity()}) {
                x[at] = bad;
                codec_suite::for_each_isa([&] {
                    EXPECT_FALSE(tersor::codec<Q>::fit(good.quantizer, x.data(), count, group, nullptr, p.data()))
                        << bad << " at " << at << " of " << count << ", fit";
                    EXPECT_FALSE(
                        tersor::codec<Q>::quantize(good.quantizer, x.data(), count, group, p.data(), codes.data()))
                        << bad << " at " << at << " of " << count << ", quantize";
                    EXPECT_FALSE(tersor::codec<Q>::encode(good.quantizer, x.data(), count, group,
                                                          good.parameters.data(), codes.data()))
                        << bad << " at " << at << " of " << count << ", encode";
                });
                if (testing::Test::HasFailure()) {
                    return;
                }
            }
            x[at] = before;
        }
    }
}

// Parameters of another range than that of the values, as a calibrator gives them: many values saturate.
TYPED_TEST_P(Codec, ValuesBeyondAGivenRangeSaturateAsDefined) {
    using Q = TypeParam;
    if constexpr (tersor::range_quantizer<Q>) {
        for (const codec_suite::data kind : codec_suite::kinds) {
            const std::size_t count = 1000, group = Q::group > 0 ? static_cast<std::size_t>(Q::group) : count;
            const std::vector<float> x = codec_suite::make<Q>(kind, count, group, 9);
            for (const tersor::clipping_range range : {tersor::clipping_range{-0.25f, 0.125f},
                                                       {0.0f, 1e-40f},
                                                       {-3e38f, 3e38f},
                                                       {0.0f, 0.0f},
                                                       {-1e-20f, 1e-25f}}) {
                const Q q{};
                const std::vector<typename Q::parameters> p((count + group - 1) / group,
                                                            q.from_range(range.lo, range.hi));
                std::vector<std::uint8_t> expected, codes(count);
                for (std::size_t i = 0; i < count; ++i) {
                    bool is_ragged = false;
                    if constexpr (requires { q.encode_ragged(x[i], p[0]); }) {
                        is_ragged = Q::group > 0 && i >= count / group * group;
                        if (is_ragged) {
                            expected.push_back(static_cast<std::uint8_t>(q.encode_ragged(x[i], p[i / group])));
                        }
                    }
                    if (!is_ragged) {
                        expected.push_back(static_cast<std::uint8_t>(q.encode(x[i], p[i / group])));
                    }
                }
                codec_suite::for_each_isa([&] {
                    EXPECT_TRUE(tersor::codec<Q>::encode(q, x.data(), count, group, p.data(), codes.data()));
                    EXPECT_TRUE(codec_suite::equal_bits<std::uint8_t>(codes, expected, x))
                        << "data kind " << static_cast<int>(kind) << ", range " << range.lo << " to " << range.hi;
                });
                if (testing::Test::HasFailure()) {
                    return;
                }
            }
        }
    }
}

REGISTER_TYPED_TEST_SUITE_P(Codec, ParametersAndCodesAreThoseOfTheDefinition, BytesAndValuesAreThoseOfTheDefinition,
                            ValuesThatAreNotFiniteAreFoundWhereverTheyStand, ValuesBeyondAGivenRangeSaturateAsDefined);

#endif // TERSOR_TESTS_QUANTIZERS_CODEC_SUITE_HPP
