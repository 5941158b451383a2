// f32, f16, bf16: a cast; and the choice among all encoders.

#include "encoder.hpp"

#include "text.hpp"
#include "usage.hpp"

#include "tersor/formats/convert.hpp"
#include "tersor/formats/half.hpp"

#include <algorithm>
#include <array>

namespace cli {

namespace {

class plain_encoder final : public encoder {
public:
    explicit plain_encoder(const target& what) : what_(what) {}

    std::vector<tersor::safetensors_declaration> declare() const override {
        using type = tersor::safetensors_dtype;
        const std::string_view name = what_.spec.format->name;
        return {{what_.name, name == "f32" ? type::f32 : name == "f16" ? type::f16 : type::bf16, what_.shape}};
    }

    void encode(const encoding& work) override {
        if (what_.spec.format->name == "f32") {
            std::ranges::copy(work.values, work.decoded.begin());
            if (work.out != nullptr) {
                work.out->append(what_.name, work.values);
            }
        } else if (what_.spec.format->name == "f16") {
            cast<tersor::fp16>(work);
        } else {
            cast<tersor::bf16>(work);
        }
    }

private:
    template <class Half>
    void cast(const encoding& work) const {
        std::vector<std::uint16_t> codes(work.values.size());
        tersor::encode<Half>(work.values, codes);
        tersor::decode<Half>(codes, work.decoded);
        if (work.out != nullptr) {
            work.out->append(what_.name, codes);
        }
    }

    target what_;
};

} // namespace

std::string_view to_string(layout kind) noexcept {
    constexpr std::array<std::string_view, 7> names{"plain", "bitsandbytes",       "gptq", "gptq-v2",
                                                    "awq",   "compressed-tensors", "gguf"};
    return names[static_cast<std::size_t>(kind)];
}

void refuse_combination(const target& what, const std::string& possible) {
    throw usage_error("the layout " + std::string(to_string(what.layout)) + " cannot hold '" + what.name + "' as " +
                      what.spec.text() + ": " + possible);
}

void refuse_reordering(const target& what) {
    if (what.reorders) {
        refuse_combination(what, "with --act-order its groups are no runs of columns, and only gptq, gptq-v2 and the "
                                 "integers of compressed-tensors have an index of them; with --static-groups they "
                                 "stay in order");
    }
}

std::unique_ptr<encoder> make_plain_encoder(const target& what) {
    return std::make_unique<plain_encoder>(what);
}

std::unique_ptr<encoder> make_encoder(const target& what) {
    switch (what.spec.format->family) {
    case family::absmax:
        return make_absmax_encoder(what);
    case family::zero_point:
        return make_zero_point_encoder(what);
    case family::codebook:
        return make_codebook_encoder(what);
    case family::plain:
        return make_plain_encoder(what);
    default:
        return make_float_encoder(what);
    }
}

} // namespace cli
