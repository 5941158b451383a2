#ifndef TERSOR_EXAMPLES_CLI_LAYER_INPUTS_HPP
#define TERSOR_EXAMPLES_CLI_LAYER_INPUTS_HPP

// Where solvers learn what goes into a layer. Recorded activations are one source; a program that runs the model over
// calibration tokens can be another.

#include "datasets.hpp"
#include "model.hpp"

#include "tersor/core/execution.hpp"
#include "tersor/solvers/channel_statistics.hpp"
#include "tersor/solvers/hessian.hpp"

#include <string>
#include <vector>

namespace cli {

/// The inputs of the layers of a model, by the names of their weights.
class layer_inputs {
public:
    virtual ~layer_inputs() = default;

    /// Whether the inputs of a weight are known.
    [[nodiscard]] virtual bool has(const std::string& weight) const = 0;
    /// Throws shape_mismatch unless they are for that many columns.
    virtual void require_columns(const std::string& weight, tersor::index columns) const = 0;
    /// Their second moments. Errors: non_finite, naming tensor and place.
    [[nodiscard]] virtual tersor::hessian second_moments(const std::string& weight,
                                                         const tersor::execution& exec) const = 0;
    /// Mean and largest magnitude of each column. Errors: as above.
    [[nodiscard]] virtual tersor::channel_statistics magnitudes(const std::string& weight,
                                                                const tersor::execution& exec) const = 0;
    /// What a message says where they are.
    [[nodiscard]] virtual std::string source() const = 0;
};

/// Activations in a file: the tensor NAME.input [..., columns], or its batches NAME.input.0, NAME.input.1, ..., for
/// the weight NAME.weight.
class recorded_inputs final : public layer_inputs {
public:
    explicit recorded_inputs(const std::string& path);

    [[nodiscard]] bool has(const std::string& weight) const override { return find(weight) != nullptr; }
    void require_columns(const std::string& weight, tersor::index columns) const override;
    [[nodiscard]] tersor::hessian second_moments(const std::string& weight,
                                                 const tersor::execution& exec) const override;
    [[nodiscard]] tersor::channel_statistics magnitudes(const std::string& weight,
                                                        const tersor::execution& exec) const override;
    [[nodiscard]] std::string source() const override { return file_.path(); }

private:
    [[nodiscard]] const dataset* find(const std::string& weight) const;
    template <class Take>
    void for_each_part(const std::string& weight, const Take& take) const;

    model file_;
    dataset_list data_;
};

/// "NAME.input" of the weight "NAME.weight".
[[nodiscard]] std::string input_name(const std::string& weight);

} // namespace cli

#endif // TERSOR_EXAMPLES_CLI_LAYER_INPUTS_HPP
