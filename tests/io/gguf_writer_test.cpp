#include "tersor/io/gguf_writer.hpp"

#include "tersor/io/gguf.hpp"
#include "tests/common/temporary_folder.hpp"
#include "tests/io/golden_gguf.hpp"
#include "tests/common/errors.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using tersor::gguf_declaration;
using tersor::gguf_file;
using tersor::gguf_layout;
using tersor::gguf_metadata;
using tersor::gguf_type;
using tersor::gguf_writer;

gguf_writer copy_of(const gguf_file& file, const std::string& path) {
    std::vector<gguf_declaration> declarations;
    for (const auto& tensor : file.tensors()) {
        declarations.push_back(declare(tensor));
    }
    return {path, gguf_layout(std::move(declarations), gguf_metadata(file.metadata()))};
}

TEST(GgufWriter, WritesWhatGgmlWroteByteForByte) {
    const temporary_folder folder;
    const auto file = gguf_file::open(golden::tiny_gguf());
    gguf_writer writer = copy_of(file, folder / "copy.gguf");
    for (const auto& tensor : file.tensors()) {
        writer.append(tensor.name, tensor.data);
    }
    writer.commit();
    EXPECT_EQ(temporary_folder::read(folder / "copy.gguf"), temporary_folder::read(golden::tiny_gguf()));
    EXPECT_EQ(writer.path(), folder / "copy.gguf");
}

TEST(GgufWriter, TakesPiecesAndAnyOrderOfTensors) {
    const temporary_folder folder;
    const auto file = gguf_file::open(golden::tiny_gguf());
    gguf_writer writer = copy_of(file, folder / "copy.gguf");
    for (std::size_t i = file.tensors().size(); i-- > 0;) {
        const auto data = file.tensors()[i].data;
        for (std::size_t start = 0; start < data.size(); start += 13) {
            writer.append(file.tensors()[i].name, data.subspan(start, std::min<std::size_t>(13, data.size() - start)));
        }
    }
    writer.commit();
    EXPECT_EQ(temporary_folder::read(folder / "copy.gguf"), temporary_folder::read(golden::tiny_gguf()));
}

TEST(GgufWriter, WritesValuesAsTheyLieInMemory) {
    const temporary_folder folder;
    gguf_metadata metadata;
    metadata.add("general.architecture", "none").add("general.alignment", std::uint32_t{64});
    const std::vector<float> floats = {1.5f, -2.0f, 3.25f};
    const std::vector<std::int16_t> shorts = {1, -2};
    gguf_writer writer(folder / "f.gguf",
                       gguf_layout({{"f", gguf_type::f32, {3}}, {"s", gguf_type::i16, {1, 2}}}, metadata));
    writer.append("f", floats);
    writer.append("s", shorts);
    writer.commit();
    const auto file = gguf_file::open(folder / "f.gguf");
    EXPECT_EQ(file.version(), 3U);
    EXPECT_EQ(file.alignment(), 64U);
    EXPECT_EQ(file.size() % 64, 0U);
    EXPECT_EQ(file.size(), writer.layout().size());
    EXPECT_EQ(std::memcmp(file.tensor("f").data.data(), floats.data(), 12), 0);
    EXPECT_EQ(file.tensor("s").offset, file.tensor("f").offset + 64);
    EXPECT_EQ(std::memcmp(file.tensor("s").data.data(), shorts.data(), 4), 0);
    const std::string bytes = temporary_folder::read(folder / "f.gguf");
    EXPECT_EQ(bytes.substr(file.tensor("s").offset + 4), std::string(60, '\0'));
}

TEST(GgufWriter, WritesAHeaderAlone) {
    const temporary_folder folder;
    gguf_metadata metadata;
    metadata.add("k", std::vector<bool>{true, false});
    gguf_writer writer(folder / "f.gguf", gguf_layout({}, metadata));
    writer.commit();
    EXPECT_EQ(gguf_file::open(folder / "f.gguf").get<std::vector<bool>>("k"), (std::vector<bool>{true, false}));
    EXPECT_EQ(temporary_folder::read(folder / "f.gguf").size() % 32, 0U);
}

TEST(GgufWriter, NothingAppearsBeforeTheCommit) {
    const temporary_folder folder;
    {
        gguf_writer writer(folder / "f.gguf", gguf_layout({{"x", gguf_type::i8, {4}}}));
        writer.append("x", std::string("abcd"));
        EXPECT_THROW(static_cast<void>(gguf_file::open(folder / "f.gguf")), tersor::error);
    }
    EXPECT_EQ(folder.entries(), 0U);
}

TEST(GgufWriter, EveryTensorMustBeWrittenInFull) {
    using enum tersor::error_code;
    const temporary_folder folder;
    gguf_writer writer(folder / "f.gguf", gguf_layout({{"x", gguf_type::i8, {4}}, {"y", gguf_type::q8_0, {32}}}));
    expect_error(
        invalid_argument, [&] { writer.append("z", std::string("a")); }, "tensor 'z' was not declared");
    writer.append("x", std::string("abc"));
    expect_error(
        invalid_argument, [&] { writer.append("x", std::string("de")); }, "tensor 'x' takes 4 bytes, not 5");
    expect_error(
        invalid_argument, [&] { writer.commit(); }, "tensor 'x' has 3 of its 4 bytes");
    writer.append("x", std::string("d"));
    expect_error(
        invalid_argument, [&] { writer.commit(); }, "tensor 'y' has 0 of its 34 bytes");
    writer.append("y", std::string(34, 'y'));
    writer.commit();
    EXPECT_EQ(gguf_file::open(folder / "f.gguf").tensors().size(), 2U);
}

TEST(GgufWriter, AnExistingFileIsKeptUnlessAskedFor) {
    const temporary_folder folder;
    const std::string path = folder.write("f.gguf", "old");
    expect_error(
        tersor::error_code::io, [&] { static_cast<void>(gguf_writer(path, gguf_layout())); }, "f.gguf");
    gguf_writer writer(path, gguf_layout(), tersor::existing_target::overwrite);
    EXPECT_EQ(temporary_folder::read(path), "old");
    writer.commit();
    EXPECT_TRUE(gguf_file::open(path).tensors().empty());
}

TEST(GgufWriter, AMovedWriterGoesOn) {
    const temporary_folder folder;
    gguf_writer writer;
    {
        gguf_writer first(folder / "f.gguf", gguf_layout({{"x", gguf_type::i8, {4}}}));
        first.append("x", std::string("ab"));
        writer = std::move(first);
    }
    writer.append("x", std::string("cd"));
    writer.commit();
    const auto file = gguf_file::open(folder / "f.gguf");
    EXPECT_EQ(std::memcmp(file.tensor("x").data.data(), "abcd", 4), 0);
}

} // namespace
