# How the project's own programs (tests, benchmarks, examples) are compiled. The library exports none of these flags.
find_package(Threads REQUIRED)

set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)

# Gives `target` the library, threads and the warnings that the project keeps clean.
function(tersor_program target)
  target_link_libraries(${target} PRIVATE tersor::tersor Threads::Threads)
  if(CMAKE_CXX_COMPILER_ID MATCHES "GNU|Clang")
    target_compile_options(${target} PRIVATE -Wall -Wextra -Wconversion $<$<BOOL:${TERSOR_WARNINGS_AS_ERRORS}>:-Werror>)
  endif()
endfunction()
