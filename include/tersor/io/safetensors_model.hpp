#ifndef TERSOR_IO_SAFETENSORS_MODEL_HPP
#define TERSOR_IO_SAFETENSORS_MODEL_HPP

// The weights of a model: one safetensors file, or a folder in Hugging Face layout.
//
// A folder's weights are the files that model.safetensors.index.json names, else model.safetensors, else
// model-*.safetensors. Other .safetensors files are not weights. Source of the layout: huggingface_hub,
// serialization of sharded models.

#include "tersor/core/error.hpp"
#include "tersor/io/atomic_folder.hpp"
#include "tersor/io/json_cursor.hpp"
#include "tersor/io/mapped_file.hpp"
#include "tersor/io/quote.hpp"
#include "tersor/io/safetensors.hpp"
#include "tersor/io/sorted_order.hpp"

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <utility>
#include <vector>

namespace tersor::inline v0 {

namespace detail {
[[nodiscard]] inline bool is_folder(const std::string& path) noexcept {
    struct stat status {};
    return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

/// Whether something has that name, be it a link to nowhere.
[[nodiscard]] inline bool name_exists(const std::string& path) noexcept {
    struct stat status {};
    return ::lstat(path.c_str(), &status) == 0;
}

/// The "weight_map" of an index: tensor name and file name.
[[nodiscard]] inline safetensors_metadata read_weight_map(const mapped_file& list) {
    safetensors_metadata map;
    bool found = false;
    json::cursor text(list.text(), list.path());
    text.read_object([&](const std::string& key) {
        if (key != "weight_map") {
            return text.skip();
        }
        if (std::exchange(found, true)) {
            text.fail("'weight_map' appears twice");
        }
        text.read_object([&](std::string&& tensor) {
            std::string file = text.read_string();
            // a file of this folder, and no way out of it
            if (!file.ends_with(".safetensors") || file.find('/') != std::string::npos ||
                file.find('\0') != std::string::npos) {
                text.fail("tensor " + quote_name(tensor) + " is said to be in " + quote_name(file) +
                          ", which is not the name of a .safetensors file of this folder");
            }
            map.emplace_back(std::move(tensor), std::move(file));
        });
    });
    text.finish();
    if (!found) {
        raise(error_code::corrupt_file, list.path() + ": no 'weight_map'");
    }
    const auto name_of = [&map](std::size_t i) -> std::string_view { return map[i].first; };
    const auto order = sorted_by_name(map.size(), name_of);
    if (const std::size_t i = find_repeated(order, name_of); i != order.size()) {
        raise(error_code::corrupt_file, list.path() + ": tensor " + quote_name(name_of(order[i])) + " appears twice");
    }
    return map;
}

/// Raises corrupt_file if "model-00002-of-00003.safetensors" and its like do not come in full number.
inline void check_shard_count(const std::string& folder, const std::vector<std::string>& files) {
    constexpr std::string_view sample = "model-00001-of-00001.safetensors";
    for (const std::string& file : files) {
        if (file.size() != sample.size() || file.compare(11, 4, "-of-") != 0) {
            continue;
        }
        const std::string total = file.substr(15, 5);
        const std::string counted = std::to_string(files.size());
        if (total.find_first_not_of("0123456789") == std::string::npos &&
            total != std::string(5 - std::min<std::size_t>(5, counted.size()), '0') + counted) {
            raise(error_code::corrupt_file, folder + ": " + counted + " files model-*.safetensors, but " +
                                                quote_name(file) + " is one of " + total);
        }
    }
}
} // namespace detail

/// The weights of a model, mapped. Move-only; views of its tensors stay valid when it moves and end with it.
class safetensors_model {
public:
    /// A tensor and the number of the file that holds it.
    struct entry {
        const safetensors_tensor* tensor = nullptr;
        std::size_t file = 0;
    };

private:
    [[nodiscard]] auto name_of() const noexcept {
        return [this](std::size_t i) -> std::string_view { return entries_[i].tensor->name; };
    }

public:
    safetensors_model() = default;

