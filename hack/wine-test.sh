#!/usr/bin/env bash
# Runs tests as Windows programs under Wine and writes what happened as `go test -json` does, for hack/testcount; the packages are called
# windows/amd64:... there. 386 too, where there is a 32-bit Wine, as there is under hack/wine32.sh. Without arguments: the packages whose
# tests hold there.
#
# What no test can say goes to standard error: whether 386 ran, and if not why.
set -euo pipefail
cd "$(dirname "$0")/.."
source hack/wine-env.sh

# Packages that do something else on Windows. Remote and pool are not among them: they run the suites of extension and inprocess again.
packages=(
  ./internal/accesslog ./internal/admin ./internal/config ./internal/conn ./internal/files ./internal/filter ./internal/image ./internal/isapi
  ./internal/native ./internal/obituary ./internal/passwd ./internal/proc/... ./internal/reply ./internal/server ./internal/site
  ./internal/swap ./internal/trace ./internal/update ./internal/variables ./internal/winpath ./internal/winsvc ./internal/wire
  ./internal/worker ./cmd/isapid
)

# The suite of executors runs in workers under Wine, too, as Linux tests of remote. What is left out here is what a worker does with the
# same code, and what takes long. Left in is what touches the server's own process: its faults and threads, the life of an image, files,
# tokens, and the codes that ask for the process or the connection. By hand all of it runs: hack/wine-test.sh ./internal/extension
in_worker='Responses|Raw|Framing|Body|Smuggling|Writes|Returns|HTTP2|Bulk|Async|ExecURL|Hostile|Stale|ControlBlock|Variables|TLS'
suite='^TestConformance$'
skipped="$suite/^($in_worker)\$|$suite/^Threads\$/^stack\$|$suite/^Faults\$/^(many|threads_1)\$"

# Those in which the size of a pointer, or how C is called, matters.
packages32=(./internal/native ./internal/worker)

run() { # GOARCH, then arguments for go test
  GOARCH=$1 wine_go test -json -p 2 -timeout 5m "${@:2}" | sed "s|\"Package\":\"|\"Package\":\"windows/$1:|" || return 1
}

if ! command -v wine64 >/dev/null && [[ ! -x /usr/lib/wine/wine64 ]]; then
  if [[ -n ${CI:-} ]]; then
    echo "wine: not installed (Debian: apt install wine64), and CI needs it" >&2
    exit 1
  fi
  echo "wine: not installed (Debian: apt install wine64): the tests for Windows do not run" >&2
  exit 0
fi
wine_prepare
if [[ $# -gt 0 ]]; then
  run "${GOARCH:-amd64}" "$@"
  exit
fi
status=0
run amd64 "${packages[@]}" || status=1
run amd64 -skip "$skipped" ./internal/extension || status=1
run amd64 -skip "$suite" ./internal/inprocess || status=1
if hack/wine32.sh --here; then
  echo "wine: windows/386 runs, too" >&2
  run 386 "${packages32[@]}" || status=1
else
  echo "wine: windows/386 does not run, because there is no 32-bit Wine here (see hack/wine32.sh); it is compiled and vetted by make cross" >&2
fi
exit $status
