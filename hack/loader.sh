#!/usr/bin/env bash
# Builds the loader into a folder (default build): isapiloader.so for this system, and DLLs for Windows, 64-bit and 32-bit. Without the
# compiler for one it is left out, but with CI set that is a failure.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-build}
mkdir -p "$out"

library() { # file, then variables for the build
  env CGO_ENABLED=1 "${@:2}" go build -trimpath -ldflags='-s -w' -buildmode=c-shared -o "$out/$1" ./loader
  rm -f "$out/${1%.*}.h" # nobody calls the loader but hosts
  echo "loader: $out/$1"
}

dll() { # GOARCH, compiler
  if command -v "$2" >/dev/null; then
    library "isapiloader-$1.dll" GOOS=windows GOARCH="$1" CC="$2"
  elif [[ -n ${CI:-} ]]; then
    echo "loader: $2 is missing (Debian: gcc-mingw-w64)" >&2
    exit 1
  else
    echo "loader: no DLL for windows/$1, because there is no $2 (Debian: gcc-mingw-w64)"
  fi
}

library isapiloader.so
dll amd64 x86_64-w64-mingw32-gcc
dll 386 i686-w64-mingw32-gcc
