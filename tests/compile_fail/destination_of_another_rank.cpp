// says: the destination has another rank than the quantized tensor
#include "tersor/formats/integer.hpp"
#include "tersor/quantizers/absmax.hpp"
#include "tersor/quantizers/dequantize.hpp"
#include "tersor/quantizers/quantize.hpp"

#include <Eigen/Core>

void restore(const Eigen::MatrixXf& values) {
    const auto quantized = tersor::quantize<tersor::absmax<tersor::int8>>(values);
#ifdef MISUSE
    Eigen::VectorXf destination(values.size());
#else
    Eigen::MatrixXf destination(values.rows(), values.cols());
#endif
    tersor::dequantize_into(quantized, destination);
}
