// Fitting and encoding where neighbouring rows are neighbours in memory, compiled once per instruction set by
// codec.hpp.
//
// A register holds one value of each of some rows, so every lane has a range and factors of its own: nothing is
// reduced, and no float changes its place. Only the codes, a byte each, are transposed.

namespace tersor::inline v0::simd::TERSOR_NAMESPACE {

/// The most rows, columns that are encoded together, and groups in these.
inline constexpr std::size_t panel_height = 256, panel_width = 256, panel_groups = 16;

/// Adds `Count` columns of some rows to their ranges.
template <bool Symmetric, std::size_t Count>
inline void add_to_ranges(const float* from, std::ptrdiff_t step, std::size_t rows, std::int32_t* above,
                          std::int32_t* below) noexcept {
    for (std::size_t r = 0; r < rows; r += lanes) {
        range_lanes range;
        range.above = load(above + r);
        range.below = load(below + r);
        TERSOR_UNROLL_ALL
        for (std::size_t k = 0; k < Count; ++k) {
            const vf v = load(from + static_cast<std::ptrdiff_t>(k) * step + r);
            if constexpr (Symmetric) {
                range.above = max(range.above, bits(v) & splat(0x7FFFFFFF));
            } else {
                range.add(v);
            }
        }
        store(above + r, range.above);
        store(below + r, range.below);
    }
}

/// The ranges of `columns` values from column `first` on of each row of a panel; as `ranges_of_four` has them.
/// Eight columns at a time down all rows: as many streams as processors like to read.
template <bool Symmetric>
inline void ranges_of_rows(const column_panel& x, std::size_t first, std::size_t columns, std::int32_t* above,
                           std::int32_t* below) noexcept {
    for (std::size_t r = 0; r < x.rows; r += lanes) {
        store(above + r, splat(0));
        store(below + r, splat(0));
    }
    std::size_t c = first;
    for (; c + 8 <= first + columns; c += 8) {
        add_to_ranges<Symmetric, 8>(x.address(0, c), x.step, x.rows, above, below);
    }
    for (; c < first + columns; ++c) {
        add_to_ranges<Symmetric, 1>(x.address(0, c), x.step, x.rows, above, below);
    }
}

/// The factors of a group of each row of a panel.
struct row_factors : factor_arrays<panel_height> {
    [[nodiscard]] splat_factors of_rows(std::size_t r) const noexcept {
        splat_factors f(factors{});
        f.high = load(high + r), f.low = load(low + r), f.zero = load(zero + r);
        return f;
    }
};

/// The packed codes of up to `panel_width` columns of a panel, with the factors of each row and group: row r of column
/// `first` goes to out + r * row_bytes. False if one may be wrong: a value is far beyond the range of the parameters.
template <class Q, bool Bounded>
inline bool encode_panel(const Q& q, const column_panel& x, std::size_t first, std::size_t columns, std::size_t group,
                         const row_factors* f, [[maybe_unused]] float scale, std::uint8_t* out,
                         std::ptrdiff_t row_bytes) noexcept {
    constexpr std::size_t strip = 4 * lanes, block = 64; // rows and columns whose codes are transposed at a time
    alignas(64) std::uint8_t codes[block * strip];
    alignas(64) std::uint8_t rows[strip * panel_width];
    group_coder<Q, Bounded> coder(q);
    for (std::size_t r = 0; r < x.rows; r += strip) {
        for (std::size_t c = 0, count = 0; c < columns; c += count) {
            const std::size_t g = (first + c) / group, left = (g + 1) * group - (first + c);
            count = columns - c < block ? columns - c : block;
            count = left < count ? left : count;
            const splat_factors fa = f[g].of_rows(r), fb = f[g].of_rows(r + lanes), fc = f[g].of_rows(r + 2 * lanes),
                                fd = f[g].of_rows(r + 3 * lanes);
            const float* from = x.address(r, first + c);
            for (std::size_t k = 0; k < count; ++k, from += x.step) {
                coder.store(codes + k * strip, from, fa, fb, fc, fd);
            }
            transpose_bytes<strip>(codes, count, rows + c, panel_width);
        }
        // Whole lines of each row at once: rows whose distance is a power of two compete for the same few cache lines.
        for (std::size_t k = 0; k < strip && r + k < x.rows; ++k, out += row_bytes) {
            if constexpr (Q::format::bits == 8) {
                std::size_t i = 0;
                for (; i + 64 <= columns; i += 64) {
                    std::memcpy(out + i, rows + k * panel_width + i, 64);
                }
                std::memcpy(out + i, rows + k * panel_width + i, columns - i);
            } else {
                pack_run(format_of(q), rows + k * panel_width, columns, out);
            }
        }
    }
    return coder.is_good(scale);
}

/// Parameters and packed codes of a panel of whole groups of `group` values, a multiple of 16, the last of which may be
/// shorter. Group g of row r: p[r * p_step + g]. A quantizer with one set of parameters for the tensor takes it from p.
/// False, with parameters and codes unspecified, if a value is not finite or the quantizer has to take them one by one.
template <class Q>
bool quantize_panel(const Q& q, const column_panel& x, std::size_t group, typename Q::parameters* p,
                    std::ptrdiff_t p_step, std::uint8_t* out, std::ptrdiff_t row_bytes) noexcept {
    constexpr bool is_fitted = Q::group == whole_tensor;
    row_factors f[panel_groups];
    const std::size_t groups = (x.columns - 1) / group + 1;
    float scale = 0.0f;
    if constexpr (requires { q.from_magnitude_ragged(0.0f); }) {
        if (Q::group > 0 && x.columns % group != 0) {
            return false;
        }
    }
    if constexpr (is_fitted) {
        const factors one = factors_of(q, *p);
        for (std::size_t r = 0; r < panel_height; ++r) {
            f->high[r] = one.high, f->low[r] = one.low, f->zero[r] = one.zero;
        }
        scale = q.scale(*p);
        if (!one.is_safe) {
            return false;
        }
    }
    for (std::size_t g = 0; g < groups && !is_fitted; ++g) {
        const std::size_t first = g * group, size = x.columns - first < group ? x.columns - first : group;
        std::int32_t above[panel_height + lanes], below[panel_height + lanes];
        typename Q::parameters found[panel_height];
        ranges_of_rows<!affine_quantizer<Q>>(x, first, size, above, below);
        if (!find_parameters(q, above, below, x.rows, found, f[g])) {
            return false;
        }
        for (std::size_t r = 0; r < x.rows; ++r) {
            p[static_cast<std::ptrdiff_t>(r) * p_step + static_cast<std::ptrdiff_t>(g)] = found[r];
        }
    }
    bool good = true;
    for (std::size_t c = 0; c < x.columns; c += panel_width) {
        const std::size_t count = x.columns - c < panel_width ? x.columns - c : panel_width;
        if constexpr (is_fitted) {
            // Only to bring the values near in the order that processors foresee.
            std::int32_t above[panel_height + lanes], below[panel_height + lanes];
            ranges_of_rows<true>(x, c, count, above, below);
        }
        good = encode_panel<Q, !is_fitted>(q, x, c, count, group, f, scale,
                                           out + c / 8 * static_cast<std::size_t>(Q::format::bits), row_bytes) &&
               good;
    }
    return good;
}

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE
