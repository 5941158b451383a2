#ifndef TERSOR_IO_COMPRESSED_TENSORS_READER_HPP
#define TERSOR_IO_COMPRESSED_TENSORS_READER_HPP

// Finding the weights that compressed-tensors stored: the companions of a tensor of codes, checked against each other.
//
// What a weight is follows from its tensors; the configuration is asked only where they leave a choice: the bits of
// packed rows of less than 32 values, groups that do not divide a row, blocks of several rows.

#include "tersor/core/error.hpp"
#include "tersor/io/compressed_tensors_packing.hpp"
#include "tersor/io/compressed_tensors_weight.hpp"
#include "tersor/io/safetensors_values.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tersor::inline v0::compressed_tensors {

namespace detail {

[[nodiscard]] constexpr std::int64_t ceil_divide(std::int64_t count, std::int64_t size) noexcept {
    return count / size + (count % size != 0);
}

/// Checks the tensors of one weight.
template <class Find>
class weight_finder {
public:
    weight_finder(const safetensors_tensor& codes, std::string_view source, const Find& find,
                  std::span<const hint> hints)
        : source_(source), find_(find), hints_(hints) {
        constexpr std::string_view packed = "_packed";
        const bool is_packed = codes.name.ends_with(packed);
        w_.codes = &codes;
        w_.name = codes.name.substr(0, codes.name.size() - (is_packed ? packed.size() : 0));
        w_.scale = companion("_scale", true);
        w_.zero_point = companion("_zero_point");
        w_.shape = companion("_shape");
        w_.global_scale = companion("_global_scale");
        w_.group_index = companion("_g_idx");
        if (codes.shape.size() != 2) {
            fail(codes, "has shape " + describe(codes) + "; a weight of this layout has two dimensions");
        }
        w_.rows = codes.shape[0];
        w_.cols = codes.shape[1];
        is_packed ? find_packed() : find_bytes();
        check_zero_point();
        check_group_index();
    }

    [[nodiscard]] const stored_weight& weight() const noexcept { return w_; }

private:
    using type = safetensors_dtype;

    [[nodiscard]] static std::string describe(const safetensors_tensor& tensor) {
        return std::string(to_string(tensor.dtype)) + " " + tersor::detail::describe_shape(tensor.shape);
    }

    [[noreturn]] void fail(const safetensors_tensor& tensor, const std::string& problem) const {
        raise(error_code::corrupt_file,
              std::string(source_) + ": tensor " + tersor::detail::quote_name(tensor.name) + " " + problem);
    }

    [[noreturn]] void fail_variant(const safetensors_tensor& tensor, const std::string& problem) const {
        raise(error_code::unsupported,
              std::string(source_) + ": tensor " + tersor::detail::quote_name(tensor.name) + " " + problem);
    }

    const safetensors_tensor* companion(const char* suffix, bool needed = false) const {
        const safetensors_tensor* const found = find_(w_.name + suffix);
        if (found == nullptr && needed) {
            fail(*w_.codes, "has no '" + w_.name + suffix + "' beside it");
        }
        return found;
    }

    void find_packed() {
        if (w_.codes->dtype == type::i32) {
            return find_packed_integers();
        }
        if (w_.codes->dtype != type::u8 || w_.cols > INT64_MAX / 2) {
            fail(*w_.codes, "is " + describe(*w_.codes) + "; packed codes are I32 or U8");
        }
        w_.cols *= 2;
        w_.scheme.is_float = true;
        if (w_.scale->dtype == type::u8 || w_.scale->dtype == type::f8_e8m0) {
            w_.scheme.format = format::mxfp4_pack_quantized;
            return require_groups(32);
        }
        if (w_.scale->dtype != type::f8_e4m3) {
            fail(*w_.scale,
                 "is " + describe(*w_.scale) + "; 4-bit floats have scales of U8 (MXFP4) or F8_E4M3 (NVFP4)");
        }
        w_.scheme.format = format::nvfp4_pack_quantized;
        w_.scheme.strategy = strategy::tensor_group;
        w_.global_scale = companion("_global_scale", true);
        if (w_.global_scale->dtype != type::f32 || w_.global_scale->elements() != 1) {
            fail(*w_.global_scale, "is " + describe(*w_.global_scale) + ", not one F32");
        }
        const float divisor = read_floats(*w_.global_scale)[0];
        if (!std::isfinite(divisor) || divisor == 0.0f) {
            fail(*w_.global_scale, "is zero or not finite, but scales are divided by it");
        }
        require_groups(16);
    }

