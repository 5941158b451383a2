#include "tersor/metrics/allocation_activations.hpp"

#include "tersor/metrics/sensitivity.hpp"
#include "tersor/quantizers/absmax.hpp"
#include "tersor/quantizers/per_channel.hpp"

#include "tests/common/errors.hpp"
#include "tests/common/golden.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

using namespace tersor;

namespace {

using tersor::index;
using row_major = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

// The relative squared error of y = x w^T when each token (row) of x is quantized by itself: |d w^T|^2 is the norm of d
// that w^T w gives.
activation_errors errors_of(const std::string& name, const row_major& x, const row_major& w) {
    const auto costs =
        sensitivity<per_channel<absmax<int4>>, per_channel<absmax<int5>>, per_channel<absmax<int6>>,
                    per_channel<absmax<int7>>, per_channel<absmax<int8>>>(x, hessian_norm((w.transpose() * w).eval()));
    activation_errors layer{name, static_cast<std::size_t>(x.cols()), {}};
    for (int bits = 4; bits <= 8; ++bits) {
        layer.errors.push_back({bits, costs[static_cast<std::size_t>(bits - 4)].relative_error()});
    }
    return layer;
}

// Layers of different widths, one of which has an outlier channel.
std::vector<activation_errors> synthetic_layers() {
    std::vector<activation_errors> layers;
    for (const index columns : {32, 64, 48}) {
        row_major x = row_major::Random(20, columns);
        x.col(3) *= columns == 64 ? 40.0f : 1.0f;
        layers.push_back(errors_of("layer" + std::to_string(columns), x, row_major::Random(24, columns)));
    }
    return layers;
}

// Layers of a language model, where they have been recorded: some tokens, the first outputs.
std::vector<activation_errors> recorded_layers() {
    std::vector<activation_errors> layers;
    for (const std::string linear : {"q_proj", "gate_proj", "down_proj"}) {
        for (const std::string form : {"", "_outlier"}) {
            const std::string name = "activations/small_l3_" + linear + form;
            if (golden::available(name)) {
                const golden::file file(name);
                const std::vector<float> x = file.tensor<float>("x"), w = file.tensor<float>("w");
                const auto columns = static_cast<index>(file.shape("x")[1]);
                const auto rows_of = [columns](const std::vector<float>& values, index most) {
                    const index rows = static_cast<index>(values.size()) / columns;
                    return Eigen::Map<const row_major>(values.data(), std::min(rows, most), columns);
                };
                layers.push_back(errors_of(name, rows_of(x, 8), rows_of(w, 32)));
            }
        }
    }
    return layers;
}

double error_at(const activation_errors& layer, int bits) {
    return layer.errors[static_cast<std::size_t>(bits - 4)].error;
}

// The least error of all assignments of bits.
double least_of_all(const std::vector<activation_errors>& layers, double average) {
    std::size_t values = 0;
    for (const activation_errors& layer : layers) {
        values += layer.values_per_token;
    }
    double least = 1e300;
    std::vector<int> bits(layers.size(), 4);
    for (bool more = true; more;) {
        double error = 0.0, total = 0.0;
        for (std::size_t i = 0; i < layers.size(); ++i) {
            error += error_at(layers[i], bits[i]);
            total += static_cast<double>(layers[i].values_per_token) * bits[i];
        }
        least = total <= average * static_cast<double>(values) ? std::min(least, error) : least;
        more = false;
        for (int& b : bits) {
            b = b == 8 ? 4 : b + 1;
            if (b != 4) {
                more = true;
                break;
            }
        }
    }
    return least;
}

void expect_best_plans(const std::vector<activation_errors>& layers) {
    for (const activation_errors& layer : layers) {
        for (int bits = 5; bits <= 8; ++bits) {
            EXPECT_LT(error_at(layer, bits), error_at(layer, bits - 1)) << layer.name << " " << bits;
        }
    }
    double last = 1e300;
    for (const double average : {4.0, 4.7, 5.5, 6.0, 7.3, 8.0}) {
        const activation_plan plan = reduce_activation_bits(layers, average);
        EXPECT_LE(plan.average_bits, average);
        EXPECT_TRUE(plan.is_optimal);
        EXPECT_NEAR(plan.error, least_of_all(layers, average), 1e-12) << average;
        EXPECT_LE(plan.error, last);
        last = plan.error;
        if (average == std::floor(average)) {
            double uniform = 0.0;
            for (const activation_errors& layer : layers) {
                uniform += error_at(layer, static_cast<int>(average));
            }
            EXPECT_LE(plan.error, uniform);
        }
    }
}

TEST(ReduceActivationBits, IsTheBestAssignment) {
    expect_best_plans(synthetic_layers());
}

TEST(ReduceActivationBits, IsTheBestAssignmentForRecordedLayers) {
    // Without the recorded set this is the plan of no layer.
    const std::vector<activation_errors> layers = recorded_layers();
    if (layers.empty()) {
        EXPECT_TRUE(reduce_activation_bits(layers, 4.0).bits.empty());
    } else {
        expect_best_plans(layers);
    }
}

TEST(ReduceActivationBits, LayersWithOutliersGetMoreBits) {
    const std::vector<activation_errors> layers = synthetic_layers();
    const activation_plan plan = reduce_activation_bits(layers, 6.0);
    EXPECT_GT(plan.bits[1], plan.bits[0]);
    EXPECT_GT(plan.bits[1], plan.bits[2]);
}

auto refused(const std::vector<activation_errors>& layers, double average) {
    return code_of_error([&] { return reduce_activation_bits(layers, average); });
}

TEST(ReduceActivationBits, BadInputIsRefused) {
    EXPECT_EQ(refused({{"a", 8, {{4, 1.0}, {8, 0.1}}}}, 4.0), std::nullopt);
    EXPECT_EQ(refused({{"a", 8, {{4, 1.0}, {8, 0.1}}}}, 3.9), error_code::invalid_argument);
    EXPECT_EQ(refused({{"a", 8, {{4, 1.0}}}}, std::nan("")), error_code::invalid_argument);
    EXPECT_EQ(refused({{"a", 8, {{4, 1.0}}}}, 65.0), error_code::invalid_argument);
    EXPECT_EQ(refused({{"a", 8, {{0, 1.0}}}}, 4.0), error_code::invalid_argument);
    EXPECT_EQ(refused({{"a", 0, {{4, 1.0}}}}, 4.0), error_code::invalid_argument);
    EXPECT_EQ(refused({{"a", 8, {}}}, 4.0), error_code::invalid_argument);
    EXPECT_EQ(refused({{"a", 8, {{4, std::nan("")}}}}, 4.0), error_code::non_finite);
}

} // namespace
