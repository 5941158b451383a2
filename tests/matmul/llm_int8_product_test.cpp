#include "tersor/matmul/llm_int8_product.hpp"

#include "tests/common/golden.hpp"
#include "tests/common/errors.hpp"
#include "tests/common/isas.hpp"

#include <unsupported/Eigen/CXX11/ThreadPool>

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <limits>
#include <string>
#include <vector>

using namespace tersor;

namespace {

using tersor::index;
using matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

matrix matrix_of(const golden::file& file, const std::string& name) {
    const auto shape = file.shape(name);
    const auto values = file.tensor<float>(name);
    return Eigen::Map<const matrix>(values.data(), shape[0], shape[1]);
}

TEST(LlmInt8Linear, ReproducesTheRecordedProducts) {
    const golden::file file("bitsandbytes/int8");
    int exact = 0, near = 0;
    for (const std::string& tensor : file.names()) {
        if (!tensor.ends_with(".y")) {
            continue;
        }
        const std::string name = tensor.substr(0, tensor.size() - 2), stem = name.substr(0, name.find(".t"));
        SCOPED_TRACE(name);
        llm_int8_options options{.threshold = std::stof(name.substr(name.rfind(".t") + 2))};
        if (file.has(stem + ".bias")) {
            options.bias = file.tensor<float>(stem + ".bias");
        }
        const std::string w = file.has(stem + ".w") ? stem + ".w" : "w";
        const llm_int8_linear<llm_int8> layer(matrix_of(file, w), options);
        const matrix x = matrix_of(file, stem + ".x"), y = matrix_of(file, tensor);
        const bool is_bf16 = file.dtype(tensor) == safetensors_dtype::bf16;
        isas::for_each_isa([&] {
            const matrix result = layer(x);
            ASSERT_EQ(result.rows(), y.rows());
            if (options.threshold == 0.0f && !is_bf16) {
                EXPECT_EQ(result, y);
                ++exact;
            } else {
                const float tolerance = is_bf16 ? 1e-2f : 1e-6f;
                EXPECT_LE((result - y).cwiseAbs().maxCoeff(), tolerance * y.cwiseAbs().maxCoeff());
                ++near;
            }
        });
        if (file.has(name + ".i32") || file.has(name + ".i32_exact")) {
            activation_quantizer<llm_int8> quantizer(activation_options{.threshold = options.threshold});
            const auto sums =
                file.tensor<std::int32_t>(file.has(name + ".i32_exact") ? name + ".i32_exact" : name + ".i32");
            const auto product = int8_product(quantizer.quantize(x).codes, layer.weights());
            EXPECT_TRUE(std::equal(sums.begin(), sums.end(), product.data(), product.data() + product.size()));
        }
    }
    EXPECT_GT(exact, 0);
    EXPECT_GT(near, 0);
}

// |x Q - x W|^2 / |x W|^2 in double.
double relative_error(const matrix& y, const matrix& x, const matrix& w) {
    const Eigen::MatrixXd exact = x.cast<double>() * w.cast<double>().transpose();
    return (y.cast<double>() - exact).squaredNorm() / exact.squaredNorm();
}

// The error of the method as published: rows of x without the outlier columns and rows of w by absmax / 127 in double,
// outlier columns exact.
double published_error(const matrix& x, const matrix& w, float threshold) {
    const auto rounded = [](const Eigen::MatrixXd& m) {
        Eigen::MatrixXd result = m;
        for (index r = 0; r < m.rows(); ++r) {
            const double scale = m.row(r).cwiseAbs().maxCoeff() / 127.0;
            for (index c = 0; c < m.cols() && scale > 0.0; ++c) {
                result(r, c) = std::nearbyint(m(r, c) / scale) * scale;
            }
        }
        return result;
    };
    Eigen::MatrixXd regular = x.cast<double>(), outliers = Eigen::MatrixXd::Zero(x.rows(), x.cols());
    for (const index c : outlier_columns(x, threshold)) {
        outliers.col(c).swap(regular.col(c));
    }
    const Eigen::MatrixXd y =
        rounded(regular) * rounded(w.cast<double>()).transpose() + outliers * w.cast<double>().transpose();
    return relative_error(y.cast<float>(), x, w);
}

// The figure "llm_int8_thr6" of one case in the recorded table.
double recorded_error(const std::string& name) {
    std::ifstream stream(golden::shared_folder() + "/golden/activations/small_reference_errors.json");
    const std::string text{std::istreambuf_iterator<char>(stream), {}};
    const std::size_t place = text.find("\"llm_int8_thr6\"", text.find('"' + name + '"'));
    return std::stod(text.substr(text.find(':', place) + 1));
}

TEST(LlmInt8Linear, IsAtLeastAsAccurateAsTheMethodAsPublished) {
    // Activations as of a network: normal, some columns far larger whose weights are as much smaller.
    matrix x(60, 300), w(40, 300);
    for (index i = 0; i < x.size(); ++i) {
        x.data()[i] =
            3.0f * (uniform(1, static_cast<std::uint64_t>(i)) + uniform(2, static_cast<std::uint64_t>(i)) - 1.0f);
    }
    for (index i = 0; i < w.size(); ++i) {
        w.data()[i] = uniform(3, static_cast<std::uint64_t>(i)) - 0.5f;
    }
    for (const index c : {7, 150, 299}) {
        x.col(c) *= 40.0f;
        w.col(c) /= 40.0f;
    }
    const llm_int8_linear<> layer(w, {.columns = outlier_columns(x)});
    EXPECT_EQ(layer.columns().size(), 3u);
    EXPECT_LE(relative_error(layer(x), x, w), published_error(x, w, 6.0f));

    std::vector<std::string> recorded;
    for (const std::string part : {"q_proj", "gate_proj", "down_proj"}) {
        for (const std::string form : {"", "_outlier"}) {
            if (golden::available("activations/small_l3_" + part + form)) {
                SCOPED_TRACE(part + form);
                const golden::file file("activations/small_l3_" + part + form);
                const matrix values = matrix_of(file, "x"), weights = matrix_of(file, "w");
                const llm_int8_linear<> linear(weights, {.columns = outlier_columns(values)});
                EXPECT_LE(relative_error(linear(values), values, weights),
                          recorded_error(part + (form.empty() ? ".plain" : ".outlier")));
            }
        }
    }
}

// The layer by its definition, from the codes and scales that it holds.
matrix by_definition(const llm_int8_linear<>& layer, const matrix& x, const matrix& w, const std::vector<float>& bias,
                     float threshold) {
    std::vector<index> columns = layer.columns();
    for (const index c : outlier_columns(x, threshold)) {
        if (!std::binary_search(layer.columns().begin(), layer.columns().end(), c)) {
            columns.push_back(c);
        }
    }
    matrix rest = x;
    for (const index c : columns) {
        rest.col(c).setZero();
    }
    const auto cx = quantize<per_channel<absmax<int8>>>(rest);
    const auto& cw = layer.weights();
    const auto code = [](const auto& q, index r, index c) {
        return static_cast<std::int8_t>(q.codes()[static_cast<std::size_t>(r * q.cols() + c)]);
    };
    matrix y(x.rows(), w.rows());
    for (index t = 0; t < x.rows(); ++t) {
        for (index r = 0; r < w.rows(); ++r) {
            std::int32_t sum = 0;
            for (index k = 0; k < x.cols(); ++k) {
                sum += code(cx, t, k) * code(cw, r, k);
            }
            const float sw = cw.parameters()[static_cast<std::size_t>(r)].scale;
            float outliers = 0.0f;
            for (std::size_t i = 0; i < columns.size(); ++i) {
                const index c = columns[i];
                const float weight = i < layer.columns().size() ? w(r, c) : static_cast<float>(code(cw, r, c)) * sw;
                outliers = std::fma(weight, x(t, c), outliers);
            }
            const float scaled = static_cast<float>(sum) * (cx.parameters()[static_cast<std::size_t>(t)].scale * sw);
            volatile float with_bias = scaled + bias[static_cast<std::size_t>(r)];
            y(t, r) = with_bias + outliers;
        }
    }
    return y;
}

TEST(LlmInt8Linear, IsItsDefinitionWithEveryInstructionSetAndThreads) {
    const matrix w = matrix::Random(70, 130);
    std::vector<float> bias(70);
    for (std::size_t r = 0; r < bias.size(); ++r) {
        bias[r] = uniform(5, r);
    }
    for (const index tokens : {1, 3, 40}) {
        matrix x = 3.0f * matrix::Random(tokens, 130);
        x(tokens - 1, 100) = 7.0f;
        x(0, 20) = -6.0f;
        const llm_int8_linear<> layer(w, {.columns = {64, 20}, .bias = bias});
        EXPECT_EQ(layer.columns(), (std::vector<index>{20, 64}));
        const matrix expected = by_definition(layer, x, w, bias, 6.0f);
        Eigen::ThreadPool pool(2);
        isas::for_each_isa([&] {
            EXPECT_EQ(layer(x), expected) << tokens;
            EXPECT_EQ(layer(x, pool), expected) << tokens;
        });
        EXPECT_EQ(layer(x.transpose().eval().transpose()), expected);
        EXPECT_EQ(layer(x.cast<double>().eval()), expected);
        EXPECT_EQ(layer(x.row(0).eval()).row(0), layer(x.topRows(1)).row(0));
    }
}

TEST(LlmInt8Linear, TakesQuantizedWeights) {
    const matrix w = matrix::Random(20, 50), x = 8.0f * matrix::Random(6, 50);
    const llm_int8_linear<llm_int8> from_floats(w), from_codes(quantize<llm_int8>(w));
    EXPECT_EQ(from_floats(x), from_codes(x));
    // Decoded weights for the columns given beforehand too.
    const llm_int8_linear<llm_int8> given(quantize<llm_int8>(w), {.columns = outlier_columns(x)});
    EXPECT_EQ(given(x), from_codes(x));
}

TEST(LlmInt8Linear, RefusesBadInput) {
    const matrix w = matrix::Random(4, 10);
    const llm_int8_linear<> layer(w);
    EXPECT_EQ(error_of([&] { (void)layer(matrix(3, 9)); }),
              "shape_mismatch: LLM.int8: x [3 x 9] does not fit weights [4 x 10]: expected as many columns");
    matrix x = matrix::Random(3, 10);
    x(1, 8) = -std::numeric_limits<float>::infinity();
    EXPECT_EQ(error_of([&] { (void)layer(x); }), "non_finite: activations: token 1, channel 8 is -infinity");
    EXPECT_EQ(error_of([&] { llm_int8_linear<>(w, {.threshold = -1.0f}); }),
              "invalid_argument: the threshold of outliers is -1.000000: expected a positive number, or 0 for none");
    EXPECT_EQ(error_of([&] { llm_int8_linear<>(w, {.threshold = std::nanf("")}); }).substr(0, 16), "invalid_argument");
    EXPECT_EQ(error_of([&] { llm_int8_linear<>(w, {.columns = {10}}); }),
              "invalid_argument: LLM.int8: column 10 of weights with 10 columns");
    EXPECT_EQ(error_of([&] { llm_int8_linear<>(w, {.bias = {1.0f}}); }),
              "shape_mismatch: LLM.int8: a bias of 1 numbers for 4 rows of weights");
    EXPECT_EQ(error_of([&] { llm_int8_linear<>(matrix::Constant(2, 3, std::nanf("")), {.columns = {1}}); }),
              "non_finite: the weight of row 0, column 1 is not finite");
    EXPECT_EQ(layer(matrix(0, 10)).cols(), 4);
    EXPECT_EQ(llm_int8_linear<>(matrix(2, 0), {.bias = {1.0f, 2.0f}})(matrix(1, 0))(0, 1), 2.0f);
}

} // namespace
