#include "tersor/core/strided.hpp"

#include <unsupported/Eigen/CXX11/Tensor>

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <type_traits>
#include <vector>

using namespace tersor;

namespace {

using tersor::index;
using row_major = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

template <class Matrix>
void expect_same_values(const Matrix& m) {
    const auto view = as_strided(m);
    ASSERT_EQ(view.sizes, (std::array<index, 2>{m.rows(), m.cols()}));
    for (index r = 0; r < m.rows(); ++r) {
        for (index c = 0; c < m.cols(); ++c) {
            ASSERT_EQ(view.data[r * view.strides[0] + c * view.strides[1]], m(r, c)) << r << ", " << c;
        }
    }
}

TEST(AsStrided, SeesEveryMatrixKind) {
    Eigen::MatrixXf columns = Eigen::MatrixXf::Random(7, 5);
    row_major rows = columns;
    expect_same_values(columns);
    expect_same_values(rows);
    expect_same_values(columns.block(1, 2, 4, 3));
    expect_same_values(rows.block(1, 2, 4, 3));
    expect_same_values(columns.transpose());
    expect_same_values(rows.block(1, 1, 3, 3).transpose());
    expect_same_values(columns.array());
    expect_same_values(Eigen::ArrayXXd(columns.array().cast<double>()));
    expect_same_values(Eigen::Ref<const Eigen::MatrixXf>(columns.block(1, 1, 3, 3)));
    using stride = Eigen::Stride<Eigen::Dynamic, Eigen::Dynamic>;
    expect_same_values(Eigen::Map<const Eigen::MatrixXf, 0, stride>(columns.data(), 3, 2, stride(12, 3)));
    expect_same_values(Eigen::Map<const row_major, 0, stride>(columns.data(), 3, 2, stride(12, 3)));
    expect_same_values(Eigen::Matrix<float, 3, 4>(Eigen::Matrix<float, 3, 4>::Random()));
}

TEST(AsStrided, SeesVectorsWithRankOne) {
    row_major m = row_major::Random(6, 4);
    const Eigen::VectorXf vector = m.col(0);
    const auto plain = as_strided(vector);
    static_assert(decltype(plain.sizes){}.size() == 1);
    EXPECT_EQ(plain.sizes[0], 6);
    EXPECT_EQ(plain.strides[0], 1);
    EXPECT_EQ(as_strided(m.col(2)).strides[0], 4);
    EXPECT_EQ(as_strided(m.col(2)).data, &m(0, 2));
    EXPECT_EQ(as_strided(m.row(2)).strides[0], 1);
    EXPECT_EQ(as_strided(m.row(2).reverse().eval()).sizes[0], 4);
}

TEST(AsStrided, SeesSegmentsOfVectors) {
    Eigen::VectorXf vector = Eigen::VectorXf::LinSpaced(10, 0.0f, 9.0f);
    static_assert(tersor::eigen_object<decltype(vector.segment(2, 5))> && tersor::eigen_object<decltype(vector.head<3>())>);
    const auto segment = vector.segment(2, 5);
    const auto view = tersor::as_strided(segment);
    EXPECT_EQ(view.sizes[0], 5);
    EXPECT_EQ(view.data[4 * view.strides[0]], 6.0f);
    static_assert(!tersor::eigen_object<int> && !tersor::eigen_object<std::vector<float>>);
}

TEST(AsStrided, KeepsConst) {
    Eigen::MatrixXf m(2, 3);
    const Eigen::MatrixXf& read_only = m;
    static_assert(std::is_same_v<decltype(as_strided(m).data), float*>);
    static_assert(std::is_same_v<decltype(as_strided(read_only).data), const float*>);
    Eigen::Tensor<double, 3> t(1, 2, 3);
    const Eigen::Tensor<double, 3>& read_only_tensor = t;
    static_assert(std::is_same_v<decltype(as_strided(t).data), double*>);
    static_assert(std::is_same_v<decltype(as_strided(read_only_tensor).data), const double*>);
}

template <int Order>
void expect_tensor_order() {
    Eigen::Tensor<float, 4, Order> t(3, 4, 5, 6);
    t.setRandom();
    const Eigen::TensorMap<Eigen::Tensor<float, 4, Order>> map(t.data(), 3, 4, 5, 6);
    for (const auto& view : {as_strided(t), as_strided(map)}) {
        EXPECT_EQ(view.sizes, (std::array<index, 4>{3, 4, 5, 6}));
        EXPECT_EQ(view.is_row_major(), Order == Eigen::RowMajor);
        EXPECT_EQ(view.data + view.strides[0] + 2 * view.strides[1] + 3 * view.strides[2] + 4 * view.strides[3],
                  &t(1, 2, 3, 4));
    }
}

TEST(AsStrided, SeesTensorsOfBothOrders) {
    expect_tensor_order<Eigen::RowMajor>();
    expect_tensor_order<Eigen::ColMajor>();
}

TEST(Strided, RowMajorIgnoresAxesOfOneValue) {
    EXPECT_TRUE((strided<const float, 3>{nullptr, {2, 1, 4}, {4, 99, 1}}.is_row_major()));
    EXPECT_FALSE((strided<const float, 3>{nullptr, {2, 2, 4}, {8, 5, 1}}.is_row_major()));
    EXPECT_EQ((strided<const float, 3>{nullptr, {2, 0, 4}, {0, 0, 1}}.size()), 0);
}

// Every address and every run against the definition: rows are numbered by the other axes in row-major order.
template <int Order>
void expect_rows(const Eigen::Tensor<float, 4, Order>& t) {
    const auto values = as_strided(t);
    for (std::size_t axis = 0; axis < 4; ++axis) {
        const row_view view(values, static_cast<int>(axis));
        ASSERT_EQ(view.length(), t.dimension(axis));
        ASSERT_EQ(view.rows() * view.length(), t.size());
        std::array<index, 4> at{};
        for (index row = 0; row < view.rows(); ++row) {
            index rest = row;
            for (std::size_t i = 4; i-- > 0;) {
                if (i != axis) {
                    at[i] = rest % t.dimension(i);
                    rest /= t.dimension(i);
                }
            }
            for (index column = 0; column < view.length(); ++column) {
                at[axis] = column;
                ASSERT_EQ(view.address(row, column), &t(at));
                const auto run = view.run_at(row, column);
                ASSERT_EQ(run.count, view.length() - column);
                ASSERT_EQ(run.first + (run.count - 1) * run.step, view.address(row, view.length() - 1));
                for (index i = 0; view.is_transposed() && i < view.neighbours(row); ++i) {
                    ASSERT_EQ(view.address(row + i, column), view.address(row, column) + i);
                }
            }
        }
        EXPECT_EQ(view.position(view.rows() - 1, view.length() - 1), "(2, 3, 4, 5)");
    }
}

TEST(RowView, NumbersRowsByTheOtherAxesInRowMajorOrder) {
    expect_rows(Eigen::Tensor<float, 4, Eigen::RowMajor>(3, 4, 5, 6));
    expect_rows(Eigen::Tensor<float, 4, Eigen::ColMajor>(3, 4, 5, 6));
}

TEST(RowView, FlatRowIsTheRowMajorOrder) {
    Eigen::MatrixXf columns = Eigen::MatrixXf::Random(7, 5);
    const row_major rows = columns;
    const row_view flat_columns(as_strided(columns), -1), flat_rows(as_strided(columns.transpose()), -1);
    EXPECT_EQ(flat_columns.rows(), 1);
    EXPECT_EQ(flat_columns.length(), 35);
    EXPECT_FALSE(flat_columns.is_contiguous());
    EXPECT_TRUE(flat_rows.is_contiguous());
    for (index i = 0; i < 35; ++i) {
        EXPECT_EQ(*flat_columns.address(0, i), rows(i / 5, i % 5));
        EXPECT_EQ(*flat_rows.address(0, i), columns(i % 7, i / 7));
        EXPECT_EQ(flat_columns.run_at(0, i).count, 5 - i % 5);
        EXPECT_EQ(flat_columns.run_at(0, i).step, 7);
    }
    EXPECT_EQ(flat_columns.position(0, 13), "(2, 3)");
}

TEST(RowView, KnowsWhichRowsAreNeighbours) {
    const Eigen::MatrixXf columns(7, 5);
    const row_major rows(7, 5);
    EXPECT_TRUE(row_view(as_strided(columns), 1).is_transposed());
    EXPECT_FALSE(row_view(as_strided(columns), 0).is_transposed());
    EXPECT_TRUE(row_view(as_strided(columns), 0).is_contiguous());
    EXPECT_TRUE(row_view(as_strided(rows), 0).is_transposed());
    EXPECT_TRUE(row_view(as_strided(rows), 1).is_contiguous());
    EXPECT_FALSE(row_view(as_strided(columns.row(2)), 0).is_transposed());
    EXPECT_FALSE(row_view(as_strided(columns.row(2)), 0).is_contiguous());
    // Along a middle axis only the rows of one slice are neighbours.
    const Eigen::Tensor<float, 3, Eigen::RowMajor> t(3, 4, 5);
    const row_view middle(as_strided(t), 1);
    EXPECT_TRUE(middle.is_transposed());
    EXPECT_EQ(middle.neighbours(0), 5);
    EXPECT_EQ(middle.neighbours(3), 2);
    EXPECT_EQ(row_view(as_strided(t), 0).neighbours(0), 20);
}

template <class T>
using kind = typename detail::kind_of<T>::type;

TEST(KindOf, TellsMatrixArrayAndTensorWithTheirOrder) {
    static_assert(std::is_same_v<kind<Eigen::MatrixXf>, matrix_kind<Eigen::ColMajor>>);
    static_assert(std::is_same_v<kind<row_major>, matrix_kind<Eigen::RowMajor>>);
    static_assert(std::is_same_v<kind<Eigen::ArrayXXf>, array_kind<Eigen::ColMajor>>);
    static_assert(std::is_same_v<kind<Eigen::RowVectorXf>, matrix_kind<Eigen::RowMajor>>);
    static_assert(std::is_same_v<kind<Eigen::Tensor<float, 2>>, tensor_kind<Eigen::ColMajor>>);
    static_assert(eigen_object<Eigen::MatrixXf> && eigen_object<Eigen::Tensor<float, 5>>);
    static_assert(!eigen_object<int> && !eigen_object<std::string>);
    static_assert(!detail::has_memory<decltype(Eigen::MatrixXf() * 2.0f)>());
}

} // namespace
