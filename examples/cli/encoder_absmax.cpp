// int2..int8: a scale per group.

#include "encoder_grouped.hpp"

#include "tersor/formats/integer.hpp"
#include "tersor/io/bitsandbytes.hpp"
#include "tersor/quantizers/absmax.hpp"

namespace cli {

namespace {

using tersor::absmax;

// LLM.int8, bitsandbytes' own form of int8/row.
class llm_int8_encoder final : public encoder {
public:
    explicit llm_int8_encoder(const target& what) : what_(what) {}

    std::vector<tersor::safetensors_declaration> declare() const override {
        return tersor::bitsandbytes::declare<tersor::llm_int8>(what_.name, what_.shape);
    }

    void encode(std::span<const float> values, const tersor::execution& threads, tersor::safetensors_model_writer& out,
                std::span<float> decoded) override {
        const auto cols = static_cast<std::size_t>(what_.cols());
        const std::vector<float> clipped = clip(values, cols, what_.spec.range, threads);
        const Eigen::Map<const row_major> matrix(clipped.empty() ? values.data() : clipped.data(), what_.rows(),
                                                 what_.cols());
        const auto weight = tersor::quantize<tersor::llm_int8>(matrix, options_of(what_.spec.range, threads));
        Eigen::Map<row_major> values_again(decoded.data(), what_.rows(), what_.cols());
        tersor::dequantize_into(weight, values_again, threads);
        tersor::bitsandbytes::append(out, what_.name, weight);
    }

private:
    target what_;
};

} // namespace

std::unique_ptr<encoder> make_absmax_encoder(const target& what) {
    if (what.layout == layout::bitsandbytes) {
        if (what.spec.format->bits == 8 && what.spec.group == tersor::whole_row) {
            return std::make_unique<llm_int8_encoder>(what);
        }
        refuse_combination(what, "bitsandbytes has int8/row only; compressed-tensors can");
    }
    switch (what.spec.format->bits) {
    case 2:
        return make_grouped_encoder<absmax<tersor::int2>>(what);
    case 3:
        return make_grouped_encoder<absmax<tersor::int3>>(what);
    case 4:
        return make_grouped_encoder<absmax<tersor::int4>>(what);
    case 5:
        return make_grouped_encoder<absmax<tersor::int5>>(what);
    case 6:
        return make_grouped_encoder<absmax<tersor::int6>>(what);
    case 7:
        return make_grouped_encoder<absmax<tersor::int7>>(what);
    default:
        return make_grouped_encoder<absmax<tersor::int8>>(what);
    }
}

} // namespace cli
