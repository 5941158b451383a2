#include "tersor/simd/isa.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

using namespace tersor;

namespace {

TEST(Isa, NamesAreReadBack) {
    for (const isa set : {isa::generic, isa::avx2, isa::avx512}) {
        EXPECT_EQ(parse_isa(to_string(set)), set);
    }
    EXPECT_STREQ(to_string(isa::avx512), "avx512");
}

TEST(Isa, UnknownNamesAreRefusedWithTheKnownOnes) {
    for (const char* name : {"", "AVX2", "avx", "avx5120", "sse", " generic"}) {
        try {
            static_cast<void>(parse_isa(name));
            FAIL() << name;
        } catch (const error& e) {
            EXPECT_EQ(e.code(), error_code::invalid_argument);
            EXPECT_EQ(e.what(),
                      "unknown instruction set '" + std::string(name) + "': expected generic, avx2 or avx512");
        }
    }
}

TEST(Isa, SetOneIsActiveUntilAnotherIs) {
    const isa before = active_isa();
    EXPECT_LE(before, best_isa());
    EXPECT_EQ(set_isa(isa::generic), before);
    EXPECT_EQ(active_isa(), isa::generic);
    EXPECT_EQ(set_isa(best_isa()), isa::generic);
    EXPECT_EQ(active_isa(), best_isa());
    set_isa(before);
}

TEST(Isa, BeyondTheMachineIsRefused) {
    for (const isa set : {isa::avx2, isa::avx512}) {
        const isa before = active_isa();
        if (set <= best_isa()) {
            EXPECT_EQ(set_isa(set), before);
            set_isa(before);
            continue;
        }
        try {
            set_isa(set);
            FAIL();
        } catch (const error& e) {
            EXPECT_EQ(e.code(), error_code::unsupported);
        }
        EXPECT_EQ(active_isa(), before);
    }
}

// The environment is read once a process: each wish needs a process of its own, which such a test starts.
void expect_in_new_process(const char* wish, isa expected) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    const char* const before = std::getenv("TERSOR_ISA");
    const std::string kept = before == nullptr ? "" : before;
    ::setenv("TERSOR_ISA", wish, 1);
    EXPECT_EXIT(std::exit(active_isa() == expected ? 0 : 1), testing::ExitedWithCode(0), "") << wish;
    before == nullptr ? ::unsetenv("TERSOR_ISA") : ::setenv("TERSOR_ISA", kept.c_str(), 1);
}

TEST(IsaDeathTest, IsForcedByTheEnvironmentWhereTheMachineHasIt) {
    for (const isa set : {isa::generic, isa::avx2, isa::avx512}) {
        expect_in_new_process(to_string(set), set <= best_isa() ? set : best_isa());
    }
}

TEST(IsaDeathTest, UnknownWishesAreIgnored) {
    expect_in_new_process("avx9", best_isa());
    expect_in_new_process("", best_isa());
}

} // namespace
