# SPDX-License-Identifier: Apache-2.0
# Read by CPack once for each kind of package: which one is being made is known only now.
set(CPACK_PACKAGE_FILE_NAME spillway)
