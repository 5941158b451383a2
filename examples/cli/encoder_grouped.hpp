#ifndef TERSOR_EXAMPLES_CLI_ENCODER_GROUPED_HPP
#define TERSOR_EXAMPLES_CLI_ENCODER_GROUPED_HPP

// Integers and 8-bit floats with a scale per tensor, row or any number of values, in the layout of compressed-tensors.
// What the layout needs to know is found at run time, so that one instance per format serves every group.

#include "encoder.hpp"
#include "runs.hpp"

#include "tersor/io/compressed_tensors.hpp"

#include <memory>
#include <type_traits>
#include <utility>

namespace cli {

/// A quantized tensor as the layout sees it.
struct grouped_weight {
    std::vector<std::uint8_t> codes; ///< packed, each row starting on a byte
    std::vector<float> scales;
    std::vector<std::uint8_t> zeros; ///< counted from the lowest code; empty for symmetric quantizers
};

/// The tensors that a target becomes; `codes` is the type of those that are not packed.
[[nodiscard]] std::vector<tersor::safetensors_declaration>
declare_grouped(const target& what, const tersor::compressed_tensors::scheme& s, tersor::safetensors_dtype codes);

/// Writes them. Packed signed codes become offset binary.
void append_grouped(const target& what, const tersor::compressed_tensors::scheme& s, bool is_signed,
                    const grouped_weight& weight, tersor::safetensors_model_writer& out);

/// The scheme of a quantizer with the group of a target; throws usage_error if its rows are not whole groups.
[[nodiscard]] tersor::compressed_tensors::scheme grouped_scheme(const target& what,
                                                                tersor::compressed_tensors::scheme by_row);

/// Throws usage_error unless the layout is compressed-tensors.
void require_compressed_tensors(const target& what);

template <class Quantizer>
class grouped_encoder final : public encoder {
    using format = typename Quantizer::format;

public:
    explicit grouped_encoder(const target& what) : what_(what), scheme_(grouped_scheme(what, by_row())) {}

    std::vector<tersor::safetensors_declaration> declare() const override {
        using type = tersor::safetensors_dtype;
        constexpr type codes = std::is_same_v<format, tersor::fp8_e4m3>   ? type::f8_e4m3
                               : std::is_same_v<format, tersor::fp8_e5m2> ? type::f8_e5m2
                                                                          : type::i8;
        return declare_grouped(what_, scheme_, codes);
    }

    std::optional<tersor::compressed_tensors::scheme> scheme() const override { return scheme_; }

    void encode(std::span<const float> values, const tersor::execution& threads, tersor::safetensors_model_writer& out,
                std::span<float> decoded) override {
        const auto rows = static_cast<std::size_t>(what_.rows()), cols = static_cast<std::size_t>(what_.cols());
        const std::size_t run = what_.spec.group == tersor::whole_tensor ? rows * cols
                                : what_.spec.group == tersor::whole_row  ? cols
                                                                         : static_cast<std::size_t>(what_.spec.group);
        const std::vector<float> clipped = clip(values, run, what_.spec.range, threads);
        auto coded = quantize_runs<Quantizer>(clipped.empty() ? values : std::span<const float>(clipped), run,
                                              what_.spec.range, threads);
        dequantize_runs<Quantizer>(coded.codes, coded.parameters, run, decoded, threads);
        grouped_weight weight;
        weight.codes = recut_runs<format>(std::move(coded.codes), run, cols, rows * cols);
        for (const auto& p : coded.parameters) {
            weight.scales.push_back(static_cast<float>(p.scale));
            if constexpr (tersor::affine_quantizer<Quantizer>) {
                weight.zeros.push_back(static_cast<std::uint8_t>(p.zero - format::lowest));
            }
        }
        append_grouped(what_, scheme_, std::is_signed_v<tersor::code_t<format>>, weight, out);
    }

private:
    static tersor::compressed_tensors::scheme by_row() {
        return tersor::compressed_tensors::scheme_of<tersor::per_channel<Quantizer>>();
    }

    target what_;
    tersor::compressed_tensors::scheme scheme_;
};

/// The encoder of a quantizer for the group of a target.
template <class Quantizer>
[[nodiscard]] std::unique_ptr<encoder> make_grouped_encoder(const target& what) {
    require_compressed_tensors(what);
    return std::make_unique<grouped_encoder<Quantizer>>(what);
}

} // namespace cli

#endif // TERSOR_EXAMPLES_CLI_ENCODER_GROUPED_HPP
