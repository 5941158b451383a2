// q4_0, q4_1, q5_0, q5_1, q8_0, q8_1: one scale, or a scale and a minimum, per 32 values.

#include "gguf_codec_of.hpp"

#include "tersor/quantizers/gguf/q4_0.hpp"
#include "tersor/quantizers/gguf/q4_1.hpp"
#include "tersor/quantizers/gguf/q5_0.hpp"
#include "tersor/quantizers/gguf/q5_1.hpp"
#include "tersor/quantizers/gguf/q8_0.hpp"
#include "tersor/quantizers/gguf/q8_1.hpp"

#include <array>

namespace cli {

std::span<const gguf_codec> legacy_gguf_codecs() noexcept {
    namespace gguf = tersor::gguf;
    static constexpr std::array all{gguf_codec_of<gguf::q4_0>(), gguf_codec_of<gguf::q4_1>(),
                                    gguf_codec_of<gguf::q5_0>(), gguf_codec_of<gguf::q5_1>(),
                                    gguf_codec_of<gguf::q8_0>(), gguf_codec_of<gguf::q8_1>()};
    return all;
}

} // namespace cli
