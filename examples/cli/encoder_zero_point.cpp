// uint2..uint8: a scale and a zero point per group.

#include "encoder_grouped.hpp"

#include "tersor/formats/integer.hpp"
#include "tersor/quantizers/zero_point.hpp"

namespace cli {

std::unique_ptr<encoder> make_zero_point_encoder(const target& what) {
    using tersor::zero_point;
    switch (what.spec.format->bits) {
    case 2:
        return make_grouped_encoder<zero_point<tersor::uint2>>(what);
    case 3:
        return make_grouped_encoder<zero_point<tersor::uint3>>(what);
    case 4:
        return make_grouped_encoder<zero_point<tersor::uint4>>(what);
    case 5:
        return make_grouped_encoder<zero_point<tersor::uint5>>(what);
    case 6:
        return make_grouped_encoder<zero_point<tersor::uint6>>(what);
    case 7:
        return make_grouped_encoder<zero_point<tersor::uint7>>(what);
    default:
        return make_grouped_encoder<zero_point<tersor::uint8>>(what);
    }
}

} // namespace cli
