#include "precision_plan.hpp"

#include "report.hpp"
#include "table.hpp"
#include "text.hpp"

#include "tersor/io/json.hpp"
#include "tersor/io/mapped_file.hpp"
#include "tersor/version.hpp"

#include <utility>

namespace cli {

namespace json = tersor::json;

namespace {

double bits_of(std::uint64_t bytes, std::uint64_t weights) {
    return weights == 0 ? 0.0 : 8.0 * static_cast<double>(bytes) / static_cast<double>(weights);
}

} // namespace

std::string plan_text(const trial& tried, const tersor::precision_plan& plan, std::size_t budget) {
    table grid({"tensor", ">shape", "plan", ">bits", ">bytes", ">relative error"});
    for (std::size_t i = 0; i < tried.tensors.size(); ++i) {
        const tried_tensor& t = tried.tensors[i];
        const tried_choice& c = t.choices[plan.tensors[i].number];
        grid.add({printable(t.name), shape_text(t.shape), c.what.text(), fixed_text(bits_of(c.bytes, t.weights), 3),
                  size_text(c.bytes), short_text(c.noise)});
    }
    grid.add_rule();
    grid.add({"plan", std::to_string(tried.weights), "", fixed_text(bits_of(plan.bytes, tried.weights), 3),
              size_text(plan.bytes), short_text(plan.error / static_cast<double>(tried.weights))});
    return grid.text() + "budget: " + size_text(budget) + (plan.is_optimal ? ", the optimum" : "") + "\n\n";
}

std::string plan_json(const std::string& path, const trial& tried, const tersor::precision_plan& plan,
                      std::size_t budget) {
    json::value result;
    result["tool"] = "tersor";
    result["version"] = tersor::version;
    result["model"] = path;
    json::array list;
    for (std::size_t i = 0; i < tried.tensors.size(); ++i) {
        const tried_choice& c = tried.tensors[i].choices[plan.tensors[i].number];
        json::value entry;
        entry["name"] = tried.tensors[i].name;
        entry["spec"] = c.what.text();
        entry["bytes"] = c.bytes;
        entry["bits_per_weight"] = bits_of(c.bytes, tried.tensors[i].weights);
        entry["error"] = c.noise;
        list.push_back(std::move(entry));
    }
    result["tensors"] = std::move(list);
    json::value total;
    total["budget"] = budget;
    total["bytes"] = plan.bytes;
    total["bits_per_weight"] = bits_of(plan.bytes, tried.weights);
    total["error"] = plan.error / static_cast<double>(tried.weights);
    total["is_optimal"] = plan.is_optimal;
    result["total"] = std::move(total);
    return json::write(result, 2) + "\n";
}

precision_map read_plan(const model& from, const std::string& path) {
    const tersor::mapped_file file(path);
    const json::value content = json::parse(file.text(), path);
    const json::value* const list = content.is(json::kind::object) ? content.find("tensors") : nullptr;
    const auto fail = [&](const std::string& what) {
        tersor::raise(tersor::error_code::corrupt_file, path + ": " + what);
    };
    if (list == nullptr || !list->is(json::kind::array)) {
        fail("is no plan: it has no list 'tensors'");
    }
    precision_map precisions;
    for (const json::value& entry : list->as_array()) {
        const json::value* const name = entry.is(json::kind::object) ? entry.find("name") : nullptr;
        const json::value* const text = entry.is(json::kind::object) ? entry.find("spec") : nullptr;
        if (name == nullptr || text == nullptr || !name->is(json::kind::string) || !text->is(json::kind::string)) {
            fail("an entry of 'tensors' has no 'name' and 'spec'");
        }
        if (from.find(name->as_string()) == nullptr) {
            fail("tensor '" + name->as_string() + "' is not in the model");
        }
        if (!precisions.emplace(name->as_string(), parse_spec(text->as_string())).second) {
            fail("tensor '" + name->as_string() + "' stands there twice");
        }
    }
    return precisions;
}

} // namespace cli
