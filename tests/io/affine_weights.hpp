#ifndef TERSOR_TESTS_IO_AFFINE_WEIGHTS_HPP
#define TERSOR_TESTS_IO_AFFINE_WEIGHTS_HPP

// Affine weights for tests, what the layouts make of them, and tensors of a checkpoint in memory as a reader sees them.

#include "tersor/io/affine_weight.hpp"
#include "tersor/io/awq_layout.hpp"
#include "tersor/io/compressed_tensors_affine.hpp"
#include "tersor/io/gptq_layout.hpp"
#include "tersor/io/safetensors_tensor.hpp"
#include "tests/io/checkpoint_tensors.hpp"

#include <map>
#include <memory>
#include <random>
#include <string>
#include <string_view>

namespace checkpoint {

/// Any codes, zero points and scales (exact as halves) in groups of `group` columns.
inline tersor::affine_weight any_affine(int bits, tersor::index rows, tersor::index cols, tersor::index group,
                                        unsigned seed) {
    std::mt19937 random(seed);
    const auto code = [&] { return static_cast<std::uint8_t>(random() & ((1u << bits) - 1u)); };
    tersor::affine_weight w;
    w.bits = bits;
    w.rows = rows;
    w.cols = cols;
    w.groups = (cols - 1) / group + 1;
    for (tersor::index i = 0; i < rows * cols; ++i) {
        w.codes.push_back(code());
    }
    for (tersor::index i = 0; i < rows * w.groups; ++i) {
        w.zeros.push_back(code());
        w.scales.push_back(static_cast<float>(random() % 1024 + 1) / 4096.0f);
    }
    w.group_index = tersor::detail::ordered_group_index(cols, group);
    return w;
}

inline tersor::affine_weight symmetric(tersor::affine_weight w) {
    std::fill(w.zeros.begin(), w.zeros.end(), static_cast<std::uint8_t>(1 << (w.bits - 1)));
    return w;
}

/// The same with the groups of its columns shuffled: as many columns in each.
inline tersor::affine_weight act_ordered(tersor::affine_weight w, unsigned seed) {
    std::mt19937 random(seed);
    for (std::size_t i = w.group_index.size(); i > 1; --i) {
        std::swap(w.group_index[i - 1], w.group_index[random() % i]);
    }
    return w;
}

/// What a layout writes, with the sizes that it declared.
template <class Declare, class Append>
tensors written_by(const Declare& declare, const Append& append) {
    tensors out;
    out.declare(declare());
    append(out);
    for (const auto& [name, content] : out.all) {
        EXPECT_EQ(content.bytes.size(), tersor::bytes_of({name, content.dtype, content.shape})) << name;
    }
    return out;
}

inline tensors written_gptq(const std::string& name, const tersor::affine_weight& w,
                            const tersor::gptq_layout::storage& s) {
    return written_by([&] { return tersor::gptq_layout::declare(name, shape_of(w), s); },
                      [&](tensors& out) { tersor::gptq_layout::append(out, name, w, s); });
}

inline tensors written_awq(const std::string& name, const tersor::affine_weight& w) {
    return written_by([&] { return tersor::awq_layout::declare(name, shape_of(w)); },
                      [&](tensors& out) { tersor::awq_layout::append(out, name, w); });
}

inline tensors written_compressed(const std::string& name, const tersor::affine_weight& w,
                                  const tersor::compressed_tensors::affine_storage& s) {
    return written_by([&] { return tersor::compressed_tensors::declare(name, shape_of(w), s); },
                      [&](tensors& out) { tersor::compressed_tensors::append(out, name, w, s); });
}

/// Tensors as a reader sees them.
class opened {
public:
    opened() = default;
    explicit opened(const tensors& from) : content_(std::make_shared<tensors>(from)) {
        for (const auto& [name, entry] : content_->all) {
            views_[name] = {name, entry.dtype, entry.shape, entry.bytes, 0};
        }
    }
    [[nodiscard]] const tersor::safetensors_tensor& at(const std::string& name) const { return views_.at(name); }
    [[nodiscard]] auto finder() const {
        return [this](std::string_view name) -> const tersor::safetensors_tensor* {
            const auto place = views_.find(std::string(name));
            return place == views_.end() ? nullptr : &place->second;
        };
    }

private:
    std::shared_ptr<tensors> content_;
    std::map<std::string, tersor::safetensors_tensor> views_;
};

} // namespace checkpoint

#endif // TERSOR_TESTS_IO_AFFINE_WEIGHTS_HPP
