#ifndef TERSOR_IO_SAFETENSORS_WRITER_HPP
#define TERSOR_IO_SAFETENSORS_WRITER_HPP

// Writing a safetensors file piece by piece; see tensor_writer.hpp.

#include "tersor/io/safetensors_layout.hpp"
#include "tersor/io/tensor_writer.hpp"

namespace tersor::inline v0 {

/// A safetensors file being written. It appears under its name, whole, at commit(). Move-only.
using safetensors_writer = tensor_writer<safetensors_layout>;

} // namespace tersor::inline v0

#endif // TERSOR_IO_SAFETENSORS_WRITER_HPP
