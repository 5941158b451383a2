// nf4, fp4 and dynamic8 in blocks along the flat tensor, in the bitsandbytes layout.

#include "encoder.hpp"
#include "runs.hpp"
#include "solve.hpp"
#include "text.hpp"
#include "usage.hpp"

#include "tersor/io/bitsandbytes.hpp"
#include "tersor/quantizers/blockwise.hpp"
#include "tersor/quantizers/double_quant.hpp"

namespace cli {

namespace {

using tersor::absmax;
using tersor::blockwise;
using tersor::index;

// Codes and scales of a flat tensor; a last, shorter block has a rule of its own.
template <class Format>
class flat_blocks {
public:
    using quantizer = absmax<Format>;
    using parameters = typename quantizer::parameters;

    std::vector<std::uint8_t> codes;
    std::vector<parameters> scales;

    flat_blocks(std::span<const float> values, std::size_t block, const calibrator& range,
                const tersor::execution& threads)
        : block_(block), whole_(values.size() / block * block) {
        auto coded = quantize_runs<quantizer>(values.first(whole_), block, range, threads);
        codes = std::move(coded.codes);
        scales = std::move(coded.parameters);
        if (whole_ < values.size()) {
            const std::span<const float> tail = values.subspan(whole_);
            const std::vector<float> clipped = clip<quantizer>(tail, tail.size(), range, threads);
            add_tail(clipped.empty() ? tail : std::span<const float>(clipped), range);
        }
    }

    // Whole blocks that are known already, codes a byte each.
    flat_blocks(std::span<const std::uint8_t> chosen, std::vector<parameters> known, std::size_t block)
        : codes(tersor::packed_bytes(chosen.size(), Format::bits)), scales(std::move(known)), block_(block),
          whole_(chosen.size()) {
        tersor::codec<quantizer>::pack({}, chosen.data(), chosen.size(), codes.data());
    }

    void decode(std::span<const parameters> stored, std::span<float> values, const tersor::execution& threads) const {
        const std::size_t blocks = whole_ / block_;
        dequantize_runs<quantizer>(std::span(codes).first(tersor::packed_bytes(whole_, Format::bits)),
                                   stored.first(blocks), block_, values.first(whole_), threads);
        const quantizer q{};
        for (std::size_t i = whole_; i < values.size(); ++i) {
            values[i] = q.decode(tersor::packed_code<Format>(codes.data(), i), stored[blocks]);
        }
    }

private:
    void add_tail(std::span<const float> x, const calibrator& range) {
        const quantizer q{};
        std::vector<float> weights(range.how == calibrator::method::mse ? x.size() : 0, 1.0f);
        parameters p = q.fit(x, weights);
        constexpr bool has_own_rule = requires {
            q.from_magnitude_ragged(0.0f);
        };
        if constexpr (has_own_rule) {
            if (weights.empty()) {
                const tersor::value_range r = tersor::range_of(x);
                p = q.from_magnitude_ragged(std::max(-r.lo, r.hi));
            }
        }
        std::vector<std::uint8_t> tail;
        for (const float value : x) {
            if constexpr (has_own_rule) {
                tail.push_back(q.encode_ragged(value, p));
            } else {
                tail.push_back(q.encode(value, p));
            }
        }
        const std::size_t first = codes.size();
        codes.resize(first + tersor::packed_bytes(tail.size(), Format::bits));
        tersor::pack(Format{}, std::span<const std::uint8_t>(tail), codes.data() + first);
        scales.push_back(p);
    }

    std::size_t block_;
    std::size_t whole_;
};

// Everything but the block size as a type, which only the layout asks for.
template <class Format>
class codebook_encoder : public encoder {
public:
    using parameters = typename absmax<Format>::parameters;
    using nested_scales = tersor::nested_scale_array<parameters, 256, tersor::dynamic8>;

    explicit codebook_encoder(const target& what) : what_(what) {
        if (what.is_solved && what.cols() % what.spec.group != 0) {
            throw usage_error("--solver gptq works on rows, and those of '" + what.name + "' " +
                              shape_text(what.shape) + " are no whole blocks of " + std::to_string(what.spec.group) +
                              "; --skip it, or use a group that divides them");
        }
        options_.original =
            what.original == tersor::safetensors_dtype::f64 ? tersor::safetensors_dtype::f32 : what.original;
    }

    // The text of the offset has the length that the peer gives it only if it is known before.
    bool wants_values() const noexcept override {
        return what_.spec.double_quant && what_.is_reference && !what_.is_solved;
    }

    void prepare(std::span<const float> values, const tersor::execution& threads) override {
        const flat_blocks<Format> coded(values, block(), what_.spec.range, threads);
        options_.offset = nest(coded.scales).offset();
    }

    void encode(const encoding& work) override {
        if (work.task != nullptr) {
            return what_.spec.double_quant ? encode_solved<tersor::double_quant<tersor::per_channel<absmax<Format>>>>(work)
                                           : encode_solved<tersor::per_channel<absmax<Format>>>(work);
        }
        if constexpr (std::is_same_v<Format, tersor::dynamic8>) {
            if (what_.is_reference) {
                return encode_as_peer(work);
            }
        }
        flat_blocks<Format> coded(work.values, block(), what_.spec.range, work.threads);
        store(coded, std::move(coded.scales), work);
    }

protected:
    target what_;
    tersor::bitsandbytes::write_options options_;

    virtual void write(std::vector<std::uint8_t> codes, std::vector<parameters> scales,
                       tersor::safetensors_model_writer& out) const = 0;
    virtual void write(std::vector<std::uint8_t> codes, nested_scales scales,
                       tersor::safetensors_model_writer& out) const = 0;

private:
    std::size_t block() const noexcept { return static_cast<std::size_t>(what_.spec.group); }

