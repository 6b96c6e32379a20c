#!/usr/bin/env bash
# Installs the Debian packages that the tests and checks need and that are missing. Needs root or sudo for that.
set -euo pipefail

packages=(
  gcc g++                                  # the native boundary, the examples and the fixtures
  fp-compiler                              # examples and fixtures in Pascal
  gcc-mingw-w64                            # Windows images to inspect and to load
  g++-mingw-w64-x86-64-posix g++-mingw-w64-i686-posix # the same in C++
  fpc-source                               # Pascal's run-time library for Windows, which is made of it
  wine64                                   # runs the workers for Windows libraries, and the tests for Windows
  gcc-i686-linux-gnu libc6-dev-i386-cross  # 32-bit images, 32-bit layouts
  gcc-aarch64-linux-gnu libc6-dev-arm64-cross # images for another machine, and isapid built for it
  goaccess                                 # reads our access log
  prometheus                               # reads our metrics
  curl                                     # talks HTTP to the server, as users do
)

if ! command -v dpkg-query >/dev/null; then
  echo "packages: this is not Debian; make sure that you have what these packages hold: ${packages[*]}" >&2
  exit 0
fi
missing=()
for p in "${packages[@]}"; do
  [[ $(dpkg-query -W -f '${db:Status-Abbrev}' "$p" 2>/dev/null) == ii* ]] || missing+=("$p")
done
[[ ${#missing[@]} -gt 0 ]] || exit 0

install=(apt-get install -y --no-install-recommends "${missing[@]}")
as_root=()
if [[ $(id -u) -ne 0 ]]; then
  if ! command -v sudo >/dev/null; then
    echo "packages: missing and not installed, because you are not root and have no sudo; as root: ${install[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi
echo "packages: installing ${missing[*]}"
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive "${install[@]}"
