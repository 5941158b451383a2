#ifndef TERSOR_EXAMPLES_CLI_ENCODER_GROUPED_HPP
#define TERSOR_EXAMPLES_CLI_ENCODER_GROUPED_HPP

// Integers and 8-bit floats with a scale per tensor, row or any number of values, in the layouts of compressed-tensors,
// GPTQ and AWQ. What a layout needs to know is found at run time, so that one instance per format serves every group.

#include "encoder.hpp"
#include "hqq_runs.hpp"
#include "runs.hpp"
#include "solve.hpp"

#include "tersor/io/affine_weight.hpp"
#include "tersor/io/compressed_tensors.hpp"

#include <memory>
#include <type_traits>
#include <utility>

namespace cli {

/// A quantized tensor as compressed-tensors sees it.
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

/// The same for integers that are unpacked, in any of the layouts, with scales as these store them; `decoded` gets the
/// values.
void append_affine(const target& what, const tersor::compressed_tensors::scheme& s, tersor::affine_weight weight,
                   const encoding& work);

/// The scheme of a quantizer with the group of a target; throws usage_error if its rows are not whole groups.
[[nodiscard]] tersor::compressed_tensors::scheme grouped_scheme(const target& what,
                                                                tersor::compressed_tensors::scheme by_row);

/// Throws usage_error unless the layout is compressed-tensors.
void require_compressed_tensors(const target& what);

/// Throws usage_error unless the layout holds integers in groups of rows.
void require_integer_layout(const target& what);

/// Values per group, as long as a row at most; throws usage_error for solvers where the group is the whole tensor.
[[nodiscard]] tersor::index solved_group(const target& what);

template <class Quantizer>
class grouped_encoder final : public encoder {
    using format = typename Quantizer::format;
    static constexpr bool is_integer = requires { format::lowest; };

public:
    explicit grouped_encoder(const target& what) : what_(what), scheme_(grouped_scheme(what, by_row())) {
        if (what.is_solved || what.is_searched) {
            static_cast<void>(solved_group(what));
        }
    }

    std::vector<tersor::safetensors_declaration> declare() const override {
        using type = tersor::safetensors_dtype;
        constexpr type codes = std::is_same_v<format, tersor::fp8_e4m3>   ? type::f8_e4m3
                               : std::is_same_v<format, tersor::fp8_e5m2> ? type::f8_e5m2
                                                                          : type::i8;
        return declare_grouped(what_, scheme_, codes);
    }

    std::optional<tersor::compressed_tensors::scheme> scheme() const override {
        return what_.layout == layout::compressed_tensors ? std::optional(scheme_) : std::nullopt;
    }

    void encode(const encoding& work) override {
        if constexpr (is_integer) {
            if (work.task != nullptr) {
                return append_affine(what_, scheme_,
                                     solve_integers(work.values, what_, solved_group(what_), *work.task),
                                     work);
            }
            if constexpr (tersor::affine_quantizer<Quantizer>) {
                if (what_.is_searched && !work.is_plain) {
                    return append_runs(search_runs<Quantizer>(work.values, run(), what_.is_reference, work.threads),
                                       work);
                }
            }
        } else if (work.task != nullptr) {
            return encode_solved_floats(work);
        }
        append_runs(quantize_runs<Quantizer>(work.values, run(), what_.spec.range, work.threads), work);
    }

private:
    static tersor::compressed_tensors::scheme by_row() {
        return tersor::compressed_tensors::scheme_of<tersor::per_channel<Quantizer>>();
    }

    [[nodiscard]] std::size_t run() const noexcept {
        const auto rows = static_cast<std::size_t>(what_.rows()), cols = static_cast<std::size_t>(what_.cols());
        return what_.spec.group == tersor::whole_tensor ? rows * cols
               : what_.spec.group == tersor::whole_row  ? cols
                                                        : static_cast<std::size_t>(what_.spec.group);
    }

