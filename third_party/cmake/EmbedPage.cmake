# cmake -D FOLDER=… -D HEADER=… -D FUNCTION=… -D OUT=… -P EmbedPage.cmake
# The files of a web page as one C++ file: `FUNCTION()` of HEADER. index.html is "/", every other
# file "/page/NAME".
set(types html "text/html; charset=utf-8" js "text/javascript; charset=utf-8"
  css "text/css; charset=utf-8" svg "image/svg+xml")
file(GLOB files "${FOLDER}/*")
list(SORT files)
set(arrays "")
set(rows "")
set(number 0)
foreach(file IN LISTS files)
  get_filename_component(name "${file}" NAME)
  get_filename_component(ending "${file}" LAST_EXT)
  string(SUBSTRING "${ending}" 1 -1 ending)
  list(FIND types "${ending}" at)
  math(EXPR at "${at} + 1")
  list(GET types ${at} type)
  file(READ "${file}" bytes HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
  string(REGEX REPLACE "(............................................................)" "\\1\n"
    bytes "${bytes}")
  string(APPEND arrays "const unsigned char kFile${number}[] = {\n${bytes}};\n")
  set(path "/page/${name}")
  if(name STREQUAL "index.html")
    set(path "/")
  endif()
  set(bytes_of "text(kFile${number}, sizeof kFile${number})")
  string(APPEND rows "      {\"${path}\", {\"${type}\", ${bytes_of}}},\n")
  math(EXPR number "${number} + 1")
endforeach()
file(WRITE "${OUT}" "// Written by EmbedPage.cmake.
#include \"${HEADER}\"

namespace medseg {
namespace {

${arrays}
std::string text(const unsigned char* bytes, std::size_t count) {
  return {reinterpret_cast<const char*>(bytes), count};
}

}  // namespace

const std::map<std::string, StaticFile>& ${FUNCTION}() {
  static const std::map<std::string, StaticFile> files = {
${rows}  };
  return files;
}

}  // namespace medseg
")
