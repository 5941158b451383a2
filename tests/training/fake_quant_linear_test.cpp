#include "tersor/training/fake_quant_linear.hpp"

#include "tests/common/golden.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <limits>
#include <string>
#include <vector>

using namespace tersor;

namespace {

TEST(FakeQuantizeLinear, ReproducesPyTorchPerTensor) {
    const golden::file file("calibration/fake_quant");
    int checked = 0;
    for (const std::string& name : file.names()) {
        if (!name.starts_with("pt") || !name.ends_with(".params")) {
            continue;
        }
        SCOPED_TRACE(name);
        const std::string stem = name.substr(0, name.find('.'));
        const auto params = file.tensor<double>(name);
        const affine_parameters p{static_cast<float>(params[0]), static_cast<std::int32_t>(params[1])};
        const integer_bounds bounds{static_cast<std::int32_t>(params[2]), static_cast<std::int32_t>(params[3])};
        const auto x = file.tensor<float>(stem + ".x"), y = file.tensor<float>(stem + ".y");
        const auto dx = file.tensor<float>(stem + ".dx"), dy = file.tensor<float>(stem + ".dy");
        for (std::size_t i = 0; i < x.size(); ++i) {
            ASSERT_EQ(fake_quantize_linear(x[i], p, bounds), y[i]) << i << ": " << x[i];
            ASSERT_EQ(fake_quantize_linear_gradient(x[i], dy[i], p, bounds), dx[i]) << i << ": " << x[i];
        }
        ++checked;
    }
    EXPECT_GT(checked, 0);
}

TEST(FakeQuantizeLinear, ReproducesPyTorchPerChannel) {
    const golden::file file("calibration/fake_quant");
    int checked = 0;
    for (const std::string& name : file.names()) {
        if (!name.ends_with(".axis_lo_hi")) {
            continue;
        }
        SCOPED_TRACE(name);
        const std::string stem = name.substr(0, name.find('.'));
        const auto about = file.tensor<std::int32_t>(name);
        const integer_bounds bounds{about[1], about[2]};
        const auto shape = file.shape(stem + ".x");
        std::size_t inner = 1;
        for (std::size_t i = static_cast<std::size_t>(about[0]) + 1; i < shape.size(); ++i) {
            inner *= static_cast<std::size_t>(shape[i]);
        }
        const auto scale = file.tensor<float>(stem + ".scale");
        const auto zero = file.tensor<std::int32_t>(stem + ".zero_point");
        const auto x = file.tensor<float>(stem + ".x"), y = file.tensor<float>(stem + ".y");
        const auto dx = file.tensor<float>(stem + ".dx"), dy = file.tensor<float>(stem + ".dy");
        for (std::size_t i = 0; i < x.size(); ++i) {
            const std::size_t channel = i / inner % scale.size();
            const affine_parameters p{scale[channel], zero[channel]};
            ASSERT_EQ(fake_quantize_linear(x[i], p, bounds), y[i]) << i << ": " << x[i];
            ASSERT_EQ(fake_quantize_linear_gradient(x[i], dy[i], p, bounds), dx[i]) << i << ": " << x[i];
        }
        ++checked;
    }
    EXPECT_GT(checked, 0);
}

TEST(FakeQuantizeLinear, ReproducesModelOptimizer) {
    const golden::file file("calibration/fake_quant");
    int checked = 0;
    for (const std::string& name : file.names()) {
        if (!name.ends_with(".bits_unsigned_narrow")) {
            continue;
        }
        SCOPED_TRACE(name);
        const std::string stem = name.substr(0, name.find('.'));
        const auto about = file.tensor<std::int32_t>(name);
        const std::int32_t most = (1 << (about[0] - 1 + about[1])) - 1;
        const integer_bounds bounds{about[1] != 0 ? 0 : about[2] != 0 ? -most : -most - 1, most};
        const float amax = file.tensor<float>(stem + ".amax")[0];
        const auto x = file.tensor<float>(stem + ".x"), y = file.tensor<float>(stem + ".y");
        const auto dx = file.tensor<float>(stem + ".dx"), dy = file.tensor<float>(stem + ".dy");
        for (std::size_t i = 0; i < x.size(); ++i) {
            ASSERT_EQ(modelopt_fake_quantize(x[i], amax, bounds), y[i]) << i << ": " << x[i];
            ASSERT_EQ(modelopt_fake_quantize_gradient(x[i], dy[i], amax), dx[i]) << i << ": " << x[i];
        }
        ++checked;
    }
    EXPECT_GT(checked, 0);
    const auto amax = file.tensor<float>("mo_zero_amax.amax");
    const auto x = file.tensor<float>("mo_zero_amax.x"), y = file.tensor<float>("mo_zero_amax.y");
    const std::size_t columns = x.size() / amax.size();
    for (std::size_t i = 0; i < x.size(); ++i) {
        EXPECT_EQ(modelopt_fake_quantize(x[i], amax[i / columns], {-127, 127}), y[i]) << i << ": " << x[i];
    }
}

TEST(FakeQuantizeLinear, WorksOnEigenObjects) {
    constexpr affine_parameters p{0.25f, 3};
    constexpr integer_bounds bounds{0, 15};
    Eigen::ArrayXXf x(2, 2), dy(2, 2);
    x << -1.0f, 0.3f, 2.9f, 3.2f;
    dy << 1.0f, 2.0f, 3.0f, 4.0f;
    Eigen::ArrayXXf y(2, 2), dx(2, 2);
    y << -0.75f, 0.25f, 3.0f, 3.0f;
    dx << 0.0f, 2.0f, 3.0f, 0.0f;
    EXPECT_TRUE((fake_quantize_linear(x, p, bounds) == y).all());
    EXPECT_TRUE((fake_quantize_linear_gradient(x, dy, p, bounds) == dx).all());
    EXPECT_TRUE((fake_quantize_linear(x.matrix().transpose(), p, bounds).array() == y.transpose()).all());
    try {
        static_cast<void>(fake_quantize_linear_gradient(x, dy.row(0), p, bounds));
        FAIL();
    } catch (const error& e) {
        EXPECT_EQ(e.code(), error_code::shape_mismatch);
    }
}

TEST(FakeQuantizeLinear, ExtremesSaturate) {
    constexpr float infinity = std::numeric_limits<float>::infinity();
    constexpr affine_parameters p{1e-30f, 3};
    EXPECT_EQ(fake_quantize_linear(infinity, p, {0, 15}), 12.0f * 1e-30f);
    EXPECT_EQ(fake_quantize_linear(-3e38f, p, {0, 15}), -3.0f * 1e-30f);
    EXPECT_EQ(fake_quantize_linear(std::numeric_limits<float>::quiet_NaN(), p, {0, 15}), 0.0f);
    EXPECT_EQ(modelopt_fake_quantize(-infinity, 1.0f, {-128, 127}), -128.0f / 127.0f);
}

} // namespace