    void encode_as_peer(const encoding& work) const {
        flat_blocks<tersor::bitsandbytes_cpu<Format>> coded(work.values, block(), what_.spec.range, work.threads);
        std::vector<parameters> scales;
        for (const auto& p : coded.scales) {
            scales.push_back({p.scale});
        }
        store(coded, std::move(scales), work);
    }

    // Rows are whole blocks, so that blocks of rows are those of the flat tensor.
    template <class Quantizer>
    void encode_solved(const encoding& work) const {
        const tersor::index length = what_.spec.group;
        std::optional<nested_scales> nested;
        auto solved = solve_rows<Quantizer>(work.values, what_.rows(), what_.cols(), length, *work.task);
        if constexpr (requires { typename Quantizer::parameter_array; }) {
            nested = std::move(solved.stored);
        }
        std::vector<parameters> scales;
        for (const auto& p : solved.parameters) {
            scales.push_back({p.scale});
        }
        flat_blocks<Format> coded(solved.codes, scales, block());
        decode(coded, scales, work);
        if (work.out == nullptr) {
            return;
        }
        if (nested) {
            write(std::move(coded.codes), std::move(*nested), *work.out);
        } else {
            write(std::move(coded.codes), std::move(scales), *work.out);
        }
    }

    template <class Blocks>
    void store(Blocks& coded, std::vector<parameters> scales, const encoding& work) const {
        if (!what_.spec.double_quant) {
            decode(coded, scales, work);
            if (work.out != nullptr) {
                write(std::move(coded.codes), std::move(scales), *work.out);
            }
            return;
        }
        nested_scales nested = nest(scales);
        for (std::size_t i = 0; i < scales.size(); ++i) {
            scales[i] = nested[i];
        }
        decode(coded, scales, work);
        if (work.out != nullptr) {
            write(std::move(coded.codes), std::move(nested), *work.out);
        }
    }

    template <class Blocks>
    static void decode(const Blocks& coded, std::span<const parameters> scales, const encoding& work) {
        std::vector<typename Blocks::parameters> stored;
        for (const parameters& p : scales) {
            stored.push_back({p.scale});
        }
        coded.decode(stored, work.decoded, work.threads);
    }

    nested_scales nest(std::span<const parameters> scales) const {
        if (!what_.is_reference) {
            return nested_scales(scales);
        }
        using cpu = tersor::bitsandbytes_cpu<tersor::dynamic8>;
        const tersor::nested_scale_array<parameters, 256, cpu> peer(scales);
        return {{peer.codes().begin(), peer.codes().end()},
                {peer.nested_scales().begin(), peer.nested_scales().end()},
                peer.offset()};
    }
};

template <class Format, index Block>
class block_encoder final : public codebook_encoder<Format> {
    using plain = blockwise<absmax<Format>, Block>;
    using nested = tersor::double_quant<plain>;
    using base = codebook_encoder<Format>;
    using base::options_;
    using base::what_;

public:
    using base::base;

    std::vector<tersor::safetensors_declaration> declare() const override {
        namespace bnb = tersor::bitsandbytes;
        return what_.spec.double_quant ? bnb::declare<nested>(what_.name, what_.shape, options_)
                                       : bnb::declare<plain>(what_.name, what_.shape, options_);
    }

private:
    void write(std::vector<std::uint8_t> codes, std::vector<typename base::parameters> scales,
               tersor::safetensors_model_writer& out) const override {
        append<plain>(std::move(codes), std::move(scales), out);
    }
    void write(std::vector<std::uint8_t> codes, typename base::nested_scales scales,
               tersor::safetensors_model_writer& out) const override {
        append<nested>(std::move(codes), std::move(scales), out);
    }

    template <class Quantizer, class Scales>
    void append(std::vector<std::uint8_t> codes, Scales scales, tersor::safetensors_model_writer& out) const {
        const tersor::quantized_tensor<Quantizer> weight({}, {what_.rows(), what_.cols()}, tersor::flat,
                                                         std::move(codes), std::move(scales));
        tersor::bitsandbytes::append(out, what_.name, weight, options_);
    }
};

template <class Format>
std::unique_ptr<encoder> with_block(const target& what) {
    switch (what.spec.group) {
    case 32:
        return std::make_unique<block_encoder<Format, 32>>(what);
    case 64:
        return std::make_unique<block_encoder<Format, 64>>(what);
    case 128:
        return std::make_unique<block_encoder<Format, 128>>(what);
    case 256:
        return std::make_unique<block_encoder<Format, 256>>(what);
    case 512:
        return std::make_unique<block_encoder<Format, 512>>(what);
    case 1024:
        return std::make_unique<block_encoder<Format, 1024>>(what);
    case 2048:
        return std::make_unique<block_encoder<Format, 2048>>(what);
    case 4096:
        return std::make_unique<block_encoder<Format, 4096>>(what);
    default:
        refuse_combination(what, "it has groups of 32, 64, 128, 256, 512, 1024, 2048 or 4096 values");
    }
}

} // namespace

std::unique_ptr<encoder> make_codebook_encoder(const target& what) {
    if (what.layout != layout::bitsandbytes) {
        refuse_combination(what, "bitsandbytes can");
    }
    refuse_reordering(what);
    return what.spec.format->bits == 8       ? with_block<tersor::dynamic8>(what)
           : what.spec.format->name == "nf4" ? with_block<tersor::nf4>(what)
                                             : with_block<tersor::fp4>(what);
}

} // namespace cli
