#include "datasets.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>

namespace cli {

namespace {

// NAME and number of NAME.12; nothing for another name.
std::optional<std::pair<std::string, std::uint32_t>> split_batch(const std::string& name) {
    const auto dot = name.rfind('.');
    if (dot == std::string::npos || dot == 0 || dot + 1 == name.size()) {
        return {};
    }
    const std::string digits = name.substr(dot + 1);
    std::uint32_t number = 0;
    const auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (problem != std::errc() || end != digits.data() + digits.size() || (digits.size() > 1 && digits[0] == '0')) {
        return {};
    }
    return std::pair(name.substr(0, dot), number);
}

} // namespace

const dataset* dataset_list::find(std::string_view name) const noexcept {
    const auto found = std::ranges::find(all, name, &dataset::name);
    return found == all.end() ? nullptr : &*found;
}

dataset_list find_datasets(const model& from) {
    dataset_list result;
    std::map<std::string, std::size_t> places;
    std::map<std::string, std::map<std::uint32_t, const weight*>> batches;
    for (const weight& w : from.weights()) {
        if (!w.is_readable) {
            result.left_out.push_back(w.name);
            continue;
        }
        const auto part = split_batch(w.name);
        const std::string& name = part ? part->first : w.name;
        const auto [place, is_new] = places.try_emplace(name, result.all.size());
        if (is_new) {
            result.all.push_back({name, {}});
        }
        dataset& to = result.all[place->second];
        if (!part) {
            to.batches.push_back(&w);
        } else {
            batches[name].emplace(part->second, &w);
        }
    }
    for (dataset& data : result.all) {
        const auto numbered = batches.find(data.name);
        if (numbered == batches.end()) {
            continue;
        }
        if (!data.batches.empty()) {
            tersor::raise(tersor::error_code::corrupt_file, from.path() + ": tensor '" + data.name +
                                                                "' stands beside '" + data.name + "." +
                                                                std::to_string(numbered->second.begin()->first) +
                                                                "', which is a batch of that name");
        }
        std::uint32_t expected = 0;
        for (const auto& [number, batch] : numbered->second) {
            if (number != expected) {
                tersor::raise(tersor::error_code::corrupt_file, from.path() + ": batch '" + data.name + "." +
                                                                    std::to_string(expected) +
                                                                    "' is missing before '" + batch->name + "'");
            }
            data.batches.push_back(batch);
            ++expected;
        }
    }
    return result;
}

} // namespace cli
