#include "table.hpp"

#include <algorithm>
#include <utility>

namespace cli {

namespace {

// The characters of UTF-8 text: bytes that do not continue one.
std::size_t width_of(const std::string& text) {
    return static_cast<std::size_t>(
        std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

} // namespace

table::table(std::vector<std::string> titles) {
    for (std::string& title : titles) {
        right_.push_back(title.starts_with('>'));
        title.erase(0, right_.back() ? 1 : 0);
    }
    widths_.resize(titles.size());
    add(std::move(titles));
    add_rule();
}

void table::add(std::vector<std::string> row) {
    for (std::size_t i = 0; i < widths_.size(); ++i) {
        widths_[i] = std::max(widths_[i], width_of(row[i]));
    }
    rows_.push_back(std::move(row));
}

void table::add_rule() {
    rows_.emplace_back();
}

std::string table::text() const {
    std::string result;
    for (const auto& row : rows_) {
        std::string line;
        for (std::size_t i = 0; i < widths_.size(); ++i) {
            line += i == 0 ? "" : "  ";
            const std::size_t missing = widths_[i] - (row.empty() ? 0 : width_of(row[i]));
            if (row.empty()) {
                line.append(missing, '-');
            } else {
                line += (right_[i] ? std::string(missing, ' ') : "") + row[i] +
                        (right_[i] ? "" : std::string(missing, ' '));
            }
        }
        line.erase(line.find_last_not_of(' ') + 1);
        result += line + "\n";
    }
    return result;
}

} // namespace cli
