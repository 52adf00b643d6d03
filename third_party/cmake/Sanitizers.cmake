# AddressSanitizer and UndefinedBehaviorSanitizer in our modules and in the libraries that we build.
# Included before everything else, so that all of them get the flags.
include_guard(GLOBAL)
set(CMAKE_CXX_FLAGS_RELEASE "-O1")
add_compile_options(-g1 -fno-omit-frame-pointer -fsanitize=address,undefined,float-cast-overflow
  -fno-sanitize-recover=all
  -Wno-maybe-uninitialized)  # g++ 12 warns about what its own instruments read
add_link_options(-fsanitize=address,undefined)
