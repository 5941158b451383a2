#ifndef TERSOR_MATMUL_INT8_PRODUCT_TILES_HPP
#define TERSOR_MATMUL_INT8_PRODUCT_TILES_HPP

// How an int8 product X W^T is cut into the pieces that the kernels take.
//
// Few tokens: rows of weights are read as they lie and multiplied by all tokens at once; the memory is the limit.
// More tokens: up to 256 of them are packed side by side, so that a register holds the same codes of many tokens and
// every code of a weight is one broadcast. A block of rows is widened into a buffer that the second cache holds, a
// panel of tokens fits the first one; each panel meets every row of the block before the next one comes.
//
// All sums are exact modulo 2^32, so neither the order of the pieces nor the instruction set changes a result.

#include "tersor/core/concepts.hpp"
#include "tersor/core/execution.hpp"
#include "tersor/matmul/int8_product_kernels.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace tersor::inline v0::detail {

/// Codes of a byte each [rows x cols], the rows `distance` bytes apart.
struct byte_matrix {
    const std::uint8_t* data = nullptr;
    index rows = 0, cols = 0, distance = 0;
    bool is_unsigned = false;
};

/// Exact sums of a part of the product: of token first_token + t and row first_row + r at sums[r * distance + t];
/// row_sums[r] is the sum of the codes of a row of weights.
struct int8_sums {
    index first_row, rows, first_token, tokens;
    const std::int32_t* sums;
    index distance;
    const std::int32_t* row_sums;
};

/// Memory that starts on a cache line and is used again; old contents are lost.
class line_buffer {
public:
    [[nodiscard]] std::uint8_t* bytes(std::size_t count) {
        if (memory_.size() < count + 64) {
            memory_.resize(count + 64);
        }
        void* start = memory_.data();
        std::size_t space = memory_.size();
        return static_cast<std::uint8_t*>(std::align(64, count, start, space));
    }

private:
    std::vector<std::uint8_t> memory_;
};

constexpr std::size_t round_up(std::size_t n, std::size_t unit) noexcept {
    return (n + unit - 1) / unit * unit;
}

/// One product. `Finish` is called with int8_sums, by several threads for different rows; `with_sums` asks for
/// row_sums.
template <class Finish>
class int8_tiles {
public:
    static constexpr index few_tokens = 4, few_rows = 64, most_tokens = 256;
    static constexpr std::size_t most_rows = 64, staged_bytes = std::size_t(256) << 10, panel_bytes = 16384;

    int8_tiles(const byte_matrix& x, const byte_matrix& w, bool with_sums, const int8_kernels& kernels,
               const Finish& finish)
        : k_(kernels), x_(x), w_(w), finish_(finish), with_sums_(with_sums),
          shift_(x.is_unsigned ? 0 : static_cast<std::uint32_t>(kernels.offset)),
          depth_(static_cast<std::size_t>(x.cols)) {}

    void run(const execution& exec) {
        if (x_.rows == 0 || w_.rows == 0) {
            return;
        }
        if (x_.rows <= few_tokens) {
            run_few(exec);
            return;
        }
        for (index first = 0; first < x_.rows; first += most_tokens) {
            const index tokens = std::min(most_tokens, x_.rows - first);
            const double total = static_cast<double>(x_.rows);
            run_block(first, tokens,
                      exec.part(static_cast<double>(first) / total, static_cast<double>(first + tokens) / total));
        }
    }

private:
    [[nodiscard]] const std::int8_t* row(index r) const noexcept {
        return reinterpret_cast<const std::int8_t*>(w_.data) + r * w_.distance;
    }

    void run_few(const execution& exec) {
        thread_local line_buffer tokens_memory;
        const std::size_t width = round_up(depth_, k_.run);
        std::uint8_t* const tokens = tokens_memory.bytes(static_cast<std::size_t>(x_.rows) * width * k_.token_bytes);
        for (index t = 0; t < x_.rows; ++t) {
            k_.widen_token[x_.is_unsigned](x_.data + t * x_.distance, depth_,
                                           tokens + static_cast<std::size_t>(t) * width * k_.token_bytes);
        }
        exec.for_each((w_.rows - 1) / few_rows + 1, [&](index i) {
            std::int32_t sums[few_rows * few_tokens], row_sums[few_rows];
            const index first = i * few_rows, rows = std::min(few_rows, w_.rows - first);
            k_.dot_rows[x_.rows - 1](row(first), w_.distance, static_cast<std::size_t>(rows), depth_, tokens,
                                     static_cast<std::ptrdiff_t>(width), sums, needs_sums() ? row_sums : nullptr);
            for (index r = 0; r < rows && shift_ != 0; ++r) {
                for (index t = 0; t < x_.rows; ++t) {
                    sums[r * x_.rows + t] = shifted(sums[r * x_.rows + t], row_sums[r]);
                }
            }
            finish_(int8_sums{first, rows, 0, x_.rows, sums, x_.rows, row_sums});
        });
    }

    [[nodiscard]] bool needs_sums() const noexcept { return with_sums_ || shift_ != 0; }

