// Small floats: fp8 with a float scale per group, the MX formats, NVFP4.

#include "encoder_grouped.hpp"

#include "tersor/formats/fp8.hpp"
#include "tersor/io/compressed_tensors.hpp"
#include "tersor/quantizers/absmax.hpp"
#include "tersor/quantizers/mx.hpp"

#include <string_view>

namespace cli {

namespace {

namespace ct = tersor::compressed_tensors;

// Formats that fix their group.
template <class Quantizer>
class block_encoder final : public encoder {
public:
    explicit block_encoder(const target& what) : what_(what) {
        require_compressed_tensors(what);
        static_cast<void>(grouped_scheme(what, {})); // whole groups
    }

    std::vector<tersor::safetensors_declaration> declare() const override {
        return ct::declare<Quantizer>(what_.name, what_.shape);
    }

    std::optional<ct::scheme> scheme() const override { return ct::scheme_of<Quantizer>(); }

    void encode(std::span<const float> values, const tersor::execution& threads, tersor::safetensors_model_writer& out,
                std::span<float> decoded) override {
        const std::vector<float> clipped =
            clip(values, static_cast<std::size_t>(what_.spec.group), what_.spec.range, threads);
        const Eigen::Map<const row_major> matrix(clipped.empty() ? values.data() : clipped.data(), what_.rows(),
                                                 what_.cols());
        const auto weight = tersor::quantize<Quantizer>(matrix, options_of(what_.spec.range, threads));
        Eigen::Map<row_major> values_again(decoded.data(), what_.rows(), what_.cols());
        tersor::dequantize_into(weight, values_again, threads);
        ct::append(out, what_.name, weight);
    }

private:
    target what_;
};

} // namespace

std::unique_ptr<encoder> make_float_encoder(const target& what) {
    const std::string_view name = what.spec.format->name;
    if (name == "fp8_e4m3") {
        return make_grouped_encoder<tersor::absmax<tersor::fp8_e4m3>>(what);
    }
    if (name == "fp8_e5m2") {
        return make_grouped_encoder<tersor::absmax<tersor::fp8_e5m2>>(what);
    }
    if (name == "mxfp4") {
        return std::make_unique<block_encoder<tersor::mxfp4>>(what);
    }
    if (name == "mxfp8") {
        return std::make_unique<block_encoder<tersor::mxfp8>>(what);
    }
    return std::make_unique<block_encoder<tersor::compressed_tensors_nvfp4>>(what);
}

} // namespace cli
