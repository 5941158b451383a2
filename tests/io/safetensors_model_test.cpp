#include "tersor/io/safetensors_model.hpp"

#include "tests/common/temporary_folder.hpp"
#include "tests/io/safetensors_bytes.hpp"

#include <gtest/gtest.h>

#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

namespace {

using tersor::safetensors_model;

/// A file with one tensor of one byte for each letter of `names`.
std::string file_with(const std::string& names) {
    std::string header = "{";
    for (std::size_t i = 0; i < names.size(); ++i) {
        header += std::string(i == 0 ? "" : ",") + "\"" + names[i] + R"(":{"dtype":"U8","shape":[1],"data_offsets":[)" +
                  std::to_string(i) + "," + std::to_string(i + 1) + "]}";
    }
    return safetensors_bytes(header + "}", names);
}

std::string names_of(const safetensors_model& model) {
    std::string names;
    for (const auto& entry : model.entries()) {
        names += entry.tensor->name;
    }
    return names;
}

class SafetensorsModel : public testing::Test {
protected:
    void add(const std::string& name, const std::string& bytes) { static_cast<void>(folder_.write(name, bytes)); }
    void add_index(const std::string& weight_map) {
        add("model.safetensors.index.json", R"({"metadata":{"total_size":3},"weight_map":)" + weight_map + "}");
    }

    [[nodiscard]] std::string open_names() const { return names_of(safetensors_model::open(folder_.path())); }

    /// The message of the error that opening the folder raises, or nothing.
    [[nodiscard]] std::string complaint(tersor::error_code code = tersor::error_code::corrupt_file) const {
        try {
            static_cast<void>(safetensors_model::open(folder_.path()));
        } catch (const tersor::error& e) {
            EXPECT_EQ(e.code(), code) << e.what();
            return e.what();
        }
        return {};
    }

    temporary_folder folder_;
};

TEST_F(SafetensorsModel, OpensASingleFile) {
    add("any.safetensors", file_with("ab"));
    const auto model = safetensors_model::open(folder_ / "any.safetensors");
    EXPECT_FALSE(model.is_folder());
    EXPECT_EQ(names_of(model), "ab");
    EXPECT_EQ(model.path(), folder_ / "any.safetensors");
    EXPECT_EQ(model.files().size(), 1U);
    EXPECT_EQ(model.data_bytes(), 2U);
    EXPECT_EQ(model.find("c"), nullptr);
    EXPECT_THROW((void)model.at("c"), tersor::error);
}

TEST_F(SafetensorsModel, TakesTheIndexFirst) {
    add("model-1.safetensors", file_with("ba"));
    add("model-2.safetensors", file_with("c"));
    add("model.safetensors", file_with("x"));
    add("tokens.safetensors", file_with("y"));
    add_index(R"({"a":"model-1.safetensors","c":"model-2.safetensors","b":"model-1.safetensors"})");
    const auto model = safetensors_model::open(folder_.path() + "/");
    EXPECT_TRUE(model.is_folder());
    EXPECT_EQ(model.path(), folder_.path());
    EXPECT_EQ(names_of(model), "bac");
    EXPECT_EQ(model.files().size(), 2U);
    EXPECT_EQ(model.entries()[2].file, 1U);
    EXPECT_EQ(std::to_integer<char>(model.at("c").data[0]), 'c');
    EXPECT_TRUE(model.contains("a"));
}

TEST_F(SafetensorsModel, TakesTheSingleFileBeforeShards) {
    add("model.safetensors", file_with("x"));
    add("model-00001-of-00002.safetensors", file_with("a"));
    add("golden.safetensors", file_with("y"));
    EXPECT_EQ(open_names(), "x");
}

TEST_F(SafetensorsModel, TakesShardsWithoutAnIndex) {
    add("model-00002-of-00002.safetensors", file_with("b"));
    add("model-00001-of-00002.safetensors", file_with("a"));
    add("other-00001-of-00001.safetensors", file_with("y"));
    add("model-00001-of-00002.safetensors.tmp", "no");
    EXPECT_EQ(open_names(), "ab");
}

TEST_F(SafetensorsModel, MissesNoShard) {
    add("model-00001-of-00002.safetensors", file_with("a"));
    EXPECT_NE(complaint().find("is one of 00002"), std::string::npos);
}

TEST_F(SafetensorsModel, RefusesAFolderWithoutWeights) {
    EXPECT_NE(complaint(tersor::error_code::io).find("holds no weights"), std::string::npos);
    add("tokens.safetensors", file_with("y"));
    EXPECT_NE(complaint(tersor::error_code::io).find("holds no weights"), std::string::npos);
    EXPECT_THROW((void)safetensors_model::open(folder_ / "missing"), tersor::error);
}

TEST_F(SafetensorsModel, RefusesAShardThatIsNotThere) {
    add_index(R"({"a":"model-1.safetensors"})");
    EXPECT_NE(complaint(tersor::error_code::io).find("No such file"), std::string::npos);
}

TEST_F(SafetensorsModel, RefusesATensorThatItsShardLacks) {
    add("model-1.safetensors", file_with("a"));
    add_index(R"({"a":"model-1.safetensors","b":"model-1.safetensors"})");
    EXPECT_NE(complaint().find("'b' is not in 'model-1.safetensors'"), std::string::npos) << complaint();
}

TEST_F(SafetensorsModel, RefusesATensorInTwoShards) {
    add("model-1.safetensors", file_with("ab"));
    add("model-2.safetensors", file_with("bc"));
    add_index(R"({"a":"model-1.safetensors","b":"model-1.safetensors","c":"model-2.safetensors"})");
    EXPECT_NE(complaint().find("'b' is in two files"), std::string::npos);
    ASSERT_EQ(::unlink((folder_ / "model.safetensors.index.json").c_str()), 0);
    EXPECT_NE(complaint().find("'b' is in two files"), std::string::npos);
}

TEST_F(SafetensorsModel, RefusesShardNamesThatLeaveTheFolder) {
    add("sub/model.safetensors", file_with("a"));
    const temporary_folder elsewhere;
    const std::string outside = elsewhere.write("model.safetensors", file_with("a"));
    for (const std::string& name : {std::string("sub/model.safetensors"), outside, std::string("../model.safetensors"),
                                    std::string(""), std::string("."), std::string(".."), std::string("config.json"),
                                    std::string("\\u0000.safetensors"), std::string("./sub/../model.safetensors")}) {
        add_index("{\"a\":\"" + name + "\"}");
        EXPECT_NE(complaint().find("is not the name of a .safetensors file of this folder"), std::string::npos) << name;
    }
}

TEST_F(SafetensorsModel, RefusesABrokenIndex) {
    add("model-1.safetensors", file_with("a"));
    for (const char* const index :
         {"", "[]", "{}", "{\"weight_map\":1}", "{\"weight_map\":{\"a\":1}}", "{\"weight_map\":{\"a\":null}}",
          "{\"weight_map\":{\"a\":\"model-1.safetensors\"}} x",
          "{\"weight_map\":{\"a\":\"model-1.safetensors\",\"a\":\"model-1.safetensors\"}}",
          "{\"weight_map\":{},\"weight_map\":{}}", "{\"weight_map\":{\"a\":\"model-1.safetensors\""}) {
        add("model.safetensors.index.json", index);
        EXPECT_NE(complaint(), "") << index;
    }
    ASSERT_EQ(::unlink((folder_ / "model.safetensors.index.json").c_str()), 0);
    ASSERT_EQ(::symlink("nowhere", (folder_ / "model.safetensors.index.json").c_str()), 0);
    EXPECT_NE(complaint(tersor::error_code::io), "") << "an index that cannot be read is not no index";
}

TEST_F(SafetensorsModel, ViewsSurviveAMove) {
    add("model-1.safetensors", file_with("a"));
    add("model-2.safetensors", file_with("b"));
    auto first = safetensors_model::open(folder_.path());
    const auto* const tensor = first.find("b");
    const safetensors_model second = std::move(first);
    EXPECT_EQ(second.find("b"), tensor);
    EXPECT_EQ(std::to_integer<char>(tensor->data[0]), 'b');
}

} // namespace
