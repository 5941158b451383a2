#ifndef TERSOR_IO_IMATRIX_GGUF_HPP
#define TERSOR_IO_IMATRIX_GGUF_HPP

// llama.cpp's importance files in GGUF: "general.type" is "imatrix"; for each weight NAME a tensor NAME.in_sum2 f32
// [columns, matrices] with the sums of the squared inputs, and NAME.counts f32 [1, matrices] with the number of tokens
// of each sum. Sum / count is the mean; a matrix (an expert) that no token met gets the importance 1, as in llama.cpp.
// NAME.in_sum, which newer files add, is not needed. "imatrix.datasets" and "imatrix.chunk_count" say of what text.

#include "tersor/core/error.hpp"
#include "tersor/io/gguf.hpp"
#include "tersor/io/gguf_tensor_values.hpp"
#include "tersor/io/imatrix_entry.hpp"
#include "tersor/io/quote.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tersor::inline v0 {

namespace detail {

[[noreturn]] inline void fail_imatrix(const gguf_file& file, const std::string& what) {
    raise(error_code::corrupt_file, file.source() + ": no importance file: " + what);
}

[[nodiscard]] inline std::vector<float> read_imatrix_part(const gguf_file& file, const gguf_tensor& tensor) {
    if (tensor.type != gguf_type::f32) {
        fail_imatrix(file,
                     "tensor " + quote_name(tensor.name) + " is " + std::string(to_string(tensor.type)) + ", not f32");
    }
    return read_floats(tensor);
}

// Sums to means, matrix by matrix.
inline void divide_by_counts(std::vector<float>& values, const std::vector<float>& counts) {
    const std::size_t columns = values.size() / counts.size();
    for (std::size_t i = 0; i < values.size(); ++i) {
        const float count = counts[i / columns];
        values[i] = count > 0.0f ? values[i] / count : 1.0f;
    }
}

} // namespace detail

/// Reads an open file; corrupt_file if it is not an importance file or contradicts itself.
[[nodiscard]] inline imatrix read_gguf_imatrix(const gguf_file& file) {
    const gguf_value* const type = file.find("general.type");
    std::string_view kind;
    if (type == nullptr || !type->read(kind).empty() || kind != "imatrix") {
        detail::fail_imatrix(file, "general.type is not 'imatrix'");
    }
    constexpr std::string_view sums_ending = ".in_sum2";
    std::vector<imatrix_entry> entries;
    for (const gguf_tensor& sums : file.tensors()) {
        if (!sums.name.ends_with(sums_ending)) {
            continue;
        }
        imatrix_entry& entry = entries.emplace_back();
        entry.name = sums.name.substr(0, sums.name.size() - sums_ending.size());
        const gguf_tensor* const counts = file.find_tensor(entry.name + ".counts");
        if (counts == nullptr) {
            detail::fail_imatrix(file, "tensor " + detail::quote_name(sums.name) + " has no counts");
        }
        entry.values = detail::read_imatrix_part(file, sums);
        const std::vector<float> numbers = detail::read_imatrix_part(file, *counts);
        if (numbers.empty() || entry.values.size() % numbers.size() != 0) {
            detail::fail_imatrix(file, std::to_string(numbers.size()) + " counts for " +
                                           std::to_string(entry.values.size()) + " values of " +
                                           detail::quote_name(entry.name));
        }
        detail::divide_by_counts(entry.values, numbers);
    }
    if (entries.empty()) {
        detail::fail_imatrix(file, "no tensor NAME.in_sum2");
    }
    std::vector<std::string> datasets;
    std::uint32_t chunks = 0;
    if (const gguf_value* const names = file.find("imatrix.datasets"); names != nullptr && names->is_array()) {
        static_cast<void>(names->read(datasets));
    }
    if (const gguf_value* const count = file.find("imatrix.chunk_count"); count != nullptr && !count->is_array()) {
        static_cast<void>(count->read(chunks));
    }
    return {std::move(entries), std::move(datasets), chunks, file.source()};
}

} // namespace tersor::inline v0

#endif // TERSOR_IO_IMATRIX_GGUF_HPP
