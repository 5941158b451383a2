// libFuzzer target for the safetensors reader: whatever the bytes, the reader gives a file whose tensors lie inside
// the bytes and cover them, or raises corrupt_file. An accepted file is written again, and must read back the same.

#include "tersor/io/safetensors.hpp"
#include "tersor/io/safetensors_layout.hpp"
#include "tersor/io/safetensors_values.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace {

void require(bool condition) {
    if (!condition) {
        std::abort();
    }
}

/// Reads every byte of every tensor in each way that its type allows.
void use(const tersor::safetensors_file& file, std::span<const std::byte> bytes) {
    const std::byte* expected = file.tensors().empty() ? nullptr : file.tensors().front().data.data();
    for (const auto& tensor : file.tensors()) {
        require(tensor.data.data() == expected);
        expected += tensor.data.size();
        require(tensor.offset + tensor.data.size() <= bytes.size());
        require(bytes.data() + tensor.offset == tensor.data.data());
        require(static_cast<std::uint64_t>(tensor.elements()) * static_cast<unsigned>(bits_of(tensor.dtype)) ==
                8 * tensor.data.size());
        require(file.find(tensor.name) == &tensor);
        if (tersor::is_float(tensor.dtype)) {
            require(tersor::read_floats(tensor).size() == static_cast<std::size_t>(tensor.elements()));
        }
        if (tersor::can_map<float>(tensor)) {
            require(tersor::map_matrix<float>(tensor).size() == tensor.elements());
        }
    }
    require(file.tensors().empty() || expected == bytes.data() + bytes.size());
}

/// The same tensors in the same order, as the writer would lay them out.
std::string written_again(const tersor::safetensors_file& file) {
    std::vector<tersor::safetensors_declaration> declarations;
    for (const auto& tensor : file.tensors()) {
        declarations.push_back(declare(tensor));
    }
    const tersor::safetensors_layout layout(declarations, file.metadata(), tersor::tensor_order::as_given);
    std::string bytes = layout.header();
    for (const auto& tensor : file.tensors()) {
        bytes.append(reinterpret_cast<const char*>(tensor.data.data()), tensor.data.size());
    }
    require(bytes.size() == layout.size());
    return bytes;
}

void require_equal(const tersor::safetensors_file& a, const tersor::safetensors_file& b) {
    require(a.metadata() == b.metadata());
    require(a.tensors().size() == b.tensors().size());
    for (std::size_t i = 0; i < a.tensors().size(); ++i) {
        const auto& x = a.tensors()[i];
        const auto& y = b.tensors()[i];
        require(x.name == y.name && x.dtype == y.dtype && x.shape == y.shape && x.data.size() == y.data.size());
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::span bytes(reinterpret_cast<const std::byte*>(data), size);
    tersor::safetensors_file file;
    try {
        file = tersor::safetensors_file::from_bytes(bytes);
    } catch (const tersor::error& e) {
        require(e.code() == tersor::error_code::corrupt_file);
        return 0;
    }
    use(file, bytes);
    const std::string again = written_again(file);
    const auto copy = tersor::safetensors_file::from_bytes(std::as_bytes(std::span(again)));
    require_equal(file, copy);
    return 0;
}
