# Every third-party library, once, as one imported target `dep::NAME`.
# third_party/README.md says which version, under which licence, and why.
include_guard(GLOBAL)

function(dep_library name)  # dep_library(NAME library…): by file name, for packages without CMake files
  add_library(dep_${name} INTERFACE)
  add_library(dep::${name} ALIAS dep_${name})
  foreach(library IN LISTS ARGN)
    find_library(DEP_${library} ${library} REQUIRED)
    target_link_libraries(dep_${name} INTERFACE ${DEP_${library}})
  endforeach()
endfunction()

# --- LibTorch: the PyPI wheel, unpacked by scripts/setup.sh -----------------------
# Deliberately not find_package(Torch): that links libtorch_cuda and wants a toolkit.
set(torch_dir "${MEDSEG_DEPS}/torch")
if(NOT EXISTS "${torch_dir}/lib/libtorch_cpu.so")
  message(FATAL_ERROR "${torch_dir} holds no LibTorch; run scripts/setup.sh first")
endif()
foreach(library IN ITEMS c10 torch_cpu)
  add_library(dep_${library} SHARED IMPORTED GLOBAL)
  set_target_properties(dep_${library} PROPERTIES IMPORTED_LOCATION "${torch_dir}/lib/lib${library}.so")
endforeach()
add_library(dep_gomp SHARED IMPORTED GLOBAL)  # for src/nn/parallel.cpp: the wheel's, the only one in the process
set_target_properties(dep_gomp PROPERTIES IMPORTED_LOCATION "${torch_dir}/lib/libgomp.so.1")
add_library(dep_torch INTERFACE)
add_library(dep::torch ALIAS dep_torch)
target_include_directories(dep_torch SYSTEM INTERFACE
  "${torch_dir}/include" "${torch_dir}/include/torch/csrc/api/include")
target_compile_definitions(dep_torch INTERFACE _GLIBCXX_USE_CXX11_ABI=1)
target_link_libraries(dep_torch INTERFACE dep_torch_cpu dep_c10 dep_gomp)
# The wheel's own RPATH finds the two CUDA run-time libraries in ../nvidia beside it.
target_link_options(dep_torch INTERFACE "LINKER:-rpath-link,${MEDSEG_DEPS}/nvidia/cu13/lib"
  "LINKER:--disable-new-dtags" "LINKER:-rpath,${torch_dir}/lib")

# For the CUDA plugin alone, where MEDSEG_CUDA=1 scripts/setup.sh unpacked them and a toolkit has the headers.
if(EXISTS "${torch_dir}/lib/libtorch_cuda.so")
  find_package(CUDAToolkit 13 QUIET)
  if(CUDAToolkit_FOUND)
    foreach(library IN ITEMS c10_cuda torch_cuda)
      add_library(dep_${library} SHARED IMPORTED GLOBAL)
      set_target_properties(dep_${library} PROPERTIES IMPORTED_LOCATION "${torch_dir}/lib/lib${library}.so")
    endforeach()
    add_library(dep_cuda INTERFACE)
    add_library(dep::cuda ALIAS dep_cuda)
    target_link_libraries(dep_cuda INTERFACE dep_torch_cuda dep_c10_cuda CUDA::cudart dep_torch)
    target_compile_definitions(dep_cuda INTERFACE USE_DISTRIBUTED USE_C10D_NCCL)
  else()
    message(STATUS "no CUDA 13 toolkit: the CUDA plugin is left out")
  endif()
endif()

# The wheel has Gloo, but not the headers that c10d's own include: declarations of what those name.
add_library(dep_gloo_shim INTERFACE)
add_library(dep::gloo_shim ALIAS dep_gloo_shim)
target_include_directories(dep_gloo_shim SYSTEM INTERFACE "${CMAKE_SOURCE_DIR}/third_party/gloo_shim")

# --- SentencePiece: static and hidden, for Debian's exports protobuf ---------------
set(SPM_ENABLE_SHARED OFF CACHE BOOL "" FORCE)
set(SPM_ENABLE_TCMALLOC OFF CACHE BOOL "" FORCE)
set(SPM_ENABLE_NFKC_COMPILE OFF CACHE BOOL "" FORCE)
set(CMAKE_POLICY_DEFAULT_CMP0077 NEW)
block()
  set(CMAKE_CXX_VISIBILITY_PRESET hidden)
  set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
  set(CMAKE_POLICY_VERSION_MINIMUM 3.5)
  set(CMAKE_MESSAGE_LOG_LEVEL WARNING)
  add_subdirectory("${MEDSEG_DEPS}/sentencepiece/sentencepiece" sentencepiece EXCLUDE_FROM_ALL)
endblock()
target_compile_options(sentencepiece-static PRIVATE -w)
add_library(dep_sentencepiece INTERFACE)
add_library(dep::sentencepiece ALIAS dep_sentencepiece)
target_link_libraries(dep_sentencepiece INTERFACE sentencepiece-static)
target_include_directories(dep_sentencepiece SYSTEM INTERFACE "${MEDSEG_DEPS}/sentencepiece/sentencepiece/src")
if(NOT MEDSEG_FUZZ)  # the sanitizers must be seen by all
  target_link_options(dep_sentencepiece INTERFACE "LINKER:--exclude-libs,ALL")
endif()

# --- Debian's ------------------------------------------------------------------
find_package(nlohmann_json REQUIRED)
add_library(dep::json ALIAS nlohmann_json)
find_package(spdlog REQUIRED)
add_library(dep_spdlog INTERFACE)
add_library(dep::spdlog ALIAS dep_spdlog)
target_link_libraries(dep_spdlog INTERFACE spdlog::spdlog)
find_package(CLI11 REQUIRED)
add_library(dep_cli11 INTERFACE)
add_library(dep::cli11 ALIAS dep_cli11)
target_link_libraries(dep_cli11 INTERFACE CLI11::CLI11)
find_package(GTest REQUIRED)
add_library(dep_gtest INTERFACE)
add_library(dep::gtest ALIAS dep_gtest)
target_link_libraries(dep_gtest INTERFACE GTest::gmock_main)

dep_library(opencv opencv_core opencv_imgproc opencv_imgcodecs)  # by name: never opencv_dnn
find_path(OPENCV_INCLUDE opencv2/core.hpp PATH_SUFFIXES opencv4 REQUIRED)
target_include_directories(dep_opencv SYSTEM INTERFACE "${OPENCV_INCLUDE}")
dep_library(pcre2 pcre2-8)
dep_library(utf8proc utf8proc)
dep_library(zlib z)
dep_library(crypto crypto)
dep_library(allocator tcmalloc_minimal)  # 1.6 times faster training steps than glibc's malloc
target_link_options(dep_allocator INTERFACE "LINKER:--no-as-needed")
