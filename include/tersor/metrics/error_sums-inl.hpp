// The sums behind error_metrics over a run of values, compiled once per instruction set by error_metrics.hpp.
//
// The order is fixed: value i of a run goes to lane i % 16; each of the sixteen lanes adds its values in order, in
// double; then the lanes are added as a tree, lane k to lane k + 8, then + 4, + 2, + 1.

namespace tersor::inline v0::simd::TERSOR_NAMESPACE {

/// Six figures of `count` pairs, w the original and q its approximation, to `out`: the sums of w^2, q^2, w q, (q - w)^2
/// and q - w, and the largest |q - w|. A NaN shows in the sums; the last figure may miss it.
template <class A, class B>
void add_errors(const A* w, const B* q, std::size_t count, double* out) noexcept {
    using quad [[gnu::vector_size(32)]] = double;
    using quad_bits [[gnu::vector_size(32)]] = long long;
    quad sums[4][6] = {};
    const auto add = [](const A* a, const B* b, std::size_t size, quad* s) {
        using quad_of_a [[gnu::vector_size(4 * sizeof(A))]] = A;
        using quad_of_b [[gnu::vector_size(4 * sizeof(B))]] = B;
        quad signal = s[0], approximation = s[1], dot = s[2], noise = s[3], difference = s[4], largest = s[5];
        for (std::size_t i = 0; i < size; i += 16) {
            quad_of_a x;
            quad_of_b y;
            std::memcpy(&x, a + i, sizeof x);
            std::memcpy(&y, b + i, sizeof y);
            const quad u = __builtin_convertvector(x, quad), v = __builtin_convertvector(y, quad), d = v - u;
            signal += u * u, approximation += v * v, dot += u * v, noise += d * d, difference += d;
            const quad magnitude = (quad)((quad_bits)d & 0x7FFFFFFFFFFFFFFF);
            const quad_bits larger = magnitude > largest;
            largest = (quad)((larger & (quad_bits)magnitude) | (~larger & (quad_bits)largest));
        }
        s[0] = signal, s[1] = approximation, s[2] = dot, s[3] = noise, s[4] = difference, s[5] = largest;
    };
    // In pieces that stay in the nearest cache, since each quarter of the lanes passes over its piece by itself.
    constexpr std::size_t piece = 1024;
    const std::size_t whole = count / 16 * 16;
    for (std::size_t i = 0; i < whole; i += piece) {
        for (std::size_t k = 0; k < 4; ++k) {
            add(w + i + 4 * k, q + i + 4 * k, whole - i < piece ? whole - i : piece, sums[k]);
        }
    }
    if (whole < count) {
        A last_w[16] = {};
        B last_q[16] = {};
        std::memcpy(last_w, w + whole, (count - whole) * sizeof(A));
        std::memcpy(last_q, q + whole, (count - whole) * sizeof(B));
        for (std::size_t k = 0; k < 4; ++k) {
            add(last_w + 4 * k, last_q + 4 * k, 16, sums[k]);
        }
    }
    for (std::size_t j = 0; j < 5; ++j) {
        const quad four = (sums[0][j] + sums[2][j]) + (sums[1][j] + sums[3][j]);
        out[j] = (four[0] + four[2]) + (four[1] + four[3]);
    }
    out[5] = 0.0;
    for (std::size_t k = 0; k < 16; ++k) {
        const double lane = sums[k / 4][5][k % 4];
        out[5] = lane > out[5] ? lane : out[5];
    }
}

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE
