#include "odr/fingerprint.hpp"

__attribute__((visibility("default"))) std::vector<finding> compute_alone() {
    return compute();
}
