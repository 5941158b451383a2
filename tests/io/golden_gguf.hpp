#ifndef TERSOR_TESTS_IO_GOLDEN_GGUF_HPP
#define TERSOR_TESTS_IO_GOLDEN_GGUF_HPP

// A small GGUF file that ggml's own writer made, with what it holds.

#include "tests/common/golden.hpp"

#include <string>
#include <string_view>
#include <unistd.h>

namespace golden {

/// The path of a golden file of any kind, "topic/name.ending": of the full sets where they are present, else the copy.
inline std::string any_path(std::string_view name) {
    const std::string full = shared_folder() + "/golden/" + std::string(name);
    return ::access(full.c_str(), R_OK) == 0 ? full : TERSOR_TEST_DATA_DIR "/golden/" + std::string(name);
}

inline std::string tiny_gguf() {
    return any_path("ggml/tiny.gguf");
}
/// The metadata and the table of tensors of tiny_gguf().
inline std::string tiny_json() {
    return any_path("ggml/tiny.json");
}
/// The values of the tensors of tiny_gguf() as float32, for golden::file.
inline constexpr std::string_view tiny_values = "ggml/tiny_values";

} // namespace golden

#endif // TERSOR_TESTS_IO_GOLDEN_GGUF_HPP
