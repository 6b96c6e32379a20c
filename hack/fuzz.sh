#!/usr/bin/env bash
# Runs every fuzz target of the module for the given time (default 20s).
set -euo pipefail
cd "$(dirname "$0")/.."
time=${1:-20s}
found=0
while read -r pkg file; do
  for target in $(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$file"); do
    found=$((found + 1))
    echo "fuzz: $pkg $target for $time"
    go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 1s "$pkg"
  done
done < <(go list -f '{{$p := .}}{{range .TestGoFiles}}{{$p.ImportPath}} {{$p.Dir}}/{{.}}
{{end}}{{range .XTestGoFiles}}{{$p.ImportPath}} {{$p.Dir}}/{{.}}
{{end}}' ./... | sed '/^$/d')
echo "fuzz: $found targets, nothing found"
