# Install rules: headers, CMake package, pkg-config file, license. Nothing installed holds an absolute path.
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

set(tersor_package_dir ${CMAKE_INSTALL_DATADIR}/cmake/tersor)
set(tersor_pkgconfig_dir ${CMAKE_INSTALL_DATADIR}/pkgconfig)

install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/tersor DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.hpp")
install(TARGETS tersor EXPORT tersor-targets INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT tersor-targets NAMESPACE tersor:: DESTINATION ${tersor_package_dir})

configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/tersor-config.cmake.in
  ${PROJECT_BINARY_DIR}/cmake/tersor-config.cmake INSTALL_DESTINATION ${tersor_package_dir}
  NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/cmake/tersor-config-version.cmake
  COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(FILES ${PROJECT_BINARY_DIR}/cmake/tersor-config.cmake ${PROJECT_BINARY_DIR}/cmake/tersor-config-version.cmake
  DESTINATION ${tersor_package_dir})

# pkg-config knows where the file lies (pcfiledir); the prefix is written relative to it, so the tree may be moved.
set(tersor_prefix_from_pc "\${pcfiledir}")
cmake_path(RELATIVE_PATH CMAKE_INSTALL_PREFIX BASE_DIRECTORY ${CMAKE_INSTALL_PREFIX}/${tersor_pkgconfig_dir}
           OUTPUT_VARIABLE tersor_up)
string(APPEND tersor_prefix_from_pc "/${tersor_up}")
configure_file(${PROJECT_SOURCE_DIR}/cmake/tersor.pc.in ${PROJECT_BINARY_DIR}/cmake/tersor.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/cmake/tersor.pc DESTINATION ${tersor_pkgconfig_dir})

install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
