#ifndef TERSOR_TESTS_CLI_PROGRAM_HPP
#define TERSOR_TESTS_CLI_PROGRAM_HPP

// Runs the built program as a user would, and makes small models for it.

#include "common/temporary_folder.hpp"

#include "tersor/core/rounding.hpp"
#include "tersor/io/json.hpp"
#include "tersor/io/quantized_model.hpp"
#include "tersor/io/safetensors_model_writer.hpp"
#include "tersor/io/safetensors_values.hpp"
#include "tersor/version.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <fcntl.h>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>
#include <vector>

/// What a run of the program left.
struct outcome {
    int status = -1; ///< exit status; -1 if a signal ended it
    std::string out;
    std::string err;
    long peak_kib = 0; ///< most memory it had at once

    [[nodiscard]] bool ok() const { return status == 0; }
    /// Whether standard error is exactly one line that starts as the program's messages do and holds this.
    [[nodiscard]] testing::AssertionResult says(std::string_view part) const {
        if (!err.starts_with("tersor: ") || err.find('\n') + 1 != err.size() || err.find(part) == std::string::npos) {
            return testing::AssertionFailure() << "standard error is: " << err;
        }
        return testing::AssertionSuccess();
    }
};

/// A started program.
class process {
public:
    using setup = std::function<void()>;

    /// Starts it; `prepare` runs in the new process, before the program.
    explicit process(std::vector<std::string> arguments, const setup& prepare = {}) {
        arguments.insert(arguments.begin(), TERSOR_PROGRAM);
        std::vector<char*> pointers;
        for (std::string& argument : arguments) {
            pointers.push_back(argument.data());
        }
        pointers.push_back(nullptr);
        id_ = ::fork();
        if (id_ == 0) {
            redirect(folder_ / "out", STDOUT_FILENO);
            redirect(folder_ / "err", STDERR_FILENO);
            if (prepare) {
                prepare();
            }
            ::execv(TERSOR_PROGRAM, pointers.data());
            ::_exit(127);
        }
    }

    void send(int signal) const { ::kill(id_, signal); }

    /// Waits for its end.
    [[nodiscard]] outcome wait() const {
        int state = 0;
        struct rusage used {};
        ::wait4(id_, &state, 0, &used);
        return {WIFEXITED(state) ? WEXITSTATUS(state) : -1, temporary_folder::read(folder_ / "out"),
                temporary_folder::read(folder_ / "err"), used.ru_maxrss};
    }

private:
    static void redirect(const std::string& path, int to) {
        const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
        ::dup2(file, to);
        ::close(file);
    }

    temporary_folder folder_;
    pid_t id_ = -1;
};

[[nodiscard]] inline outcome run(std::vector<std::string> arguments, const process::setup& prepare = {}) {
    return process(std::move(arguments), prepare).wait();
}

/// Numbers that look random and are the same everywhere, in [-1, 1), a few of them larger.
[[nodiscard]] inline std::vector<float> some_values(std::size_t count, std::uint64_t seed) {
    std::vector<float> values(count);
    for (std::size_t i = 0; i < count; ++i) {
        values[i] = 2.0f * tersor::uniform(seed, i) - 1.0f;
        values[i] *= tersor::uniform(seed + 1, i) > 0.99f ? 4.0f : 1.0f;
    }
    return values;
}

/// A tensor of a model to be made, with float values.
struct made_tensor {
    std::string name;
    std::vector<std::int64_t> shape;
    std::vector<float> values;
};

/// Writes a model of F32 tensors: a file or a folder, as the path says.
inline void make_model(const std::string& path, const std::vector<made_tensor>& tensors,
                       tersor::safetensors_model_options options = {}) {
    std::vector<tersor::safetensors_declaration> declarations;
    for (const made_tensor& t : tensors) {
        declarations.push_back({t.name, tersor::safetensors_dtype::f32, t.shape});
    }
    std::error_code none;
    if (!std::filesystem::is_directory(path, none)) {
        std::filesystem::remove(path, none); // a test may make another one under the name
    }
    tersor::safetensors_model_writer out(path, declarations, std::move(options));
    for (const made_tensor& t : tensors) {
        out.append(t.name, t.values);
    }
    out.commit();
}

/// A model of one matrix "a.weight".
inline void make_matrix(const std::string& path, std::int64_t rows, std::int64_t cols, std::uint64_t seed = 7) {
    make_model(path, {{"a.weight", {rows, cols}, some_values(static_cast<std::size_t>(rows * cols), seed)}});
}

/// A model with what models have: layers, an embedding, a head, a norm, another rank.
[[nodiscard]] inline std::vector<made_tensor> usual_tensors() {
    return {{"model.embed_tokens.weight", {16, 64}, some_values(1024, 1)},
            {"model.layers.0.q_proj.weight", {64, 64}, some_values(4096, 2)},
            {"model.layers.1.q_proj.weight", {64, 64}, some_values(4096, 3)},
            {"model.layers.1.up.weight", {96, 64}, some_values(6144, 4)},
            {"model.norm.weight", {64}, some_values(64, 5)},
            {"experts", {2, 8, 64}, some_values(1024, 6)},
            {"lm_head.weight", {16, 64}, some_values(1024, 7)}};
}

[[nodiscard]] inline tersor::json::value read_json(const std::string& path) {
    return tersor::json::parse(temporary_folder::read(path), path);
}

/// The entry of that name in an array of objects with names.
[[nodiscard]] inline const tersor::json::value* find_entry(const tersor::json::value& list, std::string_view name) {
    for (const tersor::json::value& entry : list.as_array()) {
        if (entry.at("name").as_string() == name) {
            return &entry;
        }
    }
    return nullptr;
}

#endif // TERSOR_TESTS_CLI_PROGRAM_HPP
