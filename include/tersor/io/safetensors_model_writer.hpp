#ifndef TERSOR_IO_SAFETENSORS_MODEL_WRITER_HPP
#define TERSOR_IO_SAFETENSORS_MODEL_WRITER_HPP

// Writing the weights of a model: one .safetensors file, or a folder in Hugging Face layout.
//
// A folder gets model.safetensors, or, where the tensors take more than the largest shard, files
// model-00001-of-0000N.safetensors filled in the declared order, and model.safetensors.index.json with the total
// size and the file of each tensor. Nothing appears under the final name before commit().

#include "tersor/core/error.hpp"
#include "tersor/io/atomic_folder.hpp"
#include "tersor/io/json.hpp"
#include "tersor/io/quote.hpp"
#include "tersor/io/safetensors_writer.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
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
public:
    safetensors_model_writer() = default;

    /// Starts a model with these tensors: a file if `path` ends in .safetensors, else a folder. Errors as
    /// atomic_file, atomic_folder and safetensors_layout.
    safetensors_model_writer(std::string path, std::vector<safetensors_declaration> tensors,
                             safetensors_model_options options = {})
        : path_(detail::without_final_slash(std::move(path))), options_(std::move(options)) {
        const bool as_file = path_.ends_with(".safetensors");
        plan(std::move(tensors), as_file ? UINT64_MAX : options_.largest_shard);
        if (as_file) {
            shards_.front().path = path_;
            open(shards_.front());
        } else {
            folder_.emplace(path_, options_.existing);
            for (std::size_t i = 0; i < shards_.size(); ++i) {
                shards_[i].name = shard_name(i);
                shards_[i].path = *folder_ / shards_[i].name;
            }
        }
    }

    /// Adds the next bytes of a tensor, as safetensors_writer::append. A file of a folder is finished as soon as it has
    /// all its bytes, so few are open when the tensors come about in the declared order.
    void append(std::string_view name, std::span<const std::byte> bytes) {
        const auto place = shard_of_.find(name);
        if (place == shard_of_.end()) {
            raise(error_code::invalid_argument, path_ + ": tensor " + detail::quote_name(name) + " was not declared");
        }
        shard& target = shards_[place->second];
        if (target.state == shard::finished) {
            if (bytes.empty()) {
                return;
            }
            raise(error_code::invalid_argument,
                  path_ + ": tensor " + detail::quote_name(name) + " has all its bytes already");
        }
        open(target);
        target.writer.append(name, bytes);
        if (folder_ && target.writer.complete()) {
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
        if (!folder_) {
            raise(error_code::invalid_argument, path_ + ": only a folder can hold '" + std::string(name) + "'");
        }
        atomic_file file(*folder_ / name);
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
        if (folder_) {
            if (shards_.size() > 1) {
                add_file("model.safetensors.index.json", index());
            }
            folder_->commit();
        }
    }

    /// Whether the model is a folder.
    [[nodiscard]] bool is_folder() const noexcept { return folder_.has_value(); }
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
        std::vector<std::vector<safetensors_declaration>> parts(1);
        std::uint64_t filled = 0;
        for (safetensors_declaration& tensor : tensors) {
            const std::uint64_t bytes = bytes_of(tensor);
            if (bytes > largest - std::min(filled, largest) && !parts.back().empty()) {
                parts.emplace_back();
                filled = 0;
            }
            filled += bytes;
            total_ += bytes;
            if (!shard_of_.emplace(tensor.name, parts.size() - 1).second) {
                raise(error_code::invalid_argument, "two tensors named " + detail::quote_name(tensor.name));
            }
            parts.back().push_back(std::move(tensor));
        }
        for (auto& part : parts) {
            shards_.emplace_back().layout = safetensors_layout(std::move(part), options_.metadata, options_.order);
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
            s.writer =
                safetensors_writer(s.path, std::move(s.layout), folder_ ? existing_target::refuse : options_.existing);
            s.state = shard::open;
        }
    }

    static void finish(shard& s) {
        s.writer.commit();
        s.writer = {};
        s.state = shard::finished;
    }

    [[nodiscard]] std::string index() const {
        json::object weight_map;
        for (const auto& [tensor, file] : shard_of_) {
            weight_map.push_back({tensor, shards_[file].name});
        }
        json::value result;
        result["metadata"]["total_size"] = total_;
        result["weight_map"] = std::move(weight_map);
        return json::write(result, 2) + "\n";
    }

    std::string path_;
    safetensors_model_options options_;
    std::optional<atomic_folder> folder_;
    std::vector<shard> shards_;
    std::map<std::string, std::size_t, std::less<>> shard_of_;
    std::uint64_t total_ = 0;
};

} // namespace tersor::inline v0

#endif // TERSOR_IO_SAFETENSORS_MODEL_WRITER_HPP
