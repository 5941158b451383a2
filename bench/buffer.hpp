#ifndef TERSOR_BENCH_BUFFER_HPP
#define TERSOR_BENCH_BUFFER_HPP

// Memory for benchmarks: aligned, touched once, filled with values like those of trained weights.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <span>

#if defined(__linux__)
#    include <sys/mman.h>
#endif

namespace bench {

enum class pages { usual, huge };

/// `size` values of a plain type, aligned to 2 MiB, of mixed bytes at first: some machines write zeros three times as
/// fast as anything else, which would make a wrong limit.
template <class Value>
class buffer {
public:
    explicit buffer(std::size_t size, pages kind = pages::usual) : size_(size) {
        const std::size_t bytes = (size * sizeof(Value) + alignment - 1) / alignment * alignment;
        data_.reset(static_cast<Value*>(std::aligned_alloc(alignment, bytes)));
        if (!data_) {
            throw std::bad_alloc();
        }
#if defined(__linux__)
        madvise(data_.get(), bytes, kind == pages::huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
#endif
        auto* const first = reinterpret_cast<unsigned char*>(data_.get());
        for (std::size_t i = 0; i < size * sizeof(Value); ++i) {
            // Floats of such bytes are ordinary numbers.
            first[i] = static_cast<unsigned char>(16 + i * 7 % 89);
        }
    }

    [[nodiscard]] Value* data() { return data_.get(); }
    [[nodiscard]] const Value* data() const { return data_.get(); }
    [[nodiscard]] std::size_t size() const { return size_; }
    [[nodiscard]] std::size_t bytes() const { return size_ * sizeof(Value); }
    [[nodiscard]] std::span<Value> span() { return {data(), size_}; }
    [[nodiscard]] std::span<const Value> span() const { return {data(), size_}; }
    [[nodiscard]] Value& operator[](std::size_t i) { return data()[i]; }
    [[nodiscard]] const Value& operator[](std::size_t i) const { return data()[i]; }

private:
    static constexpr std::size_t alignment = std::size_t(2) << 20;
    struct release {
        void operator()(Value* data) const { std::free(data); }
    };
    std::unique_ptr<Value[], release> data_;
    std::size_t size_;
};

/// Fills with a fixed sequence that is close to a normal distribution: mean 0, standard deviation `spread`.
inline void fill_normal(buffer<float>& values, float spread = 0.02f, std::uint32_t seed = 1) {
    std::uint64_t state = seed;
    for (float& value : values.span()) {
        // The sum of four uniform 16-bit numbers.
        state = state * 6364136223846793005u + 1442695040888963407u;
        const std::uint64_t mixed = (state ^ (state >> 33)) * 0xff51afd7ed558ccdu;
        const auto sum =
            static_cast<float>((mixed & 0xffff) + ((mixed >> 16) & 0xffff) + ((mixed >> 32) & 0xffff) + (mixed >> 48));
        value = (sum - 2.0f * 65535.0f) * (spread * 1.7320508f / 65536.0f);
    }
}

} // namespace bench

#endif // TERSOR_BENCH_BUFFER_HPP
