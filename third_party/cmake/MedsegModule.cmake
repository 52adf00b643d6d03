# medseg_module(NAME [USES modules…] [PUBLIC deps…] [PRIVATE deps…])
#   one folder, one static library: src/NAME/*.cpp behind include/medseg/NAME/*.h
# medseg_plugin(NAME …), below
# medseg_page(NAME), below
# medseg_test(NAME)
#   tests/NAME/*_test.cpp in one program, one ctest entry per module and tier; MEDSEG_TEST_USES_NAME
#   lists the modules that the tests use beside NAME's own
include_guard(GLOBAL)
set(MEDSEG_MODULES "" CACHE INTERNAL "modules in dependency order")

add_library(medseg_warnings INTERFACE)
target_compile_options(medseg_warnings INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion
  -Wnon-virtual-dtor
  -Wno-restrict  # g++ 12 warns about every "literal" + std::string (GCC bug 105651)
  $<$<BOOL:${MEDSEG_WERROR}>:-Werror>)

# One precompiled <ATen/ATen.h> for all targets that see torch. It carries no symbols.
file(GENERATE OUTPUT "${CMAKE_BINARY_DIR}/torch_pch.cpp"
  CONTENT "// carries the precompiled header\n")
if(MEDSEG_TORCH AND MEDSEG_PCH)
  add_library(torch_pch OBJECT "${CMAKE_BINARY_DIR}/torch_pch.cpp")
  target_link_libraries(torch_pch PRIVATE dep::torch medseg_warnings)
  target_include_directories(torch_pch PRIVATE include)
  target_precompile_headers(torch_pch PRIVATE <ATen/ATen.h> <torch/types.h>)
endif()

