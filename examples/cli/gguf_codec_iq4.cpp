// iq4_nl, iq4_xs: sixteen uneven levels.

#include "gguf_codec_of.hpp"

#include "tersor/quantizers/gguf/iq4_nl.hpp"
#include "tersor/quantizers/gguf/iq4_xs.hpp"

#include <array>

namespace cli {

std::span<const gguf_codec> iq4_gguf_codecs() noexcept {
    namespace gguf = tersor::gguf;
    static constexpr std::array all{gguf_codec_of<gguf::iq4_nl>(), gguf_codec_of<gguf::iq4_xs>()};
    return all;
}

} // namespace cli
