#include "tersor/matmul/int8_product.hpp"

#include "tersor/quantizers/aliases.hpp"
#include "tersor/quantizers/dequantize.hpp"
#include "tersor/quantizers/quantize.hpp"
#include "tests/common/errors.hpp"
#include "tests/common/isas.hpp"

#include <unsupported/Eigen/CXX11/ThreadPool>

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

using namespace tersor;

namespace {

using tersor::index;
template <class T>
using rows_of = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

rows_of<std::int8_t> random_bytes(index rows, index cols, std::uint64_t seed) {
    rows_of<std::int8_t> x(rows, cols);
    for (index i = 0; i < x.size(); ++i) {
        const int code = static_cast<int>(uniform(seed, static_cast<std::uint64_t>(i)) * 256.0f) - 128;
        x.data()[i] = static_cast<std::int8_t>(code);
    }
    return x;
}

// The definition, in integers.
template <class Sum, class X, class W>
rows_of<Sum> by_definition(const X& x, const W& w) {
    return x.template cast<Sum>() * w.template cast<Sum>().transpose();
}

// Every table of kernels that this machine can run, by its name.
std::vector<std::pair<std::string, const detail::int8_kernels*>> all_kernels() {
    std::vector<std::pair<std::string, const detail::int8_kernels*>> all;
    all.emplace_back("generic", &simd::TERSOR_GENERIC_NAMESPACE::bytes::kernels);
#if TERSOR_X86
    if (best_isa() >= isa::avx2) {
        all.emplace_back("avx2", &simd::avx2::bytes::kernels);
    }
#endif
#if TERSOR_AVX512
    if (best_isa() >= isa::avx512) {
        all.emplace_back("avx512", &simd::avx512::bytes::kernels);
    }
    if (detail::has_avx512_vnni()) {
        all.emplace_back("avx512 vnni", &simd::avx512_vnni::bytes::kernels);
    }
#endif
    return all;
}

// The product by one table of kernels, and the sums of the rows of weights.
template <class Bytes>
rows_of<std::int32_t> product_by(const detail::int8_kernels& kernels, const Bytes& x, bool is_unsigned,
                                 const rows_of<std::int8_t>& w, std::vector<std::int32_t>& row_sums) {
    rows_of<std::int32_t> y(x.rows(), w.rows());
    row_sums.assign(static_cast<std::size_t>(w.rows()), 0);
    const auto finish = [&](const detail::int8_sums& s) {
        for (index r = 0; r < s.rows; ++r) {
            row_sums[static_cast<std::size_t>(s.first_row + r)] = s.row_sums[r];
            for (index t = 0; t < s.tokens; ++t) {
                y(s.first_token + t, s.first_row + r) = s.sums[r * s.distance + t];
            }
        }
    };
    const detail::byte_matrix a{reinterpret_cast<const std::uint8_t*>(x.data()), x.rows(), x.cols(), x.cols(),
                                is_unsigned};
    const detail::byte_matrix b{reinterpret_cast<const std::uint8_t*>(w.data()), w.rows(), w.cols(), w.cols(), false};
    detail::multiply_bytes(a, b, true, {}, finish, kernels);
    return y;
}

TEST(Int8Product, IsExactWithEveryKernelAndShape) {
    for (const auto& [name, kernels] : all_kernels()) {
        SCOPED_TRACE(name);
        for (const index tokens : {1, 2, 3, 4, 5, 17, 33, 100, 259}) {
            for (const index length : {1, 3, 64, 127, 600}) {
                const index out = 1 + (tokens * 7 + length) % 75;
                SCOPED_TRACE(std::to_string(tokens) + " " + std::to_string(length) + " " + std::to_string(out));
                const auto x = random_bytes(tokens, length, 1), w = random_bytes(out, length, 2);
                std::vector<std::int32_t> sums;
                ASSERT_EQ(product_by(*kernels, x, false, w, sums), by_definition<std::int32_t>(x, w));
                ASSERT_EQ(sums[0], w.row(0).cast<std::int32_t>().sum());
                const rows_of<std::uint8_t> u = x.cast<int>().array().operator+(128).cast<std::uint8_t>();
                ASSERT_EQ(product_by(*kernels, u, true, w, sums), by_definition<std::int32_t>(u, w));
            }
        }
    }
}

TEST(Int8Product, DoesNotSaturateAtTheEndsOfTheRange) {
    for (const auto& [name, kernels] : all_kernels()) {
        SCOPED_TRACE(name);
        for (const index tokens : {1, 4, 40}) {
            for (const int code : {-128, 127}) {
                const rows_of<std::int8_t> low = rows_of<std::int8_t>::Constant(tokens, 500, -128);
                const rows_of<std::uint8_t> high = rows_of<std::uint8_t>::Constant(tokens, 500, 255);
                const rows_of<std::int8_t> w = rows_of<std::int8_t>::Constant(9, 500, static_cast<std::int8_t>(code));
                std::vector<std::int32_t> sums;
                EXPECT_EQ(product_by(*kernels, low, false, w, sums),
                          rows_of<std::int32_t>::Constant(tokens, 9, -128 * code * 500));
                EXPECT_EQ(product_by(*kernels, high, true, w, sums),
                          rows_of<std::int32_t>::Constant(tokens, 9, 255 * code * 500));
            }
        }
    }
}

TEST(Int8Product, HoldsTheLongestSumsOfInt32AndLongerOnesInInt64) {
    for (const index tokens : {1, 6}) {
        const rows_of<std::int8_t> x = rows_of<std::int8_t>::Constant(tokens, 140000, -128);
        const rows_of<std::int8_t> w = rows_of<std::int8_t>::Constant(2, 140000, -128);
        isas::for_each_isa([&] {
            EXPECT_EQ(int8_product(x.leftCols(131071), w.leftCols(131071)),
                      rows_of<std::int32_t>::Constant(tokens, 2, 131071 * 16384));
            EXPECT_EQ(int8_product<std::int64_t>(x, w),
                      rows_of<std::int64_t>::Constant(tokens, 2, std::int64_t{140000} * 16384));
        });
        EXPECT_THROW((void)int8_product(x.leftCols(131072), w.leftCols(131072)), error);
    }
}

TEST(Int8Product, TakesEveryOrderAndQuantizedOperands) {
    const auto x = random_bytes(7, 100, 3), w = random_bytes(11, 100, 4);
    const Eigen::Matrix<std::int8_t, Eigen::Dynamic, Eigen::Dynamic> columns = x;
    const rows_of<std::int32_t> expected = by_definition<std::int32_t>(x, w);
    EXPECT_EQ(int8_product(columns, w), expected);
    EXPECT_EQ(int8_product<std::int64_t>(x, w), expected.cast<std::int64_t>());
    EXPECT_EQ(int8_product(x.middleCols(10, 50), w.middleCols(10, 50)),
              by_definition<std::int32_t>(x.middleCols(10, 50), w.middleCols(10, 50)));
    EXPECT_EQ(int8_product(x.row(2), w), expected.row(2));
    const auto q = quantize<int8_per_channel>(w.cast<float>().eval());
    const Eigen::Map<const rows_of<std::int8_t>> codes(reinterpret_cast<const std::int8_t*>(q.codes().data()), 11, 100);
    EXPECT_EQ(int8_product(x, q), by_definition<std::int32_t>(x, codes));
    EXPECT_EQ(int8_product(view(q), q), by_definition<std::int32_t>(codes, codes));
}

TEST(Int8Product, ThreadsDoNotChangeIt) {
    const auto x = random_bytes(300, 500, 5), w = random_bytes(190, 500, 6);
    Eigen::ThreadPool pool(3);
    EXPECT_EQ(int8_product(x, w, pool), by_definition<std::int32_t>(x, w));
    EXPECT_EQ(int8_product(x.row(1), w, pool), by_definition<std::int32_t>(x.row(1), w));
    double last = 0.0;
    const auto watched = execution().with_progress([&](double done) {
        EXPECT_GE(done, last);
        last = done;
        return true;
    });
    (void)int8_product(x, w, watched);
    EXPECT_DOUBLE_EQ(last, 1.0);
    EXPECT_THROW((void)int8_product(x, w, execution().with_progress([](double) { return false; })), error);
}

// linear for quantized x and w, by definition; W has one scale per row.
template <class X, class W>
rows_of<float> linear_by_definition(const X& x, const W& w) {
    rows_of<float> y(x.rows(), w.rows());
    for (index t = 0; t < x.rows(); ++t) {
        for (index r = 0; r < w.rows(); ++r) {
            const auto px = x.parameters()[static_cast<std::size_t>(x.group_of(t, 0))];
            const auto pw = w.parameters()[static_cast<std::size_t>(w.group_of(r, 0))];
            std::int32_t sum = 0, zero = 0;
            if constexpr (affine_quantizer<typename X::quantizer_type>) {
                zero = x.quantizer().zero_code(px);
            }
            for (index k = 0; k < x.cols(); ++k) {
                const auto code = x.row_codes(t)[static_cast<std::size_t>(k)];
                const int cx = X::quantizer_type::format::lowest == 0 ? code : static_cast<std::int8_t>(code);
                sum += (cx - zero) * static_cast<std::int8_t>(w.row_codes(r)[static_cast<std::size_t>(k)]);
            }
            y(t, r) = static_cast<float>(sum) * (x.quantizer().scale(px) * w.quantizer().scale(pw));
        }
    }
    return y;
}

template <class Q>
class QuantizedLinear : public testing::Test {};
using activation_quantizers =
    testing::Types<per_channel<absmax<int8>>, zero_point<uint8>, per_channel<zero_point<int8>>>;
TYPED_TEST_SUITE(QuantizedLinear, activation_quantizers);

TYPED_TEST(QuantizedLinear, ScalesExactSums) {
    const Eigen::MatrixXf weights = Eigen::MatrixXf::Random(70, 200);
    const auto w = quantize<int8_per_channel>(weights);
    for (const index tokens : {1, 3, 50}) {
        const Eigen::MatrixXf values = Eigen::MatrixXf::Random(tokens, 200).array() + 0.3f;
        const auto x = quantize<TypeParam>(values);
        const rows_of<float> expected = linear_by_definition(x, w);
        isas::for_each_isa([&] { EXPECT_EQ(linear(x, w), expected) << tokens; });
        // The values differ from the floats' product by what quantization costs.
        const Eigen::MatrixXf product = dequantize(x) * dequantize(w).transpose();
        EXPECT_LE((linear(x, w) - product).cwiseAbs().maxCoeff(), 1e-4f);
    }
    const auto one = quantize<int8_per_tensor>(weights);
    EXPECT_EQ(linear(quantize<TypeParam>(weights), one), linear_by_definition(quantize<TypeParam>(weights), one));
}

TEST(Int8Product, RefusesWhatDoesNotFit) {
    const auto x = random_bytes(3, 20, 7), w = random_bytes(4, 21, 8);
    EXPECT_EQ(error_of([&] { (void)int8_product(x, w); }),
              "shape_mismatch: int8 product: x [3 x 20] does not fit weights [4 x 21]: expected as many columns");
    const Eigen::MatrixXf values = Eigen::MatrixXf::Random(4, 20);
    EXPECT_EQ(error_of([&] { (void)int8_product(x, quantize<uint8_per_channel>(values)); }),
              "unsupported: the weights of an int8 product are signed; unsigned codes may stand left");
    EXPECT_EQ(error_of([&] { (void)int8_product(x, quantize<int8_per_channel>(values, {.axis = 0})); }),
              "unsupported: an int8 product takes codes along rows, not along axis 0");
}

TEST(Int8Product, EmptyFactorsGiveZerosOrNothing) {
    for (const index tokens : {1, 9}) {
        EXPECT_EQ(int8_product(rows_of<std::int8_t>(tokens, 0), rows_of<std::int8_t>(3, 0)),
                  rows_of<std::int32_t>::Zero(tokens, 3));
        EXPECT_EQ(int8_product<std::int64_t>(rows_of<std::int8_t>(tokens, 0), rows_of<std::int8_t>(3, 0)),
                  rows_of<std::int64_t>::Zero(tokens, 3));
    }
    EXPECT_EQ(int8_product(rows_of<std::int8_t>(0, 5), random_bytes(3, 5, 9)).cols(), 3);
    EXPECT_EQ(int8_product(random_bytes(2, 5, 9), rows_of<std::int8_t>(0, 5)).rows(), 2);
    const auto none = quantize<int8_per_channel>(Eigen::MatrixXf(2, 0));
    EXPECT_EQ(linear(none, none), rows_of<float>::Zero(2, 2));
}

} // namespace
