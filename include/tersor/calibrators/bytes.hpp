#ifndef TERSOR_CALIBRATORS_BYTES_HPP
#define TERSOR_CALIBRATORS_BYTES_HPP

// The saved form of calibrators: numbers in little-endian order; counts seven bits a byte, lowest first, the eighth bit
// set on all bytes but the last. A reader takes nothing for granted.

#include "tersor/core/error.hpp"
#include "tersor/formats/format.hpp"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace tersor::inline v0::detail {

template <class T>
using bits_like = std::conditional_t<sizeof(T) == 8, std::uint64_t, std::uint32_t>;

class byte_writer {
public:
    template <class T>
    void put(T value) {
        const auto pattern = std::bit_cast<bits_like<T>>(value);
        for (std::size_t i = 0; i < sizeof(T); ++i) {
            bytes_.push_back(static_cast<std::byte>((pattern >> (8 * i)) & 0xFFu));
        }
    }

    void put_count(std::int64_t count) {
        auto rest = static_cast<std::uint64_t>(count);
        for (; rest >= 0x80u; rest >>= 7) {
            bytes_.push_back(static_cast<std::byte>((rest & 0x7Fu) | 0x80u));
        }
        bytes_.push_back(static_cast<std::byte>(rest));
    }

    [[nodiscard]] std::vector<std::byte> take() { return std::move(bytes_); }

private:
    std::vector<std::byte> bytes_;
};

/// Every member raises `corrupt_file`, naming the offset, where the bytes do not hold what is asked for.
class byte_reader {
public:
    explicit byte_reader(std::span<const std::byte> bytes) : bytes_(bytes) {}

    [[nodiscard]] std::size_t left() const noexcept { return bytes_.size() - at_; }

    void require(bool condition, const char* what) const {
        if (!condition) {
            raise(error_code::corrupt_file, "saved calibrator: wrong " + std::string(what) + " before byte " +
                                                std::to_string(at_) + " of " + std::to_string(bytes_.size()));
        }
    }
    void require_left(std::size_t count) const {
        if (left() < count) {
            raise(error_code::corrupt_file, "saved calibrator: ends at byte " + std::to_string(bytes_.size()) +
                                                ", expected " + std::to_string(count) + " more after byte " +
                                                std::to_string(at_));
        }
    }

    template <class T>
    [[nodiscard]] T get() {
        require_left(sizeof(T));
        bits_like<T> pattern = 0;
        for (std::size_t i = 0; i < sizeof(T); ++i) {
            pattern |= static_cast<bits_like<T>>(bytes_[at_++]) << (8 * i);
        }
        return std::bit_cast<T>(pattern);
    }

    [[nodiscard]] float get_finite() {
        const auto value = get<float>();
        require(magnitude_bits(value) < 0x7F800000u, "number, which is not finite,");
        return value;
    }

    [[nodiscard]] std::int64_t get_count() {
        std::uint64_t count = 0;
        for (unsigned shift = 0;; shift += 7) {
            require_left(1);
            const auto byte = static_cast<std::uint64_t>(bytes_[at_++]);
            require(shift < 63, "count");
            count |= (byte & 0x7Fu) << shift;
            if ((byte & 0x80u) == 0) {
                require(count < std::uint64_t{1} << 56, "count"); // so that sums of counts stay in range
                return static_cast<std::int64_t>(count);
            }
        }
    }

private:
    std::span<const std::byte> bytes_;
    std::size_t at_ = 0;
};

} // namespace tersor::inline v0::detail

#endif // TERSOR_CALIBRATORS_BYTES_HPP