    /// Opens a .safetensors file or a folder. io error if something cannot be read or the folder holds no weights;
    /// corrupt_file if a file breaks the format, the index and the files disagree, or a name appears in two files.
    [[nodiscard]] static safetensors_model open(const std::string& path) {
        safetensors_model model;
        model.path_ = detail::without_final_slash(path);
        if (!detail::is_folder(path)) {
            model.files_.push_back(safetensors_file::open(path));
        } else {
            model.is_folder_ = true;
            model.open_folder();
        }
        for (std::size_t i = 0; i < model.files_.size(); ++i) {
            for (const safetensors_tensor& tensor : model.files_[i].tensors()) {
                model.entries_.push_back({&tensor, i});
            }
        }
        model.index_names();
        return model;
    }

    /// All tensors: file by file, in the order of their data.
    [[nodiscard]] std::span<const entry> entries() const noexcept { return {entries_.data(), entries_.size()}; }

    /// The tensor of that name, or null.
    [[nodiscard]] const safetensors_tensor* find(std::string_view name) const noexcept {
        const std::size_t place = detail::find_sorted(by_name_, name, name_of());
        return place == by_name_.size() ? nullptr : entries_[by_name_[place]].tensor;
    }

    /// The tensor of that name; invalid_argument if there is none.
    [[nodiscard]] const safetensors_tensor& at(std::string_view name) const {
        if (const safetensors_tensor* const tensor = find(name)) {
            return *tensor;
        }
        raise(error_code::invalid_argument,
              path_ + ": no tensor " + detail::quote_name(name) + " among its " + std::to_string(entries_.size()));
    }

    [[nodiscard]] bool contains(std::string_view name) const noexcept { return find(name) != nullptr; }

    /// The files of the weights, in order.
    [[nodiscard]] std::span<const safetensors_file> files() const noexcept { return {files_.data(), files_.size()}; }
    /// Whether it was opened as a folder.
    [[nodiscard]] bool is_folder() const noexcept { return is_folder_; }
    /// The path of the file or folder, without a slash at its end.
    [[nodiscard]] const std::string& path() const noexcept { return path_; }
    /// The bytes of all tensors.
    [[nodiscard]] std::uint64_t data_bytes() const noexcept {
        std::uint64_t total = 0;
        for (const entry& e : entries_) {
            total += e.tensor->data.size();
        }
        return total;
    }

private:
    void open_folder() {
        const std::string list = path_ + "/model.safetensors.index.json";
        if (detail::name_exists(list)) {
            return open_listed(list);
        }
        std::vector<std::string> names;
        if (detail::name_exists(path_ + "/model.safetensors")) {
            names.emplace_back("model.safetensors");
        } else {
            for (const folder_entry& e : list_folder(path_)) {
                if (e.name.starts_with("model-") && e.name.ends_with(".safetensors")) {
                    names.push_back(e.name);
                }
            }
            detail::check_shard_count(path_, names);
        }
        if (names.empty()) {
            raise(error_code::io, "'" + path_ + "' holds no weights: no model.safetensors.index.json, " +
                                      "model.safetensors or model-*.safetensors");
        }
        for (const std::string& name : names) {
            files_.push_back(safetensors_file::open(path_ + "/" + name));
        }
    }

    void open_listed(const std::string& list) {
        const safetensors_metadata map = detail::read_weight_map(mapped_file(list));
        const auto file_of = [&map](std::size_t i) -> std::string_view { return map[i].second; };
        std::string_view opened;
        for (const std::size_t i : detail::sorted_by_name(map.size(), file_of)) {
            if (files_.empty() || opened != file_of(i)) {
                opened = file_of(i);
                files_.push_back(safetensors_file::open(path_ + "/" + std::string(opened)));
            }
            if (!files_.back().contains(map[i].first)) {
                raise(error_code::corrupt_file, list + ": tensor " + detail::quote_name(map[i].first) + " is not in " +
                                                    detail::quote_name(opened));
            }
        }
    }

    void index_names() {
        by_name_ = detail::sorted_by_name(entries_.size(), name_of());
        if (const std::size_t i = detail::find_repeated(by_name_, name_of()); i != by_name_.size()) {
            raise(error_code::corrupt_file,
                  path_ + ": tensor " + detail::quote_name(name_of()(by_name_[i])) + " is in two files");
        }
    }

    std::string path_;
    bool is_folder_ = false;
    std::vector<safetensors_file> files_;
    std::vector<entry> entries_;
    std::vector<std::size_t> by_name_;
};

} // namespace tersor::inline v0

#endif // TERSOR_IO_SAFETENSORS_MODEL_HPP