    void append_runs(coded_runs<Quantizer> coded, const encoding& work) const {
        if constexpr (is_integer) {
            if (what_.layout != layout::compressed_tensors) {
                return append_affine(what_, scheme_, affine_of(coded), work);
            }
        }
        const auto rows = static_cast<std::size_t>(what_.rows()), cols = static_cast<std::size_t>(what_.cols());
        dequantize_runs<Quantizer>(coded.codes, coded.parameters, run(), work.decoded, work.threads);
        if (work.out == nullptr) {
            return;
        }
        grouped_weight weight;
        weight.codes = recut_runs<format>(std::move(coded.codes), run(), cols, rows * cols);
        for (const auto& p : coded.parameters) {
            weight.scales.push_back(static_cast<float>(p.scale));
            if constexpr (tersor::affine_quantizer<Quantizer>) {
                weight.zeros.push_back(static_cast<std::uint8_t>(p.zero - format::lowest));
            }
        }
        append_grouped(what_, scheme_, std::is_signed_v<tersor::code_t<format>>, weight, *work.out);
    }

    [[nodiscard]] tersor::affine_weight affine_of(const coded_runs<Quantizer>& coded) const {
        constexpr int shift = -static_cast<int>(format::lowest);
        const std::size_t length = run(), bytes = tersor::packed_bytes(length, format::bits);
        const auto rows = static_cast<std::size_t>(what_.rows()), cols = static_cast<std::size_t>(what_.cols());
        const std::size_t per_row = length > cols ? 1 : cols / length;
        tersor::affine_weight w;
        w.bits = format::bits;
        w.rows = what_.rows();
        w.cols = what_.cols();
        w.groups = static_cast<tersor::index>(per_row);
        w.codes.resize(rows * cols);
        std::vector<tersor::code_t<format>> unpacked(length);
        for (std::size_t i = 0; i < rows * cols / length; ++i) {
            tersor::unpack(format{}, coded.codes.data() + i * bytes, std::span(unpacked));
            for (std::size_t k = 0; k < length; ++k) {
                w.codes[i * length + k] = static_cast<std::uint8_t>(static_cast<int>(unpacked[k]) + shift);
            }
        }
        for (std::size_t i = 0; i < rows * per_row; ++i) {
            const auto& p = coded.parameters[coded.parameters.size() == 1 ? 0 : i];
            w.scales.push_back(static_cast<float>(p.scale));
            if constexpr (tersor::affine_quantizer<Quantizer>) {
                w.zeros.push_back(static_cast<std::uint8_t>(static_cast<int>(p.zero) + shift));
            } else {
                w.zeros.push_back(static_cast<std::uint8_t>(shift));
            }
        }
        for (std::size_t c = 0; c < cols; ++c) {
            w.group_index.push_back(static_cast<std::int32_t>(c * per_row / cols));
        }
        return w;
    }

    // Codes of 8 bits: as they are stored.
    void encode_solved_floats(const encoding& work) const {
        auto solved = solve_rows<tersor::per_channel<Quantizer>>(work.values, what_.rows(), what_.cols(),
                                                                 solved_group(what_), *work.task);
        coded_runs<Quantizer> coded;
        coded.codes = std::move(solved.codes);
        for (const auto& p : solved.parameters) {
            coded.parameters.push_back({p.scale});
        }
        append_runs(std::move(coded), work);
    }

    target what_;
    tersor::compressed_tensors::scheme scheme_;
};

/// The encoder of a quantizer for the group of a target.
template <class Quantizer>
[[nodiscard]] std::unique_ptr<encoder> make_grouped_encoder(const target& what) {
    if constexpr (requires { Quantizer::format::lowest; }) {
        require_integer_layout(what);
    } else {
        require_compressed_tensors(what);
        refuse_reordering(what);
    }
    auto made = std::make_unique<grouped_encoder<Quantizer>>(what);
    static_cast<void>(made->declare()); // names that a layout cannot hold
    return made;
}

} // namespace cli

#endif // TERSOR_EXAMPLES_CLI_ENCODER_GROUPED_HPP
