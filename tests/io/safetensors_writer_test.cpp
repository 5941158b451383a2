#include "tersor/io/safetensors_writer.hpp"

#include "tersor/io/safetensors.hpp"
#include "tests/common/golden.hpp"
#include "tests/common/temporary_folder.hpp"
#include "tests/io/safetensors_bytes.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace {

using tersor::safetensors_declaration;
using tersor::safetensors_dtype;
using tersor::safetensors_file;
using tersor::safetensors_layout;
using tersor::safetensors_writer;

const std::vector<safetensors_declaration> three = {{"codes", safetensors_dtype::u8, {2, 3}},
                                                    {"scales", safetensors_dtype::f32, {2}},
                                                    {"empty", safetensors_dtype::f32, {0}}};

template <class Action>
std::string complaint(tersor::error_code code, Action&& action) {
    try {
        action();
    } catch (const tersor::error& e) {
        EXPECT_EQ(e.code(), code) << e.what();
        return e.what();
    }
    return {};
}

TEST(SafetensorsWriter, WhatItWritesReadsBack) {
    const temporary_folder folder;
    const std::string path = folder / "out.safetensors";
    safetensors_writer writer(path, safetensors_layout(three, {{"format", "pt"}}));
    const std::vector<std::uint8_t> codes = {1, 2, 3, 4, 5, 6};
    // the tensors by turns, in pieces
    writer.append("codes", std::span(codes).first(2));
    writer.append("scales", std::vector<float>{0.5F});
    writer.append("codes", std::span(codes).subspan(2));
    EXPECT_FALSE(writer.complete());
    writer.append("scales", std::vector<float>{-2.0F});
    EXPECT_TRUE(writer.complete());
    EXPECT_EQ(folder.entries(), 1U);
    EXPECT_NE(::access(path.c_str(), F_OK), 0);
    writer.commit();
    const auto file = safetensors_file::open(path);
    ASSERT_EQ(file.tensors().size(), 3U);
    EXPECT_EQ(file.tensors()[0].name, "empty");
    EXPECT_EQ(file.tensors()[1].name, "scales");
    EXPECT_EQ(*file.find_metadata("format"), "pt");
    EXPECT_EQ(std::memcmp(file.at("codes").data.data(), codes.data(), 6), 0);
    const float scales[] = {0.5F, -2.0F};
    EXPECT_EQ(std::memcmp(file.at("scales").data.data(), scales, 8), 0);
}

TEST(SafetensorsWriter, CountsTheBytesOfEveryTensor) {
    const temporary_folder folder;
    using enum tersor::error_code;
    safetensors_writer writer(folder / "out", safetensors_layout(three));
    const std::vector<std::uint8_t> bytes(8);
    EXPECT_NE(complaint(invalid_argument, [&] { writer.append("other", bytes); }).find("'other'"), std::string::npos);
    EXPECT_NE(complaint(invalid_argument, [&] { writer.append("codes", bytes); }).find("takes 6 bytes"),
              std::string::npos);
    EXPECT_NE(complaint(invalid_argument, [&] { writer.append("empty", bytes); }), "");
    writer.append("scales", bytes);
    EXPECT_NE(complaint(invalid_argument, [&] { writer.commit(); }).find("'codes' has 0 of its 6 bytes"),
              std::string::npos);
    writer.append("codes", std::span(bytes).first(6));
    EXPECT_NE(complaint(invalid_argument, [&] { writer.append("codes", std::span(bytes).first(1)); }), "");
    writer.commit();
    EXPECT_EQ(safetensors_file::open(folder / "out").tensors().size(), 3U);
}

/// The file at `path`, read and written again in its own order.
std::string written_again(const temporary_folder& folder, const std::string& path) {
    const auto file = safetensors_file::open(path);
    std::vector<safetensors_declaration> declarations;
    for (const auto& tensor : file.tensors()) {
        declarations.push_back(declare(tensor));
    }
    safetensors_writer writer(folder / "again",
                              safetensors_layout(declarations, file.metadata(), tersor::tensor_order::as_given),
                              tersor::existing_target::overwrite);
    for (const auto& tensor : file.tensors()) {
        writer.append(tensor.name, tensor.data);
    }
    writer.commit();
    return temporary_folder::read(folder / "again");
}

TEST(SafetensorsWriter, WritesTheSameBytesAsItRead) {
    const temporary_folder folder;
    std::string header = R"({"__metadata__":{"b":"2","a":"1"},"y":{"dtype":"F16","shape":[2,1],"data_offsets":[0,4]},)"
                         R"("x":{"dtype":"BOOL","shape":[],"data_offsets":[4,5]}})";
    header.append((8 - header.size() % 8) % 8, ' ');
    const std::string small = safetensors_bytes(header, "12345");
    EXPECT_EQ(written_again(folder, folder.write("small", small)), small);
    for (const char* const name : {"bitsandbytes/ckpt_linear_int8", "bitsandbytes/maps", "gptq/format_awq"}) {
        if (golden::available(name)) {
            EXPECT_TRUE(written_again(folder, golden::path(name)) == temporary_folder::read(golden::path(name)))
                << name;
        }
    }
}

TEST(SafetensorsWriter, AFullDiskIsAnErrorAndLeavesNothing) {
    const temporary_folder folder;
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
    const rlimit limit{50'000, before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
    const std::string message = complaint(tersor::error_code::io, [&] {
        safetensors_writer writer(folder / "out", safetensors_layout({{"x", safetensors_dtype::u8, {100'000}}}));
        writer.append("x", std::vector<std::uint8_t>(100'000));
        writer.commit();
    });
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
    EXPECT_NE(message.find("File too large"), std::string::npos) << message;
    EXPECT_EQ(folder.entries(), 0U);
}

TEST(SafetensorsWriter, AKilledWriterLeavesNothingUnderTheName) {
    const temporary_folder folder;
    int ready[2];
    ASSERT_EQ(::pipe(ready), 0);
    const pid_t child = ::fork();
    if (child == 0) {
        safetensors_writer writer(folder / "out", safetensors_layout({{"x", safetensors_dtype::u8, {1 << 30}}}));
        const std::vector<std::uint8_t> piece(1 << 16);
        writer.append("x", piece);
        static_cast<void>(!::write(ready[1], "r", 1));
        for (;;) {
            writer.append("x", piece);
            ::usleep(1000);
        }
    }
    char byte = 0;
    ASSERT_EQ(::read(ready[0], &byte, 1), 1);
    ::kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_NE(::access((folder / "out").c_str(), F_OK), 0);
    ::close(ready[0]);
    ::close(ready[1]);
}

TEST(SafetensorsWriter, CanReplaceTheFileThatItReads) {
    const temporary_folder folder;
    const std::string path = folder / "model.safetensors";
    safetensors_writer first(path, safetensors_layout({{"x", safetensors_dtype::u8, {4}}}));
    first.append("x", std::string_view("abcd"));
    first.commit();
    const auto file = safetensors_file::open(path);
    safetensors_writer second(path, safetensors_layout({declare(file.at("x"))}), tersor::existing_target::overwrite);
    second.append("x", file.at("x").data);
    second.commit();
    EXPECT_EQ(std::memcmp(file.at("x").data.data(), "abcd", 4), 0) << "the mapped old file stays whole";
    EXPECT_EQ(std::memcmp(safetensors_file::open(path).at("x").data.data(), "abcd", 4), 0);
}

} // namespace
