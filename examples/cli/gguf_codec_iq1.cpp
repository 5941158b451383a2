// iq1_s, iq1_m: ternary vectors of eight from a grid.

#include "gguf_codec_of.hpp"

#include "tersor/quantizers/gguf/iq1_m.hpp"
#include "tersor/quantizers/gguf/iq1_s.hpp"

#include <array>

namespace cli {

std::span<const gguf_codec> iq1_gguf_codecs() noexcept {
    namespace gguf = tersor::gguf;
    static constexpr std::array all{gguf_codec_of<gguf::iq1_s>(), gguf_codec_of<gguf::iq1_m>()};
    return all;
}

} // namespace cli