function(medseg_module name)
  cmake_parse_arguments(ARG "" "" "USES;PUBLIC;PRIVATE" ${ARGN})
  if(NOT MEDSEG_TORCH)  # a module that needs LibTorch, itself or through another, is left out
    foreach(needed IN LISTS ARG_PUBLIC ARG_USES)
      if(needed STREQUAL "dep::torch" OR needed IN_LIST MEDSEG_LEFT_OUT)
        set(MEDSEG_LEFT_OUT ${MEDSEG_LEFT_OUT} ${name} PARENT_SCOPE)
        return()
      endif()
    endforeach()
  endif()
  file(GLOB sources CONFIGURE_DEPENDS src/${name}/*.cpp)
  if(DEFINED MEDSEG_ONLY_${name})
    list(FILTER sources INCLUDE REGEX "/(${MEDSEG_ONLY_${name}})[.]cpp$")
  endif()
  if(NOT sources)
    set(sources "${CMAKE_BINARY_DIR}/torch_pch.cpp")
  endif()
  add_library(medseg_${name} STATIC ${sources})
  add_library(medseg::${name} ALIAS medseg_${name})
  target_include_directories(medseg_${name} PUBLIC include)
  set(sees_torch FALSE)
  if("dep::torch" IN_LIST ARG_PUBLIC)
    set(sees_torch TRUE)
  endif()
  foreach(used IN LISTS ARG_USES)
    target_link_libraries(medseg_${name} PUBLIC medseg::${used})
    if(medseg_${used}_sees_torch)
      set(sees_torch TRUE)
    endif()
  endforeach()
  target_link_libraries(medseg_${name} PUBLIC ${ARG_PUBLIC} PRIVATE ${ARG_PRIVATE} medseg_warnings)
  if(sees_torch AND MEDSEG_PCH)
    target_precompile_headers(medseg_${name} REUSE_FROM torch_pch)
  elseif(sees_torch)  # what the precompiled header gives, in plain text
    target_compile_options(medseg_${name} PRIVATE
      "SHELL:-include ATen/ATen.h" "SHELL:-include torch/types.h")
  endif()
  set(medseg_${name}_sees_torch ${sees_torch} PARENT_SCOPE)
  set(MEDSEG_MODULES ${MEDSEG_MODULES} ${name} CACHE INTERNAL "")
endfunction()

# medseg_plugin(NAME USES modules… PRIVATE deps…)
#   src/NAME/*.cpp as libmedseg_NAME.so beside the program, which opens it at run time where it can.
#   It is built where its dependencies are; of the modules it uses it sees the headers only.
function(medseg_plugin name)
  cmake_parse_arguments(ARG "" "" "USES;PRIVATE" ${ARGN})
  foreach(dependency IN LISTS ARG_PRIVATE)
    if(NOT TARGET ${dependency})
      return()
    endif()
  endforeach()
  file(GLOB sources CONFIGURE_DEPENDS src/${name}/*.cpp)
  add_library(medseg_${name} MODULE ${sources})
  target_include_directories(medseg_${name} PRIVATE include)
  target_link_libraries(medseg_${name} PRIVATE ${ARG_PRIVATE} medseg_warnings)
  set_target_properties(medseg_${name} PROPERTIES LIBRARY_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}"
    CXX_VISIBILITY_PRESET hidden)
endfunction()

# medseg_page(NAME)
#   src/NAME/page/* inside the program, as src/NAME/page_files.h declares them: the page is there
#   wherever the program is.
function(medseg_page name)
  set(folder "${CMAKE_SOURCE_DIR}/src/${name}/page")
  set(script "${CMAKE_SOURCE_DIR}/third_party/cmake/EmbedPage.cmake")
  set(generated "${CMAKE_BINARY_DIR}/${name}_page.cpp")
  file(GLOB files CONFIGURE_DEPENDS "${folder}/*")
  add_custom_command(OUTPUT "${generated}"
    COMMAND "${CMAKE_COMMAND}" -D "FOLDER=${folder}"
      -D "HEADER=${CMAKE_SOURCE_DIR}/src/${name}/page_files.h" -D "OUT=${generated}" -P "${script}"
    DEPENDS ${files} "${script}" VERBATIM)
  target_sources(medseg_${name} PRIVATE "${generated}")
endfunction()

function(medseg_test name)
  file(GLOB sources CONFIGURE_DEPENDS tests/${name}/*_test.cpp)
  if(NOT sources)
    return()
  endif()
  add_executable(${name}_test ${sources})
  target_include_directories(${name}_test PRIVATE tests)
  target_compile_definitions(${name}_test PRIVATE MEDSEG_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  if(TARGET medseg)
    target_compile_definitions(${name}_test PRIVATE MEDSEG_BINARY="$<TARGET_FILE:medseg>")
  endif()
  foreach(source IN LISTS sources)  # only modules whose tests start the program wait for it
    file(STRINGS ${source} found REGEX "MEDSEG_BINARY|child_process[.]h" LIMIT_COUNT 1)
    if(found AND TARGET medseg)
      add_dependencies(${name}_test medseg)
      break()
    endif()
  endforeach()
  target_link_libraries(${name}_test PRIVATE medseg::${name} medseg_warnings dep::gtest)
  foreach(used IN LISTS MEDSEG_TEST_USES_${name})
    target_link_libraries(${name}_test PRIVATE medseg::${used})
  endforeach()
  # gtest's macros hide an if and a parameter; the other two are g++ 12's false alarms on
  # std::string (GCC bug 105329)
  set_source_files_properties(${sources} PROPERTIES COMPILE_OPTIONS
    "-Wno-dangling-else;-Wno-shadow;-Wno-array-bounds;-Wno-stringop-overflow")
  if(medseg_${name}_sees_torch AND MEDSEG_PCH)
    target_compile_options(${name}_test PRIVATE -fPIC)  # as the precompiled header
    target_precompile_headers(${name}_test REUSE_FROM torch_pch)
  endif()
  # Tests whose suite name ends in "Integration" run whole commands or real weights; "Extra" needs a
  # tool of scripts/extra_tools.sh and skips itself where it is missing; those that begin with "Gpu"
  # skip themselves where there is none.
  add_test(NAME ${name} COMMAND ${name}_test --gtest_filter=-*Integration.*:*Extra.*:Gpu*)
  set(limit 300)
  if(MEDSEG_SANITIZE)
    set(limit 1500)  # the instruments cost a factor of five
  endif()
  set_tests_properties(${name} PROPERTIES LABELS unit TIMEOUT ${limit})
  set(integration FALSE)
  set(gpu FALSE)
  set(extra FALSE)
  foreach(source IN LISTS sources)
    file(STRINGS ${source} found REGEX "^TEST.*Extra," LIMIT_COUNT 1)
    if(found)
      set(extra TRUE)
    endif()
    file(STRINGS ${source} found REGEX "^TEST.*[(]Gpu" LIMIT_COUNT 1)
    if(found)
      set(gpu TRUE)
    endif()
    file(STRINGS ${source} found REGEX "^TEST.*Integration," LIMIT_COUNT 1)
    if(found)
      set(integration TRUE)
    endif()
  endforeach()
  if(integration)
    add_test(NAME ${name}_integration COMMAND ${name}_test --gtest_filter=*Integration.*)
    set_tests_properties(${name}_integration PROPERTIES LABELS integration TIMEOUT 1800)
  endif()
  if(extra)
    add_test(NAME ${name}_extra COMMAND ${name}_test --gtest_filter=*Extra.*)
    set_tests_properties(${name}_extra PROPERTIES LABELS extra TIMEOUT 600)
  endif()
  if(gpu)
    add_test(NAME ${name}_gpu COMMAND ${name}_test --gtest_filter=Gpu*)
    set_tests_properties(${name}_gpu PROPERTIES LABELS gpu TIMEOUT 300)
  endif()
endfunction()
