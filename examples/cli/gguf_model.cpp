#include "gguf_model.hpp"

#include "text.hpp"

#include "tersor/io/json.hpp"
#include "tersor/io/llama_metadata.hpp"
#include "tersor/io/llama_names.hpp"
#include "tersor/io/mapped_file.hpp"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

namespace cli {

namespace {

namespace json = tersor::json;
namespace llama = tersor::llama;
using llama::tensor_role;

// A JSON file of the folder; null if there is none.
json::value read_companion(const std::string& folder, const std::string& name) {
    const std::string path = folder + "/" + name;
    std::error_code ignored;
    if (!std::filesystem::exists(path, ignored)) {
        return {};
    }
    const tersor::mapped_file file(path);
    return json::parse(file.text(), path);
}

// "models/small/" is small, "a/b.safetensors" is b.
std::string title_of(const std::string& path) {
    std::error_code problem;
    const std::filesystem::path whole = std::filesystem::weakly_canonical(path, problem);
    const std::filesystem::path name = problem ? std::filesystem::path(path).filename() : whole.filename();
    return name.extension() == ".safetensors" ? name.stem().string() : name.string();
}

std::vector<std::int64_t> expected_shape(const llama::tensor_place& place, const llama::config& c) {
    const std::int64_t embedding = c.embedding_length, queries = std::int64_t{c.head_count} * c.head_length,
                       keys = std::int64_t{c.head_count_kv} * c.head_length;
    std::vector<std::int64_t> shape;
    switch (place.role) {
    case tensor_role::token_embedding:
    case tensor_role::output:
        shape = {c.vocabulary, embedding};
        break;
    case tensor_role::output_norm:
    case tensor_role::attention_norm:
    case tensor_role::ffn_norm:
        return {embedding};
    case tensor_role::query:
        shape = {queries, embedding};
        break;
    case tensor_role::key:
    case tensor_role::value:
        shape = {keys, embedding};
        break;
    case tensor_role::attention_output:
        shape = {embedding, queries};
        break;
    case tensor_role::ffn_gate:
    case tensor_role::ffn_up:
        shape = {c.feed_forward_length, embedding};
        break;
    case tensor_role::ffn_down:
        shape = {embedding, c.feed_forward_length};
        break;
    }
    if (place.is_bias) {
        shape.pop_back();
    }
    return shape;
}

// A number of the metadata of a GGUF file, "{architecture}.NAME"; 0 if there is none.
std::uint32_t number_of(const tersor::gguf_file& file, const std::string& name) {
    std::string_view architecture;
    const tersor::gguf_value* const value = file.find("general.architecture");
    if (value == nullptr || !value->read(architecture).empty()) {
        return 0;
    }
    std::uint32_t number = 0;
    const tersor::gguf_value* const found = file.find(std::string(architecture) + "." + name);
    return found != nullptr && found->read(number).empty() ? number : 0;
}

int small(std::uint32_t number, int otherwise) {
    return number == 0 || number > (1u << 20) ? otherwise : static_cast<int>(number);
}

bool is_replaced(std::string_view key) {
    return key == "general.file_type" || key == "general.quantization_version" || key.starts_with("split.") ||
           key.starts_with("quantize.imatrix.");
}

} // namespace

gguf_model::gguf_model(const model& from) : from_(from) {
    if (from.is_folder()) {
        config_ = llama::read_config(from.tensors().config(), from.path() + "/config.json");
        check_tensors();
        read_tokenizer();
    }
}

void gguf_model::read_tokenizer() {
    const json::value tokenizer = read_companion(from_.path(), "tokenizer.json");
    if (tokenizer.is(json::kind::null)) {
        notes_.push_back("no tokenizer.json: the file has no tokenizer");
        return;
    }
    tokenizer_ = llama::read_tokenizer(tokenizer, read_companion(from_.path(), "tokenizer_config.json"),
                                       from_.tensors().config(), config_->vocabulary, from_.path() + "/tokenizer.json");
    if (tokenizer_->pre == "default") {
        notes_.push_back("tokenizer.json cuts words by a rule that llama.cpp has no known name for: "
                         "tokenizer.ggml.pre is 'default'");
    }
}

void gguf_model::check_tensors() const {
    const auto fail = [this](tersor::error_code code, const std::string& what) {
        tersor::raise(code, from_.path() + ": " + what);
    };
    for (const weight& w : from_.weights()) {
        if (llama::is_derived(w.name)) {
            continue;
        }
        const auto place = llama::place_of_hugging_face_name(w.name);
        if (!place || place->layer >= static_cast<int>(config_->block_count)) {
            fail(tersor::error_code::unsupported, "tensor '" + w.name + "' has no place in the architecture llama of " +
                                                      std::to_string(config_->block_count) +
                                                      " layers; a single .safetensors file keeps its names");
        }
        if (const auto shape = expected_shape(*place, *config_); w.shape != shape) {
            fail(tersor::error_code::corrupt_file,
                 "tensor '" + w.name + "' is " + shape_text(w.shape) + ", by config.json it is " + shape_text(shape));
        }
    }
    const auto need = [&](const llama::tensor_place& place) {
        if (const std::string name = llama::hugging_face_name(place); from_.find(name) == nullptr) {
            fail(tersor::error_code::corrupt_file, "tensor '" + name + "' is missing");
        }
    };
    need({tensor_role::token_embedding, -1, false});
    need({tensor_role::output_norm, -1, false});
    if (!config_->tied_embeddings) {
        need({tensor_role::output, -1, false});
    }
    for (int layer = 0; layer < static_cast<int>(config_->block_count); ++layer) {
        for (auto role = tensor_role::attention_norm; role <= tensor_role::ffn_down;
             role = static_cast<tensor_role>(static_cast<int>(role) + 1)) {
            need({role, layer, false});
        }
    }
}

std::string gguf_model::name_of(const weight& w) const {
    return config_ ? known_name(w) : w.name;
}

std::string gguf_model::known_name(const weight& w) const {
    const auto place = from_.gguf() == nullptr ? llama::place_of_hugging_face_name(w.name) : std::nullopt;
    return place ? llama::gguf_name(*place) : w.name;
}

bool gguf_model::leaves_out(const weight& w) const {
    return config_ && llama::is_derived(w.name);
}

std::int64_t gguf_model::heads_of(const weight& w) const {
    const auto place = config_ ? llama::place_of_hugging_face_name(w.name) : std::nullopt;
    return !place                              ? 0
           : place->role == tensor_role::query ? config_->head_count
           : place->role == tensor_role::key   ? config_->head_count_kv
                                               : 0;
}

std::vector<float> gguf_model::rope_factors() const {
    return config_ ? llama::rope_factors(*config_) : std::vector<float>();
}

tersor::recipe_model gguf_model::recipe_model(bool has_importance) const {
    tersor::recipe_model facts;
    facts.has_importance = has_importance;
    std::int64_t queries = 0, keys = 0;
    facts.tied_embeddings = true;
    for (const weight& w : from_.weights()) {
        const std::string name = known_name(w);
        facts.tied_embeddings = facts.tied_embeddings && name != "output.weight";
        if (const auto place = llama::place_of_gguf_name(name)) {
            facts.layers = std::max(facts.layers, place->layer + 1);
            if (place->layer == 0 && w.shape.size() == 2) {
                queries = place->role == tensor_role::query ? w.shape.front() : queries;
                keys = place->role == tensor_role::key ? w.shape.front() : keys;
            }
        }
    }
    facts.query_heads_per_kv = keys > 0 && queries > keys ? static_cast<int>(queries / keys) : 1;
    if (const tersor::gguf_file* const file = from_.gguf()) {
        facts.layers = small(number_of(*file, "block_count"), facts.layers);
        facts.experts = small(number_of(*file, "expert_count"), 0);
        const std::uint32_t heads = number_of(*file, "attention.head_count");
        const std::uint32_t shared = number_of(*file, "attention.head_count_kv");
        facts.query_heads_per_kv = small(shared == 0 ? 0 : heads / shared, facts.query_heads_per_kv);
    }
    return facts;
}

tersor::gguf_metadata gguf_model::metadata(std::uint32_t file_type, const tersor::imatrix* importance,
                                           const std::string& importance_file) const {
    tersor::gguf_metadata m;
    if (const tersor::gguf_file* const file = from_.gguf()) {
        for (const tersor::gguf_metadata_entry& entry : file->metadata()) {
            if (!is_replaced(entry.key)) {
                m.add(std::string(entry.key), entry.value);
            }
        }
        m.add("general.file_type", file_type);
        m.add("general.quantization_version", llama::quantization_version);
    } else if (config_) {
        llama::add_config(m, *config_, title_of(from_.path()), file_type);
        if (tokenizer_) {
            llama::add_tokenizer(m, *tokenizer_);
        } else {
            m.add("tokenizer.ggml.model", "none");
        }
    } else {
        m.add("general.architecture", "unknown");
        m.add("general.name", title_of(from_.path()));
        m.add("general.file_type", file_type);
        m.add("general.quantization_version", llama::quantization_version);
    }
    if (importance != nullptr) {
        m.add("quantize.imatrix.file", importance_file);
        if (!importance->datasets().empty()) {
            m.add("quantize.imatrix.dataset", importance->datasets().front());
        }
        m.add("quantize.imatrix.entries_count", static_cast<std::uint32_t>(importance->entries().size()));
        if (importance->chunks() != 0) {
            m.add("quantize.imatrix.chunks_count", importance->chunks());
        }
    }
    return m;
}

} // namespace cli