    void find_packed_integers() {
        w_.scheme.format = format::pack_quantized;
        w_.shape = companion("_shape", true);
        if (w_.shape->dtype != type::i64 || w_.shape->elements() != 2) {
            fail(*w_.shape, "is " + describe(*w_.shape) + ", not two I64");
        }
        const std::vector<std::int64_t> shape = read_values<std::int64_t>(*w_.shape);
        const std::int64_t words = w_.cols;
        w_.cols = shape[1];
        if (shape[0] != w_.rows || w_.cols < 0) {
            fail(*w_.shape, "says " + tersor::detail::describe_shape(shape) + ", but '" + w_.codes->name + "' is " +
                                describe(*w_.codes));
        }
        std::vector<int> possible, hinted;
        for (int bits = 1; bits <= 8; ++bits) {
            if (words_of(w_.cols, bits) == words) {
                possible.push_back(bits);
                if (std::any_of(hints_.begin(), hints_.end(), [bits](const hint& h) { return h.bits == bits; })) {
                    hinted.push_back(bits);
                }
            }
        }
        if (possible.empty()) {
            fail(*w_.codes, "has " + std::to_string(words) + " words a row; the " + std::to_string(w_.cols) +
                                " values of a row do not fill so many with any number of bits");
        }
        const std::vector<int>& choice = possible.size() == 1 ? possible : hinted;
        if (w_.rows > 0 && w_.cols > 0 && choice.size() != 1) {
            fail_variant(*w_.codes, "has rows of " + std::to_string(w_.cols) +
                                        " values, from which the bits of a code cannot be told; its configuration "
                                        "(config.json) has to say them");
        }
        w_.scheme.bits = choice.size() == 1 ? choice[0] : 8;
        find_strategy();
    }

    void find_bytes() {
        w_.scheme.bits = 8;
        w_.scheme.is_float = w_.codes->dtype != type::i8;
        w_.scheme.format = format::int_quantized;
        if (w_.scheme.is_float) {
            if (w_.codes->dtype != type::f8_e4m3 && w_.codes->dtype != type::f8_e5m2) {
                fail_variant(*w_.codes, "is " + describe(*w_.codes) + "; I8, F8_E4M3 and F8_E5M2 codes can be read");
            }
            if (w_.codes->dtype == type::f8_e4m3 && (w_.scale->dtype == type::u8 || w_.scale->dtype == type::f8_e8m0)) {
                w_.scheme.format = format::mxfp8_quantized;
                return require_groups(32);
            }
            w_.scheme.format = format::float_quantized;
        }
        find_strategy();
        if (w_.scheme.is_float && w_.scheme.strategy != strategy::tensor && w_.scheme.strategy != strategy::channel) {
            w_.scheme.format = format::naive_quantized;
        }
    }

    void require_groups(std::int64_t group) {
        w_.scheme.group = static_cast<index>(group);
        w_.scheme.bits = w_.scheme.format == format::mxfp8_quantized ? 8 : 4;
        w_.groups = ceil_divide(w_.cols, group);
        if (w_.scale->shape != std::vector<std::int64_t>{w_.rows, w_.groups}) {
            fail(*w_.scale, "has shape " + describe(*w_.scale) + "; codes of [" + std::to_string(w_.rows) + ", " +
                                std::to_string(w_.cols) + "] in groups of " + std::to_string(group) + " need [" +
                                std::to_string(w_.rows) + ", " + std::to_string(w_.groups) + "]");
        }
    }

