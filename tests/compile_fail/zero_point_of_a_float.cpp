// says: other formats have no zero point
#include "tersor/formats/fp8.hpp"
#include "tersor/formats/integer.hpp"
#include "tersor/quantizers/zero_point.hpp"

#ifdef MISUSE
tersor::zero_point<tersor::fp8_e4m3> quantizer;
#else
tersor::zero_point<tersor::uint4> quantizer;
#endif
