# The PyPI wheel, unpacked by scripts/setup.sh. Deliberately not find_package(Torch): that links
# libtorch_cuda and wants a toolkit.
include_guard(GLOBAL)

set(torch_dir "${MEDSEG_DEPS}/torch")
if(NOT EXISTS "${torch_dir}/lib/libtorch_cpu.so")
  message(FATAL_ERROR "${torch_dir} holds no LibTorch; run scripts/setup.sh first")
endif()
foreach(library IN ITEMS c10 torch_cpu)
  add_library(dep_${library} SHARED IMPORTED GLOBAL)
  set_target_properties(dep_${library} PROPERTIES
    IMPORTED_LOCATION "${torch_dir}/lib/lib${library}.so")
endforeach()
add_library(dep_gomp SHARED IMPORTED GLOBAL)  # the wheel's, the only OpenMP in the process
set_target_properties(dep_gomp PROPERTIES IMPORTED_LOCATION "${torch_dir}/lib/libgomp.so.1")
add_library(dep_torch INTERFACE)
add_library(dep::torch ALIAS dep_torch)
target_include_directories(dep_torch SYSTEM INTERFACE
  "${torch_dir}/include" "${torch_dir}/include/torch/csrc/api/include")
target_compile_definitions(dep_torch INTERFACE _GLIBCXX_USE_CXX11_ABI=1)
target_link_libraries(dep_torch INTERFACE dep_torch_cpu dep_c10 dep_gomp)
# The wheel's own RPATH finds the two CUDA run-time libraries in ../nvidia beside it. CMake gives
# the program a RPATH to ${torch_dir}/lib, and the installed one its own (Packaging.cmake).
target_link_options(dep_torch INTERFACE "LINKER:-rpath-link,${MEDSEG_DEPS}/nvidia/cu13/lib"
  "LINKER:--disable-new-dtags")

# For the CUDA plugin alone, where MEDSEG_CUDA=1 scripts/setup.sh unpacked them and a toolkit has
# the headers.
if(EXISTS "${torch_dir}/lib/libtorch_cuda.so")
  find_package(CUDAToolkit 13 QUIET)
  if(CUDAToolkit_FOUND)
    foreach(library IN ITEMS c10_cuda torch_cuda)
      add_library(dep_${library} SHARED IMPORTED GLOBAL)
      set_target_properties(dep_${library} PROPERTIES
        IMPORTED_LOCATION "${torch_dir}/lib/lib${library}.so")
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
target_include_directories(dep_gloo_shim SYSTEM INTERFACE
  "${CMAKE_SOURCE_DIR}/third_party/gloo_shim")
