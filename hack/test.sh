#!/usr/bin/env bash
# Runs all tests with the race detector and counts them. With CI set, a skipped test that .ci/allowed-skips does not name is a failure.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p bin
go build -o bin/testcount ./hack/testcount
count=(bin/testcount)
[[ -z ${CI:-} ]] || count+=(-allowed-skips .ci/allowed-skips)
go test -race -json "${@:-./...}" | "${count[@]}"
