#include "tersor/io/imatrix.hpp"

#include "common/temporary_folder.hpp"

#include "tersor/io/gguf_writer.hpp"
#include "tersor/io/safetensors_model_writer.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

namespace {

using tersor::error_code;
using tersor::imatrix;

std::string bytes_of_int(std::int32_t number) {
    return {reinterpret_cast<const char*>(&number), sizeof(number)};
}

std::string bytes_of_entry(const std::string& name, std::int32_t calls, const std::vector<float>& values) {
    std::string bytes = bytes_of_int(static_cast<std::int32_t>(name.size())) + name + bytes_of_int(calls) +
                        bytes_of_int(static_cast<std::int32_t>(values.size()));
    return bytes.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
}

std::string usual_binary() {
    return bytes_of_int(2) + bytes_of_entry("blk.0.attn_q.weight", 4, {4.0f, 8.0f, 1.0f}) +
           bytes_of_entry("blk.0.ffn_up.weight", 0, {5.0f});
}

error_code code_of(const std::string& bytes) {
    const temporary_folder folder;
    try {
        static_cast<void>(tersor::read_imatrix(folder.write("file", bytes)));
    } catch (const tersor::error& e) {
        return e.code();
    }
    ADD_FAILURE() << "no error";
    return error_code::cancelled;
}

imatrix read_bytes(const std::string& bytes) {
    const temporary_folder folder;
    return tersor::read_imatrix(folder.write("file", bytes));
}

TEST(Imatrix, TheBinaryFormHoldsMeansTimesCalls) {
    const imatrix m = read_bytes(usual_binary());
    ASSERT_EQ(m.entries().size(), 2u);
    EXPECT_EQ(m.entries()[0].name, "blk.0.attn_q.weight");
    EXPECT_EQ(m.entries()[0].values, (std::vector<float>{1.0f, 2.0f, 0.25f}));
    ASSERT_NE(m.find("blk.0.ffn_up.weight"), nullptr);
    EXPECT_EQ(m.find("blk.0.ffn_up.weight")->values, std::vector<float>{5.0f}); // no calls: as it is
    EXPECT_EQ(m.find("blk.0.ffn_down.weight"), nullptr);
    EXPECT_EQ(m.chunks(), 0u);
    EXPECT_TRUE(m.datasets().empty());
}

TEST(Imatrix, TheBinaryFormMaySayOfWhatText) {
    const imatrix with_name = read_bytes(usual_binary() + bytes_of_int(17) + bytes_of_int(8) + "wiki.txt");
    EXPECT_EQ(with_name.chunks(), 17u);
    EXPECT_EQ(with_name.datasets().front(), "wiki.txt");
    EXPECT_EQ(read_bytes(usual_binary() + bytes_of_int(17)).chunks(), 17u);
}

TEST(Imatrix, ABinaryFormThatIsCutAnywhereIsCorrupt) {
    const std::string whole = usual_binary();
    for (std::size_t size = 0; size < whole.size(); ++size) {
        EXPECT_EQ(code_of(whole.substr(0, size)), error_code::corrupt_file) << size;
    }
    const std::string trailer = bytes_of_int(17) + bytes_of_int(8) + "wiki.txt";
    for (std::size_t size = 1; size < trailer.size(); ++size) {
        if (size != 4) {
            EXPECT_EQ(code_of(whole + trailer.substr(0, size)), error_code::corrupt_file) << size;
        }
    }
    EXPECT_EQ(code_of(whole + trailer + "x"), error_code::corrupt_file);
}

TEST(Imatrix, CountsThatClaimTooMuchAreCorrupt) {
    constexpr std::int32_t most = std::numeric_limits<std::int32_t>::max();
    for (const std::int32_t count : {most, 3, 0, -1, std::numeric_limits<std::int32_t>::min()}) {
        std::string bytes = usual_binary();
        bytes.replace(0, 4, bytes_of_int(count)); // entries
        EXPECT_EQ(code_of(bytes), error_code::corrupt_file) << count;
    }
    for (const std::int32_t length : {most, 0, -1}) {
        std::string bytes = usual_binary();
        bytes.replace(4, 4, bytes_of_int(length)); // of the first name
        EXPECT_EQ(code_of(bytes), error_code::corrupt_file) << length;
        bytes = usual_binary();
        bytes.replace(4 + 4 + 19 + 4, 4, bytes_of_int(length)); // values
        EXPECT_EQ(code_of(bytes), error_code::corrupt_file) << length;
    }
    std::string bytes = usual_binary();
    bytes.replace(4 + 4 + 19, 4, bytes_of_int(-1)); // calls
    EXPECT_EQ(code_of(bytes), error_code::corrupt_file);
}

TEST(Imatrix, ValuesThatAreNoWeightsAreCorrupt) {
    for (const float value : {-1.0f, std::nanf(""), INFINITY, -INFINITY, -1e-40f}) {
        EXPECT_EQ(code_of(bytes_of_int(1) + bytes_of_entry("a", 1, {1.0f, value})), error_code::corrupt_file) << value;
    }
    EXPECT_EQ(read_bytes(bytes_of_int(1) + bytes_of_entry("a", 1, {0.0f, -0.0f})).entries()[0].values.size(), 2u);
}

TEST(Imatrix, ARepeatedNameIsCorrupt) {
    EXPECT_EQ(code_of(bytes_of_int(2) + bytes_of_entry("a", 1, {1.0f}) + bytes_of_entry("a", 1, {2.0f})),
              error_code::corrupt_file);
}

// A GGUF file of sums and counts.
class ImatrixGguf : public testing::Test {
protected:
    void add(const std::string& name, std::vector<std::int64_t> dimensions, std::vector<float> values) {
        tensors.push_back({name, tersor::gguf_type::f32, std::move(dimensions)});
        contents.push_back(std::move(values));
    }
    [[nodiscard]] std::string write() const {
        tersor::gguf_writer out(folder / "imatrix.gguf", tersor::gguf_layout(tensors, metadata),
                                tersor::existing_target::overwrite);
        for (std::size_t i = 0; i < tensors.size(); ++i) {
            out.append(tensors[i].name, contents[i]);
        }
        out.commit();
        return folder / "imatrix.gguf";
    }
    [[nodiscard]] error_code code() const {
        try {
            static_cast<void>(tersor::read_imatrix(write()));
        } catch (const tersor::error& e) {
            return e.code();
        }
        ADD_FAILURE() << "no error";
        return error_code::cancelled;
    }

