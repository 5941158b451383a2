// mxfp4, nvfp4, and the types of one to two bits without a search.

#include "gguf_codec_of.hpp"

#include "tersor/quantizers/gguf/mxfp4.hpp"
#include "tersor/quantizers/gguf/nvfp4.hpp"
#include "tersor/quantizers/gguf/q1_0.hpp"
#include "tersor/quantizers/gguf/q2_0.hpp"
#include "tersor/quantizers/gguf/tq1_0.hpp"
#include "tersor/quantizers/gguf/tq2_0.hpp"

#include <array>

namespace cli {

std::span<const gguf_codec> small_gguf_codecs() noexcept {
    namespace gguf = tersor::gguf;
    static constexpr std::array all{gguf_codec_of<gguf::mxfp4>(), gguf_codec_of<gguf::nvfp4>(),
                                    gguf_codec_of<gguf::q1_0>(),  gguf_codec_of<gguf::q2_0>(),
                                    gguf_codec_of<gguf::tq1_0>(), gguf_codec_of<gguf::tq2_0>()};
    return all;
}

} // namespace cli
