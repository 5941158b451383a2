// Eigen's float product for one instruction set; to be compiled with -mavx2 -mfma. Its Eigen has a name of its own: the
// linker must not mix its functions with those of other flags.

#define Eigen Eigen_avx2
#include <Eigen/Core>

namespace bench {

void eigen_product_avx2(const float* a, const float* b, float* c, long rows, long cols, long depth);

void eigen_product_avx2(const float* a, const float* b, float* c, long rows, long cols, long depth) {
    const Eigen::Map<const Eigen::MatrixXf> left(a, rows, depth), right(b, depth, cols);
    Eigen::Map<Eigen::MatrixXf>(c, rows, cols).noalias() = left * right;
}

} // namespace bench
