#include "tests/quantizers/codec_suite.hpp"
#include "tests/quantizers/codec_types.hpp"

namespace {
INSTANTIATE_TYPED_TEST_SUITE_P(BlockFormats, Codec, codec_types::block_formats);
}
