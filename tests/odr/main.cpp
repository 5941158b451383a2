// Units that were compiled differently and linked into one program give the same bits. The linker keeps one of several
// definitions of an inline function, so the third is a library that hides its own.

#include "odr/units.hpp"

#include <cstdio>

namespace {

int differences(const char* name, const std::vector<finding>& a, const std::vector<finding>& b) {
    int count = a.size() == b.size() ? 0 : 1;
    for (std::size_t i = 0; i < a.size() && i < b.size(); ++i) {
        if (!(a[i] == b[i])) {
            std::printf("%s: %s differs\n", name, a[i].name.c_str());
            ++count;
        }
    }
    return count;
}

} // namespace

int main() {
    const auto plain = compute_plain();
    const int count = differences("a unit for this machine, linked in", plain, compute_native()) +
                      differences("a library for this machine", plain, compute_alone());
    std::printf("%zu results of 3 units, %d differences\n", plain.size(), count);
    return count == 0 && !plain.empty() ? 0 : 1;
}