    temporary_folder folder;
    tersor::gguf_metadata metadata;
    std::vector<tersor::gguf_declaration> tensors;
    std::vector<std::vector<float>> contents;
};

TEST_F(ImatrixGguf, SumsAreDividedByTheirCounts) {
    metadata.add("general.type", "imatrix")
        .add("imatrix.datasets", std::vector<std::string>{"a.txt", "b.txt"})
        .add("imatrix.chunk_count", std::uint32_t{3})
        .add("imatrix.chunk_size", std::uint32_t{512});
    add("blk.0.attn_q.weight.in_sum2", {3, 1}, {8.0f, 2.0f, 4.0f});
    add("blk.0.attn_q.weight.counts", {1, 1}, {4.0f});
    add("blk.0.attn_q.weight.in_sum", {3, 1}, {-8.0f, 2.0f, 4.0f});
    add("blk.0.ffn_up_exps.weight.counts", {1, 2}, {2.0f, 0.0f});
    add("blk.0.ffn_up_exps.weight.in_sum2", {2, 2}, {8.0f, 2.0f, 7.0f, 9.0f});
    const imatrix m = tersor::read_imatrix(write());
    ASSERT_EQ(m.entries().size(), 2u);
    EXPECT_EQ(m.find("blk.0.attn_q.weight")->values, (std::vector<float>{2.0f, 0.5f, 1.0f}));
    EXPECT_EQ(m.find("blk.0.ffn_up_exps.weight")->values, (std::vector<float>{4.0f, 1.0f, 1.0f, 1.0f}));
    EXPECT_EQ(m.chunks(), 3u);
    EXPECT_EQ(m.datasets().size(), 2u);
}

TEST_F(ImatrixGguf, AModelIsNoImportanceFile) {
    metadata.add("general.type", "model");
    add("a.in_sum2", {1}, {1.0f});
    add("a.counts", {1}, {1.0f});
    EXPECT_EQ(code(), error_code::corrupt_file);
}

TEST_F(ImatrixGguf, PartsThatDoNotGoTogetherAreCorrupt) {
    metadata.add("general.type", "imatrix");
    EXPECT_EQ(code(), error_code::corrupt_file); // nothing
    add("a.in_sum2", {3}, {1.0f, 2.0f, 3.0f});
    EXPECT_EQ(code(), error_code::corrupt_file); // no counts
    add("a.counts", {2}, {1.0f, 1.0f});
    EXPECT_EQ(code(), error_code::corrupt_file); // 2 counts of 3 values
}

TEST_F(ImatrixGguf, OnlyFloatsAreSums) {
    metadata.add("general.type", "imatrix");
    add("a.in_sum2", {1}, {1.0f});
    tensors.push_back({"a.counts", tersor::gguf_type::i32, {1}});
    contents.push_back({1.0f});
    EXPECT_EQ(code(), error_code::corrupt_file);
}

TEST(Imatrix, SafetensorsNameTheWeight) {
    const temporary_folder folder;
    using dtype = tersor::safetensors_dtype;
    tersor::safetensors_model_writer out(
        folder / "i.safetensors",
        {{"a.weight.importance", dtype::f32, {2}}, {"b.importance", dtype::f16, {1}}, {"other", dtype::i64, {1}}});
    out.append("a.weight.importance", std::vector<float>{1.0f, 3.0f});
    out.append("b.importance", std::vector<std::uint16_t>{0x3C00});
    out.append("other", std::vector<std::int64_t>{7});
    out.commit();
    const imatrix m = tersor::read_imatrix(folder / "i.safetensors");
    ASSERT_EQ(m.entries().size(), 2u);
    EXPECT_EQ(m.find("a.weight")->values, (std::vector<float>{1.0f, 3.0f}));
    EXPECT_EQ(m.find("b")->values, std::vector<float>{1.0f});
}

TEST(Imatrix, SafetensorsOfAnotherShapeAreCorrupt) {
    const temporary_folder folder;
    using dtype = tersor::safetensors_dtype;
    for (const tersor::safetensors_declaration& tensor :
         {tersor::safetensors_declaration{"a.importance", dtype::f32, {1, 2}},
          tersor::safetensors_declaration{"a.importance", dtype::i32, {2}},
          tersor::safetensors_declaration{"a", dtype::f32, {2}}}) {
        tersor::safetensors_model_options options;
        options.existing = tersor::existing_target::overwrite;
        tersor::safetensors_model_writer out(folder / "i.safetensors", {tensor}, options);
        out.append(tensor.name, std::vector<float>{1.0f, 1.0f});
        out.commit();
        try {
            static_cast<void>(tersor::read_imatrix(folder / "i.safetensors"));
            ADD_FAILURE() << tensor.name;
        } catch (const tersor::error& e) {
            EXPECT_EQ(e.code(), error_code::corrupt_file);
        }
    }
}

TEST(Imatrix, AFileThatIsNotThereIsAnIoError) {
    const temporary_folder folder;
    try {
        static_cast<void>(tersor::read_imatrix(folder / "nothing"));
        ADD_FAILURE();
    } catch (const tersor::error& e) {
        EXPECT_EQ(e.code(), error_code::io);
    }
}

} // namespace
