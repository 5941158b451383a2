# What must hold of the source tree itself. Each check is a script that takes a compiler command.
set(compile ${CMAKE_CXX_COMPILER} -std=c++20 -I${PROJECT_SOURCE_DIR}/include)
get_target_property(eigen_dirs Eigen3::Eigen INTERFACE_INCLUDE_DIRECTORIES)
foreach(dir IN LISTS eigen_dirs)
  list(APPEND compile -isystem ${dir})
endforeach()

function(tersor_add_check name label)
  add_test(NAME ${name} COMMAND ${ARGN})
  set_tests_properties(${name} PROPERTIES LABELS ${label} TIMEOUT 600)
endfunction()

set(here ${CMAKE_CURRENT_SOURCE_DIR})
tersor_add_check(structure.include_arrows structure ${here}/structure/include_arrows.sh)
tersor_add_check(structure.headers_alone structure ${here}/structure/headers_alone.sh ${compile})
tersor_add_check(structure.readme_snippets structure ${here}/structure/readme_snippets.sh ${compile})
tersor_add_check(structure.compile_fail structure ${here}/compile_fail/check.sh ${compile})
set_tests_properties(structure.headers_alone PROPERTIES RUN_SERIAL ON)

if(tersor_is_top_level)
  foreach(way find_package add_subdirectory fetch_content pkg_config)
    tersor_add_check(package.${way} package ${here}/package/check.sh ${way} ${CMAKE_COMMAND} ${CMAKE_CXX_COMPILER} ${PROJECT_BINARY_DIR})
  endforeach()
endif()
