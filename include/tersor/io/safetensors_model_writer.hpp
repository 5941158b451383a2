#ifndef TERSOR_IO_SAFETENSORS_MODEL_WRITER_HPP
#define TERSOR_IO_SAFETENSORS_MODEL_WRITER_HPP

// Writing the weights of a model: one .safetensors file, or a folder in Hugging Face layout.
//
// A folder gets model.safetensors, or, where the tensors take more than the largest shard, files
// model-00001-of-0000N.safetensors filled in the declared order, and model.safetensors.index.json with the total
// size and the file of each tensor. Nothing appears under the final name before commit().

#include "tersor/core/error.hpp"
#include "tersor/io/atomic_folder.hpp"
#include "tersor/io/json_text.hpp"
#include "tersor/io/quote.hpp"
#include "tersor/io/safetensors_writer.hpp"
#include "tersor/io/sorted_order.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tersor::inline v0 {

/// How a model is written.
struct safetensors_model_options {
    std::uint64_t largest_shard = 5'000'000'000;        ///< bytes of tensor data in one file of a folder
    safetensors_metadata metadata = {{"format", "pt"}}; ///< of every file; transformers insists on this entry
    tensor_order order = tensor_order::reference;       ///< inside each file
    existing_target existing = existing_target::refuse;
};

/// A model being written. Move-only; without commit() nothing is left of it.
class safetensors_model_writer {
    struct placed {
        std::string name;
        std::size_t shard = 0;
    };

    [[nodiscard]] auto name_of() const noexcept {
        return [this](std::size_t i) -> std::string_view { return placed_[i].name; };
    }

public:
    safetensors_model_writer() = default;

    /// Starts a model with these tensors: a file if `path` ends in .safetensors, else a folder. Errors as
    /// atomic_file, atomic_folder and safetensors_layout.
    safetensors_model_writer(std::string path, std::vector<safetensors_declaration> tensors,
                             safetensors_model_options options = {})
        : path_(detail::without_final_slash(std::move(path))), options_(std::move(options)) {
        is_folder_ = !path_.ends_with(".safetensors");
        plan(std::move(tensors), is_folder_ ? options_.largest_shard : UINT64_MAX);
        if (!is_folder_) {
            shards_.front().path = path_;
            open(shards_.front());
        } else {
            folder_ = atomic_folder(path_, options_.existing);
            for (std::size_t i = 0; i < shards_.size(); ++i) {
                shards_[i].name = shard_name(i);
                shards_[i].path = folder_ / shards_[i].name;
            }
        }
    }

    /// Adds the next bytes of a tensor, as safetensors_writer::append. A file of a folder is finished as soon as it has
    /// all its bytes, so few are open when the tensors come about in the declared order.
    void append(std::string_view name, std::span<const std::byte> bytes) {
        const std::size_t place = detail::find_sorted(by_name_, name, name_of());
        if (place == by_name_.size()) {
            raise(error_code::invalid_argument, path_ + ": tensor " + detail::quote_name(name) + " was not declared");
        }
        shard& target = shards_[placed_[by_name_[place]].shard];
        if (target.state == shard::finished) {
            if (bytes.empty()) {
                return;
            }
            raise(error_code::invalid_argument,
                  path_ + ": tensor " + detail::quote_name(name) + " has all its bytes already");
        }
        open(target);
        target.writer.append(name, bytes);
        if (is_folder_ && target.writer.complete()) {
            finish(target);
        }
    }

    /// Adds the next values of a tensor, as they lie in memory: a vector, an array, a span.
    template <class Values>
    requires requires(const Values& values) { std::as_bytes(std::span(values)); }
    void append(std::string_view name, const Values& values) {
        append(name, std::span<const std::byte>(std::as_bytes(std::span(values))));
    }

    /// Adds another file to the folder (config.json, ...). invalid_argument if the model is a single file.
    void add_file(std::string_view name, std::string_view content) {
        if (!is_folder_) {
            raise(error_code::invalid_argument, path_ + ": only a folder can hold '" + std::string(name) + "'");
        }
        atomic_file file(folder_ / name);
        file.append(content);
        file.commit();
    }

