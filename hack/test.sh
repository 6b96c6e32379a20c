#!/usr/bin/env bash
# Runs all tests with the race detector, and those for Windows under Wine, and counts them. With arguments for go test: those tests, and none
# under Wine. With CI set, a skipped test that .ci/allowed-skips does not name is a failure.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p bin
go build -o bin/testcount ./hack/testcount
count=(bin/testcount)
[[ -z ${CI:-} ]] || count+=(-allowed-skips .ci/allowed-skips)
if [[ $# -gt 0 ]]; then
  go test -race -json "$@" | "${count[@]}"
else
  failed=0 # both run, whatever the first says
  { go test -race -json ./... || failed=1; hack/wine-test.sh || failed=1; exit "$failed"; } | "${count[@]}"
fi
