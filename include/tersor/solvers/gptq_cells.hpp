#ifndef TERSOR_SOLVERS_GPTQ_CELLS_HPP
#define TERSOR_SOLVERS_GPTQ_CELLS_HPP

// What the solver asks of a quantizer, the same for every kind of it: parameters of a group, a code for one value under
// given parameters, the value of a code, and the tensor of all codes and parameters at the end.
//
//   code_cells    any quantizer with fit, encode and decode
//   block_cells   the block types of GGUF: parameters are the header that encode_blocks finds for a block
//
// Integer grids whose bits are known only at run time, and those of the reference program: gptq_integer_cells.hpp.
//
// Codes are a byte each while the solver works. `i` is a position inside a group; `ragged` says that the group is a last
// one that is shorter than the others.

#include "tersor/core/concepts.hpp"
#include "tersor/core/error.hpp"
#include "tersor/core/exact.hpp"
#include "tersor/core/quantized_tensor.hpp"
#include "tersor/quantizers/codec.hpp"
#include "tersor/quantizers/scale.hpp"
#include "tersor/solvers/gptq_reference_grid.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

namespace tersor::inline v0::detail {

/// A block quantizer whose codes can be chosen one by one under the header of a block.
template <class Q>
concept scalar_block_quantizer =
    block_quantizer<Q> && requires(const typename Q::block& b, const typename Q::parameters& p, std::uint8_t* codes) {
        { Q::parameters_of(b) } -> std::same_as<typename Q::parameters>;
        { Q::encode(float{}, p, index{}) } -> std::convertible_to<std::uint8_t>;
        { Q::decode(std::uint8_t{}, p, index{}) } -> std::convertible_to<float>;
        { Q::assemble(p, static_cast<const std::uint8_t*>(codes)) } -> std::same_as<typename Q::block>;
    };

/// An integer quantizer whose groups the grid of the reference program fits: a float-like scale, and a zero point or a
/// symmetric range.
template <class Q>
concept reference_quantizer = code_quantizer<Q> && requires(typename Q::parameters p) {
    Q::format::lowest;
    Q::format::highest;
    p.scale;
    requires std::is_convertible_v<float, decltype(p.scale)>;
    requires affine_quantizer<Q> || (requires { Q::is_integer; } && Q::format::lowest < 0);
};

/// The length of a group in rows of n values.
template <class Q>
[[nodiscard]] constexpr index group_length(index n) noexcept {
    return Q::group > 0 ? Q::group : n;
}

/// Whether one set of parameters serves the whole tensor.
template <class Q>
inline constexpr bool is_shared = Q::group == whole_tensor;

template <class Q, class Scalar>
struct code_cells {
    using parameters = typename Q::parameters;
    using store_type = parameter_array<Q>;
    using quantizer_type = Q;
    Q quantizer{};

    /// Whether parameters are decoded from a lossy store, so that they must be final before codes are chosen.
    static constexpr bool is_lossy = !std::is_same_v<store_type, std::vector<parameters>>;

    void prepare(float largest) noexcept {
        if constexpr (prepared_quantizer<Q>) {
            quantizer = quantizer.prepare(largest);
        }
    }

    /// Whether the stored scale of a group can be replaced, for levels that are multiples of it.
    static constexpr bool has_scale = !is_shared<Q> && requires(const Q q, parameters p) {
        q.scale(p);
        p.scale;
        requires std::is_convertible_v<float, decltype(p.scale)>;
    };

    /// Parameters of consecutive groups of a row; importance is empty or one weight per value.
    void fit(std::span<const Scalar> values, std::span<const float> importance, index group, parameters* out) const {
        thread_local std::vector<float> buffer;
        buffer.assign(values.begin(), values.end());
        codec<Q>::fit(quantizer, buffer.data(), buffer.size(), static_cast<std::size_t>(group),
                      importance.empty() ? nullptr : importance.data(), out);
    }

    [[nodiscard]] std::uint8_t encode(Scalar value, const parameters& p, index, bool ragged) const noexcept {
        const auto x = static_cast<float>(value);
        if constexpr (requires { quantizer.encode_ragged(x, p); }) {
            if (ragged) {
                return static_cast<std::uint8_t>(quantizer.encode_ragged(x, p));
            }
        }
        return static_cast<std::uint8_t>(quantizer.encode(x, p));
    }

    [[nodiscard]] Scalar decode(std::uint8_t code, const parameters& p, index) const noexcept {
        return exact::product(1.0f, quantizer.decode(static_cast<code_of<Q>>(code), p));
    }

    [[nodiscard]] Scalar scale(const parameters& p) const noexcept {
        if constexpr (has_scale) {
            return quantizer.scale(p);
        } else {
            return 0;
        }
    }
    /// The parameters with another positive scale, as near as it can be stored.
    [[nodiscard]] parameters with_scale(parameters p, Scalar scale) const noexcept {
        if constexpr (has_scale) {
            p.scale = stored_scale<decltype(p.scale)>(static_cast<float>(scale));
        }
        return p;
    }

