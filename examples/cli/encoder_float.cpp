// Small floats: fp8 with a float scale per group, the MX formats, NVFP4.

#include "encoder_grouped.hpp"

#include "tersor/formats/fp4_e2m1.hpp"
#include "tersor/formats/fp8.hpp"
#include "tersor/io/compressed_tensors.hpp"
#include "tersor/quantizers/absmax.hpp"
#include "tersor/quantizers/mx.hpp"
#include "tersor/solvers/gptq.hpp"

#include <string_view>
#include <type_traits>
#include <utility>

namespace cli {

namespace {

namespace ct = tersor::compressed_tensors;

// Formats that fix their group.
template <class Quantizer>
class fixed_group_encoder final : public encoder {
public:
    explicit fixed_group_encoder(const target& what) : what_(what) {
        require_compressed_tensors(what);
        refuse_reordering(what);
        static_cast<void>(grouped_scheme(what, {})); // whole groups
    }

    std::vector<tersor::safetensors_declaration> declare() const override {
        return ct::declare<Quantizer>(what_.name, what_.shape);
    }

    std::optional<ct::scheme> scheme() const override { return ct::scheme_of<Quantizer>(); }

    void encode(const encoding& work) override {
        const std::vector<float> clipped = clip<grid>(
            work.values, static_cast<std::size_t>(what_.spec.group), what_.spec.range, work.threads);
        const Eigen::Map<const row_major> matrix(clipped.empty() ? work.values.data() : clipped.data(), what_.rows(),
                                                 what_.cols());
        const auto weight = quantize(matrix, work);
        Eigen::Map<row_major> values_again(work.decoded.data(), what_.rows(), what_.cols());
        tersor::dequantize_into(weight, values_again, work.threads);
        if (work.out != nullptr) {
            ct::append(*work.out, what_.name, weight);
        }
    }

private:
    // what a percentile or the entropy of a block means: that of its numbers without the rounding of scales
    using grid = std::conditional_t<Quantizer::format::bits == 8, tersor::absmax<tersor::fp8_e4m3>,
                                    tersor::absmax<tersor::fp4_e2m1>>;

    tersor::quantized_tensor<Quantizer> quantize(const Eigen::Map<const row_major>& matrix,
                                                 const encoding& work) const {
        if (work.task == nullptr) {
            return tersor::quantize<Quantizer>(matrix, options_of(what_.spec.range, work.threads));
        }
        auto solved = tersor::gptq<Quantizer>(matrix, *work.task->inputs, work.task->options);
        work.task->report = static_cast<const tersor::gptq_report&>(solved);
        return std::move(solved.weights);
    }

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
        return std::make_unique<fixed_group_encoder<tersor::mxfp4>>(what);
    }
    if (name == "mxfp8") {
        return std::make_unique<fixed_group_encoder<tersor::mxfp8>>(what);
    }
    return std::make_unique<fixed_group_encoder<tersor::compressed_tensors_nvfp4>>(what);
}

} // namespace cli
