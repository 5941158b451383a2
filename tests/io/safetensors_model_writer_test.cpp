#include "tersor/io/safetensors_model_writer.hpp"

#include "tersor/io/safetensors_model.hpp"
#include "tests/common/temporary_folder.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <unistd.h>
#include <vector>

namespace {

using tersor::safetensors_declaration;
using tersor::safetensors_dtype;
using tersor::safetensors_model;
using tersor::safetensors_model_options;
using tersor::safetensors_model_writer;

const std::vector<safetensors_declaration> four = {{"d", safetensors_dtype::u8, {4}},
                                                   {"c", safetensors_dtype::u8, {6}},
                                                   {"b", safetensors_dtype::u8, {11}},
                                                   {"a", safetensors_dtype::u8, {1}}};

void append_all(safetensors_model_writer& writer, const std::vector<safetensors_declaration>& tensors) {
    for (const auto& tensor : tensors) {
        for (std::int64_t i = 0; i < tensor.shape[0]; ++i) {
            writer.append(tensor.name, std::string_view(tensor.name));
        }
    }
}

void expect_all(const safetensors_model& model) {
    ASSERT_EQ(model.entries().size(), 4U);
    for (const auto& tensor : four) {
        const auto& read = model.at(tensor.name);
        EXPECT_EQ(read.shape, tensor.shape);
        for (const std::byte byte : read.data) {
            EXPECT_EQ(std::to_integer<char>(byte), tensor.name[0]);
        }
    }
}

TEST(SafetensorsModelWriter, WritesOneFile) {
    const temporary_folder folder;
    safetensors_model_writer writer(folder / "out.safetensors", four, {.largest_shard = 10});
    EXPECT_FALSE(writer.is_folder());
    append_all(writer, four);
    EXPECT_NE(::access((folder / "out.safetensors").c_str(), F_OK), 0);
    EXPECT_THROW(writer.add_file("config.json", "{}"), tersor::error);
    writer.commit();
    expect_all(safetensors_model::open(folder / "out.safetensors"));
    EXPECT_EQ(folder.entries(), 1U);
}

TEST(SafetensorsModelWriter, WritesAFolder) {
    const temporary_folder folder;
    safetensors_model_writer writer(folder / "out/", four);
    EXPECT_TRUE(writer.is_folder());
    EXPECT_EQ(writer.shards(), 1U);
    append_all(writer, four);
    writer.add_file("config.json", "{}");
    EXPECT_NE(::access((folder / "out").c_str(), F_OK), 0);
    writer.commit();
    const auto model = safetensors_model::open(folder / "out");
    expect_all(model);
    EXPECT_EQ(*model.files()[0].find_metadata("format"), "pt");
    EXPECT_EQ(temporary_folder::read(folder / "out/config.json"), "{}");
    EXPECT_EQ(tersor::list_folder(folder / "out").size(), 2U);
    EXPECT_EQ(folder.entries(), 1U);
}

TEST(SafetensorsModelWriter, SplitsWhatExceedsTheLargestShard) {
    const temporary_folder folder;
    safetensors_model_writer writer(folder / "out", four, {.largest_shard = 10});
    EXPECT_EQ(writer.shards(), 3U);
    append_all(writer, four);
    writer.commit();
    const auto model = safetensors_model::open(folder / "out");
    expect_all(model);
    ASSERT_EQ(model.files().size(), 3U);
    EXPECT_EQ(model.files()[0].tensors().size(), 2U) << "4 + 6 bytes fill one file of 10";
    EXPECT_EQ(model.files()[1].tensors().size(), 1U) << "11 bytes are in a file of their own";
    EXPECT_EQ(model.files()[2].source(), folder / "out/model-00003-of-00003.safetensors");
    EXPECT_EQ(temporary_folder::read(folder / "out/model.safetensors.index.json"), R"({
  "metadata": {
    "total_size": 22
  },
  "weight_map": {
    "a": "model-00003-of-00003.safetensors",
    "b": "model-00002-of-00003.safetensors",
    "c": "model-00001-of-00003.safetensors",
    "d": "model-00001-of-00003.safetensors"
  }
}
)");
    EXPECT_EQ(tersor::list_folder(folder / "out").size(), 4U);
}

TEST(SafetensorsModelWriter, TakesTheTensorsInAnyOrder) {
    const temporary_folder folder;
    safetensors_model_writer writer(folder / "out", four, {.largest_shard = 1});
    for (const int i : {3, 0, 2, 1}) {
        const auto& tensor = four[static_cast<std::size_t>(i)];
        writer.append(tensor.name, std::string(static_cast<std::size_t>(tensor.shape[0]), tensor.name[0]));
    }
    writer.commit();
    expect_all(safetensors_model::open(folder / "out"));
}

TEST(SafetensorsModelWriter, CountsTheBytesOfEveryTensor) {
    const temporary_folder folder;
    {
        safetensors_model_writer writer(folder / "out", four, {.largest_shard = 10});
        EXPECT_THROW(writer.append("x", std::string_view("x")), tersor::error);
        EXPECT_THROW(writer.append("d", std::string_view("ddddd")), tersor::error);
        append_all(writer, {four[0], four[1], four[2]});
        EXPECT_THROW(writer.append("d", std::string_view("d")), tersor::error) << "its file is finished";
        EXPECT_THROW(writer.commit(), tersor::error);
    }
    EXPECT_EQ(folder.entries(), 0U);
    EXPECT_THROW(safetensors_model_writer(folder / "out", {four[0], four[0]}), tersor::error);
}

TEST(SafetensorsModelWriter, WritesModelsWithoutTensorsOrData) {
    const temporary_folder folder;
    safetensors_model_writer none(folder / "none", {});
    none.commit();
    EXPECT_TRUE(safetensors_model::open(folder / "none").entries().empty());
    safetensors_model_writer empty(folder / "empty.safetensors", {{"x", safetensors_dtype::f32, {0, 5}}});
    empty.append("x", std::vector<float>());
    empty.commit();
    EXPECT_EQ(safetensors_model::open(folder / "empty.safetensors").entries().size(), 1U);
    safetensors_model_writer parts(
        folder / "parts", {{"x", safetensors_dtype::u8, {1}}, {"y", safetensors_dtype::u8, {0}}}, {.largest_shard = 0});
    parts.append("x", std::string_view("x"));
    parts.append("y", std::string_view(""));
    parts.commit();
    EXPECT_EQ(safetensors_model::open(folder / "parts").entries().size(), 2U);
}

TEST(SafetensorsModelWriter, KeepsAnExistingModelUnlessTold) {
    const temporary_folder folder;
    for (const char* const name : {"out", "out.safetensors"}) {
        safetensors_model_writer first(folder / name, four);
        append_all(first, four);
        first.commit();
        EXPECT_THROW(safetensors_model_writer(folder / name, four), tersor::error);
        const safetensors_model old = safetensors_model::open(folder / name);
        const std::vector<safetensors_declaration> one = {{"new", safetensors_dtype::u8, {1}}};
        safetensors_model_writer second(folder / name, one, {.existing = tersor::existing_target::overwrite});
        expect_all(safetensors_model::open(folder / name));
        second.append("new", std::string_view("n"));
        second.commit();
        EXPECT_EQ(safetensors_model::open(folder / name).entries().size(), 1U);
        expect_all(old);
    }
    EXPECT_EQ(folder.entries(), 2U);
}

} // namespace
