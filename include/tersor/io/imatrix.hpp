#ifndef TERSOR_IO_IMATRIX_HPP
#define TERSOR_IO_IMATRIX_HPP

// Importance files in all forms: llama.cpp's GGUF form (imatrix_gguf.hpp), its older binary form (imatrix_binary.hpp),
// and safetensors with a tensor NAME.importance [in] for each weight.

#include "tersor/core/error.hpp"
#include "tersor/io/gguf.hpp"
#include "tersor/io/imatrix_binary.hpp"
#include "tersor/io/imatrix_entry.hpp"
#include "tersor/io/imatrix_gguf.hpp"
#include "tersor/io/mapped_file.hpp"
#include "tersor/io/quote.hpp"
#include "tersor/io/safetensors.hpp"
#include "tersor/io/safetensors_values.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tersor::inline v0 {

/// Reads the tensors NAME.importance of an open file; others are left alone. corrupt_file if there is none, or one that
/// is not one row of floats.
[[nodiscard]] inline imatrix read_safetensors_imatrix(const safetensors_file& file) {
    constexpr std::string_view ending = ".importance";
    std::vector<imatrix_entry> entries;
    for (const safetensors_tensor& tensor : file.tensors()) {
        if (!tensor.name.ends_with(ending)) {
            continue;
        }
        if (tensor.shape.size() != 1 || !is_float(tensor.dtype)) {
            raise(error_code::corrupt_file, file.source() + ": tensor " + detail::quote_name(tensor.name) + " is " +
                                                std::string(to_string(tensor.dtype)) + " " +
                                                detail::describe_shape(tensor.shape) +
                                                "; expected one float per input column");
        }
        entries.push_back({tensor.name.substr(0, tensor.name.size() - ending.size()), read_floats(tensor)});
    }
    if (entries.empty()) {
        raise(error_code::corrupt_file, file.source() + ": no importance file: no tensor NAME.importance");
    }
    return {std::move(entries), {}, 0, file.source()};
}

/// Reads an importance file of any form, which its first bytes tell: io if it cannot be read, corrupt_file if it is
/// none. Memory: a small multiple of the file.
[[nodiscard]] inline imatrix read_imatrix(const std::string& path) {
    const mapped_file file(path);
    const std::string_view text = file.text();
    if (text.starts_with("GGUF")) {
        return read_gguf_imatrix(gguf_file::from_bytes(file.bytes(), path));
    }
    // a header of less than 4 GiB that is an object; in the binary form these bytes would be a name without a letter
    if (text.size() > 8 && text.substr(4, 4) == std::string_view("\0\0\0\0", 4) && text[8] == '{') {
        return read_safetensors_imatrix(safetensors_file::from_bytes(file.bytes(), path));
    }
    return read_binary_imatrix(file.bytes(), path);
}

} // namespace tersor::inline v0

#endif // TERSOR_IO_IMATRIX_HPP
