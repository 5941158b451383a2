#include "tests/quantizers/codec_suite.hpp"
#include "tests/quantizers/codec_types.hpp"

namespace {
INSTANTIATE_TYPED_TEST_SUITE_P(UnsignedZeroPoints, Codec, codec_types::unsigned_zero_points);
}