    /// Makes of the parameters what a decoder will read, where they are stored with loss.
    static store_type store(std::vector<parameters>& p) {
        if constexpr (!is_lossy) {
            return {};
        } else {
            store_type stored{std::span<const parameters>(p)};
            for (std::size_t g = 0; g < p.size(); ++g) {
                p[g] = stored[g];
            }
            return stored;
        }
    }

    /// The tensor of codes [rows x cols] and parameters [rows x groups]; `stored` is what `store` gave.
    [[nodiscard]] quantized_tensor<Q, 2> finish(index rows, index cols, const std::uint8_t* codes,
                                                std::vector<parameters> p, store_type stored) const {
        const row_layout layout = make_row_layout<Q>(rows, cols);
        std::vector<std::uint8_t> packed(static_cast<std::size_t>(rows * layout.row_bytes));
        for (index r = 0; r < rows; ++r) {
            codec<Q>::pack(quantizer, codes + r * cols, static_cast<std::size_t>(cols), packed.data() + r * layout.row_bytes);
        }
        if constexpr (!is_lossy) {
            p.resize(static_cast<std::size_t>(layout.groups));
            return {quantizer, {rows, cols}, last_axis, std::move(packed), std::move(p)};
        } else {
            return {quantizer, {rows, cols}, last_axis, std::move(packed), std::move(stored)};
        }
    }
};

template <class Q, class Scalar>
struct block_cells {
    static_assert(scalar_block_quantizer<Q>,
                  "gptq chooses codes one by one: this block type has none (the grids of iq1, iq2 and iq3 code several "
                  "values at once); quantize it with an importance instead");

    using parameters = typename Q::parameters;
    using store_type = no_parameters;
    static constexpr bool has_scale = false, is_lossy = false;
    Q quantizer{};
    quantize_mode mode = quantize_mode::best;

    void prepare(float) noexcept {}
    void fit(std::span<const Scalar> values, std::span<const float> importance, index, parameters* out) const {
        thread_local std::vector<float> buffer;
        thread_local std::vector<typename Q::block> blocks;
        buffer.assign(values.begin(), values.end());
        blocks.resize(buffer.size() / static_cast<std::size_t>(Q::group));
        quantizer.encode_blocks(buffer, importance, mode, blocks.data());
        for (const auto& block : blocks) {
            *out++ = Q::parameters_of(block);
        }
    }
    [[nodiscard]] std::uint8_t encode(Scalar value, const parameters& p, index i, bool) const noexcept {
        return static_cast<std::uint8_t>(Q::encode(static_cast<float>(value), p, i));
    }
    [[nodiscard]] Scalar decode(std::uint8_t code, const parameters& p, index i) const noexcept {
        return exact::product(1.0f, Q::decode(code, p, i));
    }
    [[nodiscard]] Scalar scale(const parameters&) const noexcept { return 0; }
    [[nodiscard]] parameters with_scale(const parameters& p, Scalar) const noexcept { return p; }
    static no_parameters store(std::vector<parameters>&) { return {}; }

    [[nodiscard]] quantized_tensor<Q, 2> finish(index rows, index cols, const std::uint8_t* codes,
                                                const std::vector<parameters>& p, no_parameters) const {
        const index groups = cols / Q::group, bytes = static_cast<index>(sizeof(typename Q::block));
        std::vector<std::uint8_t> packed(static_cast<std::size_t>(rows * groups * bytes));
        for (index g = 0; g < rows * groups; ++g) {
            const auto block = Q::assemble(p[static_cast<std::size_t>(g)], codes + g * Q::group);
            std::copy_n(reinterpret_cast<const std::uint8_t*>(&block), bytes, packed.data() + g * bytes);
        }
        return {quantizer, {rows, cols}, last_axis, std::move(packed), no_parameters{}};
    }
};

/// The tensor of an integer quantizer from codes and grids of the reference rule, both from 0 on: codes and zero points
/// move to those of the format.
template <class Q, class Scalar>
[[nodiscard]] quantized_tensor<Q, 2> finish_reference(const Q& quantizer, index rows, index cols,
                                                      const std::vector<std::uint8_t>& codes,
                                                      const std::vector<typename reference_grid<Scalar>::parameters>& p) {
    using target = typename Q::parameters;
    std::vector<target> converted;
    converted.reserve(p.size());
    for (const auto& from : p) {
        target to{};
        to.scale = stored_scale<decltype(to.scale)>(static_cast<float>(from.scale));
        if constexpr (affine_quantizer<Q>) {
            to.zero = static_cast<decltype(to.zero)>(static_cast<int>(from.zero) + Q::format::lowest);
        }
        converted.push_back(to);
    }
    std::vector<std::uint8_t> moved(codes);
    for (std::uint8_t& code : moved) {
        code = static_cast<std::uint8_t>(code + Q::format::lowest);
    }
    return code_cells<Q, Scalar>{quantizer}.finish(rows, cols, moved.data(), std::move(converted), {});
}

} // namespace tersor::inline v0::detail

#endif // TERSOR_SOLVERS_GPTQ_CELLS_HPP
