// The super-block types of GGUF: headers are fitted by their own search, codes are chosen by the solver.

#include "tersor/solvers/gptq.hpp"

#include "tersor/quantizers/gguf/mxfp4.hpp"
#include "tersor/quantizers/gguf/q4_0.hpp"
#include "tersor/quantizers/gguf/q4_k.hpp"
#include "tersor/quantizers/gguf/q6_k.hpp"
#include "solvers/random_matrix.hpp"

#include <gtest/gtest.h>


namespace {

using tersor::index;
using tersor::quantize_mode;
using matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

const tersor::hessian& block_hessian() {
    static const tersor::hessian result = [] {
        tersor::hessian sum(512);
        sum.accumulate(
            matrix(random_matrix(700, 100, 5) * random_matrix(100, 512, 6) + 0.5f * random_matrix(700, 512, 7)));
        return sum;
    }();
    return result;
}

template <class Q>
struct GptqBlocks : testing::Test {};

using types = testing::Types<tersor::gguf::q4_k, tersor::gguf::q6_k, tersor::gguf::q4_0, tersor::gguf::mxfp4>;
TYPED_TEST_SUITE(GptqBlocks, types);

TYPED_TEST(GptqBlocks, EachModeBeatsPlainRounding) {
    const matrix w = 0.04f * random_matrix(6, 512, 8);
    double before = 1e30;
    for (const quantize_mode mode : {quantize_mode::reference, quantize_mode::fast, quantize_mode::best}) {
        const auto result = tersor::gptq<TypeParam>(w, block_hessian(), {.mode = mode});
        const Eigen::MatrixXd d = (w - result.dequantize()).template cast<double>();
        const double exact = (d * block_hessian().matrix<double>()).cwiseProduct(d).sum();
        EXPECT_NEAR(result.objective, exact, 1e-5 * exact);
        EXPECT_LT(result.objective, 0.8 * result.objective_rtn);
        EXPECT_LT(result.objective, before);
        before = result.objective;
    }
}

TYPED_TEST(GptqBlocks, RowsMustBeWholeBlocks) {
    const matrix w = random_matrix(2, 500, 8);
    tersor::hessian sum(500);
    sum.accumulate(random_matrix(10, 500, 1));
    EXPECT_THROW(static_cast<void>(tersor::gptq<TypeParam>(w, sum)), tersor::error);
}

} // namespace
