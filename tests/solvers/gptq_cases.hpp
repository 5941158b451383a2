#ifndef TERSOR_TESTS_SOLVERS_GPTQ_CASES_HPP
#define TERSOR_TESTS_SOLVERS_GPTQ_CASES_HPP

// The recorded runs of GPTQ programs: inputs, arguments and results of every case of a file, whatever cases it holds.

#include "common/golden.hpp"
#include "tersor/io/json.hpp"
#include "tersor/solvers/gptq_options.hpp"
#include "tersor/solvers/hessian.hpp"

#include <Eigen/Core>

#include <cstdint>
#include <string>
#include <vector>

namespace gptq_cases {

using matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// A tensor [..., columns] as a matrix.
inline matrix matrix_of(const golden::file& file, const std::string& name) {
    const std::vector<float> values = file.tensor<float>(name);
    const Eigen::Index columns = file.shape(name).back();
    return Eigen::Map<const matrix>(values.data(), static_cast<Eigen::Index>(values.size()) / columns, columns);
}

/// H of inputs [batches, tokens, columns], a batch counting as one sample.
inline tersor::hessian hessian_of(const golden::file& file, tersor::hessian_precision precision) {
    const matrix x = matrix_of(file, "X");
    const Eigen::Index tokens = file.shape("X")[1];
    tersor::hessian h(x.cols(), {.precision = precision});
    for (Eigen::Index first = 0; first < x.rows(); first += tokens) {
        h.accumulate(x.middleRows(first, tokens), 1);
    }
    return h;
}

/// One recorded run.
struct run {
    std::string name;
    tersor::json::value arguments;

    [[nodiscard]] bool flag(const char* key) const {
        const auto* const found = arguments.find(key);
        return found != nullptr && found->is(tersor::json::kind::boolean) && found->as_boolean();
    }
    [[nodiscard]] double number(const char* key, double otherwise) const {
        const auto* const found = arguments.find(key);
        return found == nullptr ? otherwise : found->as_double();
    }
};

/// All runs that a file has codes of.
inline std::vector<run> runs_of(const golden::file& file) {
    std::vector<run> runs;
    for (const auto& [key, text] : file.opened().metadata()) {
        const std::string ending = ".args", name = key.substr(0, key.size() - std::min(key.size(), ending.size()));
        if (key == name + ending && file.has(name + ".codes")) {
            runs.push_back({name, tersor::json::parse(text)});
        }
    }
    return runs;
}

/// How many of the codes differ.
inline int differing(const std::vector<std::uint8_t>& a, const std::vector<std::uint8_t>& b) {
    int count = a.size() == b.size() ? 0 : 1 << 30;
    for (std::size_t i = 0; i < a.size() && i < b.size(); ++i) {
        count += a[i] != b[i];
    }
    return count;
}

/// Calls work(file, W, H) for the layer of each recorded file that is there.
template <class Work>
void for_each_layer(const Work& work) {
    for (const char* const name : {"gptq/reference_a", "gptq/reference_b"}) {
        if (golden::available(name)) {
            const golden::file file(name);
            work(file, matrix_of(file, "W"), hessian_of(file, tersor::hessian_precision::fp32));
        }
    }
}

} // namespace gptq_cases

#endif // TERSOR_TESTS_SOLVERS_GPTQ_CASES_HPP
