#ifndef TERSOR_QUANTIZERS_GGUF_GRID_TABLES_HPP
#define TERSOR_QUANTIZERS_GGUF_GRID_TABLES_HPP

// What the searches and the decoder of a grid need, made from its packed points once per program.
//
// A point is a vector of levels packed into a word: `positions` levels of `bits` bits, the first in the lowest. For
// every vector of levels that is not in the grid, its neighbours are the points whose squared distance is among the
// `shells` smallest distinct distances, ordered by (distance, index). Source: ggml v0.21.0, as described in its golden
// data.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace tersor::inline v0::detail {

/// The neighbours of a vector of levels, in packed words; the list is filled up with its first to a multiple of 16.
struct grid_tables {
    /// What `cells` holds: the index of a point, or off_grid | first / 16 << 10 | count.
    static constexpr std::uint32_t off_grid = 0x80000000u;

    const std::uint16_t* words; // of the points, ascending
    std::size_t count;          // of points
    std::vector<std::uint32_t> cells;
    std::vector<std::uint16_t> lists;
    // The points are ascending, so those with the same upper half of the levels stand together: run r is
    // [run_first[r], run_first[r + 1]).
    std::vector<std::uint16_t> run_first;

    grid_tables(const std::uint16_t* points, std::size_t point_count, int positions, int bits, int top, int shells)
        : words(points), count(point_count), cells(std::size_t{1} << (positions * bits)) {
        const int half_bits = positions * bits / 2;
        const std::size_t half_count = std::size_t{1} << half_bits;
        find_runs(half_bits);

        // Squared distances of halves: of the half u to the half p at [u * half_count + p].
        std::vector<std::uint8_t> distances(half_count * half_count), valid(half_count);
        for (std::size_t u = 0; u < half_count; ++u) {
            valid[u] = has_levels_within(u, half_bits, bits, top);
            for (std::size_t p = 0; p < half_count; ++p) {
                distances[u * half_count + p] = squared_distance(u, p, half_bits, bits);
            }
        }
        for (std::size_t i = 0; i < count; ++i) {
            cells[words[i]] = static_cast<std::uint32_t>(i);
        }
        std::vector<std::uint8_t> to_points(count);
        for (std::size_t u = 0; u < cells.size(); ++u) {
            const std::size_t low = u & (half_count - 1), high = u >> half_bits;
            if (valid[low] != 0 && valid[high] != 0 && words[cells[u]] != u) {
                const std::uint8_t* const from_low = distances.data() + low * half_count;
                const std::uint8_t* const from_high = distances.data() + high * half_count;
                for (std::size_t i = 0; i < count; ++i) {
                    to_points[i] = static_cast<std::uint8_t>(from_low[words[i] & (half_count - 1)] +
                                                             from_high[words[i] >> half_bits]);
                }
                cells[u] = append_list(to_points, shells);
            }
        }
        lists.shrink_to_fit();
    }

private:
    static bool has_levels_within(std::size_t half, int half_bits, int bits, int top) {
        bool within = true;
        for (int at = 0; at < half_bits; at += bits) {
            within = within && static_cast<int>((half >> at) & ((1u << bits) - 1)) <= top;
        }
        return within;
    }

    static std::uint8_t squared_distance(std::size_t u, std::size_t p, int half_bits, int bits) {
        int sum = 0;
        for (int at = 0; at < half_bits; at += bits) {
            const std::size_t mask = (1u << bits) - 1;
            const int apart = static_cast<int>((u >> at) & mask) - static_cast<int>((p >> at) & mask);
            sum += apart * apart;
        }
        return static_cast<std::uint8_t>(sum);
    }

    void find_runs(int half_bits) {
        for (std::size_t i = 0; i < count; ++i) {
            if (i == 0 || words[i] >> half_bits != words[i - 1] >> half_bits) {
                run_first.push_back(static_cast<std::uint16_t>(i));
            }
        }
        run_first.push_back(static_cast<std::uint16_t>(count));
    }

    std::uint32_t append_list(const std::vector<std::uint8_t>& to_points, int shells) {
        bool present[256] = {};
        for (const std::uint8_t distance : to_points) {
            present[distance] = true;
        }
        const std::size_t first = lists.size();
        int left = shells;
        for (int distance = 1; distance < 256 && left > 0; ++distance) {
            if (!present[distance]) {
                continue;
            }
            --left;
            const std::uint8_t *at = to_points.data(), *const end = at + count;
            while ((at = static_cast<const std::uint8_t*>(
                        std::memchr(at, distance, static_cast<std::size_t>(end - at)))) != nullptr) {
                lists.push_back(words[at - to_points.data()]);
                if (++at == end) {
                    break;
                }
            }
        }
        const std::size_t size = lists.size() - first;
        lists.resize(first + (size + 15) / 16 * 16, lists[first]);
        return off_grid | static_cast<std::uint32_t>(first / 16) << 10 | static_cast<std::uint32_t>(size);
    }
};

} // namespace tersor::inline v0::detail

#endif // TERSOR_QUANTIZERS_GGUF_GRID_TABLES_HPP
