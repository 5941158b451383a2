#include "odr/fingerprint.hpp"

std::vector<finding> compute_plain() {
    return compute();
}
