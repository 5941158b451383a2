// Quadratic forms e H e^T of some rows, compiled once per instruction set by sensitivity_norm.hpp.
//
// The order is fixed: for each i the products H_ij e_j go to lane j % 16 in order of j; the lanes are added as a tree,
// lane k to lane k + 8, then + 4, + 2, + 1; the sums times e_i are added in order of i. All in double.

namespace tersor::inline v0::simd::TERSOR_NAMESPACE {

/// out[r] += sum over i of e[r][i] * (sum over j of h_i[j] e[r][j]) for `rows` rows, an even number, of `stride` values
/// each. Row i of `h` begins at column i / 16 * 16 and ends at `stride`, a multiple of 16; the rows of h lie one behind
/// the other.
inline void add_quadratic_forms(const double* h, std::size_t columns, std::size_t stride, const double* e,
                                std::size_t rows, double* out) noexcept {
    using quad [[gnu::vector_size(32)]] = double;
    const auto total = [](const quad* lanes) {
        const quad four = (lanes[0] + lanes[2]) + (lanes[1] + lanes[3]);
        return (four[0] + four[2]) + (four[1] + four[3]);
    };
    for (std::size_t i = 0; i < columns; ++i) {
        const std::size_t first = i / 16 * 16;
        for (std::size_t r = 0; r < rows; r += 2) {
            const double *const a = e + r * stride, *const b = a + stride;
            quad sums_a[4] = {}, sums_b[4] = {};
            for (std::size_t j = first; j < stride; j += 16) {
                for (std::size_t k = 0; k < 4; ++k) {
                    quad values, in_a, in_b;
                    std::memcpy(&values, h + (j - first) + 4 * k, sizeof values);
                    std::memcpy(&in_a, a + j + 4 * k, sizeof in_a);
                    std::memcpy(&in_b, b + j + 4 * k, sizeof in_b);
                    sums_a[k] += values * in_a;
                    sums_b[k] += values * in_b;
                }
            }
            out[r] += a[i] * total(sums_a);
            out[r + 1] += b[i] * total(sums_b);
        }
        h += stride - first;
    }
}

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE
