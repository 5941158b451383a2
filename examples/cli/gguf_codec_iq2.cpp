// iq2_xxs, iq2_xs, iq2_s: vectors of eight from a grid.

#include "gguf_codec_of.hpp"

#include "tersor/quantizers/gguf/iq2_s.hpp"
#include "tersor/quantizers/gguf/iq2_xs.hpp"
#include "tersor/quantizers/gguf/iq2_xxs.hpp"

#include <array>

namespace cli {

std::span<const gguf_codec> iq2_gguf_codecs() noexcept {
    namespace gguf = tersor::gguf;
    static constexpr std::array all{gguf_codec_of<gguf::iq2_xxs>(), gguf_codec_of<gguf::iq2_xs>(),
                                    gguf_codec_of<gguf::iq2_s>()};
    return all;
}

} // namespace cli
