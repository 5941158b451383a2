#include "tests/quantizers/whole_path.hpp"

#include "tersor/formats/dynamic8.hpp"
#include "tersor/formats/fp4.hpp"
#include "tersor/formats/integer.hpp"
#include "tersor/formats/nf4.hpp"
#include "tersor/quantizers/absmax.hpp"
#include "tersor/quantizers/blockwise.hpp"
#include "tersor/quantizers/compressed_tensors.hpp"
#include "tersor/quantizers/double_quant.hpp"
#include "tersor/quantizers/modelopt.hpp"
#include "tersor/quantizers/mx.hpp"
#include "tersor/quantizers/nvfp4.hpp"
#include "tersor/quantizers/per_channel.hpp"
#include "tests/common/golden.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

using namespace tersor;

namespace {

template <class Q>
class WholePath : public testing::Test {};

using whole_path_types =
    testing::Types<blockwise<absmax<nf4>, 64>, blockwise<absmax<fp4>, 128>, blockwise<absmax<dynamic8>, 256>,
                   blockwise<absmax<bitsandbytes_cpu<dynamic8>>, 64>, double_quant<blockwise<absmax<nf4>, 64>, 4>,
                   double_quant<blockwise<absmax<int8>, 16>, 256, bitsandbytes_cpu<dynamic8>>, mxfp4, mxfp6_e2m3,
                   mxfp6_e3m2, mxfp8_e4m3, mxfp8_e5m2, mx<fp4_e2m1, mx_scaling::best>, modelopt_mxfp4, nvfp4,
                   nvfp4_single, modelopt_nvfp4, blockwise<compressed_tensors_absmax<int4>, 32>,
                   per_channel<compressed_tensors_zero_point<int4>>>;
TYPED_TEST_SUITE(WholePath, whole_path_types);

TYPED_TEST(WholePath, EqualsTheDefinitionOnHardValues) {
    for (const float scale : {1.0f, 1e-30f, 1e-41f, 3e4f, 1e38f}) {
        for (const auto& [rows, columns] : {std::pair{1, 1}, {3, 7}, {2, 64}, {5, 130}, {1, 1001}, {4, 256}}) {
            SCOPED_TRACE(std::to_string(scale) + " " + std::to_string(rows) + " x " + std::to_string(columns));
            const auto count = static_cast<std::size_t>(rows * columns);
            whole_path::expect_definition<TypeParam>(whole_path::hard_values(count, scale, true),
                                                     static_cast<std::size_t>(columns));
        }
    }
}

TYPED_TEST(WholePath, EqualsTheDefinitionOnZerosAndConstants) {
    for (const float value : {0.0f, -0.0f, 1.0f, -1e-45f, 1e38f}) {
        SCOPED_TRACE(value);
        whole_path::expect_definition<TypeParam>(std::vector<float>(3 * 70, value), 70);
    }
}

TYPED_TEST(WholePath, EqualsTheDefinitionOnRecordedInputs) {
    for (const auto& [file, name] : {std::pair{"bitsandbytes/midpoints", "nf4.x"},
                                     {"bitsandbytes/midpoints", "dyn.x"},
                                     {"bitsandbytes/nf4", "student3.x"},
                                     {"calibration/mx_blocks", "x"}}) {
        SCOPED_TRACE(name);
        const golden::file recorded(file);
        auto x = recorded.tensor<float>(name);
        for (float& value : x) {
            value = std::isfinite(value) ? value : 0.0f;
        }
        const auto shape = recorded.shape(name);
        whole_path::expect_definition<TypeParam>(x, static_cast<std::size_t>(shape.back()));
    }
}

} // namespace
