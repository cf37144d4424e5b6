# SPDX-License-Identifier: Apache-2.0
# What is installed where, and the deb and rpm made of it. Included by the project's CMakeLists.txt;
# packaging/build configures with the prefix /usr and calls CPack.
include(GNUInstallDirs)
set(packaging ${CMAKE_CURRENT_LIST_DIR})
# With the prefix /usr this is /etc; with another one it stays below it.
set(etc ${CMAKE_INSTALL_FULL_SYSCONFDIR}/spillway)
set(share ${CMAKE_INSTALL_DATADIR}/spillway)

install(DIRECTORY DESTINATION ${etc} DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE)
install(DIRECTORY DESTINATION ${etc}/conf.d DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE)
install(FILES ${packaging}/default/spillway.yaml DESTINATION ${etc})
install(FILES ${packaging}/systemd/spillway.service DESTINATION lib/systemd/system)
install(DIRECTORY ${packaging}/systemd/drop-ins DESTINATION ${share} FILES_MATCHING PATTERN *.conf)
install(FILES config/spillway.schema.json DESTINATION ${share})
install(DIRECTORY config/examples DESTINATION ${CMAKE_INSTALL_DOCDIR} FILES_MATCHING PATTERN *.yaml)
install(FILES ${packaging}/runbook.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY ${packaging}/prometheus ${packaging}/grafana DESTINATION ${CMAKE_INSTALL_DOCDIR}
  FILES_MATCHING PATTERN alerts.yaml PATTERN prometheus.yaml PATTERN spillway.json)
install(FILES ${packaging}/completions/spillway.bash RENAME spillway
  DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES ${packaging}/completions/spillway.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
set(SPILLWAY_ZSH_DIR ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions CACHE STRING "Where zsh looks: a choice of the distribution")
install(FILES ${packaging}/completions/_spillway DESTINATION ${SPILLWAY_ZSH_DIR})

# ---- compressed: the man pages and the log of changes ----
file(GLOB pages ${packaging}/man/*.[157])
set(compressed "")
foreach(page ${pages} ${packaging}/deb/changelog)
  get_filename_component(name ${page} NAME)
  string(REPLACE changelog changelog.Debian name ${name})
  set(made ${CMAKE_BINARY_DIR}/packaging/${name}.gz)
  add_custom_command(OUTPUT ${made} DEPENDS ${page} VERBATIM
    COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_BINARY_DIR}/packaging
    COMMAND sh -c "gzip -9n <\"$1\" >\"$2\"" sh ${page} ${made})
  list(APPEND compressed ${made})
  if(page MATCHES "\\.([157])$")
    install(FILES ${made} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${CMAKE_MATCH_1})
  endif()
endforeach()
add_custom_target(compressed ALL DEPENDS ${compressed})

# ---- both packages ----
set(CPACK_PACKAGE_NAME spillway)
set(CPACK_PACKAGE_VENDOR "Spillway")
set(CPACK_PACKAGE_CONTACT "The Spillway authors <spillway@example.com>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "telemetry shipping agent that says where every event went")
set(CPACK_PACKAGE_DESCRIPTION
"Spillway ships the logs and metrics of one host to an HTTP endpoint. It holds
what it reads in bounded memory, sends it in compressed batches, and when it
cannot keep up it sheds load on purpose. It keeps books: of every event it can
say where it went.")
set(CPACK_RESOURCE_FILE_LICENSE ${CMAKE_SOURCE_DIR}/LICENSE)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_SET_DESTDIR ON)
set(CPACK_STRIP_FILES OFF)
set(CPACK_PACKAGE_RELEASE 1)
set(CPACK_PACKAGE_RELOCATABLE OFF)
set(CPACK_OUTPUT_FILE_PREFIX ${CMAKE_BINARY_DIR}/packages)
set(CPACK_PROJECT_CONFIG_FILE ${packaging}/generator.cmake)
set(CPACK_SPILLWAY_PACKAGING ${packaging})
set(CPACK_SPILLWAY_GENERATED ${CMAKE_BINARY_DIR}/packaging)
set(CPACK_PRE_BUILD_SCRIPTS ${packaging}/staged.cmake)

# ---- deb ----
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_SECTION admin)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "adduser")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "ca-certificates")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${packaging}/deb/conffiles ${packaging}/deb/preinst ${packaging}/deb/postinst ${packaging}/deb/prerm
  ${packaging}/deb/postrm)

# ---- rpm ----
set(CPACK_RPM_FILE_NAME RPM-DEFAULT)
set(CPACK_RPM_PACKAGE_LICENSE "Apache-2.0")
set(CPACK_RPM_PACKAGE_GROUP "System Environment/Daemons")
set(CPACK_RPM_PACKAGE_SUMMARY "Telemetry shipping agent that says where every event went")
set(CPACK_RPM_PACKAGE_REQUIRES_PRE "shadow-utils")
set(CPACK_RPM_PACKAGE_DESCRIPTION "${CPACK_PACKAGE_DESCRIPTION}")
set(CPACK_RPM_PRE_INSTALL_SCRIPT_FILE ${packaging}/rpm/pre)
set(CPACK_RPM_POST_INSTALL_SCRIPT_FILE ${packaging}/rpm/post)
set(CPACK_RPM_PRE_UNINSTALL_SCRIPT_FILE ${packaging}/rpm/preun)
set(CPACK_RPM_POST_UNINSTALL_SCRIPT_FILE ${packaging}/rpm/postun)
set(CPACK_RPM_CHANGELOG_FILE ${packaging}/rpm/changelog)
set(CPACK_RPM_USER_FILELIST
  "%config(noreplace) %attr(0644,root,root) /etc/spillway/spillway.yaml"
  "%dir %attr(0750,root,spillway) /etc/spillway"
  "%dir %attr(0750,root,spillway) /etc/spillway/conf.d")
set(CPACK_RPM_EXCLUDE_FROM_AUTO_FILELIST_ADDITION /etc /usr/lib/systemd /usr/lib/systemd/system
  /usr/share/bash-completion /usr/share/bash-completion/completions /usr/share/zsh /usr/share/zsh/site-functions
  /usr/share/fish /usr/share/fish/vendor_completions.d /usr/share/man /usr/share/man/man1 /usr/share/man/man5 /usr/share/man/man7)
set(CPACK_RPM_SPEC_MORE_DEFINE
"%define packager The Spillway authors <spillway@example.com>
%define _buildhost spillway
%define use_source_date_epoch_as_buildtime 1
%define clamp_mtime_to_source_date_epoch 1
%define source_date_epoch_from_changelog 0
%define _build_id_links none
%define _debugsource_packages 0")
include(CPack)
