#ifndef TERSOR_QUANTIZERS_DOUBLE_QUANT_HPP
#define TERSOR_QUANTIZERS_DOUBLE_QUANT_HPP

// Double quantization: the scales of a quantizer are themselves stored as 8-bit codes.
//
//   values    coded with the plain scales, as the inner quantizer does
//   offset    mean of the scales: their sum in double, in order, divided and rounded to float
//   scales    blockwise<absmax<Nested>, N> of (scale - offset): 8-bit codes and one nested scale per N scales
//   decoded   scale = map[code] * nested + offset, the product and the sum each rounded
//
// This is the rule of QLoRA (arXiv:2305.14314) and bitsandbytes; decoded scales may be zero or negative. Nested is
// dynamic8 (nearest); bitsandbytes_cpu<dynamic8> gives the codes of bitsandbytes' compiled CPU quantizer.

#include "tersor/core/concepts.hpp"
#include "tersor/core/error.hpp"
#include "tersor/core/exact.hpp"
#include "tersor/formats/bitsandbytes_cpu.hpp"
#include "tersor/formats/dynamic8.hpp"
#include "tersor/quantizers/absmax.hpp"

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace tersor::inline v0 {

namespace detail {

// The values of a nested format, by code, where they are known at compile time.
template <class Nested>
struct nested_values {
    static constexpr std::span<const float> map = Nested::values;
};
template <class Map>
struct nested_values<bitsandbytes_cpu<Map>> : nested_values<Map> {};

// clang-format off
template <class Parameters>
concept is_one_float_scale = std::is_aggregate_v<Parameters> && sizeof(Parameters) == sizeof(float) &&
                             requires(Parameters p) { { (p.scale) } -> std::same_as<float&>; };
// clang-format on

constexpr std::size_t nested_blocks(std::size_t count, index block) noexcept {
    const auto size = static_cast<std::size_t>(block);
    return count / size + (count % size != 0);
}

// Errors: shape_mismatch unless there are as many nested scales and values of the map as the codes ask for.
inline void check_nested_sizes(std::size_t codes, std::size_t nested_scales, std::size_t map, index block) {
    if (nested_scales != nested_blocks(codes, block)) {
        raise(error_code::shape_mismatch,
              std::to_string(codes) + " coded scales in blocks of " + std::to_string(block) + " need " +
                  std::to_string(nested_blocks(codes, block)) + " nested scales, got " + std::to_string(nested_scales));
    }
    if (map != 256) {
        raise(error_code::shape_mismatch, "the map of coded scales has 256 values, got " + std::to_string(map));
    }
}

} // namespace detail

/// Scales as 8-bit codes, borrowed. `Parameters` is {float scale}; a nested scale serves `N` scales.
template <class Parameters, index N>
class nested_scale_view {
public:
    nested_scale_view() noexcept = default;

    /// One code per scale, ceil(codes / N) nested scales, 256 values of the map; all must outlive the view. Throws
    /// shape_mismatch for other numbers of them.
    nested_scale_view(std::span<const std::uint8_t> codes, std::span<const float> nested_scales, float offset,
                      std::span<const float> map)
        : codes_(codes), nested_scales_(nested_scales), map_(map), offset_(offset) {
        detail::check_nested_sizes(codes.size(), nested_scales.size(), map.size(), N);
    }

    /// How many scales there are.
    [[nodiscard]] std::size_t size() const noexcept { return codes_.size(); }
    /// The bytes of the codes, the nested scales and the offset.
    [[nodiscard]] std::size_t bytes() const noexcept {
        return codes_.size() + nested_scales_.size() * sizeof(float) + sizeof(float);
    }
    /// The decoded scale of a group; it may be zero or negative.
    [[nodiscard]] Parameters operator[](std::size_t group) const noexcept {
        return {exact::product(map_[codes_[group]], nested_scales_[group / static_cast<std::size_t>(N)]) + offset_};
    }

    /// One code per scale.
    [[nodiscard]] std::span<const std::uint8_t> codes() const noexcept { return codes_; }
    /// One scale per N codes; the last block may be shorter.
    [[nodiscard]] std::span<const float> nested_scales() const noexcept { return nested_scales_; }
    /// What is added to each decoded scale.
    [[nodiscard]] float offset() const noexcept { return offset_; }
    /// Code to value.
    [[nodiscard]] std::span<const float> map() const noexcept { return map_; }

    /// Equal contents.
    friend bool operator==(const nested_scale_view& a, const nested_scale_view& b) noexcept {
        return a.offset_ == b.offset_ && std::ranges::equal(a.codes_, b.codes_) &&
               std::ranges::equal(a.nested_scales_, b.nested_scales_) && std::ranges::equal(a.map_, b.map_);
    }

private:
    std::span<const std::uint8_t> codes_;
    std::span<const float> nested_scales_;
    std::span<const float> map_;
    float offset_ = 0.0f;
};

/// Scales as 8-bit codes of the format `Nested`.
template <class Parameters, index N, class Nested>
class nested_scale_array {
public:
    using view_type = nested_scale_view<Parameters, N>;

    nested_scale_array() = default;

    /// Codes the scales of all groups, with their mean as the offset.
    explicit nested_scale_array(std::span<const Parameters> plain) : nested_scale_array(plain, mean_of(plain)) {}

    /// Codes the scales of all groups with a given offset.
    nested_scale_array(std::span<const Parameters> plain, float offset) : codes_(plain.size()), offset_(offset) {
        std::vector<float> centred(plain.size());
        std::ranges::transform(plain, centred.begin(), [offset](Parameters p) { return p.scale - offset; });
        for (std::size_t first = 0; first < plain.size(); first += block) {
            const std::size_t count = std::min(block, plain.size() - first);
            code_block(std::span(centred).subspan(first, count), std::span(codes_).subspan(first, count));
        }
    }

    /// Takes over what a file holds; a `map` that is not empty replaces that of `Nested`. Throws shape_mismatch where
    /// the numbers of codes, nested scales and values of the map do not fit.
    nested_scale_array(std::vector<std::uint8_t> codes, std::vector<float> nested_scales, float offset,
                       std::vector<float> map = {})
        : codes_(std::move(codes)), nested_scales_(std::move(nested_scales)), own_map_(std::move(map)),
          offset_(offset) {
        detail::check_nested_sizes(codes_.size(), nested_scales_.size(), this->map().size(), N);
    }

    /// How many scales there are.
    [[nodiscard]] std::size_t size() const noexcept { return codes_.size(); }
    /// The bytes of the codes, the nested scales and the offset.
    [[nodiscard]] std::size_t bytes() const noexcept {
        return codes_.size() + nested_scales_.size() * sizeof(float) + sizeof(float);
    }
    /// The decoded scale of a group; it may be zero or negative.
    [[nodiscard]] Parameters operator[](std::size_t group) const noexcept {
        return {exact::product(map()[codes_[group]], nested_scales_[group / block]) + offset_};
    }

    /// One code per scale.
    [[nodiscard]] std::span<const std::uint8_t> codes() const noexcept { return codes_; }
    /// One scale per N codes; the last block may be shorter.
    [[nodiscard]] std::span<const float> nested_scales() const noexcept { return nested_scales_; }
    /// What is added to each decoded scale.
    [[nodiscard]] float offset() const noexcept { return offset_; }
    /// Code to value.
    [[nodiscard]] std::span<const float> map() const noexcept {
        return own_map_.empty() ? detail::nested_values<Nested>::map : std::span<const float>(own_map_);
    }

    /// The same scales, borrowed from this array.
    [[nodiscard]] view_type view() const { return {codes(), nested_scales(), offset_, map()}; }
    /// As `view()`.
    operator view_type() const { return view(); }

    /// Equal contents.
    friend bool operator==(const nested_scale_array& a, const nested_scale_array& b) { return a.view() == b.view(); }

private:
    static constexpr auto block = static_cast<std::size_t>(N);

    static float mean_of(std::span<const Parameters> plain) noexcept {
        double sum = 0.0;
        for (const Parameters& p : plain) {
            sum += static_cast<double>(p.scale);
        }
        return plain.empty() ? 0.0f : static_cast<float>(sum / static_cast<double>(plain.size()));
    }

    void code_block(std::span<const float> values, std::span<std::uint8_t> codes) {
        constexpr absmax<Nested> nested{};
        const value_range range = range_of(values);
        const float magnitude = -range.lo > range.hi ? -range.lo : range.hi;
        if constexpr (absmax<Nested>::divides_ragged) {
            if (values.size() < block) {
                const auto p = nested.from_magnitude_ragged(magnitude);
                std::ranges::transform(values, codes.begin(), [&](float x) { return nested.encode_ragged(x, p); });
                nested_scales_.push_back(p.scale);
                return;
            }
        }
        const auto p = nested.from_magnitude(magnitude);
        std::ranges::transform(values, codes.begin(), [&](float x) { return nested.encode(x, p); });
        nested_scales_.push_back(p.scale);
    }

    std::vector<std::uint8_t> codes_;
    std::vector<float> nested_scales_;
    std::vector<float> own_map_;
    float offset_ = 0.0f;
};

/// `Quantizer` with its scales stored in 8 bits, `N` of them per nested scale.
template <quantizer Quantizer, index N = 256, number_format Nested = dynamic8>
struct double_quant : Quantizer {
    static_assert(N >= 1, "a nested block holds at least one scale");
    static_assert(Nested::bits == 8 && detail::nested_values<Nested>::map.size() == 256,
                  "the nested format of double_quant is an 8-bit codebook such as dynamic8");
    static_assert(detail::is_one_float_scale<typename Quantizer::parameters>,
                  "double_quant codes scales of type float: its quantizer must store one float scale per group and "
                  "nothing else, such as blockwise<absmax<nf4>, 64>");

    using parameter_array = nested_scale_array<typename Quantizer::parameters, N, Nested>;
    using parameter_view = nested_scale_view<typename Quantizer::parameters, N>;

    friend bool operator==(const double_quant&, const double_quant&) = default;
};

} // namespace tersor::inline v0

#endif // TERSOR_QUANTIZERS_DOUBLE_QUANT_HPP
