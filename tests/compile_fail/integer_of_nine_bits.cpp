// says: an integer format has 2 to 8 bits
#include "tersor/formats/integer.hpp"

#ifdef MISUSE
tersor::integer<9, true> format;
#else
tersor::integer<7, true> format;
#endif
