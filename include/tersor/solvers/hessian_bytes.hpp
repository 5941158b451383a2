#ifndef TERSOR_SOLVERS_HESSIAN_BYTES_HPP
#define TERSOR_SOLVERS_HESSIAN_BYTES_HPP

// A Hessian as bytes, all numbers little-endian:
//
//   0   8 bytes "tersorH1"
//   8   int64 columns, first token, tokens, samples
//   40  uint32 1 if tokens are floats, 2 if doubles; uint32 1 if there is a total, else 0
//   48  the total, if there is one: the upper triangle row after row, double high parts, then double low parts
//       the tokens that end the chunk the part begins in, and those of the chunk that it ends in, each row after row
//
// How many tokens are stored follows from where the part begins and ends; see hessian_sum.hpp.

#include "tersor/solvers/hessian_sum.hpp"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace tersor::inline v0::detail {

static_assert(std::endian::native == std::endian::little, "hessian::save writes the memory of a little-endian machine");

struct hessian_header {
    index columns, first_token, tokens, samples;
    bool is_single, has_total;

    [[nodiscard]] std::size_t scalar_size() const noexcept { return is_single ? sizeof(float) : sizeof(double); }
};

inline constexpr std::size_t hessian_header_size = 48;
inline constexpr char hessian_magic[] = "tersorH1";

template <class T>
void append_bytes(std::vector<std::byte>& bytes, const T* values, std::size_t count) {
    const auto* const first = reinterpret_cast<const std::byte*>(values);
    bytes.insert(bytes.end(), first, first + count * sizeof(T));
}

template <class Scalar>
[[nodiscard]] std::vector<std::byte> write_hessian(const hessian_sum<Scalar>& sum, index samples) {
    std::vector<std::byte> bytes;
    bytes.reserve(hessian_header_size + 2 * sum.total().high().size() * sizeof(double) +
                  (sum.head().size() + sum.tail().size()) * sizeof(Scalar));
    const std::int64_t sizes[] = {sum.columns(), sum.first_token(), sum.tokens(), samples};
    const std::uint32_t kinds[] = {sizeof(Scalar) == sizeof(float) ? 1u : 2u, sum.total().is_zero() ? 0u : 1u};
    append_bytes(bytes, hessian_magic, 8);
    append_bytes(bytes, sizes, 4);
    append_bytes(bytes, kinds, 2);
    append_bytes(bytes, sum.total().high().data(), sum.total().high().size());
    append_bytes(bytes, sum.total().low().data(), sum.total().low().size());
    append_bytes(bytes, sum.head().data(), sum.head().size());
    append_bytes(bytes, sum.tail().data(), sum.tail().size());
    return bytes;
}

[[noreturn]] inline void raise_corrupt_hessian(const std::string& what) {
    raise(error_code::corrupt_file, "hessian::load: " + what);
}

/// The header, once the number of bytes is found to be what it asks for.
[[nodiscard]] inline hessian_header read_hessian_header(std::span<const std::byte> bytes) {
    if (bytes.size() < hessian_header_size) {
        raise_corrupt_hessian(std::to_string(bytes.size()) + " bytes do not hold a header of " +
                              std::to_string(hessian_header_size));
    }
    if (std::memcmp(bytes.data(), hessian_magic, 7) != 0) {
        raise_corrupt_hessian("the bytes do not begin with \"tersorH\"");
    }
    if (std::memcmp(bytes.data(), hessian_magic, 8) != 0) {
        raise(error_code::unsupported, "hessian::load: version byte " + std::to_string(std::to_integer<int>(bytes[7])) +
                                           ": expected 49 (\"1\")");
    }
    std::int64_t sizes[4];
    std::uint32_t kinds[2];
    std::memcpy(sizes, bytes.data() + 8, sizeof sizes);
    std::memcpy(kinds, bytes.data() + 40, sizeof kinds);
    const hessian_header header{sizes[0], sizes[1], sizes[2], sizes[3], kinds[0] == 1, kinds[1] == 1};
    if (header.columns < 1 || header.columns > most_hessian_columns || header.first_token < 0 || header.tokens < 0 ||
        header.first_token > most_hessian_tokens || header.tokens > most_hessian_tokens - header.first_token ||
        header.samples < 0 || kinds[0] < 1 || kinds[0] > 2 || kinds[1] > 1) {
        raise_corrupt_hessian("impossible sizes: columns " + std::to_string(sizes[0]) + ", first token " +
                              std::to_string(sizes[1]) + ", tokens " + std::to_string(sizes[2]) + ", samples " +
                              std::to_string(sizes[3]) + ", kinds " + std::to_string(kinds[0]) + " and " +
                              std::to_string(kinds[1]));
    }
    const token_division parts = divide_tokens(header.first_token, header.tokens);
    if (parts.body > 0 && !header.has_total) {
        raise_corrupt_hessian(std::to_string(parts.body) + " tokens of whole chunks without their total");
    }
    const std::uint64_t pairs =
        header.has_total ? static_cast<std::uint64_t>(hessian_total(header.columns).pairs()) : 0;
    const std::uint64_t kept = static_cast<std::uint64_t>((parts.head + parts.tail) * header.columns);
    const std::uint64_t expected = hessian_header_size + pairs * 2 * sizeof(double) + kept * header.scalar_size();
    if (bytes.size() != expected) {
        raise_corrupt_hessian(std::to_string(bytes.size()) + " bytes: the header asks for " + std::to_string(expected));
    }
    return header;
}

template <class T>
[[nodiscard]] std::vector<T> take_values(std::span<const std::byte>& bytes, index count) {
    std::vector<T> values(static_cast<std::size_t>(count));
    std::memcpy(values.data(), bytes.data(), values.size() * sizeof(T));
    bytes = bytes.subspan(values.size() * sizeof(T));
    return values;
}

template <class Scalar>
[[nodiscard]] hessian_sum<Scalar> read_hessian(const hessian_header& header, std::span<const std::byte> bytes) {
    bytes = bytes.subspan(hessian_header_size);
    hessian_total total(header.columns);
    if (header.has_total) {
        total.high() = take_values<double>(bytes, total.pairs());
        total.low() = take_values<double>(bytes, total.pairs());
    }
    for (std::size_t i = 0; i < total.high().size(); ++i) {
        const double high = total.high()[i], low = total.low()[i];
        if (!std::isfinite(high) || !(high + low == high)) {
            raise_corrupt_hessian("pair " + std::to_string(i) + " of the total is not a sum");
        }
    }
    for (index i = 0; i < header.columns && header.has_total; ++i) {
        if (total.high()[static_cast<std::size_t>(total.position(i))] < 0) {
            raise_corrupt_hessian("the sum of squares of channel " + std::to_string(i) + " is negative");
        }
    }
    const token_division parts = divide_tokens(header.first_token, header.tokens);
    std::vector<Scalar> head = take_values<Scalar>(bytes, parts.head * header.columns);
    std::vector<Scalar> tail = take_values<Scalar>(bytes, parts.tail * header.columns);
    for (const std::vector<Scalar>* const kept : {&head, &tail}) {
        const index bad = find_too_large(kept->data(), static_cast<index>(kept->size()));
        if (bad >= 0) {
            raise_corrupt_hessian("channel " + std::to_string(bad % header.columns) +
                                  " of a token that is kept is not finite or too large");
        }
    }
    return hessian_sum<Scalar>(header.columns, header.first_token, header.tokens, std::move(total), std::move(head),
                               std::move(tail));
}

} // namespace tersor::inline v0::detail

#endif // TERSOR_SOLVERS_HESSIAN_BYTES_HPP
