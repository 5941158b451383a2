// iq3_xxs, iq3_s: vectors of four from a grid.

#include "gguf_codec_of.hpp"

#include "tersor/quantizers/gguf/iq3_s.hpp"
#include "tersor/quantizers/gguf/iq3_xxs.hpp"

#include <array>

namespace cli {

std::span<const gguf_codec> iq3_gguf_codecs() noexcept {
    namespace gguf = tersor::gguf;
    static constexpr std::array all{gguf_codec_of<gguf::iq3_xxs>(), gguf_codec_of<gguf::iq3_s>()};
    return all;
}

} // namespace cli
