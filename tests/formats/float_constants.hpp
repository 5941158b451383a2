#ifndef TERSOR_TESTS_FORMATS_FLOAT_CONSTANTS_HPP
#define TERSOR_TESTS_FORMATS_FLOAT_CONSTANTS_HPP

#include <limits>

inline constexpr float infinity = std::numeric_limits<float>::infinity();
inline constexpr float quiet_nan = std::numeric_limits<float>::quiet_NaN();

#endif // TERSOR_TESTS_FORMATS_FLOAT_CONSTANTS_HPP
