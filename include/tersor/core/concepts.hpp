#ifndef TERSOR_CORE_CONCEPTS_HPP
#define TERSOR_CORE_CONCEPTS_HPP

// What a quantizer is: the one idea that everything else is generic over.
//
// A quantizer is a small struct that says which values share parameters, what is stored for them and how a value maps
// to a code. Its scalar `encode` and `decode` are the definition; vector kernels must give the same bits.
//
//   using format          the number format of its codes (formats/format.hpp)
//   struct parameters     what is stored per group
//   static group          how many values share parameters: a number, `whole_row` or `whole_tensor`
//   fit(values, importance) const -> parameters
//   encode(value, parameters) const -> code
//   decode(code, parameters) const -> float
//
// Optional members, each of which opens something more:
//
//   from_range(lo, hi) const -> parameters       a range decided elsewhere: calibrators, the clipping option
//   from_magnitude(max |x|) const -> parameters  with scale(): vector kernels; fit is from_magnitude of the group
//   scale(parameters) const -> float             decode is exactly format.decode(code) * scale(p)
//   inverse(parameters) const -> float           encode is format.encode(x * inverse(p)); without it x / scale(p)
//   zero_code(parameters) const -> int           decode is (code - zero_code(p)) * scale(p), integer formats
//   from_magnitude_ragged, encode_ragged         what a last, shorter group does differently
//   prepare(max |x| of the tensor) -> quantizer  a quantizer with a parameter for the whole tensor keeps it as state
//   parameter_array, parameter_view              stores parameters in another way than as an array of them

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace tersor::inline v0 {

/// How hard a quantizer with a choice looks for good parameters and codes. One without a choice ignores it.
enum class quantize_mode {
    reference, ///< byte for byte what the format's own program writes
    fast,      ///< at least as accurate as that, found as quickly as possible
    best       ///< the least (weighted) squared error that a thorough search finds in the same bytes
};

/// Sizes and positions, signed as Eigen's.
using index = std::ptrdiff_t;

/// Value of `group`: all values of a row share parameters.
inline constexpr index whole_row = 0;
/// Value of `group`: all values of the tensor share parameters.
inline constexpr index whole_tensor = -1;

/// The stored small integer of a quantizer's format, as a number.
template <class Quantizer>
using code_of = typename Quantizer::format::code_type;

/// A quantizer whose file format interleaves parameters and codes: its blocks of bytes are what is stored, and a run
/// of values is encoded at once. `importance` is empty or holds a weight for each value; `values` is then a whole row.
///
///   struct block            the stored bytes, of alignment 1 or 2
///   static group            how many values a block holds
///   encode_blocks(values, importance, mode, blocks)
///   decode_blocks(blocks, count, values)
template <class Q>
concept block_quantizer =
    std::copyable<Q> && std::default_initializable<Q> && (Q::group > 0) &&
    requires(const Q q, std::span<const float> values, quantize_mode mode, typename Q::block* blocks, float* out) {
        q.encode_blocks(values, values, mode, blocks);
        q.decode_blocks(static_cast<const typename Q::block*>(blocks), std::size_t{}, out);
    };

/// A quantizer that stores parameters apart from packed codes; see the head of this file.
template <class Q>
concept code_quantizer =
    std::copyable<Q> && std::default_initializable<Q> &&
    requires(const Q q, std::span<const float> values, float value, code_of<Q> code, typename Q::parameters parameters) {
        { Q::group } -> std::convertible_to<index>;
        { q.fit(values, values) } -> std::same_as<typename Q::parameters>;
        { q.encode(value, parameters) } -> std::same_as<code_of<Q>>;
        { q.decode(code, parameters) } -> std::same_as<float>;
    };

/// A type that maps groups of values to codes and back, or whole blocks.
template <class Q>
concept quantizer = code_quantizer<Q> || block_quantizer<Q>;

/// A quantizer whose parameters follow from a range [lo, hi] that must contain 0.
template <class Q>
concept range_quantizer = code_quantizer<Q> && requires(const Q q, float bound) {
    { q.from_range(bound, bound) } -> std::same_as<typename Q::parameters>;
};

/// A quantizer whose values are format.decode(code) times a scale that follows from the largest magnitude.
template <class Q>
concept scaled_quantizer = code_quantizer<Q> && requires(const Q q, float magnitude, typename Q::parameters p) {
    { q.from_magnitude(magnitude) } -> std::same_as<typename Q::parameters>;
    { q.scale(p) } -> std::same_as<float>;
};

/// A range quantizer over integers with a zero point.
template <class Q>
concept affine_quantizer = range_quantizer<Q> && requires(const Q q, typename Q::parameters p) {
    { q.scale(p) } -> std::same_as<float>;
    { q.zero_code(p) } -> std::convertible_to<std::int32_t>;
};

/// A quantizer with state for the whole tensor, found from its largest magnitude before any group is fitted.
template <class Q>
concept prepared_quantizer = code_quantizer<Q> && requires(const Q q, float magnitude) {
    { q.prepare(magnitude) } -> std::same_as<Q>;
};

namespace detail {

template <class Q>
struct parameter_storage {
    using array = std::vector<typename Q::parameters>;
    using view = std::span<const typename Q::parameters>;
};

template <class Q>
    requires requires {
        typename Q::parameter_array;
        typename Q::parameter_view;
    }
struct parameter_storage<Q> {
    using array = typename Q::parameter_array;
    using view = typename Q::parameter_view;
};

} // namespace detail

/// The parameters of a block quantizer, apart from its blocks: there are none.
struct no_parameters {
    [[nodiscard]] static constexpr std::size_t size() noexcept { return 0; }
    [[nodiscard]] static constexpr std::size_t bytes() noexcept { return 0; }
    friend bool operator==(no_parameters, no_parameters) = default;
};

namespace detail {

template <block_quantizer Q>
struct parameter_storage<Q> {
    using array = no_parameters;
    using view = no_parameters;
};

} // namespace detail

/// How a quantized_tensor owns the parameters of all groups. `array[g]` gives those of group g; `array.size()` counts.
template <class Q>
using parameter_array = typename detail::parameter_storage<Q>::array;

/// How a quantized_view borrows them.
template <class Q>
using parameter_view = typename detail::parameter_storage<Q>::view;

} // namespace tersor::inline v0

#endif // TERSOR_CORE_CONCEPTS_HPP
