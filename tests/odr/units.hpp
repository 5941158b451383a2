#ifndef TERSOR_TESTS_ODR_UNITS_HPP
#define TERSOR_TESTS_ODR_UNITS_HPP

#include <cstdint>
#include <string>
#include <vector>

/// What one operation gave: a hash of its bits.
struct finding {
    std::string name;
    std::uint64_t bits;
    friend bool operator==(const finding&, const finding&) = default;
};

std::vector<finding> compute_plain();  ///< a unit with the flags of the build
std::vector<finding> compute_native(); ///< a unit of the same program compiled for this very machine
std::vector<finding> compute_alone();  ///< compiled for this machine, and linked with nothing else that uses tersor

#endif // TERSOR_TESTS_ODR_UNITS_HPP
