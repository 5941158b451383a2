// Values of packed codes, compiled once per instruction set by codec.hpp. The scalar decode of the quantizer is the
// definition; the vector forms give the same bits.

namespace tersor::inline v0::simd::TERSOR_NAMESPACE {

/// The values of 4-bit codes: the sixteen values of a group are scaled once and looked up.
template <class Q, bool Stream>
void decode_nibbles(const Q& q, const std::uint8_t* packed, std::size_t count, std::size_t group,
                    std::size_t first_size, const typename Q::parameters* p, float* out) noexcept {
    using format = typename Q::format;
    using code = typename format::code_type;
    float values[16];
    for (int i = 0; i < 16; ++i) {
        const int extended = std::is_signed_v<code> ? (i ^ 8) - 8 : i;
        values[i] = format_of(q).decode(static_cast<code>(extended));
    }
    const table16 plain = load_table16(values);
    std::size_t size = first_size;
    for (std::size_t start = 0; start < count; start += size, size = group, ++p) {
        const std::size_t end = count - start < size ? count : start + size;
        table16 table = plain;
        if constexpr (affine_quantizer<Q>) {
            table = plain - static_cast<float>(q.zero_code(*p));
        }
        table = table * q.scale(*p);
        // Groups of odd size begin in the middle of a byte now and then.
        const std::size_t vectors = start % 2 == 0 ? (end - start) / lanes : 0;
        std::size_t i = start;
        TERSOR_UNROLL
        for (std::size_t k = 0; k < vectors; ++k, i += lanes) {
            const vf v = lookup(table, load_nibbles<is_high_nibble_first<format>>(packed + i / 2));
            if constexpr (Stream) {
                stream(out + i, v);
            } else {
                store(out + i, v);
            }
        }
        for (; i < end; ++i) {
            out[i] = q.decode(packed_code<format>(packed, i), *p);
        }
    }
}

/// The values of codes of a byte each.
template <class Q, bool Stream>
void decode_groups(const Q& q, const std::uint8_t* codes, std::size_t count, std::size_t group, std::size_t first_size,
                   const typename Q::parameters* p, float* out) noexcept {
    using code = typename Q::format::code_type;
    std::size_t size = first_size;
    for (std::size_t start = 0; start < count; start += size, size = group, ++p) {
        const std::size_t end = count - start < size ? count : start + size, now = end - start;
        if constexpr (affine_quantizer<Q>) {
            const float scale = q.scale(*p), zero = static_cast<float>(q.zero_code(*p));
            const vf scales = splat(scale), zeros = splat(zero);
            decode_each<Stream>(
                format_of(q), codes + start, now, out + start, [&](vf v) { return (v - zeros) * scales; },
                [&](float v) { return (v - zero) * scale; });
        } else if constexpr (scaled_quantizer<Q>) {
            const float scale = q.scale(*p);
            const vf scales = splat(scale);
            decode_each<Stream>(
                format_of(q), codes + start, now, out + start, [&](vf v) { return v * scales; },
                [&](float v) { return v * scale; });
        } else {
            for (std::size_t i = start; i < end; ++i) {
                out[i] = q.decode(static_cast<code>(codes[i]), *p);
            }
        }
    }
}

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE
