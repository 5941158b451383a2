// Ranges of groups and the parameters that follow from them, compiled once per instruction set by codec.hpp.

namespace tersor::inline v0::simd::TERSOR_NAMESPACE {

/// The range of some values as the bits of two floats: the largest of x and of -x, at least 0. Floats of one sign order
/// as their bits do, so integers serve; infinities and NaN are above 0x7F7FFFFF in one of the two.
struct bit_range {
    std::int32_t above, below;
    [[nodiscard]] std::int32_t magnitude() const noexcept { return above > below ? above : below; }
    [[nodiscard]] bool is_finite() const noexcept { return magnitude() <= 0x7F7FFFFF; }
    [[nodiscard]] float hi() const noexcept { return std::bit_cast<float>(above); }
    [[nodiscard]] float lo() const noexcept { return -std::bit_cast<float>(below); }
};

/// A `bit_range` in each lane.
struct range_lanes {
    vi above, below;
    range_lanes() noexcept : above(splat(0)), below(splat(0)) {}
    void add(vf x) noexcept {
        above = max(above, bits(x));
        below = max(below, bits(x) ^ splat(std::int32_t(-2147483647 - 1)));
    }
};

inline bit_range range_of(const float* x, std::size_t count) noexcept {
    range_lanes a, b;
    std::size_t i = 0;
    for (; i + 2 * lanes <= count; i += 2 * lanes) {
        a.add(load(x + i));
        b.add(load(x + i + lanes));
    }
    bit_range range{reduce_max(max(a.above, b.above)), reduce_max(max(a.below, b.below))};
    x += i;
    for (std::size_t k = 0; k < count % (2 * lanes); ++k) {
        const auto plain = std::bit_cast<std::int32_t>(x[k]), negated = std::bit_cast<std::int32_t>(-x[k]);
        range.above = plain > range.above ? plain : range.above;
        range.below = negated > range.below ? negated : range.below;
    }
    return range;
}

/// Smallest and largest of some values and 0. False if one is not finite.
inline bool find_range(const float* x, std::size_t count, float& lo, float& hi) noexcept {
    const bit_range range = range_of(x, count);
    lo = range.lo();
    hi = range.hi();
    return range.is_finite();
}

/// The largest of the magnitudes of count values, as the bits of a float.
inline std::int32_t magnitude_bits(const float* x, std::size_t count) noexcept {
    return range_of(x, count).magnitude();
}

/// The ranges of four groups of `Size` values, one after the other. Symmetric: `above` has the magnitude, `below`
/// stays.
template <std::size_t Size, bool Symmetric>
inline void ranges_of_four(const float* x, std::int32_t* above, [[maybe_unused]] std::int32_t* below) noexcept {
    range_lanes r0, r1, r2, r3;
    const auto add = [](range_lanes& r, vf v) {
        if constexpr (Symmetric) {
            r.above = max(r.above, bits(v) & splat(0x7FFFFFFF));
        } else {
            r.add(v);
        }
    };
    for (std::size_t i = 0; i < Size; i += lanes) {
        add(r0, load(x + i));
        add(r1, load(x + Size + i));
        add(r2, load(x + 2 * Size + i));
        add(r3, load(x + 3 * Size + i));
    }
    reduce_max(above, r0.above, r1.above, r2.above, r3.above);
    if constexpr (!Symmetric) {
        reduce_max(below, r0.below, r1.below, r2.below, r3.below);
    }
}

/// The parameters of a group of a vector quantizer from its range.
template <class Q>
inline typename Q::parameters parameters_of(const Q& q, bit_range range, std::size_t size) noexcept {
    if constexpr (affine_quantizer<Q>) {
        return q.from_range(range.lo(), range.hi());
    } else if constexpr (scaled_quantizer<Q>) {
        const float magnitude = std::bit_cast<float>(range.magnitude());
        if constexpr (requires { q.from_magnitude_ragged(magnitude); }) {
            if (Q::group > 0 && size < static_cast<std::size_t>(Q::group)) {
                return q.from_magnitude_ragged(magnitude);
            }
        }
        return q.from_magnitude(magnitude);
    } else {
        return {};
    }
}

/// Finds the parameters of each group. Returns whether all values are finite; if not, parameters are unspecified.
template <class Q>
bool fit_groups(const Q& q, const float* x, std::size_t count, std::size_t group, const float* importance,
                typename Q::parameters* p) {
    for (std::size_t start = 0; start < count; start += group, ++p) {
        const std::size_t size = count - start < group ? count - start : group;
        const bit_range range = range_of(x + start, size);
        if (!range.is_finite()) {
            return false;
        }
        if (importance == nullptr && (scaled_quantizer<Q> || affine_quantizer<Q>)) {
            *p = parameters_of(q, range, size);
        } else {
            *p = q.fit({x + start, size},
                       {importance == nullptr ? x : importance + start, importance == nullptr ? 0 : size});
        }
    }
    return true;
}

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE
