#include "odr/fingerprint.hpp"

std::vector<finding> compute_native() {
    return compute();
}
