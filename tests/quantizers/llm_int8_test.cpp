#include "tersor/quantizers/llm_int8_activations.hpp"

#include "tersor/quantizers/quantize.hpp"
#include "tests/common/golden.hpp"
#include "tests/common/isas.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cstdint>
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

// Names "<case>.t<threshold>" of the tensors that end so.
std::vector<std::string> cases_of(const golden::file& file, const std::string& ending) {
    std::vector<std::string> result;
    for (const std::string& name : file.names()) {
        if (name.ends_with(ending)) {
            result.push_back(name.substr(0, name.size() - ending.size()));
        }
    }
    return result;
}

float threshold_of(const std::string& name) {
    const std::size_t place = name.rfind(".t");
    return place == std::string::npos ? 0.0f : std::stof(name.substr(place + 2));
}

void expect_codes(const quantized_tensor<llm_int8, 2>& q, const std::vector<std::int8_t>& codes,
                  const std::vector<float>& largest) {
    ASSERT_EQ(q.codes().size(), codes.size());
    for (std::size_t i = 0; i < codes.size(); ++i) {
        ASSERT_EQ(static_cast<std::int8_t>(q.codes()[i]), codes[i]) << i;
    }
    ASSERT_EQ(q.parameters().size(), largest.size());
    for (std::size_t r = 0; r < largest.size(); ++r) {
        EXPECT_EQ(q.parameters()[r].largest, largest[r]) << r;
    }
}

TEST(LlmInt8, ReproducesTheRecordedRows) {
    const golden::file file("bitsandbytes/int8_rows");
    for (const std::string& name : cases_of(file, ".c")) {
        SCOPED_TRACE(name);
        const matrix x = matrix_of(file, name.substr(0, name.find(".t")) + ".x");
        activation_quantizer<llm_int8> quantizer(activation_options{.threshold = threshold_of(name)});
        isas::for_each_isa([&] {
            const auto& q = quantizer.quantize(x);
            expect_codes(q.codes, file.tensor<std::int8_t>(name + ".c"), file.tensor<float>(name + ".s"));
            if (file.has(name + ".outlier_cols")) {
                const auto columns = file.tensor<std::int64_t>(name + ".outlier_cols");
                EXPECT_EQ(q.kept.columns, std::vector<index>(columns.begin(), columns.end()));
                EXPECT_EQ(outlier_columns(x, threshold_of(name)), q.kept.columns);
            }
            if (file.has(name + ".dq")) {
                const auto values = file.tensor<float>(name + ".dq");
                for (index i = 0; i < q.codes.size(); ++i) {
                    const auto code = static_cast<std::int8_t>(q.codes.codes()[static_cast<std::size_t>(i)]);
                    const auto p = q.codes.parameters()[static_cast<std::size_t>(i / x.cols())];
                    ASSERT_EQ(llm_int8{}.decode(code, p), values[static_cast<std::size_t>(i)]) << i;
                }
            }
        });
    }
}

TEST(LlmInt8, ReproducesTheRecordedActivationsAndWeights) {
    const golden::file file("bitsandbytes/int8");
    int checked = 0;
    for (const std::string& name : cases_of(file, ".cx")) {
        SCOPED_TRACE(name);
        const matrix x = matrix_of(file, name.substr(0, name.find(".t")) + ".x");
        activation_quantizer<llm_int8> quantizer(activation_options{.threshold = threshold_of(name)});
        const auto& q = quantizer.quantize(x);
        expect_codes(q.codes, file.tensor<std::int8_t>(name + ".cx"), file.tensor<float>(name + ".scx"));
        if (file.has(name + ".outlier_cols")) {
            const auto columns = file.tensor<std::int64_t>(name + ".outlier_cols");
            EXPECT_EQ(q.kept.columns, std::vector<index>(columns.begin(), columns.end()));
            for (std::size_t i = 0; i < columns.size(); ++i) {
                EXPECT_EQ(q.kept(x.rows() - 1, static_cast<index>(i)), x(x.rows() - 1, columns[i]));
            }
        }
        ++checked;
    }
    EXPECT_GE(checked, 5);
    for (const std::string& name : cases_of(file, "scw")) {
        expect_codes(quantize<llm_int8>(matrix_of(file, name + "w")), file.tensor<std::int8_t>(name + "cw"),
                     file.tensor<float>(name + "scw"));
    }
}

TEST(LlmInt8, OutlierElementsDoNotCountForTheScaleButTheirColumnsDo) {
    matrix x(2, 3);
    x << 6.0f, 1.0f, 2.0f, 5.0f, -3.0f, 0.5f;
    activation_quantizer<llm_int8> quantizer(activation_options{.threshold = 6.0f});
    const auto& q = quantizer.quantize(x);
    EXPECT_EQ(q.kept.columns, std::vector<index>{0});
    EXPECT_EQ(q.codes.parameters()[0].largest, 2.0f);
    EXPECT_EQ(q.codes.parameters()[1].largest, 5.0f);
    EXPECT_EQ(q.codes.codes()[0], 0);
    EXPECT_EQ(q.codes.codes()[3], 0);
    EXPECT_EQ(q.kept(1, 0), 5.0f);
}

TEST(LlmInt8, NamesTokenAndChannelOfBadValues) {
    for (const float threshold : {0.0f, 6.0f}) {
        matrix x = matrix::Random(4, 50);
        x(2, 37) = std::numeric_limits<float>::quiet_NaN();
        x(3, 1) = std::numeric_limits<float>::infinity();
        activation_quantizer<llm_int8> quantizer(activation_options{.threshold = threshold});
        try {
            (void)quantizer.quantize(x);
            FAIL();
        } catch (const error& e) {
            EXPECT_EQ(e.code(), error_code::non_finite);
            EXPECT_STREQ(e.what(), "activations: token 2, channel 37 is NaN");
        }
    }
}

TEST(LlmInt8, RowsOfZerosDecodeToZeros) {
    activation_quantizer<llm_int8> quantizer(activation_options{.threshold = 6.0f});
    const auto& q = quantizer.quantize(matrix::Zero(2, 9));
    EXPECT_EQ(q.codes.parameters()[1].largest, 0.0f);
    EXPECT_EQ(q.codes.codes()[17], 0);
    EXPECT_EQ(quantizer.quantize(matrix(0, 9)).codes.rows(), 0);
    EXPECT_EQ(quantizer.quantize(matrix(3, 0)).codes.rows(), 3);
}

} // namespace
