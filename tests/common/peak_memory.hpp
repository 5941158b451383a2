#ifndef TERSOR_TESTS_COMMON_PEAK_MEMORY_HPP
#define TERSOR_TESTS_COMMON_PEAK_MEMORY_HPP

// How much memory an action takes at its peak, measured in a process of its own. Sanitizers multiply every allocation,
// so measurement_is_exact says whether the number means something.

#include "tersor/core/error.hpp"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool measurement_is_exact = false;
#elif defined(__has_feature)
#    if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
inline constexpr bool measurement_is_exact = false;
#    else
inline constexpr bool measurement_is_exact = true;
#    endif
#else
inline constexpr bool measurement_is_exact = true;
#endif

/// Runs `action`, which may raise an error of the library, in a process of its own and gives the growth of its peak
/// memory in bytes; -1 if it did not end well.
template <class Action>
long peak_memory_growth(Action&& action) {
    int answer[2];
    if (::pipe(answer) != 0) {
        return -1;
    }
    const pid_t child = ::fork();
    if (child == 0) {
        rusage before{};
        rusage after{};
        ::getrusage(RUSAGE_SELF, &before);
        try {
            action();
        } catch (const tersor::error&) {
        }
        ::getrusage(RUSAGE_SELF, &after);
        const long growth = (after.ru_maxrss - before.ru_maxrss) * 1024;
        ::_exit(::write(answer[1], &growth, sizeof growth) == sizeof growth ? 0 : 1);
    }
    long growth = -1;
    const bool answered = ::read(answer[0], &growth, sizeof growth) == sizeof growth;
    int status = 0;
    ::waitpid(child, &status, 0);
    ::close(answer[0]);
    ::close(answer[1]);
    return answered && status == 0 ? growth : -1;
}

#endif // TERSOR_TESTS_COMMON_PEAK_MEMORY_HPP
