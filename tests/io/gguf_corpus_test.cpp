// Replays the corpus of the fuzz target through the same function, and holds the reader's verdict on the files whose
// names say what they are.

// the other fuzz targets of this program have a function of that name
#define LLVMFuzzerTestOneInput test_one_gguf_file
#include "tests/fuzz/gguf_fuzz.cpp"
#undef LLVMFuzzerTestOneInput

#include "tersor/io/atomic_folder.hpp"
#include "tests/common/temporary_folder.hpp"
#include "tests/io/gguf_hostile.hpp"
#include "tests/io/golden_gguf.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#ifndef TERSOR_TESTS_DIR
#    define TERSOR_TESTS_DIR "tests"
#endif

namespace {

const std::string corpus = TERSOR_TESTS_DIR "/fuzz/corpus/gguf";

void replay(const std::string& path) {
    SCOPED_TRACE(path);
    const std::string text = temporary_folder::read(path);
    // of exactly that size, so that a sanitizer sees any read past the end
    const std::vector<std::uint8_t> bytes(text.begin(), text.end());
    EXPECT_EQ(test_one_gguf_file(bytes.data(), bytes.size()), 0);
}

TEST(GgufCorpus, ReplaysThroughTheFuzzTarget) {
    std::size_t replayed = 0;
    for (const auto& entry : tersor::list_folder(corpus)) {
        replay(corpus + "/" + entry.name);
        ++replayed;
    }
    EXPECT_GE(replayed, 60U);
    replay(golden::tiny_gguf());
    EXPECT_EQ(test_one_gguf_file(nullptr, 0), 0);
}

TEST(GgufCorpus, TheNamedFilesAreJudgedRight) {
    const std::set<std::string> valid = {
        "no_tensors",  "one_tensor",           "two_tensors",       "rank_0",
        "version_2",   "alignment_1",          "alignment_64",      "every_type",
        "every_value", "bytes_after_the_data", "empty_tensor_name", "name_of_63_bytes"};
    std::size_t accepted = 0;
    for (const auto& entry : tersor::list_folder(corpus)) {
        if (!entry.name.starts_with("found_")) {
            const bool accepts = gguf_complaint(temporary_folder::read(corpus + "/" + entry.name)).empty();
            EXPECT_EQ(accepts, valid.contains(entry.name)) << entry.name;
            accepted += accepts ? 1 : 0;
        }
    }
    EXPECT_EQ(accepted, valid.size());
}

} // namespace
