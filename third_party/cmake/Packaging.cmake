# cmake --install build --prefix DIR: the program with the LibTorch libraries beside it, to be run
# from any folder. cpack (in the build folder): the same as a tarball.
# Debian's own shared libraries are not copied; debian-packages.txt lists their packages. The CUDA
# plugin and what it is linked against stay out: a machine with a GPU builds its own.
include_guard(GLOBAL)
include(GNUInstallDirs)

set_target_properties(medseg PROPERTIES INSTALL_RPATH "$ORIGIN/../lib")
install(TARGETS medseg RUNTIME DESTINATION bin)
# LibTorch's libraries look for their own beside themselves (RPATH $ORIGIN).
install(FILES
  "${MEDSEG_DEPS}/torch/lib/libtorch_cpu.so"
  "${MEDSEG_DEPS}/torch/lib/libc10.so"
  "${MEDSEG_DEPS}/torch/lib/libgomp.so.1"
  "${MEDSEG_DEPS}/nvidia/cu13/lib/libcudart.so.13"
  "${MEDSEG_DEPS}/nvidia/cu13/lib/libcupti.so.13"
  DESTINATION lib)
install(DIRECTORY configs DESTINATION share/medseg)
install(FILES third_party/debian-packages.txt DESTINATION share/medseg)
install(FILES LICENSE README.md CHANGELOG.md DESTINATION share/doc/medseg)
install(FILES third_party/README.md DESTINATION share/doc/medseg/third_party)
file(GLOB wheels "${MEDSEG_DEPS}/*.dist-info")
install(DIRECTORY ${wheels} DESTINATION share/doc/medseg/third_party
  FILES_MATCHING REGEX "/(LICENSE|NOTICE|License)[^/]*$")

set(CPACK_GENERATOR TGZ)
set(CPACK_PACKAGE_NAME medseg)
set(CPACK_PACKAGE_VERSION "${PROJECT_VERSION}")
set(CPACK_PACKAGE_FILE_NAME "medseg-${PROJECT_VERSION}-debian12-${CMAKE_SYSTEM_PROCESSOR}")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "Medical image reasoning segmentation")
set(CPACK_STRIP_FILES ON)
include(CPack)