    /// Puts the model under its name. invalid_argument if a tensor lacks bytes; io if the system refuses.
    void commit() {
        for (shard& s : shards_) {
            if (s.state != shard::finished) {
                open(s);
                finish(s);
            }
        }
        if (is_folder_) {
            if (shards_.size() > 1) {
                add_file("model.safetensors.index.json", weight_map());
            }
            folder_.commit();
        }
    }

    /// Whether the model is a folder.
    [[nodiscard]] bool is_folder() const noexcept { return is_folder_; }
    /// The number of files that hold the tensors.
    [[nodiscard]] std::size_t shards() const noexcept { return shards_.size(); }
    /// The final path.
    [[nodiscard]] const std::string& path() const noexcept { return path_; }

private:
    struct shard {
        enum class progress { planned, open, finished };
        using enum progress;
        safetensors_layout layout;
        std::string name;
        std::string path;
        progress state = planned;
        safetensors_writer writer;
    };

    void plan(std::vector<safetensors_declaration> tensors, std::uint64_t largest) {
        std::vector<safetensors_declaration> part;
        std::uint64_t filled = 0;
        const auto close_part = [&] {
            shards_.emplace_back().layout = safetensors_layout(std::move(part), options_.metadata, options_.order);
            part.clear();
            filled = 0;
        };
        for (safetensors_declaration& tensor : tensors) {
            const std::uint64_t bytes = bytes_of(tensor);
            if (bytes > largest - std::min(filled, largest) && !part.empty()) {
                close_part();
            }
            filled += bytes;
            total_ += bytes;
            placed_.push_back({tensor.name, shards_.size()});
            part.push_back(std::move(tensor));
        }
        close_part();
        by_name_ = detail::sorted_by_name(placed_.size(), name_of());
        if (const std::size_t i = detail::find_repeated(by_name_, name_of()); i != by_name_.size()) {
            raise(error_code::invalid_argument, "two tensors named " + detail::quote_name(name_of()(by_name_[i])));
        }
    }

    [[nodiscard]] std::string shard_name(std::size_t i) const {
        const auto five_digits = [](std::size_t number) {
            const std::string digits = std::to_string(number);
            return std::string(5 - std::min<std::size_t>(5, digits.size()), '0') + digits;
        };
        return shards_.size() == 1
                   ? "model.safetensors"
                   : "model-" + five_digits(i + 1) + "-of-" + five_digits(shards_.size()) + ".safetensors";
    }

    void open(shard& s) const {
        if (s.state == shard::planned) {
            s.writer = safetensors_writer(s.path, std::move(s.layout),
                                          is_folder_ ? existing_target::refuse : options_.existing);
            s.state = shard::open;
        }
    }

    static void finish(shard& s) {
        s.writer.commit();
        s.writer = {};
        s.state = shard::finished;
    }

    [[nodiscard]] std::string weight_map() const {
        // as json.dumps(..., indent=2, sort_keys=True) writes it
        std::string text =
            "{\n  \"metadata\": {\n    \"total_size\": " + std::to_string(total_) + "\n  },\n  \"weight_map\": {";
        for (const std::size_t i : by_name_) {
            text += text.back() == '{' ? "\n    " : ",\n    ";
            json::detail::write_string(text, placed_[i].name);
            text += ": \"" + shards_[placed_[i].shard].name + "\"";
        }
        return text + "\n  }\n}\n";
    }

    std::string path_;
    safetensors_model_options options_;
    bool is_folder_ = false;
    atomic_folder folder_;
    std::vector<shard> shards_;
    std::vector<placed> placed_;       ///< in the declared order
    std::vector<std::size_t> by_name_; ///< into placed_
    std::uint64_t total_ = 0;
};

} // namespace tersor::inline v0

#endif // TERSOR_IO_SAFETENSORS_MODEL_WRITER_HPP