    /// The sum of (c - shift) w from the sum of c w.
    [[nodiscard]] std::int32_t shifted(std::int32_t sum, std::int32_t row_sum) const noexcept {
        return static_cast<std::int32_t>(static_cast<std::uint32_t>(sum) -
                                         shift_ * static_cast<std::uint32_t>(row_sum));
    }

    /// Tokens [first, first + tokens).
    void run_block(index first, index tokens, const execution& exec) {
        thread_local line_buffer packed_memory;
        const std::size_t vectors = (static_cast<std::size_t>(tokens) + k_.lanes - 1) / k_.lanes;
        const std::size_t panels = (vectors + k_.tile_vectors - 1) / k_.tile_vectors;
        const std::size_t width = round_up(depth_, 64);
        std::uint8_t* const packed = packed_memory.bytes(vectors * k_.lanes * width * k_.token_bytes);
        const auto start_of = [&](std::size_t panel) { return panel * vectors / panels * k_.lanes; };
        exec.part(0.0, 0.02).for_each(static_cast<index>(panels), [&](index p) {
            const std::size_t from = start_of(static_cast<std::size_t>(p)),
                              to = start_of(static_cast<std::size_t>(p) + 1);
            const std::size_t left = static_cast<std::size_t>(tokens) - from;
            k_.pack_tokens[x_.is_unsigned](x_.data + (first + static_cast<index>(from)) * x_.distance, x_.distance,
                                           std::min(left, to - from), depth_, to - from,
                                           packed + from * width * k_.token_bytes);
        });

        // Rows a little further apart than their codes: at powers of two they would share the same few cache lines.
        const std::size_t row_codes = round_up(depth_, k_.run) + 64 / k_.weight_bytes;
        const std::size_t fitting = staged_bytes / (row_codes * k_.weight_bytes) / k_.tile_rows * k_.tile_rows;
        const std::size_t block = std::clamp(fitting, k_.tile_rows, most_rows / k_.tile_rows * k_.tile_rows);
        const std::size_t code_bytes = k_.tile_vectors * k_.lanes * k_.token_bytes;
        const std::size_t chunk = std::max(panel_bytes / code_bytes / 64 * 64, std::size_t(64));
        const std::size_t distance = vectors * k_.lanes;
        exec.part(0.02, 1.0).for_each((w_.rows - 1) / static_cast<index>(block) + 1, [&](index i) {
            thread_local line_buffer staged_memory, sums_memory;
            const index first_row = i * static_cast<index>(block);
            const std::size_t rows = std::min(block, static_cast<std::size_t>(w_.rows - first_row));
            const std::size_t tiles = (rows + k_.tile_rows - 1) / k_.tile_rows, all = tiles * k_.tile_rows;
            std::uint8_t* const staged = staged_memory.bytes(all * row_codes * k_.weight_bytes);
            auto* const sums =
                reinterpret_cast<std::int32_t*>(sums_memory.bytes(all * distance * sizeof(std::int32_t)));
            std::int32_t row_sums[most_rows + 16] = {}, starts[most_rows + 16] = {};
            k_.stage_rows[needs_sums()](row(first_row), w_.distance, rows, depth_, staged,
                                        static_cast<std::ptrdiff_t>(row_codes), row_sums);
            std::fill_n(staged + rows * row_codes * k_.weight_bytes, (all - rows) * row_codes * k_.weight_bytes,
                        std::uint8_t{0});
            for (std::size_t r = 0; r < rows; ++r) {
                starts[r] = shifted(0, row_sums[r]);
            }
            for (std::size_t k = 0; k == 0 || k < depth_; k += chunk) {
                const std::size_t steps = (std::min(chunk, depth_ - k) + k_.step - 1) / k_.step;
                for (std::size_t p = 0; p < panels; ++p) {
                    const std::size_t from = start_of(p), panel_width = start_of(p + 1) - from;
                    const std::uint8_t* const panel = packed + (from * width + k * panel_width) * k_.token_bytes;
                    for (std::size_t tile = 0; tile < tiles; ++tile) {
                        const std::size_t r = tile * k_.tile_rows;
                        k_.multiply_tile[panel_width / k_.lanes - 1](
                            panel, staged + (r * row_codes + k) * k_.weight_bytes,
                            static_cast<std::ptrdiff_t>(row_codes), steps, k == 0 ? starts + r : nullptr,
                            sums + r * distance + from, static_cast<std::ptrdiff_t>(distance));
                    }
                }
            }
            finish_(int8_sums{first_row, static_cast<index>(rows), first, tokens, sums, static_cast<index>(distance),
                              row_sums});
        });
    }

    const int8_kernels& k_;
    const byte_matrix x_, w_;
    const Finish& finish_;
    const bool with_sums_;
    const std::uint32_t shift_;
    const std::size_t depth_;
};

/// Calls finish(int8_sums) for all of X W^T; see int8_tiles. `kernels` is there for tests.
template <class Finish>
void multiply_bytes(const byte_matrix& x, const byte_matrix& w, bool with_sums, const execution& exec,
                    const Finish& finish, const int8_kernels& kernels = active_int8_kernels()) {
    int8_tiles<Finish>(x, w, with_sums, kernels, finish).run(exec);
}

} // namespace tersor::inline v0::detail

#endif // TERSOR_MATMUL_INT8_PRODUCT_TILES_HPP
