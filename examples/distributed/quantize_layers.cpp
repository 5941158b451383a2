// GPTQ of many layers on many machines, by MPI: mpirun -n 4 quantize_layers layers.safetensors quantized.safetensors
//
// The input holds, for each layer, its weights NAME.weight [rows x columns] and its calibration inputs NAME.input
// [..., columns]. The output holds 4-bit codes in groups of 128, NAME.codes, and their NAME.scales and NAME.zeros.
//
//   1. Every process sums the Hessian of every layer over its own run of tokens. The runs follow each other, so that
//   the
//      layer's owner can merge them: the result has the bits of a single process.
//   2. Every process quantizes the layers that it owns.
//   3. Process 0 collects the results and writes them.
//
// So the output does not depend on the number of processes. The library knows nothing of MPI: it gives mergeable parts.

#include "examples/distributed/messages.hpp"

#include <tersor/io/safetensors.hpp>
#include <tersor/io/safetensors_values.hpp>
#include <tersor/io/safetensors_writer.hpp>
#include <tersor/quantizers/aliases.hpp>
#include <tersor/solvers/gptq.hpp>

#include <cstdio>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace {

using tersor::index;
using quantizer = tersor::blockwise<tersor::zero_point<tersor::uint4>, 128>;
using matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

struct layer {
    std::string name;
    const tersor::safetensors_tensor* weight;
    const tersor::safetensors_tensor* input;
    int owner;

    [[nodiscard]] index rows() const { return weight->shape.at(0); }
    [[nodiscard]] index columns() const { return weight->shape.at(1); }
    [[nodiscard]] index tokens() const { return input->elements() / columns(); }
    [[nodiscard]] index groups() const { return (columns() + quantizer::group - 1) / quantizer::group; }
};

/// The layers of a file, in its order, shared out in turns.
std::vector<layer> layers_of(const tersor::safetensors_file& file, int processes) {
    std::vector<layer> layers;
    for (const tersor::safetensors_tensor& tensor : file.tensors()) {
        const std::string ending = ".weight";
        if (!tensor.name.ends_with(ending) || tensor.shape.size() != 2) {
            continue;
        }
        const std::string name = tensor.name.substr(0, tensor.name.size() - ending.size());
        const tersor::safetensors_tensor& input = file.at(name + ".input");
        if (input.shape.empty() || input.shape.back() != tensor.shape[1] || tensor.shape[1] == 0) {
            tersor::raise(tersor::error_code::shape_mismatch, "the inputs of '" + name + "' do not fit its weights");
        }
        layers.push_back({name, &tensor, &input, static_cast<int>(layers.size()) % processes});
    }
    return layers;
}

/// The Hessian over this process's share of the layer's tokens.
tersor::hessian sum_own_tokens(const layer& l, int rank, int processes) {
    const index first = l.tokens() * rank / processes, last = l.tokens() * (rank + 1) / processes;
    tersor::hessian sum(l.columns(), {.first_token = first});
    for (index token = first, count = 0; token < last; token += count) {
        count = std::min<index>(1024, last - token);
        matrix x(count, l.columns());
        tersor::read_floats(*l.input, token * l.columns(), {x.data(), static_cast<std::size_t>(x.size())});
        sum.accumulate(x);
    }
    return sum;
}

/// The Hessian over all tokens, for the owner of the layer; the others hand in their part.
std::optional<tersor::hessian> sum_all_tokens(const layer& l, int rank, int processes) {
    const tersor::hessian own = sum_own_tokens(l, rank, processes);
    if (rank != l.owner) {
        messages::send(own.save(), l.owner);
        return std::nullopt;
    }
    tersor::hessian sum(l.columns());
    for (int from = 0; from < processes; ++from) {
        sum.merge(from == rank ? own : tersor::hessian::load(messages::receive(from)));
    }
    return sum;
}

/// A quantized layer as bytes: codes, then scales, then zero points.
std::vector<std::byte> quantize(const layer& l, const tersor::hessian& h) {
    matrix w(l.rows(), l.columns());
    tersor::read_floats(*l.weight, {w.data(), static_cast<std::size_t>(w.size())});
    const auto result = tersor::gptq<quantizer>(w, h, {.objectives = false});
    std::vector<std::byte> bytes;
    const auto append = [&bytes](const auto& value) {
        const auto* const first = reinterpret_cast<const std::byte*>(&value);
        bytes.insert(bytes.end(), first, first + sizeof value);
    };
    for (const std::uint8_t code : result.weights.codes()) {
        append(code);
    }
    for (const auto& group : result.weights.parameters()) {
        append(group.scale);
    }
    for (const auto& group : result.weights.parameters()) {
        append(static_cast<std::uint8_t>(group.zero));
    }
    return bytes;
}

void write(const std::string& path, const std::vector<layer>& layers,
           std::map<std::string, std::vector<std::byte>>& all) {
    using dtype = tersor::safetensors_dtype;
    std::vector<tersor::safetensors_declaration> declared;
    for (const layer& l : layers) {
        declared.push_back({l.name + ".codes", dtype::u8, {l.rows(), (l.columns() + 1) / 2}});
        declared.push_back({l.name + ".scales", dtype::f32, {l.rows(), l.groups()}});
        declared.push_back({l.name + ".zeros", dtype::u8, {l.rows(), l.groups()}});
    }
    tersor::safetensors_writer writer(path, tersor::safetensors_layout(declared, {}),
                                      tersor::existing_target::overwrite);
    for (const layer& l : layers) {
        std::span<const std::byte> rest = all.at(l.name);
        const auto take = [&](const std::string& what, index count) {
            writer.append(l.name + what, rest.first(static_cast<std::size_t>(count)));
            rest = rest.subspan(static_cast<std::size_t>(count));
        };
        take(".codes", l.rows() * ((l.columns() + 1) / 2));
        take(".scales", l.rows() * l.groups() * 4);
        take(".zeros", l.rows() * l.groups());
    }
    writer.commit();
}

void run(const std::string& from, const std::string& to, int rank, int processes) {
    const auto file = tersor::safetensors_file::open(from);
    const std::vector<layer> layers = layers_of(file, processes);
    std::map<std::string, std::optional<tersor::hessian>> hessians;
    for (const layer& l : layers) {
        hessians[l.name] = sum_all_tokens(l, rank, processes);
    }
    std::map<std::string, std::vector<std::byte>> quantized;
    for (const layer& l : layers) {
        if (l.owner == rank) {
            quantized[l.name] = quantize(l, *hessians[l.name]);
            hessians.erase(l.name);
        }
    }
    for (const layer& l : layers) {
        if (l.owner == rank && rank != 0) {
            messages::send(quantized[l.name], 0);
        } else if (rank == 0 && l.owner != 0) {
            quantized[l.name] = messages::receive(l.owner);
        }
    }
    if (rank == 0) {
        write(to, layers, quantized);
        std::printf("%zu layers by %d processes\n", layers.size(), processes);
    }
}

} // namespace

int main(int count, char** arguments) {
    const messages::session session(count, arguments);
    if (count != 3) {
        std::fprintf(stderr, "usage: mpirun -n PROCESSES quantize_layers LAYERS.safetensors QUANTIZED.safetensors\n");
        return 2;
    }
    try {
        run(arguments[1], arguments[2], session.rank(), session.processes());
    } catch (const std::exception& error) {
        std::fprintf(stderr, "quantize_layers: process %d: %s\n", session.rank(), error.what());
        session.end_all(); // the others may be waiting for this one
    }
    return 0;
}
