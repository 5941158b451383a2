#include "tests/quantizers/codec_suite.hpp"
#include "tests/quantizers/codec_types.hpp"

namespace {
INSTANTIATE_TYPED_TEST_SUITE_P(SignedZeroPoints, Codec, codec_types::signed_zero_points);
}
