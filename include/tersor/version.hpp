#ifndef TERSOR_VERSION_HPP
#define TERSOR_VERSION_HPP

// The version of the library, in this one place: the build reads it from here.

#define TERSOR_VERSION_MAJOR 0
#define TERSOR_VERSION_MINOR 1
#define TERSOR_VERSION_PATCH 0

#define TERSOR_DETAIL_STRING(x) #x
#define TERSOR_DETAIL_VERSION(major, minor, patch)                                                                     \
    TERSOR_DETAIL_STRING(major) "." TERSOR_DETAIL_STRING(minor) "." TERSOR_DETAIL_STRING(patch)

namespace tersor::inline v0 {

/// The version as text, "major.minor.patch".
inline constexpr char version[] =
    TERSOR_DETAIL_VERSION(TERSOR_VERSION_MAJOR, TERSOR_VERSION_MINOR, TERSOR_VERSION_PATCH);

} // namespace tersor::inline v0

#endif // TERSOR_VERSION_HPP
