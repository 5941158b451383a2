// says: tersor needs exact arithmetic
#ifdef MISUSE
#    define __FAST_MATH__ 1
#endif
#include "tersor/quantizers/quantize.hpp"
