// Copies that pass by the caches, compiled once per instruction set by stream_copy.hpp.

namespace tersor::inline v0::simd::TERSOR_NAMESPACE {

/// Copies count floats; whole registers at their own alignment pass by the caches, what is before and after does not.
/// A stream_fence() must follow before another thread is told of them.
inline void stream_copy(const float* in, std::size_t count, float* out) noexcept {
    const std::size_t past = reinterpret_cast<std::uintptr_t>(out) / sizeof(float) % lanes;
    std::size_t i = past == 0 ? 0 : lanes - past;
    i = i < count ? i : count;
    std::memcpy(out, in, i * sizeof(float));
    for (; i + 4 * lanes <= count; i += 4 * lanes) {
        const vf a = load(in + i), b = load(in + i + lanes), c = load(in + i + 2 * lanes), d = load(in + i + 3 * lanes);
        stream(out + i, a);
        stream(out + i + lanes, b);
        stream(out + i + 2 * lanes, c);
        stream(out + i + 3 * lanes, d);
    }
    for (; i + lanes <= count; i += lanes) {
        stream(out + i, load(in + i));
    }
    std::memcpy(out + i, in + i, (count - i) * sizeof(float));
}

} // namespace tersor::inline v0::simd::TERSOR_NAMESPACE
