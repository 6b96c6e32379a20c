#!/usr/bin/env bash
# Runs a command where a 32-bit Wine is, beside the 64-bit one that must be installed:
#
#   hack/wine32.sh COMMAND [ARGUMENT...]
#
# Where wine32 is installed that is just here. Elsewhere, for root on Debian: Debian's packages of the same version are brought and checked by apt,
# with lists of its own (the system's are not touched), are unpacked in .cache, and seen in /usr/lib by the command and nobody else. There
# /usr/lib can only be read. `hack/wine32.sh true` succeeds where that is possible; the exit code is 125, and a line says why, where it is not.
# `hack/wine32.sh --here` tells whether a 32-bit Wine is here, and does nothing.
set -euo pipefail
module=$(cd "$(dirname "$0")/.." && pwd)

[[ $# -gt 0 ]] || { echo "usage: hack/wine32.sh COMMAND [ARGUMENT...]" >&2; exit 2; }

cannot() {
  echo "wine32: there is no 32-bit Wine: $*" >&2
  exit 125
}

# In Debian's package wine32, or since Debian 14 in the same package as the 64-bit one.
here() { [[ -x /usr/lib/wine/wine || -e /usr/lib/x86_64-linux-gnu/wine/i386-windows/ntdll.dll ]]; }

if [[ $1 == --here ]]; then
  here
  exit
fi
if here; then
  exec "$@"
fi
for tool in apt-get dpkg-query dpkg-deb unshare; do
  command -v "$tool" >/dev/null || cannot "it is not installed, and without $tool it cannot be unpacked"
done
[[ $(id -u) -eq 0 ]] || cannot "it is not installed (Debian: wine32:i386), and only root can lay it over the system"
[[ -x /usr/lib/wine/wine64 ]] || cannot "nor a 64-bit one that it could be laid beside (Debian: wine64)"
version=$(dpkg-query -W -f '${Version}' libwine:amd64 2>/dev/null) || cannot "the 64-bit one is not Debian's, so that none fits"
unshare -m true 2>/dev/null || cannot "it is not installed (Debian: wine32:i386), and nothing can be mounted here"

# What the 32-bit loader and Wine's core need; what Wine can do without (sound, printers, cameras) is not among it.
packages=(wine32="$version" libwine="$version" libc6 libgcc-s1 libunwind8 liblzma5)
dir=$module/.cache/wine32-${version//[^a-zA-Z0-9.+-]/_}

# fetch makes $dir, which holds what belongs into /usr/lib.
fetch() {
  local work source
  work=$(mktemp -d "$module/.cache/wine32.new-XXXXXX")
  # shellcheck disable=SC2064
  trap "rm -rf '$work'" EXIT
  mkdir -p "$work"/{lists/partial,archives/partial,debs,root}
  source=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME) main' 'Created-By: Packages' 'Label: Debian' 'Component: main' | sort -u | grep -v -- -updates | head -1)
  [[ -n $source ]] || cannot "apt knows no source of Debian's"
  : >"$work/status"
  echo "deb [arch=i386 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $source" >"$work/sources.list"
  local options=(
    -q=2 -o APT::Architecture=i386 -o APT::Architectures::=i386 -o APT::Sandbox::User=root
    -o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts=/dev/null -o Dir::State::Lists="$work/lists" -o Dir::State::Status="$work/status"
    -o Dir::Cache="$work" -o Acquire::Languages=none -o Acquire::Retries=3 -o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20
  )
  echo "wine32: bringing Debian's 32-bit Wine $version into .cache, once" >&2
  apt-get "${options[@]}" update >&2 || cannot "its list of packages cannot be had"
  (cd "$work/debs" && apt-get "${options[@]}" download "${packages[@]}") >&2 || cannot "its packages cannot be had"
  local deb
  for deb in "$work"/debs/*.deb; do
    dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$work/root" --exclude=./usr/share --exclude=./etc || cannot "$deb cannot be unpacked"
  done
  [[ -d $work/root/lib ]] && cp -a "$work/root/lib/." "$work/root/usr/lib/" # /lib is /usr/lib since Debian 12
  marked /usr/i686-w64-mingw32/lib/zlib1.dll "$work/root/usr/lib/i386-linux-gnu/wine/i386-windows/zlib1.dll"
  mv -T "$work/root/usr/lib" "$dir" 2>/dev/null || [[ -d $dir ]] || cannot ".cache cannot be written to" # or another was quicker
  rm -rf "$work"
  trap - EXIT
}

# marked copies a library with the mark of Wine's own, which is what the package does when it is installed.
marked() {
  [[ -f $1 ]] || return 0
  { head -c 64 "$1" && printf 'Wine builtin DLL\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0' && tail -c +97 "$1"; } >"$2"
}

mkdir -p "$module/.cache"
[[ -d $dir ]] || fetch
unshare -m mount -t overlay wine32 -o "lowerdir=$dir:/usr/lib" /usr/lib 2>/dev/null || cannot "it is not installed (Debian: wine32:i386), and nothing can be laid over /usr/lib"
# What is remembered of tests that looked for Wine without this is not what they say now.
export ISAPID_WINE=/usr/lib/wine/wine64
# shellcheck disable=SC2016
exec unshare -m bash -c 'mount -t overlay wine32 -o "lowerdir=$0:/usr/lib" /usr/lib && exec "$@"' "$dir" "$@"
