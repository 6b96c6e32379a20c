#!/usr/bin/env bash
# Compiles every SDK header alone, so that each includes what it needs, without a warning, as C99 and as C++11.
set -euo pipefail
cd "$(dirname "$0")/.."
warnings=(-Wall -Wextra -Wpedantic -Werror -fsyntax-only)
checked=0

compile() { # compiler, language, standard, header
  "$1" -x "$2" "-std=$3" "${warnings[@]}" -Isdk/c -Isdk/cpp -include "$4" /dev/null
  checked=$((checked + 1))
}
for header in sdk/c/*.h; do
  for cc in gcc i686-linux-gnu-gcc aarch64-linux-gnu-gcc x86_64-w64-mingw32-gcc i686-w64-mingw32-gcc; do
    compile "$cc" c c99 "$header"
  done
  compile g++ c++ c++11 "$header"
done
for header in sdk/cpp/*.h sdk/cpp/*.hpp; do
  [[ ! -e $header ]] || compile g++ c++ c++11 "$header"
done
echo "headers: $checked compilations without a warning"
