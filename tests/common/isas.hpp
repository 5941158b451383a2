#ifndef TERSOR_TESTS_COMMON_ISAS_HPP
#define TERSOR_TESTS_COMMON_ISAS_HPP

// The instruction sets of this machine, for tests that must hold with each of them.

#include "tersor/simd/isa.hpp"

#include <gtest/gtest.h>

#include <concepts>
#include <string>
#include <vector>

namespace isas {

/// Those that this machine can run, in ascending order.
inline std::vector<tersor::isa> available() {
    std::vector<tersor::isa> sets;
    for (const tersor::isa set : {tersor::isa::generic, tersor::isa::avx2, tersor::isa::avx512}) {
        if (set <= tersor::best_isa()) {
            sets.push_back(set);
        }
    }
    return sets;
}

/// Calls work(set), or work(), with each instruction set in force; then the one from before is again.
template <class Work>
void for_each_isa(const Work& work) {
    const tersor::isa before = tersor::active_isa();
    for (const tersor::isa set : available()) {
        SCOPED_TRACE(tersor::to_string(set));
        tersor::set_isa(set);
        if constexpr (std::invocable<const Work&, tersor::isa>) {
            work(set);
        } else {
            work();
        }
    }
    tersor::set_isa(before);
}

/// A fixture for TEST_P whose parameter is the instruction set in force.
class each_isa : public testing::TestWithParam<tersor::isa> {
protected:
    void SetUp() override { before_ = tersor::set_isa(GetParam()); }
    void TearDown() override { tersor::set_isa(before_); }

private:
    tersor::isa before_ = tersor::isa::generic;
};

/// The name of a parameter of each_isa.
inline std::string name(const testing::TestParamInfo<tersor::isa>& info) {
    return tersor::to_string(info.param);
}

} // namespace isas

#endif // TERSOR_TESTS_COMMON_ISAS_HPP
