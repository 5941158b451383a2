// What GPTQ gains: the objective tr((W - Q) H (W - Q)^T) of plain rounding, of the reference program (its recorded
// value) and of this library's modes at the same options, on the recorded layers; and the relative squared error of the
// outputs on layers of a trained model, |X Q^T - X W^T|^2 / |X W^T|^2.
//
// Usage: gptq_quality [FOLDER of the golden data, default ../shared/golden]

#include "tersor/io/json.hpp"
#include "tersor/io/safetensors.hpp"
#include "tersor/quantizers/absmax.hpp"
#include "tersor/quantizers/blockwise.hpp"
#include "tersor/quantizers/per_channel.hpp"
#include "tersor/quantizers/zero_point.hpp"
#include "tersor/solvers/gptq.hpp"

#include <Eigen/Core>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

namespace {

using matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using tersor::quantize_mode;

template <class Stored>
matrix converted(const tersor::safetensors_tensor& tensor) {
    const auto columns = static_cast<Eigen::Index>(tensor.shape.back());
    matrix result(static_cast<Eigen::Index>(tensor.data.size() / sizeof(Stored)) / columns, columns);
    for (Eigen::Index i = 0; i < result.size(); ++i) {
        Stored value;
        std::memcpy(&value, tensor.data.data() + static_cast<std::size_t>(i) * sizeof value, sizeof value);
        result.data()[i] = static_cast<float>(value);
    }
    return result;
}

matrix read(const tersor::safetensors_file& file, const char* name) {
    const tersor::safetensors_tensor& tensor = file.at(name);
    return tensor.dtype == tersor::safetensors_dtype::bf16 ? converted<Eigen::bfloat16>(tensor)
                                                           : converted<Eigen::half>(tensor);
}

double number(const tersor::json::value& arguments, const char* key, double otherwise) {
    const auto* const found = arguments.find(key);
    return found == nullptr ? otherwise : found->as_double();
}
bool flag(const tersor::json::value& arguments, const char* key) {
    const auto* const found = arguments.find(key);
    return found != nullptr && found->as_boolean();
}

template <int Bits>
using rows = tersor::per_channel<tersor::zero_point<tersor::integer<Bits, false>>>;
template <int Bits, int Group>
using groups = tersor::blockwise<tersor::zero_point<tersor::integer<Bits, false>>, Group>;
template <int Bits>
using symmetric = tersor::absmax<tersor::integer<Bits, true>, float, tersor::integer_range::full>;

/// Calls work.operator()<Quantizer>() for the quantizer of these bits, groups and symmetry, if it is one of those that
/// are recorded (each takes its time to compile).
template <class Work>
void with_grid(int bits, bool is_symmetric, int group, const Work& work) {
    switch (10000 * is_symmetric + 1000 * bits + group) {
    case 2064:
        return work.template operator()<groups<2, 64>>();
    case 3000:
        return work.template operator()<rows<3>>();
    case 3128:
        return work.template operator()<groups<3, 128>>();
    case 4000:
        return work.template operator()<rows<4>>();
    case 4032:
        return work.template operator()<groups<4, 32>>();
    case 4128:
        return work.template operator()<groups<4, 128>>();
    case 8000:
        return work.template operator()<rows<8>>();
    case 13064:
        return work.template operator()<tersor::blockwise<symmetric<3>, 64>>();
    case 14000:
        return work.template operator()<tersor::per_channel<symmetric<4>>>();
    case 14032:
        return work.template operator()<tersor::blockwise<symmetric<4>, 32>>();
    default:
        std::printf("no quantizer of %d bits in groups of %d here\n", bits, group);
    }
}

template <class Work>
void with_group_of_64(int bits, const Work& work) {
    bits == 4 ? work.template operator()<groups<4, 64>>() : work.template operator()<groups<3, 64>>();
}

void recorded_cases(const std::string& folder, const char* name) {
    const auto file = tersor::safetensors_file::open(folder + "/gptq/" + name + ".safetensors");
    const matrix w = read(file, "W"), x = read(file, "X");
    const Eigen::Index tokens = static_cast<Eigen::Index>(file.at("X").shape[1]);
    tersor::hessian h(w.cols());
    for (Eigen::Index first = 0; first < x.rows(); first += tokens) {
        h.accumulate(x.middleRows(first, tokens), 1);
    }
    std::printf("%s\n%-28s %10s %10s %10s %10s %8s\n", name, "objective", "rtn", "reference", "fast", "best",
                "best/ref");
    for (const auto& [key, text] : file.metadata()) {
        if (key.size() < 5 || key.substr(key.size() - 5) != ".args") {
            continue;
        }
        const auto arguments = tersor::json::parse(text);
        tersor::gptq_options options{.damp = number(arguments, "percdamp", 0.01),
                                     .act_order = flag(arguments, "actorder"),
                                     .static_groups = flag(arguments, "static"),
                                     .mse = flag(arguments, "mse")};
        double recorded = 0;
        std::memcpy(&recorded, file.at(key.substr(0, key.size() - 5) + ".objective").data.data(), sizeof recorded);
        with_grid(static_cast<int>(number(arguments, "bits", 4)), flag(arguments, "sym"),
                  static_cast<int>(number(arguments, "groupsize", 0)), [&]<class Quantizer>() {
                      const auto best = tersor::gptq<Quantizer>(w, h, options);
                      options.mode = quantize_mode::fast;
                      const double fast = tersor::gptq<Quantizer>(w, h, options).objective;
                      std::printf("%-28s %10.5g %10.5g %10.5g %10.5g %8.3f\n", key.substr(0, key.size() - 5).c_str(),
                                  best.objective_rtn, recorded, fast, best.objective, best.objective / recorded);
                      std::fflush(stdout);
                  });
    }
}

void trained_layer(const std::string& folder, const char* name) {
    const auto file = tersor::safetensors_file::open(folder + "/activations/small_l3_" + name + ".safetensors");
    const matrix w = read(file, "w"), x = read(file, "x");
    tersor::hessian h(w.cols());
    h.accumulate(x);
    // tr(D H D^T) = (2 / tokens) |X D^T|^2.
    const Eigen::MatrixXd exact = h.matrix<double>(), wide = w.cast<double>();
    const double power = (wide * exact).cwiseProduct(wide).sum();
    for (const int bits : {4, 3}) {
        with_group_of_64(bits, [&]<class Quantizer>() {
            const auto run = [&](tersor::gptq_options options) { return tersor::gptq<Quantizer>(w, h, options); };
            const auto start = std::chrono::steady_clock::now();
            const auto best = run({});
            const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
            std::printf("%-18s int%d g64 %10.6f %10.6f %10.6f %10.6f %10.6f %8.2f\n", name, bits,
                        best.objective_rtn / power, run({.mode = quantize_mode::reference}).objective / power,
                        run({.mode = quantize_mode::reference, .act_order = true, .static_groups = true}).objective /
                            power,
                        run({.mode = quantize_mode::fast}).objective / power, best.objective / power, seconds);
            std::fflush(stdout);
        });
    }
}

} // namespace

int main(int argc, char** argv) {
    const std::string folder = argc > 1 ? argv[1] : "../shared/golden";
    recorded_cases(folder, "reference_a");
    recorded_cases(folder, "reference_b");
    std::printf("%-26s %10s %10s %10s %10s %10s %8s\n", "relative squared error", "rtn", "reference", "act static",
                "fast", "best", "seconds");
    for (const char* const name :
         {"q_proj", "q_proj_outlier", "gate_proj", "gate_proj_outlier", "down_proj", "down_proj_outlier"}) {
        trained_layer(folder, name);
    }
}
