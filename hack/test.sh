#!/usr/bin/env bash
# Runs all tests with the race detector, and those for Windows under Wine, and counts them. With arguments for go test: those tests, and none
# under Wine. With CI set, a skipped test that .ci/allowed-skips does not name is a failure. Tests that need a 32-bit Wine run where
# hack/wine32.sh can have one; what it says otherwise is in the report.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p bin
go build -o bin/testcount ./hack/testcount
count=(bin/testcount)
[[ -z ${CI:-} ]] || count+=(-allowed-skips .ci/allowed-skips)
with=()
if hack/wine32.sh true; then
  with=(hack/wine32.sh)
  echo "wine32: there is a 32-bit Wine: what needs one runs, too" >&2
fi
# What is left out of 32-bit DLLs here, since it takes long and does not depend on the size of a pointer; make soak runs it.
skip='^TestWineConformance$/^386$/^(Raw|Framing|Body|Smuggling|Writes|Returns|HTTP2|Bulk|Tokens|Async|MapURL|ExecURL|Faults|Fork|Beside|Hostile|Stale|Lifecycle|Pascal|TLS)$'
skip+='|^TestWineReplaceConformance$/^386$/^(NewAloneFirst|BadVersions|Revert.*|TurnByTurn|InFlight|HoldUnderLoad|HoldF.*|HoldReverted|HoldTooLong|Close)$'

if [[ $# -gt 0 ]]; then
  "${with[@]}" go test -race -json "$@" | "${count[@]}"
else
  failed=0 # both run, whatever the first says. Three packages at a time: many tests wait for other processes more than they compute.
  { "${with[@]}" go test -p 3 -race -json -skip "$skip" ./... || failed=1; "${with[@]}" hack/wine-test.sh || failed=1; exit "$failed"; } | "${count[@]}"
fi
