// Replays the corpus of the fuzz target through the same function, and holds the reader's verdict on the files whose
// names say what they are.

#include "tests/fuzz/safetensors_fuzz.cpp"

#include "tersor/io/atomic_folder.hpp"
#include "tests/common/temporary_folder.hpp"
#include "tests/io/safetensors_bytes.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#ifndef TERSOR_TESTS_DIR
#    define TERSOR_TESTS_DIR "tests"
#endif

namespace {

const std::string corpus = TERSOR_TESTS_DIR "/fuzz/corpus/safetensors";

bool accepts(const std::string& bytes) {
    try {
        static_cast<void>(tersor::safetensors_file::from_bytes(as_byte_span(bytes)));
    } catch (const tersor::error&) {
        return false;
    }
    return true;
}

TEST(SafetensorsCorpus, ReplaysThroughTheFuzzTarget) {
    std::size_t replayed = 0;
    for (const auto& entry : tersor::list_folder(corpus)) {
        SCOPED_TRACE(entry.name);
        const std::string text = temporary_folder::read(corpus + "/" + entry.name);
        // of exactly that size, so that a sanitizer sees any read past the end
        const std::vector<std::uint8_t> bytes(text.begin(), text.end());
        EXPECT_EQ(LLVMFuzzerTestOneInput(bytes.data(), bytes.size()), 0);
        ++replayed;
    }
    EXPECT_GE(replayed, 30U);
    EXPECT_EQ(LLVMFuzzerTestOneInput(nullptr, 0), 0);
}

TEST(SafetensorsCorpus, TheNamedFilesAreJudgedRight) {
    const std::set<std::string> valid = {"empty_tensor", "escapes", "every_dtype", "header_order", "metadata_null",
                                         "no_tensors",   "scalar",  "two_tensors", "utf8_names"};
    for (const auto& entry : tersor::list_folder(corpus)) {
        if (!entry.name.starts_with("found_")) {
            EXPECT_EQ(accepts(temporary_folder::read(corpus + "/" + entry.name)), valid.contains(entry.name))
                << entry.name;
        }
    }
}

} // namespace
