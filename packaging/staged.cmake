# SPDX-License-Identifier: Apache-2.0
# Run by CPack when everything is installed below CPACK_TEMPORARY_INSTALL_DIRECTORY: what only one kind
# of package has, and times that do not tell when it was built.
set(root ${CPACK_TEMPORARY_INSTALL_DIRECTORY})
set(doc ${root}/usr/share/doc/spillway)
file(READ ${CPACK_SPILLWAY_PACKAGING}/deb/copyright copyright)
file(WRITE ${doc}/copyright "${copyright}")
if(CPACK_GENERATOR STREQUAL DEB)
  file(COPY ${CPACK_SPILLWAY_GENERATED}/changelog.Debian.gz DESTINATION ${doc})
  file(COPY ${CPACK_SPILLWAY_PACKAGING}/deb/lintian-overrides DESTINATION ${root}/usr/share/lintian/overrides)
  file(RENAME ${root}/usr/share/lintian/overrides/lintian-overrides ${root}/usr/share/lintian/overrides/spillway)
else()
  file(RENAME ${root}/usr/share/zsh/vendor-completions ${root}/usr/share/zsh/site-functions)
endif()

# CPack's own packages of debug symbols name the folder in which they were built. So the symbols go
# beside the package, by the name of the build id, for packaging/build.
set(program ${root}/usr/bin/spillway)
execute_process(COMMAND readelf -n ${program} OUTPUT_VARIABLE notes COMMAND_ERROR_IS_FATAL ANY)
if(NOT notes MATCHES "Build ID: ([0-9a-f][0-9a-f])([0-9a-f]+)")
  message(FATAL_ERROR "${program} has no build id")
endif()
set(debug ${CPACK_SPILLWAY_GENERATED}/debug/usr/lib/debug/.build-id/${CMAKE_MATCH_1})
file(MAKE_DIRECTORY ${debug})
execute_process(COMMAND objcopy --only-keep-debug --compress-debug-sections ${program} ${debug}/${CMAKE_MATCH_2}.debug
  COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND strip --strip-unneeded --remove-section=.comment ${program} COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND find ${root} -exec touch -h -d @$ENV{SOURCE_DATE_EPOCH} {} + COMMAND_ERROR_IS_FATAL ANY)
