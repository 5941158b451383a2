#include "tests/quantizers/codec_suite.hpp"
#include "tests/quantizers/codec_types.hpp"

namespace {
INSTANTIATE_TYPED_TEST_SUITE_P(OtherIntegers, Codec, codec_types::other_integers);
}
