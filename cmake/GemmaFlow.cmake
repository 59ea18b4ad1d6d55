# Our few CMake verbs. Each wraps one upstream macro and adds what upstream
# keeps for itself: our export set, our install rules, our naming.

# flow_add_library(NAME source... [DEPENDS target...] [LINK_LIBS lib...])
# A library that sees MLIR: linked to libMLIR and libLLVM, exported as
# GemmaFlow::NAME.
function(flow_add_library name)
  cmake_parse_arguments(ARG "" "" "DEPENDS;LINK_LIBS" ${ARGN})
  add_mlir_library(${name} ${ARG_UNPARSED_ARGUMENTS} DISABLE_INSTALL
                   DEPENDS ${ARG_DEPENDS} LINK_LIBS PUBLIC ${ARG_LINK_LIBS})
  mlir_target_link_libraries(${name} PUBLIC MLIR)
  set_property(TARGET ${name} PROPERTY FLOW_USES_MLIR ON)
  flow_export_library(${name})
endfunction()

# flow_add_plain_library(NAME source... [LINK_LIBS lib...])
# A library that sees neither MLIR nor LLVM, exported as GemmaFlow::NAME.
function(flow_add_plain_library name)
  cmake_parse_arguments(ARG "" "" "LINK_LIBS" ${ARGN})
  add_library(${name} ${ARG_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PUBLIC ${ARG_LINK_LIBS})
  flow_export_library(${name})
endfunction()

# flow_add_tool(NAME source... LINK_LIBS lib...)
function(flow_add_tool name)
  cmake_parse_arguments(ARG "" "" "LINK_LIBS" ${ARGN})
  add_llvm_executable(${name} ${ARG_UNPARSED_ARGUMENTS})
  llvm_update_compile_flags(${name})
  mlir_target_link_libraries(${name} PRIVATE MLIR)
  target_link_libraries(${name} PRIVATE ${ARG_LINK_LIBS})
  install(TARGETS ${name} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endfunction()

# flow_add_unittest(NAME source... LINK_LIBS lib...)
# GoogleTest from Debian (libgtest-dev); the packages carry no llvm_gtest, so
# AddLLVM's add_unittest() cannot be used. A test of a room without LLVM is
# built without LLVM, which keeps that wall standing.
function(flow_add_unittest name)
  cmake_parse_arguments(ARG "" "" "LINK_LIBS" ${ARGN})
  add_executable(${name} ${ARG_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE ${ARG_LINK_LIBS}
    GTest::gtest_main GTest::gmock)
  flow_any_uses_mlir(uses_mlir ${ARG_LINK_LIBS})
  if(uses_mlir)
    llvm_update_compile_flags(${name})
    target_link_libraries(${name} PRIVATE MLIR LLVM)
  endif()
  gtest_discover_tests(${name} TEST_PREFIX "Unit/" DISCOVERY_MODE PRE_TEST)
endfunction()

# flow_add_doc(NAME file.td out.md mlir-tblgen-command...)
function(flow_add_doc name td out)
  set(LLVM_TARGET_DEFINITIONS ${td})
  tablegen(MLIR ${out} ${ARGN} EXTRA_INCLUDES ${MLIR_INCLUDE_DIRS})
  add_custom_target(${name} DEPENDS ${CMAKE_CURRENT_BINARY_DIR}/${out})
  add_dependencies(flow-doc ${name})
endfunction()

# Sets `result` to ON if one of the libraries sees MLIR.
function(flow_any_uses_mlir result)
  set(${result} OFF PARENT_SCOPE)
  foreach(lib ${ARGN})
    if(TARGET ${lib})
      get_target_property(uses ${lib} FLOW_USES_MLIR)
      if(uses)
        set(${result} ON PARENT_SCOPE)
      endif()
    endif()
  endforeach()
endfunction()

function(flow_export_library name)
  add_library(GemmaFlow::${name} ALIAS ${name})
  target_include_directories(${name} INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  install(TARGETS ${name} EXPORT GemmaFlowTargets)
endfunction()

function(flow_install_package)
  include(CMakePackageConfigHelpers)
  set(dir "${CMAKE_INSTALL_LIBDIR}/cmake/GemmaFlow")
  configure_package_config_file(
    "${PROJECT_SOURCE_DIR}/cmake/GemmaFlowConfig.cmake.in"
    "${PROJECT_BINARY_DIR}/GemmaFlowConfig.cmake" INSTALL_DESTINATION "${dir}")
  write_basic_package_version_file(
    "${PROJECT_BINARY_DIR}/GemmaFlowConfigVersion.cmake"
    COMPATIBILITY SameMinorVersion)
  install(FILES "${PROJECT_BINARY_DIR}/GemmaFlowConfig.cmake"
                "${PROJECT_BINARY_DIR}/GemmaFlowConfigVersion.cmake"
          DESTINATION "${dir}")
  install(EXPORT GemmaFlowTargets NAMESPACE GemmaFlow:: DESTINATION "${dir}")
  foreach(root include dialects)
    install(DIRECTORY "${PROJECT_SOURCE_DIR}/${root}/flow"
                      "${PROJECT_BINARY_DIR}/${root}/flow"
            DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
            FILES_MATCHING PATTERN "*.h" PATTERN "*.td" PATTERN "*.h.inc"
            PATTERN "CMakeFiles" EXCLUDE)
  endforeach()
endfunction()
