# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0
# debian-packages: which Debian 12 packages Spillway needs, and how missing ones are installed.
# Sourced by packaging/quickstart and tests/run; it only defines variables and one function.
# `a|b` means that either will do: the development packages of libcurl exclude each other, and the
# one that is installed already is not replaced.
# shellcheck disable=SC2034
packages_build="gcc libc6-dev cmake ninja-build pkg-config zlib1g-dev libyaml-dev libcjson-dev
  libcurl4-gnutls-dev|libcurl4-openssl-dev libmicrohttpd-dev libgnutls28-dev libpcre2-dev
  libisal-dev libdeflate-dev libzstd-dev libsystemd-dev libncurses-dev"
# shellcheck disable=SC2034
packages_test="libcmocka-dev python3 python3-pytest python3-pytest-xdist python3-yaml
  python3-jsonschema python3-prometheus-client python3-statsd protobuf-compiler python3-protobuf
  curl openssl strace util-linux iproute2 nftables faketime groff-base chromium chromium-driver"
# shellcheck disable=SC2034
packages_package="ca-certificates dpkg-dev binutils file gzip rpm"
# shellcheck disable=SC2034
packages_package_test="cpio lintian rpmlint man-db systemd systemd-container debootstrap zsh fish
  ansible-core kubernetes-client|kubectl npm|nodejs"
# shellcheck disable=SC2034
packages_tools="clang clang-format clang-tidy libclang-rt-14-dev shellcheck git"
# shellcheck disable=SC2034
packages_afl="afl++ clang libclang-rt-14-dev"

# 0: the package, or one of a|b, is installed.
package_is_there() {
    for package_choice in $(echo "$1" | tr '|' ' '); do
        case $(dpkg-query -W -f='${db:Status-Status}' "$package_choice" 2>/dev/null) in
        installed) return 0 ;;
        esac
    done
    return 1
}

# need_packages PACKAGE...: installs those that are missing, or says what to do and returns 1.
# Nothing is ever removed. SPILLWAY_SKIP_PACKAGES=1: believe that all of it is there.
need_packages() {
    [ "${SPILLWAY_SKIP_PACKAGES:-0}" = 1 ] && return 0
    # shellcheck source=/dev/null
    package_system=$(. /etc/os-release 2>/dev/null && echo "${ID:-unknown} ${VERSION_ID:-}")
    if [ "$package_system" != "debian 12" ]; then
        echo "This is '$package_system'. The package names here are those of Debian 12:" >&2
        echo "  $(echo "$@" | tr '\n' ' ')" >&2
        echo "Install what they are called here, then run again with SPILLWAY_SKIP_PACKAGES=1." >&2
        return 1
    fi
    package_missing=
    for package in "$@"; do
        package_is_there "$package" || package_missing="$package_missing ${package%%|*}"
    done
    [ -z "$package_missing" ] && return 0
    package_sudo=
    if [ "$(id -u)" != 0 ]; then
        if sudo -n true 2>/dev/null || { [ -t 0 ] && command -v sudo >/dev/null; }; then
            package_sudo=sudo
        else
            echo "Packages are missing, and you are neither root nor may use sudo. As root:" >&2
            echo "  apt-get install --no-install-recommends$package_missing" >&2
            return 1
        fi
    fi
    echo "Installing Debian packages:$package_missing"
    # Old package lists name versions that are gone; a failure here is told by the install.
    $package_sudo apt-get -q update >/dev/null || true
    # shellcheck disable=SC2086
    if ! $package_sudo env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-remove \
        -o DPkg::Lock::Timeout=300 --no-install-recommends install $package_missing; then
        echo "These packages could not be installed:$package_missing" >&2
        return 1
    fi
}
