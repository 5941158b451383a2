#ifndef TERSOR_TESTS_IO_CHECKPOINT_TENSORS_HPP
#define TERSOR_TESTS_IO_CHECKPOINT_TENSORS_HPP

// Tensors of a checkpoint in memory: what a layout writes, to be compared, spoilt and stored as a file.

#include "tests/common/temporary_folder.hpp"

#include "tersor/core/error.hpp"
#include "tersor/core/quantized_tensor.hpp"
#include "tersor/formats/packing.hpp"
#include "tersor/io/safetensors.hpp"
#include "tersor/io/safetensors_writer.hpp"

#include <Eigen/Core>
#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <map>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace checkpoint {

using matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// Weights as they look in a model: bell-shaped, with a few large ones.
inline matrix sample(int rows, int cols, unsigned seed = 1) {
    std::mt19937 random(seed);
    matrix w(rows, cols);
    for (float& value : w.reshaped()) {
        float sum = 0.0f;
        for (int i = 0; i < 4; ++i) {
            sum += static_cast<float>(random() % 65536) / 65536.0f - 0.5f;
        }
        value = sum * (random() % 64 == 0 ? 0.4f : 0.05f);
    }
    return w;
}

/// A tensor of any codes and parameters that its quantizer may store.
template <class Q>
tersor::quantized_tensor<Q> any_quantized(int rows, int cols, unsigned seed = 1) {
    using code = tersor::code_of<Q>;
    std::mt19937 random(seed);
    const auto layout = tersor::quantized_tensor<Q>::layout_of({rows, cols}, 1);
    std::vector<std::uint8_t> packed(static_cast<std::size_t>(layout.rows * layout.row_bytes));
    std::vector<code> codes(static_cast<std::size_t>(cols));
    for (int row = 0; row < rows; ++row) {
        for (code& c : codes) {
            const auto bits = static_cast<std::uint8_t>(random());
            tersor::unpack(typename Q::format{}, &bits, std::span<code>(&c, 1));
        }
        tersor::pack(typename Q::format{}, std::span<const code>(codes), packed.data() + row * layout.row_bytes);
    }
    std::vector<typename Q::parameters> parameters(static_cast<std::size_t>(layout.groups));
    for (auto& p : parameters) {
        const auto number = random();
        if constexpr (std::is_integral_v<decltype(p.scale)>) {
            p.scale = static_cast<std::uint8_t>(number);
        } else {
            p.scale = static_cast<decltype(p.scale)>(static_cast<float>(number % 1024 + 1) / 4096.0f);
        }
        if constexpr (requires { p.zero; }) {
            constexpr int lowest = Q::format::lowest, count = Q::format::highest - lowest + 1;
            p.zero = static_cast<decltype(p.zero)>(lowest + static_cast<int>(random() % static_cast<unsigned>(count)));
        }
    }
    return {Q{}, {rows, cols}, 1, std::move(packed), std::move(parameters)};
}

/// The values of a tensor by the definition of its quantizer.
template <class Q>
std::vector<float> values_of(const tersor::quantized_tensor<Q>& q) {
    std::vector<float> values;
    for (tersor::index row = 0; row < q.layout().rows; ++row) {
        for (tersor::index i = 0; i < q.layout().length; ++i) {
            const auto code =
                tersor::packed_code<typename Q::format>(q.row_codes(row).data(), static_cast<std::size_t>(i));
            values.push_back(q.quantizer().decode(code, q.parameters()[static_cast<std::size_t>(q.group_of(row, i))]));
        }
    }
    return values;
}

/// Stands in for a writer: takes tensors as they come.
class tensors {
public:
    struct entry {
        tersor::safetensors_dtype dtype{};
        std::vector<std::int64_t> shape;
        std::vector<std::byte> bytes;
        friend bool operator==(const entry&, const entry&) = default;
    };

    /// Room for declared tensors.
    void declare(const std::vector<tersor::safetensors_declaration>& declared) {
        for (const auto& tensor : declared) {
            all[tensor.name] = {tensor.dtype, tensor.shape, {}};
        }
    }
    template <class Values>
    void append(std::string_view name, const Values& values) {
        const auto bytes = std::as_bytes(std::span(values));
        auto& to = all.at(std::string(name)).bytes;
        to.insert(to.end(), bytes.begin(), bytes.end());
    }
    template <class T>
    void add(const std::string& name, tersor::safetensors_dtype dtype, std::vector<std::int64_t> shape,
             const std::vector<T>& values) {
        all[name] = {dtype, std::move(shape), {}};
        append(name, values);
    }
    void add(const tersor::safetensors_tensor& tensor, const std::string& name) {
        all[name] = {tensor.dtype, tensor.shape, {tensor.data.begin(), tensor.data.end()}};
    }
    template <class T>
    [[nodiscard]] std::vector<T> values(const std::string& name) const {
        const auto& bytes = all.at(name).bytes;
        std::vector<T> result(bytes.size() / sizeof(T));
        std::memcpy(result.data(), bytes.data(), bytes.size());
        return result;
    }
    [[nodiscard]] std::string text(const std::string& name) const {
        const auto& bytes = all.at(name).bytes;
        return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
    }
    void set_text(const std::string& name, const std::string& text) {
        add(name, tersor::safetensors_dtype::u8, {static_cast<std::int64_t>(text.size())},
            std::vector<char>(text.begin(), text.end()));
    }
    /// Stores all tensors as a file.
    void write(const std::string& path, const tersor::safetensors_metadata& metadata = {}) const {
        std::vector<tersor::safetensors_declaration> declared;
        for (const auto& [name, tensor] : all) {
            declared.push_back({name, tensor.dtype, tensor.shape});
        }
        tersor::safetensors_writer writer(path, tersor::safetensors_layout(declared, metadata),
                                          tersor::existing_target::overwrite);
        for (const auto& [name, tensor] : all) {
            writer.append(name, std::span<const std::byte>(tensor.bytes));
        }
        writer.commit();
    }

    std::map<std::string, entry> all;
};

/// Whether floats are equal bit by bit; zeros may differ in sign.
inline ::testing::AssertionResult same_floats(std::span<const float> a, std::span<const float> b) {
    if (a.size() != b.size()) {
        return ::testing::AssertionFailure() << a.size() << " values, expected " << b.size();
    }
    for (std::size_t i = 0; i < a.size(); ++i) {
        if (!(a[i] == b[i]) && !(std::isnan(a[i]) && std::isnan(b[i]))) {
            return ::testing::AssertionFailure() << "value " << i << " is " << a[i] << ", expected " << b[i];
        }
    }
    return ::testing::AssertionSuccess();
}

inline std::span<const float> flat_values(const matrix& m) {
    return {m.data(), static_cast<std::size_t>(m.size())};
}

/// Expects an error of that code whose message contains all of the words.
template <class Action>
void expect_error(tersor::error_code code, std::initializer_list<std::string_view> words, const Action& action) {
    try {
        action();
        ADD_FAILURE() << "no error, expected " << tersor::to_string(code);
    } catch (const tersor::error& e) {
        EXPECT_EQ(tersor::to_string(e.code()), std::string(tersor::to_string(code))) << e.what();
        for (const std::string_view word : words) {
            EXPECT_NE(std::string_view(e.what()).find(word), std::string_view::npos) << word << " in: " << e.what();
        }
    }
}

} // namespace checkpoint

#endif // TERSOR_TESTS_IO_CHECKPOINT_TENSORS_HPP
