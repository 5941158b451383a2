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

    void encode(const encoding& work) override {
        using quantizer = tersor::absmax<tersor::int8>;
        const auto cols = static_cast<std::size_t>(what_.cols());
        const std::vector<float> clipped = clip<quantizer>(work.values, cols, what_.spec.range, work.threads);
        const Eigen::Map<const row_major> matrix(clipped.empty() ? work.values.data() : clipped.data(), what_.rows(),
                                                 what_.cols());
        const auto weight = tersor::quantize<tersor::llm_int8>(matrix, options_of(what_.spec.range, work.threads));
        Eigen::Map<row_major> values_again(work.decoded.data(), what_.rows(), what_.cols());
        tersor::dequantize_into(weight, values_again, work.threads);
        if (work.out != nullptr) {
            tersor::bitsandbytes::append(*work.out, what_.name, weight);
        }
    }

private:
    target what_;
};

} // namespace

std::unique_ptr<encoder> make_absmax_encoder(const target& what) {
    if (what.layout == layout::bitsandbytes) {
        if (what.is_solved) {
            refuse_combination(what, "its int8 rows are those of LLM.int8, rounded; compressed-tensors, gptq and "
                                     "gptq-v2 hold what --solver gptq finds");
        }
        if (what.spec.format->bits == 8 && what.spec.group == tersor::whole_row) {
            return std::make_unique<llm_int8_encoder>(what);
        }
        refuse_combination(what, "bitsandbytes has int8/row only; compressed-tensors, gptq and gptq-v2 can");
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
