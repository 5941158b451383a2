#include "tersor/solvers/hessian.hpp"

#include "common/golden.hpp"
#include "common/isas.hpp"

#include <gtest/gtest.h>
#include <unsupported/Eigen/CXX11/Tensor>
#include <unsupported/Eigen/CXX11/ThreadPool>

#include <limits>
#include <random>

namespace {

using tersor::hessian;
using tersor::hessian_precision;
using tersor::index;
using rows = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
template <class Scalar>
using square = Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// Activations as they are: a few loud channels, one that is silent.
rows activations(index tokens, index columns, unsigned seed = 1) {
    std::mt19937 engine(seed);
    std::normal_distribution<float> normal;
    rows x(tokens, columns);
    for (index t = 0; t < tokens; ++t) {
        for (index c = 0; c < columns; ++c) {
            x(t, c) = c % 11 == 3 ? 0.0f : normal(engine) * (c % 7 == 2 ? 50.0f : 0.3f);
        }
    }
    return x;
}

hessian in_one_pass(const rows& x, hessian_precision precision = hessian_precision::fp32) {
    hessian h(x.cols(), {precision});
    h.accumulate(x);
    return h;
}

/// The definition: a chain per chunk of 1024 tokens, chunks added in a wider type, the mean.
template <class Scalar>
square<float> by_definition(const rows& x) {
    square<float> result(x.cols(), x.cols());
    for (index i = 0; i < x.cols(); ++i) {
        for (index j = 0; j < x.cols(); ++j) {
            long double sum = 0;
            for (index first = 0; first < x.rows(); first += 1024) {
                Scalar chain = 0;
                for (index t = first; t < std::min<index>(first + 1024, x.rows()); ++t) {
                    chain = std::fma(static_cast<Scalar>(x(t, i)), static_cast<Scalar>(x(t, j)), chain);
                }
                sum += static_cast<long double>(chain);
            }
            result(i, j) = static_cast<float>(static_cast<double>(2 * sum / static_cast<long double>(x.rows())));
        }
    }
    return result;
}

std::string message_of(const std::function<void()>& work, tersor::error_code code) {
    try {
        work();
    } catch (const tersor::error& error) {
        EXPECT_EQ(error.code(), code) << error.what();
        return error.what();
    }
    ADD_FAILURE() << "no error";
    return {};
}

TEST(Hessian, IsTwiceTheMeanOfTheProductsWithEveryInstructionSetAndThreads) {
    Eigen::ThreadPool pool(1);
    const rows x = activations(2600, 21);
    const square<float> single = by_definition<float>(x), twice = by_definition<double>(x);
    isas::for_each_isa([&] {
        for (const tersor::execution& exec : {tersor::execution{}, tersor::execution(pool)}) {
            for (const auto precision : {hessian_precision::fp32, hessian_precision::fp64}) {
                hessian h(21, {precision, 0, exec});
                h.accumulate(x);
                EXPECT_EQ(h.matrix(), precision == hessian_precision::fp32 ? single : twice);
                EXPECT_EQ(h.tokens(), 2600);
                EXPECT_EQ(h.samples(), 2600);
            }
        }
    });
}

TEST(Hessian, HasTheSameBitsOverSeveralTilesWithEveryInstructionSetAndThreads) {
    Eigen::ThreadPool pool(1);
    const rows x = activations(1029, 530);
    hessian expected(530);
    expected.accumulate(x);
    const square<float> exact = (2.0 / 1029 * (x.cast<double>().transpose() * x.cast<double>())).cast<float>();
    const square<float> sizes =
        (2.0 / 1029 * (x.cast<double>().cwiseAbs().transpose() * x.cast<double>().cwiseAbs())).cast<float>();
    // The bound of the header; what is compared with is good to 2^-24 of its own.
    EXPECT_TRUE(((expected.matrix() - exact).array().abs() <= 1028 * 0x1p-24f * sizes.array()).all());
    isas::for_each_isa([&] {
        hessian h(530, {hessian_precision::fp32, 0, pool});
        h.accumulate(x);
        EXPECT_EQ(h.save(), expected.save());
        EXPECT_EQ(h.matrix(), expected.matrix());
    });
}

TEST(Hessian, DoesNotDependOnHowTokensAreCutIntoCalls) {
    const rows x = activations(3100, 13);
    for (const auto precision : {hessian_precision::fp32, hessian_precision::fp64}) {
        const hessian expected = in_one_pass(x, precision);
        for (const index step : {index{1}, index{37}, index{1000}, index{1024}, index{1025}, index{3000}}) {
            hessian h(13, {precision});
            for (index t = 0; t < x.rows(); t += step) {
                h.accumulate(x.middleRows(t, std::min(step, x.rows() - t)));
            }
            EXPECT_EQ(h.save(), expected.save()) << step;
        }
    }
}

TEST(Hessian, MergedPartsHaveTheBitsOfOnePassInAnyGrouping) {
    const rows x = activations(5000, 9);
    for (const auto precision : {hessian_precision::fp32, hessian_precision::fp64}) {
        const auto expected = in_one_pass(x, precision).save();
        const auto part = [&](index first, index last) {
            hessian h(9, {precision, first});
            h.accumulate(x.middleRows(first, last - first));
            return h;
        };
        for (const auto& cut : std::vector<std::array<index, 3>>{{1024, 2048, 4096},
                                                                 {1, 2, 3},
                                                                 {700, 900, 1000},
                                                                 {1000, 1024, 1030},
                                                                 {1500, 1600, 4999},
                                                                 {0, 0, 5000}}) {
            const hessian a = part(0, cut[0]), b = part(cut[0], cut[1]), c = part(cut[1], cut[2]),
                          d = part(cut[2], 5000);
            hessian in_order = a;
            in_order.merge(b);
            in_order.merge(c);
            in_order.merge(d);
            EXPECT_EQ(in_order.save(), expected) << cut[0];
            hessian left = a, right = c;
            left.merge(b);
            right.merge(d);
            left.merge(right);
            EXPECT_EQ(left.save(), expected) << cut[0];
            hessian last = b;
            last.merge(right);
            hessian all = a;
            all.merge(last);
            EXPECT_EQ(all.save(), expected) << cut[0];
        }
    }
}

TEST(Hessian, TakesEveryScalarLayoutAndRank) {
    const rows x = activations(24, 8).cast<Eigen::bfloat16>().cast<float>();
    const auto expected = in_one_pass(x).save();
    const auto check = [&](const auto& batch) {
        hessian h(8);
        h.accumulate(batch);
        EXPECT_EQ(h.save(), expected);
    };
    check(Eigen::MatrixXf(x));
    check(Eigen::MatrixXd(x.cast<double>()));
    check(Eigen::Matrix<Eigen::half, Eigen::Dynamic, Eigen::Dynamic>(
        x.cast<Eigen::half>().cast<float>().cast<Eigen::half>()));
    check(Eigen::Matrix<Eigen::bfloat16, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>(x.cast<Eigen::bfloat16>()));
    check(2.0f * (x * 0.5f));
    Eigen::Tensor<float, 3, Eigen::RowMajor> tensor(4, 6, 8);
    Eigen::Tensor<float, 3> column_major(4, 6, 8);
    for (index i = 0; i < 24 * 8; ++i) {
        tensor.data()[i] = x.data()[i];
        column_major(i / 48, i / 8 % 6, i % 8) = x.data()[i];
    }
    check(tensor);
    check(column_major);
    hessian h(8), wide(8, {hessian_precision::fp64}), of_halves(8, {hessian_precision::fp64});
    for (index t = 0; t < 24; ++t) {
        h.accumulate(Eigen::VectorXf(x.row(t)));
    }
    EXPECT_EQ(h.save(), expected);
    wide.accumulate(x);
    of_halves.accumulate(Eigen::Matrix<Eigen::bfloat16, Eigen::Dynamic, Eigen::Dynamic>(x.cast<Eigen::bfloat16>()));
    EXPECT_EQ(of_halves.save(), wide.save());
}

// The peer scales rows by the rounded sqrt(2 / N), rescales its sum at each of C calls, and adds in another order: an
// element of T tokens has at most T + 4 + 3 C roundings there, T + 2 here.
TEST(Hessian, ReproducesTheRecordedHessiansOfTheReferenceProgram) {
    const golden::file file("gptq/hessian_accum");
    const index columns = file.shape("batch0").back();
    index calls = 0, tokens_seen = 0, sequences_seen = 0;
    hessian h(columns), wide(columns, {hessian_precision::fp64});
    square<double> sizes = square<double>::Zero(columns, columns);
    for (int i = 0; file.has("batch" + std::to_string(i)); ++i) {
        const std::string name = "batch" + std::to_string(i);
        const auto shape = file.shape(name);
        const auto values = file.tensor<float>(name);
        const index tokens = static_cast<index>(values.size()) / columns;
        const Eigen::Map<const rows> x(values.data(), tokens, columns);
        const index sequences = shape.size() == 3 ? shape[0] : 1;
        h.accumulate(x, sequences);
        wide.accumulate(x, sequences);
        ++calls;
        tokens_seen += tokens;
        sequences_seen += sequences;
        sizes += x.cast<double>().cwiseAbs().transpose() * x.cast<double>().cwiseAbs();
        const std::string after = "H_after" + std::to_string(i);
        const auto single = file.tensor<float>(after + "_f32");
        const auto exact = file.tensor<double>(after + "_f64");
        const auto ours = h.matrix<double>(), ours_wide = wide.matrix<double>();
        for (index k = 0; k < columns * columns; ++k) {
            const auto at = static_cast<std::size_t>(k);
            const double size = 2 * sizes.data()[k] / static_cast<double>(h.samples());
            const double here = static_cast<double>(h.tokens() + 2) * size,
                         there = here + static_cast<double>(2 + 3 * calls) * size;
            EXPECT_LE(std::abs(ours.data()[k] - exact[at]), 1.01 * 0x1p-24 * here) << after << " " << k;
            EXPECT_LE(std::abs(ours.data()[k] - static_cast<double>(single[at])), 1.01 * 0x1p-24 * (here + there));
            EXPECT_LE(std::abs(ours_wide.data()[k] - exact[at]), 1.01 * 0x1p-53 * (here + there));
        }
    }
    EXPECT_GT(calls, 0);
    EXPECT_EQ(h.samples(), sequences_seen);
    EXPECT_EQ(h.tokens(), tokens_seen);
}

TEST(Hessian, ValuesThatAreNotFiniteAreNamedAndChangeNothing) {
    const rows x = activations(2000, 10);
    hessian h = in_one_pass(x);
    const auto before = h.save();
    Eigen::Tensor<float, 3, Eigen::RowMajor> batch(3, 500, 10);
    batch.setConstant(1.0f);
    batch(2, 7, 4) = std::numeric_limits<float>::quiet_NaN();
    batch(2, 8, 1) = std::numeric_limits<float>::infinity();
    EXPECT_EQ(message_of([&] { h.accumulate(batch); }, tersor::error_code::non_finite),
              "hessian: an activation that is not finite at (2, 7, 4): token 1007 of the batch, channel 4");
    batch(0, 0, 9) = -1e18f;
    const std::string text = message_of([&] { h.accumulate(batch); }, tersor::error_code::non_finite);
    EXPECT_NE(text.find("at (0, 0, 9): token 0 of the batch, channel 9 is too large"), std::string::npos) << text;
    EXPECT_NE(text.find("up to 2^58"), std::string::npos) << text;
    Eigen::MatrixXd wide = Eigen::MatrixXd::Constant(1, 10, 1e200);
    message_of([&] { h.accumulate(wide); }, tersor::error_code::non_finite);
    EXPECT_EQ(h.save(), before);
    hessian twice(10, {hessian_precision::fp64});
    twice.accumulate(Eigen::MatrixXd::Constant(1, 10, 1e30));
    EXPECT_GT(twice.matrix<double>()(0, 0), 1e60);
    message_of([&] { (void)twice.matrix<float>(); }, tersor::error_code::non_finite);
}

TEST(Hessian, MisuseIsAnErrorThatSaysWhatWasExpected) {
    using code = tersor::error_code;
    EXPECT_THROW(hessian(0), tersor::error);
    EXPECT_THROW(hessian(4, {hessian_precision::fp32, -1}), tersor::error);
    hessian h(4);
    EXPECT_EQ(message_of([&] { (void)h.matrix(); }, code::invalid_argument),
              "hessian::matrix: no samples in 0 tokens: accumulate some first");
    EXPECT_EQ(message_of([&] { h.accumulate(rows::Zero(3, 5)); }, code::shape_mismatch),
              "hessian: a batch with 5 channels does not fit 4 columns");
    EXPECT_EQ(message_of([&] { h.accumulate(rows::Zero(3, 4), -2); }, code::invalid_argument),
              "hessian: a batch of -2 samples");
    h.accumulate(rows::Ones(3, 4));
    h.accumulate(rows::Ones(0, 4));
    EXPECT_EQ(h.tokens(), 3);
    EXPECT_EQ(message_of([&] { h.merge(hessian(5)); }, code::shape_mismatch), "hessian::merge: 5 columns do not fit 4");
    EXPECT_EQ(message_of(
                  [&] {
                      h.merge(hessian(4, {hessian_precision::fp32, 2}));
                  },
                  code::invalid_argument),
              "hessian::merge: a part in fp32 that begins at token 2 does not continue one in fp32 that ends before "
              "token 3");
    EXPECT_THROW(h.merge(hessian(4, {hessian_precision::fp64, 3})), tersor::error);
}

TEST(Hessian, ComesFromAKnownMatrixAndGivesItBack) {
    const square<float> known = in_one_pass(activations(50, 12)).matrix();
    for (const index samples : {1, 3, 1000003}) {
        const hessian h = hessian::from_matrix(known, samples);
        EXPECT_EQ(h.matrix(), known);
        EXPECT_EQ(h.samples(), samples);
        EXPECT_EQ(h.tokens(), 0);
        EXPECT_EQ(hessian::from_matrix(Eigen::MatrixXd(known.cast<double>() / 3), samples).matrix<double>(),
                  known.cast<double>() / 3);
    }
    using code = tersor::error_code;
    const auto refused = [&](index i, index j, float value, code expected) {
        square<float> m = known;
        m(i, j) = value;
        return message_of([&] { (void)hessian::from_matrix(m); }, expected);
    };
    EXPECT_EQ(refused(2, 2, -1.0f, code::invalid_argument),
              "hessian::from_matrix: the diagonal value -1.000000 at (2, 2) is negative");
    EXPECT_NE(refused(1, 5, 1e6f, code::invalid_argument).find("not symmetric"), std::string::npos);
    EXPECT_EQ(refused(7, 3, std::numeric_limits<float>::quiet_NaN(), code::non_finite),
              "hessian::from_matrix: the value at (7, 3) is not finite");
    EXPECT_EQ(message_of([&] { (void)hessian::from_matrix(rows::Zero(2, 3)); }, code::shape_mismatch),
              "hessian::from_matrix: the matrix [2 x 3] is not square");
    EXPECT_THROW((void)hessian::from_matrix(known, 0), tersor::error);
}

TEST(Hessian, SurvivesAFileAndRefusesABrokenOne) {
    const rows x = activations(2500, 7);
    for (const auto precision : {hessian_precision::fp32, hessian_precision::fp64}) {
        hessian h(7, {precision, 100});
        h.accumulate(x, 12);
        const auto bytes = h.save();
        hessian again = hessian::load(bytes);
        EXPECT_EQ(again.save(), bytes);
        EXPECT_EQ(again.matrix(), h.matrix());
        EXPECT_EQ(again.samples(), 12);
        again.accumulate(x);
        h.accumulate(x);
        EXPECT_EQ(again.save(), h.save());

        for (std::size_t size = 0; size < bytes.size(); size += size < 64 ? 1 : 997) {
            message_of([&] { (void)hessian::load(std::span(bytes).first(size)); }, tersor::error_code::corrupt_file);
        }
        // Whatever stands in the header, loading ends in an error of the library or in a Hessian that can be used.
        for (std::size_t at = 0; at < 48; ++at) {
            for (const int mask : {0x01, 0x80, 0xFF}) {
                auto broken = bytes;
                broken[at] ^= std::byte(mask);
                try {
                    hessian loaded = hessian::load(broken);
                    EXPECT_EQ(loaded.save(), broken);
                } catch (const tersor::error&) {
                }
            }
        }
        for (const std::size_t at : {std::size_t{48 + 7}, bytes.size() - 1}) {
            auto broken = bytes;
            broken[at] = std::byte(0x7F);
            broken[at - 1] = std::byte(0xF8);
            message_of([&] { (void)hessian::load(broken); }, tersor::error_code::corrupt_file);
        }
    }
}

TEST(Hessian, ReportsProgressAndStaysWholeWhenCancelled) {
    const rows x = activations(3000, 6);
    std::vector<double> seen;
    hessian h(6, {hessian_precision::fp32, 0, tersor::execution{}.with_progress([&](double done) {
                      seen.push_back(done);
                      return seen.size() != 2;
                  })});
    message_of([&] { h.accumulate(x); }, tersor::error_code::cancelled);
    EXPECT_EQ(h.tokens(), 2048);
    EXPECT_EQ(h.samples(), 2048);
    h.accumulate(x.bottomRows(3000 - 2048));
    EXPECT_EQ(seen.back(), 1.0);
    EXPECT_EQ(h.save(), in_one_pass(x).save());
}

} // namespace
