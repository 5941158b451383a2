// The search for a scale and a minimum, in panels; compiled once per instruction set.
//
// A(n, N, x, w, r0, dr, steps): levels 0..N, value = scale * level - minimum with minimum >= 0. lo = min(0, least x),
// hi the largest; equal: scale 0, levels 0. It starts from is = N / (hi - lo), scale 1 / is, level rn(is (x - lo))
// within 0..N and error sum w e e (or w |e|), e = scale level + lo - x. For s = 0..steps the levels of
// is = (r0 + dr s + N) / (hi - lo) get the scale and lo of least squares (if that lo is above 0: 0, and the scale that
// fits best with it); what lowers the error is kept, and the lo of later steps is then the one found. One rounding per
// operation, sums in order. Source: ggml v0.21.0 (make_qkx2_quants, make_qkx3_quants), as described in its golden data.

namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf {

/// Two registers that do the same: the sums of a search wait for each other, so that two searches at once take little
/// longer than one.
struct vf_pair {
    vf a, b;
};
struct vm_pair {
    vm a, b;
};
inline vf_pair operator+(vf_pair x, vf_pair y) noexcept {
    return {x.a + y.a, x.b + y.b};
}
inline vf_pair operator-(vf_pair x, vf_pair y) noexcept {
    return {x.a - y.a, x.b - y.b};
}
inline vf_pair operator*(vf_pair x, vf_pair y) noexcept {
    return {x.a * y.a, x.b * y.b};
}
inline vf_pair operator/(vf_pair x, vf_pair y) noexcept {
    return {x.a / y.a, x.b / y.b};
}
inline vf_pair min(vf_pair x, vf_pair y) noexcept {
    return {min(x.a, y.a), min(x.b, y.b)};
}
inline vf_pair max(vf_pair x, vf_pair y) noexcept {
    return {max(x.a, y.a), max(x.b, y.b)};
}
inline vf_pair abs(vf_pair x) noexcept {
    return {abs(x.a), abs(x.b)};
}
inline vm_pair operator>(vf_pair x, vf_pair y) noexcept {
    return {x.a > y.a, x.b > y.b};
}
inline vm_pair operator==(vf_pair x, vf_pair y) noexcept {
    return {x.a == y.a, x.b == y.b};
}
inline vm_pair operator&(vm_pair x, vm_pair y) noexcept {
    return {x.a & y.a, x.b & y.b};
}
inline vm_pair operator!(vm_pair x) noexcept {
    return {!x.a, !x.b};
}
inline bool any(vm_pair x) noexcept {
    return any(x.a | x.b);
}
inline vf_pair select(vm_pair m, vf_pair yes, vf_pair no) noexcept {
    return {select(m.a, yes.a, no.a), select(m.b, yes.b, no.b)};
}

inline vf round_to_float(vf v) noexcept {
    return convert(round_by_sum(v));
}
inline vf_pair round_to_float(vf_pair v) noexcept {
    return {round_to_float(v.a), round_to_float(v.b)};
}
inline vf negate(vf v) noexcept {
    return as_float(bits(v) ^ splat(std::int32_t(-2147483647 - 1)));
}
inline vf_pair negate(vf_pair v) noexcept {
    return {negate(v.a), negate(v.b)};
}

/// Vectors that a search is written for: one register, or two whose second group lies `apart` floats after the first.
template <class V>
inline V splat_as(float x) noexcept {
    if constexpr (std::is_same_v<V, vf>) {
        return splat(x);
    } else {
        return {splat(x), splat(x)};
    }
}
template <class V>
inline V load_as(const float* p, std::size_t apart) noexcept {
    if constexpr (std::is_same_v<V, vf>) {
        return load(p);
    } else {
        return {load(p), load(p + apart)};
    }
}

inline void store_as(float* p, vf v) noexcept {
    store(p, v);
}
inline void store_as(float* p, vf_pair v) noexcept {
    store(p, v.a);
    store(p + lanes, v.b);
}

/// What A finds for the groups of a vector; the levels are rn(inverse * (x - low)) within 0..N.
template <class V>
struct affine_fit {
    V scale, minimum, inverse, low;
    affine_fit() noexcept : scale(splat_as<V>(0.0f)), minimum(scale), inverse(scale), low(scale) {}
};

/// Groups while they are searched: their values and weights, one row of the panel per value.
template <class V>
struct affine_group {
    const float* x;
    const float* w;
    std::size_t count, apart;
    V top, lowest, hi, weight_sum, weighted_sum;

    affine_group(const float* values, const float* weights, std::size_t n, std::size_t distance,
                 float largest_level) noexcept
        : x(values), w(weights), count(n), apart(distance), top(splat_as<V>(largest_level)), lowest(value(0)),
          hi(lowest), weight_sum(weight(0)), weighted_sum(weight(0) * value(0)) {
        for (std::size_t i = 1; i < count; ++i) {
            lowest = min(value(i), lowest);
            hi = max(value(i), hi);
            weight_sum = weight_sum + weight(i);
            weighted_sum = weighted_sum + weight(i) * value(i);
        }
    }
    [[nodiscard]] V value(std::size_t i) const noexcept { return load_as<V>(x + i * panel_width, apart); }
    [[nodiscard]] V weight(std::size_t i) const noexcept { return load_as<V>(w + i * panel_width, apart); }
};

/// rn(v) within 0..top as a float; Checked: whatever v is, else for |v| < 2^22 only.
template <bool Checked, class V>
inline V affine_level(V v, V top) noexcept {
    const V magic = splat_as<V>(12582912.0f);
    V rounded = (v + magic) - magic;
    if constexpr (Checked) {
        rounded = round_to_float(v);
    }
    return min(max(rounded, splat_as<V>(0.0f)), top);
}

/// The sums over levels that least squares needs; the levels themselves go to `levels`.
template <class V>
struct affine_sums {
    V l, ll, xl;

    template <bool Checked>
    affine_sums(const affine_group<V>& group, V inverse, V low, float* levels, std::bool_constant<Checked>) noexcept
        : l(splat_as<V>(0.0f)), ll(l), xl(l) {
        V l_sum = l, ll_sum = l, xl_sum = l;
        for (std::size_t i = 0; i < group.count; ++i) {
            const V value = group.value(i);
            const V level = affine_level<Checked>(inverse * (value - low), group.top);
            const V weighted = group.weight(i) * level;
            store_as(levels + i * 2 * lanes, level);
            l_sum = l_sum + weighted;
            ll_sum = ll_sum + weighted * level;
            xl_sum = xl_sum + weighted * value;
        }
        l = l_sum;
        ll = ll_sum;
        xl = xl_sum;
    }
};

/// Sum w e e, or w |e| if Absolute, with e = scale * level + low - x.
template <bool Absolute, class V>
inline V affine_error(const affine_group<V>& group, V scale, V low, const float* levels) noexcept {
    V error = splat_as<V>(0.0f);
    for (std::size_t i = 0; i < group.count; ++i) {
        const V off = scale * load_as<V>(levels + i * 2 * lanes, lanes) + low - group.value(i);
        error = error + group.weight(i) * (Absolute ? abs(off) : off * off);
    }
    return error;
}

/// A(count, largest, x, w, start, step, steps, Absolute) for the groups of a vector, of at most 32 values each:
/// x[i * panel_width + lane], w likewise; those of the second register of a pair lie `apart` floats further.
template <bool Absolute, class V>
inline affine_fit<V> affine_search(const float* x, const float* w, std::size_t count, std::size_t apart, float largest,
                                   float start, float step, int steps) noexcept {
    const V zero = splat_as<V>(0.0f), one = splat_as<V>(1.0f), reach = splat_as<V>(4194303.0f);
    const affine_group<V> group(x, w, count, apart, largest);
    float levels[32 * 2 * lanes];
    affine_fit<V> best;
    V low = select(group.lowest > zero, zero, group.lowest);
    const auto flat = group.hi == low;
    // A group of one value would only make a step slow for the other lanes.
    const auto inverse_for = [&](V factor) { return factor / select(flat, one, group.hi - low); };
    const auto sums_for = [&](V inverse) {
        // Products ascend with the values: those of the ends tell whether all are within reach.
        const auto inside = (reach > abs(inverse * (group.lowest - low))) & (reach > abs(inverse * (group.hi - low)));
        return any(!inside) ? affine_sums<V>(group, inverse, low, levels, std::bool_constant<true>())
                            : affine_sums<V>(group, inverse, low, levels, std::bool_constant<false>());
    };
    best.inverse = inverse_for(group.top);
    best.scale = one / best.inverse;
    best.low = low;
    sums_for(best.inverse);
    V least = affine_error<Absolute>(group, best.scale, low, levels);
    for (int s = 0; s <= steps; ++s) {
        const V inverse = inverse_for(splat_as<V>(start + step * static_cast<float>(s) + largest));
        const affine_sums<V> sums = sums_for(inverse);
        const V d = group.weight_sum * sums.ll - sums.l * sums.l;
        const V fitted = (sums.ll * group.weighted_sum - sums.l * sums.xl) / d;
        const auto above = fitted > zero;
        const V new_low = select(above, zero, fitted);
        const V scale =
            select(above, sums.xl / sums.ll, (group.weight_sum * sums.xl - group.weighted_sum * sums.l) / d);
        const V error = affine_error<Absolute>(group, scale, new_low, levels);
        const auto better = (d > zero) & (least > error);
        least = select(better, error, least);
        best.scale = select(better, scale, best.scale);
        best.inverse = select(better, inverse, best.inverse);
        best.low = select(better, low, best.low);
        low = select(better, new_low, low);
    }
    best.scale = select(flat, zero, best.scale);
    best.inverse = select(flat, zero, best.inverse);
    best.minimum = negate(low);
    return best;
}

/// The levels of a fit as whole floats, to levels[i * panel_width + lane].
inline void store_levels(vf inverse, vf low, const float* x, std::size_t count, float largest, float* levels) noexcept {
    for (std::size_t i = 0; i < count; ++i) {
        const vf v = inverse * (load(x + i * panel_width) - low);
        store(levels + i * panel_width, affine_level<true>(v, splat(largest)));
    }
}

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE::gguf
