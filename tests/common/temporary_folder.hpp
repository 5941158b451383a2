#ifndef TERSOR_TESTS_COMMON_TEMPORARY_FOLDER_HPP
#define TERSOR_TESTS_COMMON_TEMPORARY_FOLDER_HPP

// A fresh folder for one test's files, removed with everything in it at the end.

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>

class temporary_folder {
public:
    temporary_folder() : path_((std::filesystem::temp_directory_path() / "tersor-XXXXXX").string()) {
        if (::mkdtemp(path_.data()) == nullptr) {
            throw std::runtime_error("cannot make the folder " + path_);
        }
    }
    temporary_folder(const temporary_folder&) = delete;
    temporary_folder& operator=(const temporary_folder&) = delete;
    ~temporary_folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }

    /// The folder, or the path of `name` in it.
    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }

    /// Writes a file and gives its path; folders in `name` are made.
    [[nodiscard]] std::string write(std::string_view name, std::string_view bytes) const {
        const std::string target = *this / name;
        std::filesystem::create_directories(std::filesystem::path(target).parent_path());
        std::ofstream(target, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
        return target;
    }

    /// The whole content of a file.
    [[nodiscard]] static std::string read(const std::string& path) {
        std::ifstream file(path, std::ios::binary);
        if (!file) {
            throw std::runtime_error("cannot read " + path);
        }
        return {std::istreambuf_iterator<char>(file), {}};
    }

    /// How many entries the folder has.
    [[nodiscard]] std::size_t entries() const {
        const std::filesystem::directory_iterator all(path_);
        return static_cast<std::size_t>(std::distance(begin(all), end(all)));
    }

private:
    std::string path_;
};

#endif // TERSOR_TESTS_COMMON_TEMPORARY_FOLDER_HPP
