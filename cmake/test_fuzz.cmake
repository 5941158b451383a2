# tests/fuzz/<name>_fuzz.cpp defines LLVMFuzzerTestOneInput. Everywhere it is linked with replay.cpp and run over
# tests/fuzz/corpus/<name>; with -DTERSOR_BUILD_FUZZERS=ON (clang) also with libFuzzer.
file(GLOB fuzz_files CONFIGURE_DEPENDS fuzz/*_fuzz.cpp)
foreach(file IN LISTS fuzz_files)
  cmake_path(GET file STEM name)
  string(REGEX REPLACE "_fuzz$" "" corpus ${name})
  if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/replay.cpp)
    add_executable(tersor_${name}_replay ${file} fuzz/replay.cpp)
    tersor_program(tersor_${name}_replay)
    tersor_add_test_for_each_isa(fuzz.${corpus} unit $<TARGET_FILE:tersor_${name}_replay>
                                 ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/corpus/${corpus})
  endif()
  if(TERSOR_BUILD_FUZZERS)
    add_executable(tersor_${name} ${file})
    tersor_program(tersor_${name})
    target_compile_options(tersor_${name} PRIVATE -O1 -g1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all)
    target_link_options(tersor_${name} PRIVATE -fsanitize=fuzzer,address,undefined)
  endif()
endforeach()
