// nf4, fp4 and dynamic8 in blocks along the flat tensor, in the bitsandbytes layout.

#include "encoder.hpp"
#include "runs.hpp"

#include "tersor/io/bitsandbytes.hpp"
#include "tersor/quantizers/blockwise.hpp"

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
        const std::vector<float> clipped = clip(values, block, range, threads);
        const std::span<const float> x = clipped.empty() ? values : std::span<const float>(clipped);
        auto coded = quantize_runs<quantizer>(x.first(whole_), block, range, threads);
        codes = std::move(coded.codes);
        scales = std::move(coded.parameters);
        if (whole_ < x.size()) {
            add_tail(x.subspan(whole_), range);
        }
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
        options_.original =
            what.original == tersor::safetensors_dtype::f64 ? tersor::safetensors_dtype::f32 : what.original;
    }

    // The text of the offset has the length that the peer gives it only if it is known before.
    bool wants_values() const noexcept override { return what_.spec.double_quant && what_.is_reference; }

    void prepare(std::span<const float> values, const tersor::execution& threads) override {
        const flat_blocks<Format> coded(values, block(), what_.spec.range, threads);
        options_.offset = nest(coded.scales).offset();
    }

    void encode(std::span<const float> values, const tersor::execution& threads, tersor::safetensors_model_writer& out,
                std::span<float> decoded) override {
        if constexpr (std::is_same_v<Format, tersor::dynamic8>) {
            if (what_.is_reference) {
                return encode_as_peer(values, threads, out, decoded);
            }
        }
        flat_blocks<Format> coded(values, block(), what_.spec.range, threads);
        store(coded, std::move(coded.scales), threads, out, decoded);
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

    void encode_as_peer(std::span<const float> values, const tersor::execution& threads,
                        tersor::safetensors_model_writer& out, std::span<float> decoded) const {
        flat_blocks<tersor::bitsandbytes_cpu<Format>> coded(values, block(), what_.spec.range, threads);
        std::vector<parameters> scales;
        for (const auto& p : coded.scales) {
            scales.push_back({p.scale});
        }
        store(coded, std::move(scales), threads, out, decoded);
    }

    template <class Blocks>
    void store(Blocks& coded, std::vector<parameters> scales, const tersor::execution& threads,
               tersor::safetensors_model_writer& out, std::span<float> decoded) const {
        if (!what_.spec.double_quant) {
            decode(coded, scales, decoded, threads);
            return write(std::move(coded.codes), std::move(scales), out);
        }
        nested_scales nested = nest(scales);
        for (std::size_t i = 0; i < scales.size(); ++i) {
            scales[i] = nested[i];
        }
        decode(coded, scales, decoded, threads);
        write(std::move(coded.codes), std::move(nested), out);
    }

    template <class Blocks>
    static void decode(const Blocks& coded, std::span<const parameters> scales, std::span<float> decoded,
                       const tersor::execution& threads) {
        std::vector<typename Blocks::parameters> stored;
        for (const parameters& p : scales) {
            stored.push_back({p.scale});
        }
        coded.decode(stored, decoded, threads);
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
    return what.spec.format->bits == 8       ? with_block<tersor::dynamic8>(what)
           : what.spec.format->name == "nf4" ? with_block<tersor::nf4>(what)
                                             : with_block<tersor::fp4>(what);
}

} // namespace cli
