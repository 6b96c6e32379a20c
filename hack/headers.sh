#!/usr/bin/env bash
# Compiles every public SDK header alone, so that each includes what it needs, without a warning, as C99 and as C++11, for
# every system it is for.
set -euo pipefail
cd "$(dirname "$0")/.."
checked=0

compile() { # compiler, language, standard, header, more flags
  "$1" -x "$2" "-std=$3" -Wall -Wextra -Wpedantic -Werror -fsyntax-only "${@:5}" -include "$4" /dev/null
  checked=$((checked + 1))
}

for header in sdk/c/*.h; do
  for cc in gcc i686-linux-gnu-gcc aarch64-linux-gnu-gcc; do
    compile "$cc" c c99 "$header" -Isdk/c
  done
  compile g++ c++ c++11 "$header" -Isdk/c
  for cc in x86_64-w64-mingw32-gcc i686-w64-mingw32-gcc; do # here the header goes on to the system's own of that name
    compile "$cc" c c99 "${header##*/}" -isystem sdk/c
  done
done
while read -r header; do
  compile g++ c++ c++11 "$header" -Isdk/c -Isdk/cpp
done < <(find sdk/cpp -name '*.h' -o -name '*.hpp')
echo "headers: $checked compilations without a warning"
