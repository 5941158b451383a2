// Usage: activation_quality FOLDER
// How much of a layer's output is lost when its activations become 8-bit integers, weights staying floats: the squared
// error of x W^T over its square, times 1e6. FOLDER holds recorded layers, small_l3_*.safetensors with x [tokens x in]
// and w [out x in]. Static ranges come from the first half of the tokens; every method is measured on the second half.

#include <tersor/calibrators/min_max.hpp>
#include <tersor/calibrators/mse.hpp>
#include <tersor/calibrators/percentile.hpp>
#include <tersor/io/safetensors.hpp>
#include <tersor/matmul/llm_int8_product.hpp>
#include <tersor/quantizers/activation.hpp>
#include <tersor/quantizers/blockwise.hpp>
#include <tersor/quantizers/dequantize.hpp>
#include <tersor/quantizers/zero_point.hpp>

#include <cstdio>
#include <cstring>
#include <string>

namespace {

using namespace tersor;
using matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

matrix load(const safetensors_file& file, const char* name) {
    const safetensors_tensor& tensor = file.at(name);
    const auto read = [&]<class Scalar>(Scalar) {
        Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> values(tensor.shape[0], tensor.shape[1]);
        std::memcpy(values.data(), tensor.data.data(), tensor.data.size());
        return matrix(values.template cast<float>());
    };
    return tensor.dtype == safetensors_dtype::bf16 ? read(Eigen::bfloat16{}) : read(Eigen::half{});
}

struct layer {
    matrix seen, x, w;
    Eigen::MatrixXd y;

    double error(const Eigen::MatrixXd& result) const { return 1e6 * (result - y).squaredNorm() / y.squaredNorm(); }
    double error_of(const matrix& activations) const {
        return error(activations.cast<double>() * w.cast<double>().transpose());
    }
};

/// The error of activations quantized by Q, with the columns that stay floats put back.
template <class Q>
double quantized(const layer& l, activation_quantizer<Q> quantizer) {
    const auto& q = quantizer.quantize(l.x);
    matrix x = dequantize(q.codes);
    for (std::size_t i = 0; i < q.kept.columns.size(); ++i) {
        x.col(q.kept.columns[i]) = l.x.col(q.kept.columns[i]);
    }
    return l.error_of(x);
}

template <class Q>
double calibrated(const layer& l, auto calibrator) {
    calibrator.observe(l.seen);
    return quantized(l, activation_quantizer<Q>(calibrator.template parameters<Q>()));
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::fputs("usage: activation_quality FOLDER\n", stderr);
        return 2;
    }
    using symmetric = absmax<int8>;
    using affine = zero_point<uint8>;
    std::printf("| layer | token int8 | token uint8 | token, group 64 | tensor int8 | tensor uint8 | outliers kept | "
                "max | percentile 99.9 | mse | mse uint8 | LLM.int8 |\n");
    std::printf("|---|---|---|---|---|---|---|---|---|---|---|---|\n");
    for (const std::string name : {"q_proj", "gate_proj", "down_proj"}) {
        for (const std::string form : {"", "_outlier"}) {
            const auto file =
                safetensors_file::open(std::string(argv[1]) + "/small_l3_" + name + form + ".safetensors");
            const matrix all = load(file, "x");
            layer l{all.topRows(all.rows() / 2), all.bottomRows(all.rows() / 2), load(file, "w"), {}};
            l.y = l.x.cast<double>() * l.w.cast<double>().transpose();
            const llm_int8_linear<> linear(l.w, {.columns = outlier_columns(l.seen)});
            const double errors[] = {
                quantized(l, activation_quantizer<per_channel<symmetric>>()),
                quantized(l, activation_quantizer<per_channel<affine>>()),
                quantized(l, activation_quantizer<blockwise<symmetric, 64>>()),
                quantized(l, activation_quantizer<symmetric>()),
                quantized(l, activation_quantizer<affine>()),
                quantized(l, activation_quantizer<per_channel<symmetric>>(activation_options{.threshold = 6.0f})),
                calibrated<symmetric>(l, min_max()),
                calibrated<symmetric>(l, percentile(99.9)),
                calibrated<symmetric>(l, mse()),
                calibrated<affine>(l, mse()),
                l.error(linear(l.x).cast<double>()),
            };
            std::printf("| %s%s", name.c_str(), form.empty() ? "" : ", outliers");
            for (const double error : errors) {
                std::printf(" | %.4g", error);
            }
            std::printf(" |\n");
        }
    }
}
