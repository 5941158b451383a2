#ifndef TERSOR_IO_GGUF_WRITER_HPP
#define TERSOR_IO_GGUF_WRITER_HPP

// Writing a GGUF file piece by piece; see tensor_writer.hpp.

#include "tersor/io/gguf_layout.hpp"
#include "tersor/io/tensor_writer.hpp"

namespace tersor::inline v0 {

/// A GGUF file being written. It appears under its name, whole, at commit(). Move-only.
using gguf_writer = tensor_writer<gguf_layout>;

} // namespace tersor::inline v0

#endif // TERSOR_IO_GGUF_WRITER_HPP
