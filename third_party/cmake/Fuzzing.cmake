# medseg_fuzz(MODULE targets…)
#   tests/fuzz/TARGET_fuzz.cpp with libFuzzer, linked to MODULE, whose private headers it may
#   include
# Included before everything else, so that our modules and the libraries that we build are
# instrumented too. LibTorch is a finished wheel and is not; its headers are left out of UBSan.
include_guard(GLOBAL)
if(NOT CMAKE_CXX_COMPILER_ID MATCHES Clang)
  message(FATAL_ERROR "MEDSEG_FUZZ needs clang: -DCMAKE_CXX_COMPILER=clang++-14")
endif()
set(CMAKE_CXX_FLAGS_RELEASE "-O1")
# What the readers call; the kernels are in g++'s own vector types.
set(MEDSEG_ONLY_nn "module|parallel")
file(WRITE "${CMAKE_BINARY_DIR}/not_ours.txt" "[undefined]\nsrc:*/torch/include/*\nsrc:/usr/*\n")
add_compile_options(-g1 -fno-omit-frame-pointer
  -fsanitize=fuzzer-no-link,address,undefined,float-cast-overflow
  -fno-sanitize=vptr,function  # would need LibTorch's type information
  -fno-sanitize-recover=all "-fsanitize-ignorelist=${CMAKE_BINARY_DIR}/not_ours.txt"
  -Wno-unknown-warning-option)
add_link_options(-fsanitize=address,undefined)

function(medseg_fuzz module)
  foreach(target IN LISTS ARGN)
    add_executable(${target}_fuzz tests/fuzz/${target}_fuzz.cpp)
    target_include_directories(${target}_fuzz PRIVATE tests src/${module})
    target_link_libraries(${target}_fuzz PRIVATE medseg::${module} medseg_warnings)
    target_link_options(${target}_fuzz PRIVATE -fsanitize=fuzzer)
  endforeach()
endfunction()
