#include "tersor/quantizers/quantize.hpp"

#include "tersor/formats/integer.hpp"
#include "tersor/quantizers/absmax.hpp"
#include "tersor/quantizers/blockwise.hpp"
#include "tersor/quantizers/codec.hpp"
#include "tersor/quantizers/dequantize.hpp"
#include "tersor/quantizers/per_channel.hpp"
#include "tersor/quantizers/zero_point.hpp"

#include <unsupported/Eigen/CXX11/Tensor>
#include <unsupported/Eigen/CXX11/ThreadPool>

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

using namespace tersor;

namespace {

using tersor::index;
using row_major = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
// Codes that do not fill bytes, groups that do not fill rows.
using Q = blockwise<zero_point<uint3>, 7>;

template <class Call>
std::string message_of(const Call& call) {
    try {
        call();
    } catch (const error& e) {
        return std::string(to_string(e.code())) + ": " + e.what();
    }
    return "nothing";
}

// Codes and parameters of two tensors, whatever kind they came from.
template <class A, class B>
void expect_same_parts(const A& a, const B& b) {
    EXPECT_TRUE(std::ranges::equal(a.codes(), b.codes()));
    EXPECT_TRUE(a.parameters() == b.parameters());
}

// The definition: rows of values, each in groups of seven, by the scalar members.
template <class Rows>
void expect_definition(const Rows& rows, const quantized_tensor<Q, 2>& q) {
    for (index r = 0; r < rows.rows(); ++r) {
        for (index c = 0; c < rows.cols(); c += 7) {
            const std::vector<float> group = [&] {
                std::vector<float> values;
                for (index i = c; i < std::min(c + 7, rows.cols()); ++i) {
                    values.push_back(rows(r, i));
                }
                return values;
            }();
            const auto p = Q{}.fit(group, {});
            EXPECT_EQ(q.parameters()[static_cast<std::size_t>(q.group_of(r, c))], p);
            for (std::size_t i = 0; i < group.size(); ++i) {
                EXPECT_EQ(packed_code<uint3>(q.row_codes(r).data(), static_cast<std::size_t>(c) + i),
                          Q{}.encode(group[i], p));
            }
        }
    }
}

class Quantize : public testing::Test {
protected:
    const row_major rows_ = row_major::Random(37, 110);
    const quantized_tensor<Q, 2> expected_ = quantize<Q>(rows_);
};

TEST_F(Quantize, FollowsTheDefinition) {
    expect_definition(rows_, expected_);
    EXPECT_EQ(expected_.dimensions(), (std::array<index, 2>{37, 110}));
    EXPECT_EQ(expected_.axis(), 1);
}

TEST_F(Quantize, TakesEveryMatrixKind) {
    const Eigen::MatrixXf columns = rows_;
    expect_same_parts(quantize<Q>(columns), expected_);
    expect_same_parts(quantize<Q>(columns.array()), expected_);
    expect_same_parts(quantize<Q>(Eigen::ArrayXXf(columns)), expected_);
    expect_same_parts(quantize<Q>(Eigen::Map<const row_major>(rows_.data(), 37, 110)), expected_);
    expect_same_parts(quantize<Q>(Eigen::Ref<const Eigen::MatrixXf>(columns)), expected_);
    const Eigen::MatrixXf transposed = columns.transpose();
    expect_same_parts(quantize<Q>(transposed.transpose()), expected_);
    expect_same_parts(quantize<Q>(0.5f * (rows_ + columns)), expected_);
    expect_same_parts(quantize<Q>(Eigen::Matrix<float, 37, 110>(columns)), expected_);
    using stride = Eigen::Stride<Eigen::Dynamic, Eigen::Dynamic>;
    std::vector<float> spread(37 * 110 * 6);
    Eigen::Map<Eigen::MatrixXf, 0, stride> map(spread.data(), 37, 110, stride(37 * 6, 3));
    map = columns;
    expect_same_parts(quantize<Q>(map), expected_);
    Eigen::MatrixXf larger = Eigen::MatrixXf::Constant(50, 130, 9.0f);
    larger.block(5, 8, 37, 110) = columns;
    expect_same_parts(quantize<Q>(larger.block(5, 8, 37, 110)), expected_);
    const row_major larger_rows = larger;
    expect_same_parts(quantize<Q>(larger_rows.block(5, 8, 37, 110)), expected_);
}

TEST_F(Quantize, TakesEveryScalar) {
    const Eigen::MatrixXd wide = rows_.cast<double>();
    expect_same_parts(quantize<Q>(wide), expected_);
    expect_same_parts(quantize<Q>(Eigen::MatrixXd(wide.array() * (1.0 + 1e-9))), expected_);
    const row_major as_half = rows_.cast<Eigen::half>().cast<float>();
    expect_same_parts(quantize<Q>(rows_.cast<Eigen::half>().eval()), quantize<Q>(as_half));
    expect_same_parts(quantize<Q>(Eigen::Matrix<Eigen::half, -1, -1>(rows_.cast<Eigen::half>())), quantize<Q>(as_half));
    const row_major as_bfloat = rows_.cast<Eigen::bfloat16>().cast<float>();
    expect_same_parts(quantize<Q>(rows_.cast<Eigen::bfloat16>().eval()), quantize<Q>(as_bfloat));
}

TEST_F(Quantize, VectorsAreOneRow) {
    const Eigen::RowVectorXf row = rows_.row(3);
    const Eigen::VectorXf column = row;
    const auto one = quantize<Q>(row_major(rows_.row(3)));
    for (const auto& q : {quantize<Q>(row), quantize<Q>(rows_.row(3))}) {
        expect_same_parts(q, one);
        EXPECT_EQ(q.rows(), 110);
        EXPECT_EQ(q.cols(), 1);
    }
    expect_same_parts(quantize<Q>(column), one);
    expect_same_parts(quantize<Q>(column.array()), one);
    expect_same_parts(quantize<Q>(Eigen::MatrixXf(rows_).row(3)), one);
    static_assert(decltype(quantize<Q>(column))::rank == 1);
}

TEST_F(Quantize, AxisPicksTheGroups) {
    quantize_options options;
    options.axis = 0;
    const Eigen::MatrixXf columns = rows_;
    const row_major transposed = rows_.transpose();
    const auto q = quantize<Q>(rows_, options);
    expect_same_parts(q, quantize<Q>(transposed));
    expect_same_parts(quantize<Q>(columns, options), q);
    EXPECT_EQ(q.axis(), 0);
    EXPECT_EQ(q.dimensions(), (std::array<index, 2>{37, 110}));
    options.axis = 1;
    expect_same_parts(quantize<Q>(columns, options), expected_);
}

TEST_F(Quantize, FlatGroupsCrossRows) {
    quantize_options options;
    options.axis = flat;
    const Eigen::RowVectorXf all = Eigen::Map<const Eigen::RowVectorXf>(rows_.data(), rows_.size());
    const Eigen::MatrixXf columns = rows_;
    const auto q = quantize<Q>(rows_, options);
    expect_same_parts(q, quantize<Q>(all));
    expect_same_parts(quantize<Q>(columns, options), q);
    EXPECT_EQ(q.layout().rows, 1);
}

template <int Order>
void expect_tensor_axes() {
    Eigen::Tensor<float, 4, Order> t(4, 3, 5, 18);
    t.setRandom();
    for (int axis = 0; axis < 4; ++axis) {
        quantize_options options;
        options.axis = axis;
        const auto q = quantize<Q>(t, options);
        // The same rows as a matrix.
        const index length = t.dimension(static_cast<std::size_t>(axis));
        row_major rows(t.size() / length, length);
        index row = 0;
        std::array<index, 4> at{};
        for (at[0] = 0; at[0] < (axis == 0 ? 1 : 4); ++at[0]) {
            for (at[1] = 0; at[1] < (axis == 1 ? 1 : 3); ++at[1]) {
                for (at[2] = 0; at[2] < (axis == 2 ? 1 : 5); ++at[2]) {
                    for (at[3] = 0; at[3] < (axis == 3 ? 1 : 18); ++at[3], ++row) {
                        auto place = at;
                        for (index i = 0; i < length; ++i) {
                            place[static_cast<std::size_t>(axis)] = i;
                            rows(row, i) = t(place);
                        }
                    }
                }
            }
        }
        expect_same_parts(q, quantize<Q>(rows));
        const Eigen::TensorMap<const Eigen::Tensor<float, 4, Order>> map(t.data(), t.dimensions());
        expect_same_parts(quantize<Q>(map, options), q);
    }
}

TEST(QuantizeTensor, EveryAxisOfBothOrders) {
    expect_tensor_axes<Eigen::RowMajor>();
    expect_tensor_axes<Eigen::ColMajor>();
}

TEST(QuantizeTensor, RanksOneToThree) {
    const row_major m = row_major::Random(15, 21);
    Eigen::Tensor<float, 1> one(21);
    Eigen::Tensor<double, 2> two(15, 21);
    Eigen::Tensor<float, 3, Eigen::RowMajor> three(3, 5, 21);
    for (index r = 0; r < 15; ++r) {
        for (index c = 0; c < 21; ++c) {
            two(r, c) = static_cast<double>(m(r, c));
            three(r / 5, r % 5, c) = m(r, c);
        }
    }
    for (index c = 0; c < 21; ++c) {
        one(c) = m(0, c);
    }
    expect_same_parts(quantize<Q>(one), quantize<Q>(row_major(m.row(0))));
    expect_same_parts(quantize<Q>(two), quantize<Q>(m));
    expect_same_parts(quantize<Q>(three), quantize<Q>(m));
}

template <class Quantizer>
void expect_same_on_threads() {
    const Eigen::MatrixXf x = Eigen::MatrixXf::Random(67, 1030);
    const row_major rows = x;
    Eigen::ThreadPool pool(3);
    for (const int axis : {0, 1, flat}) {
        quantize_options options;
        options.axis = axis;
        const auto expected = quantize<Quantizer>(rows, options);
        options.execution = pool;
        for (int repeat = 0; repeat < 3; ++repeat) {
            EXPECT_EQ(quantize<Quantizer>(rows, options), expected);
            expect_same_parts(quantize<Quantizer>(x, options), expected);
        }
    }
}

TEST(QuantizeThreads, DoNotChangeABit) {
    expect_same_on_threads<Q>();
    expect_same_on_threads<absmax<int8>>();
}

TEST_F(Quantize, ImportanceWeighsTheErrorOfColumns) {
    std::vector<float> importance(110, 1.0f);
    importance[5] = 1000.0f;
    importance[6] = 0.0f;
    quantize_options options;
    options.importance = importance;
    const auto q = quantize<Q>(rows_, options);
    for (index r = 0; r < 37; ++r) {
        const std::span<const float> group(rows_.data() + r * 110, 7);
        EXPECT_EQ(q.parameters()[static_cast<std::size_t>(q.group_of(r, 0))],
                  Q{}.fit(group, std::span(importance).first(7)));
    }
    const Eigen::MatrixXf plain = dequantize(expected_), weighted = dequantize(q);
    EXPECT_LT((weighted - rows_).col(5).squaredNorm(), (plain - rows_).col(5).squaredNorm());
}

TEST_F(Quantize, LeastSquaresIsImportanceOfOnes) {
    const std::vector<float> ones(110, 1.0f);
    quantize_options weighted, options;
    weighted.importance = ones;
    options.least_squares = true;
    const auto q = quantize<Q>(rows_, options);
    EXPECT_EQ(q, quantize<Q>(rows_, weighted));
    EXPECT_LT((dequantize(q) - rows_).squaredNorm(), (dequantize(expected_) - rows_).squaredNorm());
    using whole = absmax<int3>;
    EXPECT_EQ(quantize<whole>(rows_, options), quantize<whole>(rows_, weighted));
    EXPECT_LT((dequantize(quantize<whole>(rows_, options)) - rows_).squaredNorm(),
              (dequantize(quantize<whole>(rows_)) - rows_).squaredNorm());
}

TEST_F(Quantize, GivenRangeIsThatOfEveryGroup) {
    quantize_options options;
    options.range = clipping_range{-0.5f, 0.75f};
    const auto q = quantize<Q>(rows_, options);
    for (const auto& p : q.parameters()) {
        EXPECT_EQ(p, Q{}.from_range(-0.5f, 0.75f));
    }
    EXPECT_LE(dequantize(q).maxCoeff(), 0.9f);
    const auto whole = quantize<absmax<int8>>(rows_, options);
    EXPECT_EQ(whole.parameters()[0], absmax<int8>{}.from_range(-0.5f, 0.75f));
}

TEST_F(Quantize, HalfAwayRoundsTiesToTheLargerMagnitude) {
    Eigen::RowVectorXf x(6);
    x << 127.0f, 0.5f, 1.5f, 2.5f, -0.5f, -2.5f;
    quantize_options options;
    const auto even = dequantize(quantize<absmax<int8>>(x, options));
    options.rounding = rounding::half_away;
    const auto away = dequantize(quantize<absmax<int8>>(x, options));
    Eigen::RowVectorXf expected_even(6), expected_away(6);
    expected_even << 127.0f, 0.0f, 2.0f, 2.0f, 0.0f, -2.0f;
    expected_away << 127.0f, 1.0f, 2.0f, 3.0f, -1.0f, -3.0f;
    EXPECT_EQ(even, expected_even);
    EXPECT_EQ(away, expected_away);
}

TEST_F(Quantize, StochasticRoundingIsReproducibleAndUnbiased) {
    quantize_options options;
    options.rounding = rounding::stochastic;
    options.seed = 42;
    const auto q = quantize<Q>(rows_, options);
    const Eigen::MatrixXf columns = rows_;
    expect_same_parts(quantize<Q>(columns, options), q);
    Eigen::ThreadPool pool(2);
    options.execution = pool;
    EXPECT_EQ(quantize<Q>(rows_, options), q);
    options.seed = 43;
    EXPECT_NE(quantize<Q>(rows_, options), q);

    // 0.3 of the way from one code to the next: up with probability 0.3, within five standard deviations.
    constexpr index count = 100'000;
    Eigen::RowVectorXf x = Eigen::RowVectorXf::Constant(count, 10.3f);
    x(0) = 127.0f;
    const Eigen::RowVectorXf rounded = dequantize(quantize<absmax<int8>>(x, options));
    EXPECT_NEAR((rounded.tail(count - 1).array() == 11.0f).cast<double>().mean(), 0.3, 5 * std::sqrt(0.21 / count));
    EXPECT_TRUE((rounded.tail(count - 1).array() == 11.0f || rounded.tail(count - 1).array() == 10.0f).all());
}

TEST_F(Quantize, FirstValueThatIsNotFiniteIsNamed) {
    constexpr float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
    row_major x = rows_;
    x(30, 2) = nan;
    x(7, 100) = -infinity;
    const std::string expected =
        "non_finite: the value at (7, 100) is -infinity as a float; non_finite::saturate would "
        "accept it";
    const Eigen::MatrixXf columns = x;
    Eigen::ThreadPool pool(3);
    for (const int axis : {0, 1, flat}) {
        quantize_options options;
        options.axis = axis;
        EXPECT_EQ(message_of([&] { (void)quantize<Q>(x, options); }), expected);
        EXPECT_EQ(message_of([&] { (void)quantize<absmax<int8>>(columns, options); }), expected);
        options.execution = pool;
        EXPECT_EQ(message_of([&] { (void)quantize<per_channel<absmax<int8>>>(columns, options); }), expected);
        options.range = clipping_range{-1.0f, 1.0f};
        EXPECT_EQ(message_of([&] { (void)quantize<Q>(columns, options); }), expected);
        options.rounding = rounding::stochastic;
        EXPECT_EQ(message_of([&] { (void)quantize<Q>(columns, options); }), expected);
    }
    Eigen::MatrixXd wide = Eigen::MatrixXd::Ones(3, 4);
    wide(1, 2) = 1e300;
    EXPECT_EQ(message_of([&] { (void)quantize<Q>(wide); }),
              "non_finite: the value at (1, 2) is infinity as a float; non_finite::saturate would accept it");
    Eigen::Tensor<float, 3> t(2, 3, 4);
    t.setConstant(1.0f);
    t(1, 0, 3) = nan;
    EXPECT_EQ(message_of([&] { (void)quantize<Q>(t); }),
              "non_finite: the value at (1, 0, 3) is NaN as a float; non_finite::saturate would accept it");
}

TEST_F(Quantize, SaturationReplacesWhatIsNotFinite) {
    constexpr float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
    quantize_options options;
    options.non_finite = non_finite::saturate;
    EXPECT_EQ(quantize<Q>(rows_, options), expected_);
    row_major broken = rows_, repaired = rows_;
    broken(3, 20) = nan;
    repaired(3, 20) = 0.0f;
    broken(5, 30) = -infinity;
    repaired(5, 30) =
        -rows_.row(5).segment(28, 2).cwiseAbs().cwiseMax(rows_.row(5).segment(31, 2).cwiseAbs()).maxCoeff();
    repaired(5, 30) = std::min(repaired(5, 30), -rows_.row(5).segment(33, 2).cwiseAbs().maxCoeff());
    EXPECT_EQ(quantize<Q>(broken, options), quantize<Q>(repaired));
    // One group for the tensor: its largest magnitude, wherever it stands and however the work is cut.
    row_major large = row_major::Random(300, 301), large_repaired;
    large(299, 300) = 8.0f;
    large_repaired = large;
    large(0, 0) = -infinity;
    large_repaired(0, 0) = -8.0f;
    const Eigen::MatrixXf columns = large;
    using whole = zero_point<uint8>;
    EXPECT_EQ(quantize<whole>(large, options), quantize<whole>(large_repaired));
    expect_same_parts(quantize<whole>(columns, options), quantize<whole>(large_repaired));
    options.range = clipping_range{-1.0f, 1.0f};
    quantize_options range_only;
    range_only.range = options.range;
    EXPECT_EQ(quantize<whole>(large, options), quantize<whole>(large_repaired, range_only));
    options = {};
    options.non_finite = non_finite::saturate;
    const row_major nothing = row_major::Constant(2, 9, nan);
    EXPECT_EQ(dequantize(quantize<Q>(nothing, options)), row_major::Zero(2, 9));
}

TEST(QuantizeEmpty, GivesEmptyTensorsOfTheSameShape) {
    for (const auto& [rows, cols] : {std::pair{0, 5}, {5, 0}, {0, 0}}) {
        const auto q = quantize<Q>(Eigen::MatrixXf(rows, cols));
        EXPECT_EQ(q.rows(), rows);
        EXPECT_EQ(q.cols(), cols);
        EXPECT_EQ(q.bytes(), 0u);
        EXPECT_EQ(dequantize(q).rows(), rows);
        EXPECT_EQ(dequantize(q).cols(), cols);
        EXPECT_EQ(quantize<absmax<int8>>(Eigen::MatrixXf(rows, cols)).parameters().size(), 0u);
    }
    EXPECT_EQ(quantize<Q>(Eigen::VectorXf(0)).rows(), 0);
    EXPECT_EQ(quantize<Q>(Eigen::Tensor<float, 3>(2, 0, 3)).dimension(2), 3);
}

// A quantizer of a user, with nothing but what the concept asks for: one bit, the sign, and the mean magnitude.
struct sign_of {
    using format = uint2;
    static constexpr index group = 8;
    struct parameters {
        float magnitude;
    };
    parameters fit(std::span<const float> values, std::span<const float>) const {
        float sum = 0.0f;
        for (const float x : values) {
            sum += std::fabs(x);
        }
        return {sum / static_cast<float>(values.size())};
    }
    std::uint8_t encode(float value, parameters) const { return value < 0.0f ? 0 : 1; }
    float decode(std::uint8_t code, parameters p) const { return code == 0 ? -p.magnitude : p.magnitude; }
};

TEST_F(Quantize, ImpossibleOptionsAreRefused) {
    quantize_options options;
    options.axis = 2;
    EXPECT_EQ(message_of([&] { (void)quantize<Q>(rows_, options); }),
              "invalid_argument: axis 2 of a tensor of rank 2: expected 0 to 1, last_axis or flat");
    options = {};
    const std::vector<float> few(3, 1.0f);
    options.importance = few;
    EXPECT_EQ(message_of([&] { (void)quantize<Q>(rows_, options); }),
              "shape_mismatch: importance has 3 weights, a row has 110 values");
    std::vector<float> negative(110, 1.0f);
    negative[9] = -1.0f;
    options.importance = negative;
    EXPECT_EQ(message_of([&] { (void)quantize<Q>(rows_, options); }),
              "invalid_argument: importance -1.000000 of column 9 is not a finite non-negative number");
    options = {};
    for (const auto& [lo, hi] : {std::pair{0.5f, 1.0f}, {-1.0f, -0.5f}, {-1.0f, HUGE_VALF}, {NAN, 1.0f}}) {
        options.range = clipping_range{lo, hi};
        EXPECT_NE(message_of([&] { (void)quantize<Q>(rows_, options); }).find("is not a finite one that contains 0"),
                  std::string::npos);
    }
    options.range = clipping_range{-1.0f, 1.0f};
    EXPECT_EQ(message_of([&] { (void)quantize<sign_of>(rows_, options); }),
              "invalid_argument: this quantizer takes no range: it has no from_range");
    options = {};
    options.rounding = rounding::stochastic;
    EXPECT_EQ(message_of([&] { (void)quantize<sign_of>(rows_, options); }),
              "unsupported: this quantizer rounds by its own rule only: it has no scale()");
}

TEST_F(Quantize, TakesAQuantizerOfTheUser) {
    const auto q = quantize<sign_of>(rows_);
    const row_major w = dequantize(q);
    for (index r = 0; r < 37; ++r) {
        for (index c = 0; c < 110; c += 8) {
            const index size = std::min<index>(8, 110 - c);
            const auto p = sign_of{}.fit({rows_.data() + r * 110 + c, static_cast<std::size_t>(size)}, {});
            for (index i = c; i < c + size; ++i) {
                EXPECT_EQ(w(r, i), rows_(r, i) < 0.0f ? -p.magnitude : p.magnitude);
            }
        }
    }
}

TEST_F(Quantize, CancellationLeavesAnEmptyTensor) {
    quantize_options options;
    options.execution = execution().with_progress([](double) { return false; });
    quantized_tensor<Q, 2> q = expected_;
    EXPECT_NE(message_of([&] { quantize_into(rows_, q, options); }).find("cancelled: cancelled after 1 of "),
              std::string::npos);
    EXPECT_EQ(q, (quantized_tensor<Q, 2>()));
    row_major broken = rows_;
    broken(1, 1) = NAN;
    q = expected_;
    EXPECT_THROW(quantize_into(broken, q), error);
    EXPECT_EQ(q, (quantized_tensor<Q, 2>()));
}

TEST_F(Quantize, IntoUsesTheMemoryAgain) {
    quantized_tensor<Q, 2> q = expected_;
    const void* const codes = q.codes().data();
    const void* const parameters = q.parameters().data();
    const row_major other = row_major::Random(37, 110);
    quantize_into(other, q);
    EXPECT_EQ(q, quantize<Q>(other));
    EXPECT_EQ(q.codes().data(), codes);
    EXPECT_EQ(q.parameters().data(), parameters);
    quantize_into(row_major::Random(5, 8).eval(), q);
    EXPECT_EQ(q.rows(), 5);
}

} // namespace
