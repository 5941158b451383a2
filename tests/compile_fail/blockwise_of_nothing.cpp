// says: a block holds at least one value
#include "tersor/quantizers/absmax.hpp"
#include "tersor/quantizers/blockwise.hpp"

#include "tersor/formats/integer.hpp"

#ifdef MISUSE
tersor::blockwise<tersor::absmax<tersor::int8>, 0> quantizer;
#else
tersor::blockwise<tersor::absmax<tersor::int8>, 64> quantizer;
#endif
