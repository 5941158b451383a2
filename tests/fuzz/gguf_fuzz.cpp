// libFuzzer target for the GGUF reader: whatever the bytes, the reader gives a file whose tensors lie inside the bytes,
// in order and aligned, or raises corrupt_file with the place. Of an accepted file everything is read in every way, and
// it is written again: the header must be the same bytes, and the file must read back the same.

#include "tersor/io/gguf.hpp"
#include "tersor/io/gguf_layout.hpp"
#include "tersor/io/gguf_tensor_values.hpp"

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

bool inside(std::span<const std::byte> part, std::span<const std::byte> whole) {
    return part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size();
}

/// Reads a value as a T and as a vector of T: of the elements as many as there are, or a problem that is named.
template <class T>
void read_as(const tersor::gguf_value& value, bool must_succeed) {
    T one{};
    std::vector<T> many;
    const std::string problem = value.read(one);
    const std::string array_problem = value.read(many);
    require(value.is_array() ? !problem.empty() : !array_problem.empty());
    require(!array_problem.empty() || many.size() == value.count());
    require(!must_succeed || (value.is_array() ? array_problem : problem).empty());
}

void use(const tersor::gguf_value& value) {
    using type = tersor::gguf_value_type;
    const type element = value.element_type();
    require(element != type::array && value.describe().starts_with("is "));
    read_as<std::uint8_t>(value, element == type::u8);
    read_as<std::int16_t>(value, element == type::i16 || element == type::u8 || element == type::i8);
    read_as<std::int64_t>(value, element == type::i64 || element == type::u32 || element == type::i32);
    read_as<std::uint64_t>(value, element == type::u64 || element == type::u32);
    read_as<float>(value, element == type::f32 || element == type::i16);
    read_as<double>(value, element == type::f64 || element == type::f32 || element == type::i32);
    read_as<bool>(value, element == type::boolean);
    read_as<std::string>(value, element == type::string);
    read_as<std::string_view>(value, element == type::string);
}

void use(const tersor::gguf_tensor& tensor, std::span<const std::byte> bytes) {
    const tersor::gguf_type_info& info = tersor::info_of(tensor.type);
    require(inside(tensor.data, bytes) && bytes.data() + tensor.offset == tensor.data.data());
    require(tensor.rank <= 4 && tensor.rows() > 0 && tensor.columns() > 0);
    require(static_cast<std::uint64_t>(tensor.rows()) * tensor.row_bytes() == tensor.data.size());
    require(tensor.shape().size() == tensor.rank && tensor.name.size() < 64);
    unsigned sum = 0;
    for (const std::byte byte : tensor.data) {
        sum += std::to_integer<unsigned>(byte);
    }
    require(sum <= 255 * tensor.data.size());
    std::vector<float> row(static_cast<std::size_t>(tensor.columns()));
    try {
        tersor::read_floats(tensor, tensor.elements() - tensor.columns(), row);
    } catch (const tersor::error& e) {
        require(e.code() == tersor::error_code::unsupported && info.is_block_format());
    }
    if (tersor::can_map<float>(tensor)) {
        require(tersor::map_matrix<float>(tensor).size() == tensor.elements());
    }
}

void use(const tersor::gguf_file& file, std::span<const std::byte> bytes) {
    require(file.version() == 2 || file.version() == 3);
    require(file.alignment() != 0 && (file.alignment() & (file.alignment() - 1)) == 0);
    for (const auto& [key, value] : file.metadata()) {
        require(!key.empty() && file.find(key) == &file.at(key) &&
                file.find(key)->bytes().data() == value.bytes().data());
        require(value.bytes().empty() || inside(value.bytes(), bytes));
        use(value);
    }
    std::uint64_t expected = file.data_offset();
    for (const tersor::gguf_tensor& tensor : file.tensors()) {
        require(tensor.offset == expected && expected % file.alignment() == 0);
        expected = (expected + tensor.data.size() + file.alignment() - 1) / file.alignment() * file.alignment();
        require(file.find_tensor(tensor.name) == &tensor);
        use(tensor, bytes);
    }
    require(expected <= bytes.size());
}

/// The same file as the writer would lay it out; only the version may be another one.
std::string written_again(const tersor::gguf_file& file, std::span<const std::byte> bytes) {
    std::vector<tersor::gguf_declaration> declarations;
    for (const tersor::gguf_tensor& tensor : file.tensors()) {
        declarations.push_back(declare(tensor));
    }
    const tersor::gguf_layout layout(declarations, tersor::gguf_metadata(file.metadata()));
    std::string again = layout.header();
    require(again.size() <= bytes.size());
    std::string before(reinterpret_cast<const char*>(bytes.data()), again.size());
    before[4] = '\3';
    require(again == before);
    require(layout.alignment() == file.alignment());
    require(file.tensors().empty() || layout.data_offset() == file.data_offset());
    if (layout.size() <= bytes.size()) {
        again.resize(static_cast<std::size_t>(layout.size()));
        for (std::size_t i = 0; i < file.tensors().size(); ++i) {
            const auto data = file.tensors()[i].data;
            require(layout.entries()[i].bytes == data.size());
            again.replace(static_cast<std::size_t>(layout.entries()[i].offset), data.size(),
                          reinterpret_cast<const char*>(data.data()), data.size());
        }
    } else {
        // a header alone needs no padding
        require(file.tensors().empty());
    }
    return again;
}

void require_equal(const tersor::gguf_file& a, const tersor::gguf_file& b) {
    require(a.metadata().size() == b.metadata().size() && a.tensors().size() == b.tensors().size());
    for (std::size_t i = 0; i < a.metadata().size(); ++i) {
        const auto& x = a.metadata()[i];
        const auto& y = b.metadata()[i];
        require(x.key == y.key && x.value.type() == y.value.type() && x.value.count() == y.value.count());
        require(x.value.bytes().size() == y.value.bytes().size());
    }
    for (std::size_t i = 0; i < a.tensors().size(); ++i) {
        const auto& x = a.tensors()[i];
        const auto& y = b.tensors()[i];
        require(x.name == y.name && x.type == y.type && x.rank == y.rank && x.ne == y.ne);
        require(std::string_view(reinterpret_cast<const char*>(x.data.data()), x.data.size()) ==
                std::string_view(reinterpret_cast<const char*>(y.data.data()), y.data.size()));
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::span bytes(reinterpret_cast<const std::byte*>(data), size);
    tersor::gguf_file file;
    try {
        file = tersor::gguf_file::from_bytes(bytes);
    } catch (const tersor::error& e) {
        require(e.code() == tersor::error_code::corrupt_file);
        require(std::string_view(e.what()).find("at byte ") != std::string_view::npos);
        return 0;
    }
    use(file, bytes);
    const std::string again = written_again(file, bytes);
    const auto copy = tersor::gguf_file::from_bytes(std::as_bytes(std::span(again)));
    require_equal(file, copy);
    return 0;
}
