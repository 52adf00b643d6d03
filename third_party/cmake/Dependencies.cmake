# Every third-party library, once, as one imported target `dep::NAME`.
# third_party/README.md says which version, under which licence, and why.
include_guard(GLOBAL)

# dep_library(NAME library…): by file name, for packages without CMake files
function(dep_library name)
  add_library(dep_${name} INTERFACE)
  add_library(dep::${name} ALIAS dep_${name})
  foreach(library IN LISTS ARGN)
    find_library(DEP_${library} ${library} REQUIRED)
    target_link_libraries(dep_${name} INTERFACE ${DEP_${library}})
  endforeach()
endfunction()

if(MEDSEG_TORCH)
  include(Torch)  # dep::torch, dep::cuda where it can be, dep::gloo_shim
endif()

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
target_include_directories(dep_sentencepiece SYSTEM INTERFACE
  "${MEDSEG_DEPS}/sentencepiece/sentencepiece/src")
if(NOT MEDSEG_FUZZ AND NOT MEDSEG_SANITIZE)  # the sanitizers must be seen by all
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
dep_library(dcmtk dcmdata dcmjpeg dcmjpls oflog ofstd)
dep_library(openjpeg openjp2)
find_path(OPENJPEG_INCLUDE openjpeg.h PATH_SUFFIXES openjpeg-2.5 REQUIRED)
target_include_directories(dep_openjpeg SYSTEM INTERFACE "${OPENJPEG_INCLUDE}")
dep_library(crypto crypto)
dep_library(curl curl)
dep_library(sqlite sqlite3)
find_package(Threads REQUIRED)
add_library(dep_beast INTERFACE)  # headers alone: Boost.Beast and Boost.Asio
add_library(dep::beast ALIAS dep_beast)
target_link_libraries(dep_beast INTERFACE Threads::Threads)
dep_library(allocator tcmalloc_minimal)  # 1.6 times faster training steps than glibc's malloc
target_link_options(dep_allocator INTERFACE "LINKER:--no-as-needed")