    // From the shape of the scales, as the library itself infers it.
    void find_strategy() {
        if (!is_float(w_.scale->dtype)) {
            fail_variant(*w_.scale, "is " + describe(*w_.scale) + "; such codes have scales of F16, BF16 or F32");
        }
        const std::vector<std::int64_t>& s = w_.scale->shape;
        if (w_.scale->elements() == 1 && (s.size() < 2 || w_.rows != 1)) {
            w_.scheme.strategy = strategy::tensor;
            return;
        }
        if (s.size() != 2) {
            return fail_scales();
        }
        w_.groups = s[1];
        const auto fits = [&](const hint& h) {
            return h.block_rows == 0 && h.group > 0 && ceil_divide(w_.cols, h.group) == w_.groups &&
                   (!w_.scheme.is_float || h.bits == 8);
        };
        if (s[0] == w_.rows && w_.groups >= 1) {
            const auto hinted = std::find_if(hints_.begin(), hints_.end(), fits);
            const bool by_row = w_.groups == 1 && (hinted == hints_.end() || hints_.size() > 1);
            w_.scheme.strategy = by_row ? strategy::channel : strategy::group;
            if (!by_row) {
                const bool whole = w_.cols % w_.groups == 0;
                if (hinted == hints_.end() && (!whole || w_.cols == 0)) {
                    return fail_scales();
                }
                w_.scheme.group = static_cast<index>(hinted != hints_.end() ? hinted->group : w_.cols / w_.groups);
            }
            return;
        }
        for (const hint& h : hints_) {
            if (h.block_rows > 0 && h.group > 0 && ceil_divide(w_.rows, h.block_rows) == s[0] &&
                ceil_divide(w_.cols, h.group) == s[1]) {
                w_.scheme.strategy = strategy::block;
                w_.scheme.block_rows = static_cast<index>(h.block_rows);
                w_.scheme.group = static_cast<index>(h.group);
                return;
            }
        }
        fail_scales();
    }

    void fail_scales() const {
        fail(*w_.scale, "has shape " + describe(*w_.scale) + ", which does not fit a weight [" +
                            std::to_string(w_.rows) + ", " + std::to_string(w_.cols) + "]");
    }

    void check_zero_point() {
        if (w_.zero_point == nullptr) {
            return;
        }
        const safetensors_tensor& zero = *w_.zero_point;
        if (w_.scheme.is_float) {
            const bool none =
                std::all_of(zero.data.begin(), zero.data.end(), [](std::byte b) { return b == std::byte{0}; });
            if (!none) {
                fail_variant(zero, "gives zero points to floats");
            }
            return;
        }
        w_.scheme.symmetric = false;
        const bool packed = w_.scheme.format == format::pack_quantized && w_.scheme.strategy != strategy::tensor;
        const std::vector<std::int64_t> expected =
            packed ? std::vector<std::int64_t>{words_of(w_.rows, w_.scheme.bits), w_.groups} : w_.scale->shape;
        if (zero.dtype != (packed ? type::i32 : type::i8) || zero.shape != expected) {
            fail(zero, "is " + describe(zero) + "; the codes and scales need " + (packed ? "I32 " : "I8 ") +
                           tersor::detail::describe_shape(expected));
        }
    }

    void check_group_index() {
        if (w_.group_index == nullptr) {
            return;
        }
        const safetensors_tensor& groups = *w_.group_index;
        if (groups.dtype != type::i32 || groups.shape != std::vector<std::int64_t>{w_.cols}) {
            fail(groups, "is " + describe(groups) + ", not I32 [" + std::to_string(w_.cols) + "]");
        }
        const std::vector<std::int32_t> values = read_values<std::int32_t>(groups);
        // the library takes an index that was never filled in for none
        if (std::find(values.begin(), values.end(), -1) != values.end() || w_.scheme.strategy != strategy::group) {
            w_.group_index = nullptr;
            return;
        }
        for (const std::int32_t value : values) {
            if (value < 0 || value >= w_.groups) {
                fail(groups, "names group " + std::to_string(value) + " of " + std::to_string(w_.groups));
            }
        }
        w_.scheme.act_order = true;
    }

    stored_weight w_;
    std::string_view source_;
    const Find& find_;
    std::span<const hint> hints_;
};

} // namespace detail

/// The weight of a tensor of codes: NAME_packed, or NAME of I8 or 8-bit floats beside NAME_scale. `find(name)` gives a
/// tensor of the file or null; `source` names the file. corrupt_file, naming the tensor, where companions are missing
/// or do not fit; unsupported for a variant that is not read, or a choice that the hints do not decide.
template <class Find>
[[nodiscard]] stored_weight find_weight(const safetensors_tensor& codes, std::string_view source, const Find& find,
                                        std::span<const hint> hints = {}) {
    return detail::weight_finder<Find>(codes, source, find, hints).weight();
}

} // namespace tersor::inline v0::compressed_tensors

#endif // TERSOR_IO_COMPRESSED_TENSORS_READER_HPP
