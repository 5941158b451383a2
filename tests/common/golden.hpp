#ifndef TERSOR_TESTS_COMMON_GOLDEN_HPP
#define TERSOR_TESTS_COMMON_GOLDEN_HPP

// Golden data: inputs and results recorded from other programs, as safetensors files.
//
// golden::file("bitsandbytes/nf4") opens <shared>/golden/bitsandbytes/nf4.safetensors where the full sets are present,
// else the compact copy tests/data/golden/bitsandbytes/nf4.safetensors. <shared> is the environment variable
// TERSOR_SHARED, else the folder that the build names. A file that is in neither place is an error.

#include "tersor/io/safetensors.hpp"

#include <Eigen/Core>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>
#include <unistd.h>
#include <vector>

#ifndef TERSOR_SHARED_DIR
#    define TERSOR_SHARED_DIR "../shared"
#endif
#ifndef TERSOR_TEST_DATA_DIR
#    define TERSOR_TEST_DATA_DIR "tests/data"
#endif

namespace golden {

/// The folder of the full data sets; it need not exist.
inline std::string shared_folder() {
    const char* const chosen = std::getenv("TERSOR_SHARED");
    return chosen != nullptr ? chosen : TERSOR_SHARED_DIR;
}

/// Where the golden file of that name is ("topic/name", without ending), or an empty string.
inline std::string path(std::string_view name) {
    const std::string relative = "/golden/" + std::string(name) + ".safetensors";
    for (const std::string& folder : {shared_folder(), std::string(TERSOR_TEST_DATA_DIR)}) {
        if (::access((folder + relative).c_str(), R_OK) == 0) {
            return folder + relative;
        }
    }
    return {};
}

/// Whether the golden file of that name can be opened.
inline bool available(std::string_view name) {
    return !path(name).empty();
}

/// One golden file with typed access to its tensors.
class file {
public:
    explicit file(std::string_view name)
        : opened_(tersor::safetensors_file::open(available(name) ? path(name) : std::string(name))) {}

    [[nodiscard]] const tersor::safetensors_file& opened() const { return opened_; }

    /// The names of all tensors, in the order of their data.
    [[nodiscard]] std::vector<std::string> names() const {
        std::vector<std::string> result;
        for (const auto& tensor : opened_.tensors()) {
            result.push_back(tensor.name);
        }
        return result;
    }

    [[nodiscard]] bool has(std::string_view name) const { return opened_.contains(name); }
    [[nodiscard]] std::vector<std::int64_t> shape(std::string_view name) const { return opened_.at(name).shape; }
    [[nodiscard]] tersor::safetensors_dtype dtype(std::string_view name) const { return opened_.at(name).dtype; }

    /// The metadata of that key; an error if there is none.
    [[nodiscard]] std::string metadata(std::string_view key) const {
        const std::string* const text = opened_.find_metadata(key);
        if (text == nullptr) {
            tersor::raise(tersor::error_code::invalid_argument, "no metadata '" + std::string(key) + "'");
        }
        return *text;
    }

    /// The elements in row-major order. T = float reads F32 and widens F16 and BF16; double reads F64 and widens F32;
    /// a signed integer reads the integers of its width; an unsigned one takes the bits of anything of its width
    /// (uint8_t: U8, BOOL, fp8, ...; uint16_t: F16, BF16, U16, ...; uint32_t: F32, ...). Otherwise an error.
    template <class T>
    [[nodiscard]] std::vector<T> tensor(std::string_view name) const {
        using dtype = tersor::safetensors_dtype;
        const tersor::safetensors_tensor& source = opened_.at(name);
        if constexpr (std::is_same_v<T, float>) {
            if (source.dtype == dtype::f16) {
                return converted<Eigen::half, T>(source);
            }
            if (source.dtype == dtype::bf16) {
                return converted<Eigen::bfloat16, T>(source);
            }
        }
        if constexpr (std::is_same_v<T, double>) {
            if (source.dtype == dtype::f32) {
                return converted<float, T>(source);
            }
        }
        if (!reads<T>(source.dtype)) {
            tersor::raise(tersor::error_code::invalid_argument, "golden tensor '" + std::string(name) + "' is " +
                                                                    std::string(tersor::to_string(source.dtype)) +
                                                                    ", not of the type asked for");
        }
        return converted<T, T>(source);
    }

private:
    template <class T>
    static bool reads(tersor::safetensors_dtype type) {
        using dtype = tersor::safetensors_dtype;
        if constexpr (std::is_same_v<T, float>) {
            return type == dtype::f32;
        } else if constexpr (std::is_same_v<T, double>) {
            return type == dtype::f64;
        } else {
            static_assert(std::is_integral_v<T> && !std::is_same_v<T, bool>, "read BOOL as std::uint8_t");
            const bool same_width = tersor::bits_of(type) == static_cast<int>(8 * sizeof(T));
            return same_width && (std::is_unsigned_v<T> || tersor::to_string(type)[0] == 'I');
        }
    }

    template <class Stored, class T>
    static std::vector<T> converted(const tersor::safetensors_tensor& source) {
        std::vector<T> result(source.data.size() / sizeof(Stored));
        for (std::size_t i = 0; i < result.size(); ++i) {
            Stored stored;
            std::memcpy(&stored, source.data.data() + i * sizeof(Stored), sizeof(Stored));
            result[i] = static_cast<T>(stored);
        }
        return result;
    }

    tersor::safetensors_file opened_;
};

} // namespace golden

#endif // TERSOR_TESTS_COMMON_GOLDEN_HPP
