// Every function of the register wrappers over whole registers, compiled once per instruction set by vectors_test.cpp.

namespace tersor::inline v0::simd::TERSOR_NAMESPACE {

inline void run(const float_inputs& in, float_results& out) noexcept {
    for (std::size_t i = 0; i < in.size; i += lanes) {
        const vf a = load(in.a + i), b = load(in.b + i), c = load(in.c + i);
        store(out.constant + i, splat(in.a[0]));
        stream(out.streamed + i, a);
        store(out.sum + i, a + b);
        store(out.difference + i, a - b);
        store(out.product + i, a * b);
        store(out.quotient + i, a / b);
        store(out.fused + i, fma(a, b, c));
        store(out.unfused + i, a * b + c);
        store(out.smaller + i, min(a, b));
        store(out.larger + i, max(a, b));
        store(out.chosen + i, select(a > b, c, a));
        store(out.root + i, sqrt(a));
        store(out.magnitude + i, abs(a));
        store(out.logic + i, select((a > b) & (b > c), splat(1), splat(0)) + select((a > b) | (a == b), splat(2), splat(0)) +
                                 select(!(a == c), splat(4), splat(0)));
        store(out.pattern + i, bits(a));
        store(out.same + i, as_float(bits(a)));
        store(out.counted + i, increment_if(splat(5), a > b));
        out.any_greater[i / lanes] = any(a > b);
        out.any_nan[i / lanes] = any_nan(a, b);
    }
    stream_fence();
}

inline void run(const integer_inputs& in, integer_results& out) noexcept {
    for (std::size_t i = 0; i < in.size; i += lanes) {
        const vi a = load(in.a + i), b = load(in.b + i);
        store(out.constant + i, splat(in.a[0]));
        store(out.sum + i, a + b);
        store(out.difference + i, a - b);
        store(out.integer_product + i, a * b);
        store(out.equal + i, select(a == b, splat(1), splat(0)));
        store(out.conjunction + i, a & b);
        store(out.disjunction + i, a | b);
        store(out.exclusive + i, a ^ b);
        store(out.smaller + i, min(a, b));
        store(out.larger + i, max(a, b));
        store(out.chosen + i, select(a > b, b, splat(7)));
        store(out.left + i, shl<5>(a));
        store(out.right + i, shr<5>(a));
        store(out.as_number + i, convert(a));
        out.largest[i / lanes] = reduce_max(a);
    }
    for (std::size_t i = 0; i < in.size; i += 4 * lanes) {
        reduce_max(out.largest_of_four + i / lanes, load(in.a + i), load(in.a + i + lanes), load(in.a + i + 2 * lanes),
                   load(in.a + i + 3 * lanes));
    }
}

inline void round_all(const float* x, std::size_t size, std::int32_t* out) noexcept {
    for (std::size_t i = 0; i < size; i += lanes) {
        store(out + i, round(load(x + i)));
    }
}

inline void truncate_all(const float* x, std::size_t size, std::int32_t* out) noexcept {
    for (std::size_t i = 0; i < size; i += lanes) {
        store(out + i, truncate(load(x + i)));
    }
}

inline void widen_all(const byte_inputs& in, widened& out) noexcept {
    for (std::size_t i = 0; i < in.size; i += lanes) {
        store(out.from_u8 + i, load_u8(in.bytes + i));
        store(out.from_i8 + i, load_i8(reinterpret_cast<const std::int8_t*>(in.bytes) + i));
        store(out.from_u16 + i, load_u16(in.halves + i));
        store(out.low_first + i, load_nibbles<false>(in.bytes + i / 2) & splat(15));
        store(out.high_first + i, load_nibbles<true>(in.bytes + i / 2) & splat(15));
    }
    for (std::size_t i = 0; i < in.size; i += nibble_run) {
        pack_nibbles<false>(in.bytes + i, out.packed_low_first + i / 2);
        pack_nibbles<true>(in.bytes + i, out.packed_high_first + i / 2);
    }
}

template <bool Signed, int Low, int High>
inline bool narrow_saturated(const std::int32_t* x, std::size_t size, std::uint8_t* out) noexcept {
    watcher watch;
    for (std::size_t i = 0; i < size; i += 4 * lanes) {
        store_saturated<Signed, Low, High>(out + i, load(x + i), load(x + i + lanes), load(x + i + 2 * lanes),
                                           load(x + i + 3 * lanes), &watch);
    }
    return watch.is_good();
}

/// Whether a watcher finds the values of one float among zeros, converted and stored, to be within reach.
inline bool is_within_reach(float x, std::size_t place) noexcept {
    float values[4 * lanes] = {};
    std::uint8_t out[4 * lanes];
    values[place % (4 * lanes)] = x;
    watcher watch;
    store_saturated<true, -128, 127>(out, round(load(values)), round(load(values + lanes)),
                                     round(load(values + 2 * lanes)), round(load(values + 3 * lanes)), &watch);
    return watch.is_good();
}

inline void narrow_all(const std::int32_t* x, std::size_t size, std::uint8_t* bytes, std::uint16_t* halves) noexcept {
    for (std::size_t i = 0; i < size; i += 4 * lanes) {
        store_u8(bytes + i, load(x + i), load(x + i + lanes), load(x + i + 2 * lanes), load(x + i + 3 * lanes));
    }
    for (std::size_t i = 0; i < size; i += 2 * lanes) {
        store_u16(halves + i, load(x + i), load(x + i + lanes));
    }
}

template <unsigned Mask, unsigned Largest>
inline bool bytes_within(const std::uint8_t* p) noexcept {
    return are_bytes_within<Mask, Largest>(p);
}

inline std::size_t bytes_at_once() noexcept {
    return 4 * lanes;
}

inline bool convert_halves(const std::uint16_t* halves, const float* floats, std::size_t size, float* widened_halves,
                           std::uint16_t* narrowed) noexcept {
    for (std::size_t i = 0; i < size; i += lanes) {
        store(widened_halves + i, load_half(halves + i));
        store_half(narrowed + i, load(floats + i));
    }
    return has_half_conversion;
}

inline void look_up(const float* table, const std::int32_t* x, std::size_t size, looked_up& out) noexcept {
    const table16 plain = load_table16(table), scaled = (plain - 3.0f) * 0.1f;
    const table8 eight = load_table8(table);
    for (std::size_t i = 0; i < size; i += lanes) {
        store(out.of_sixteen + i, lookup(plain, load(x + i)));
        store(out.of_scaled + i, lookup(scaled, load(x + i)));
        store(out.of_eight + i, lookup(eight, load(x + i)));
    }
}

inline std::size_t lane_count() noexcept {
    return lanes;
}

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE
