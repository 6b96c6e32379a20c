# shellcheck shell=bash
# To be sourced from the module's folder: after it, `wine_go test PACKAGE...` runs the tests of packages as Windows programs under Wine.
# GOARCH may be 386 instead of amd64.
#
# Wine 8 answers STATUS_NOT_IMPLEMENTED to the way in which Go deletes files in folders since 1.25, where Windows says
# STATUS_NOT_SUPPORTED and Go goes on with the older way. So the tests are built with a Go library that does so for both.

wine_prepare() {
  mkdir -p bin/wine
  go build -o bin/wineexec ./hack/wineexec
  local source changed=bin/wine/at_windows.txt
  source=$(go env GOROOT)/src/internal/syscall/windows/at_windows.go
  sed 's|^\(\t*\)STATUS_NOT_SUPPORTED:.*|\1NTStatus(0xC0000002), STATUS_NOT_SUPPORTED:|' "$source" >"$changed"
  if cmp -s "$source" "$changed"; then
    echo "wine: this Go deletes files in another way; see hack/wine-env.sh" >&2
    return 1
  fi
  printf '{"Replace": {"%s": "%s"}}\n' "$source" "$PWD/$changed" >bin/wine/overlay.json
}

wine_go() {
  GOOS=windows GOARCH=${GOARCH:-amd64} CGO_ENABLED=0 go "$1" -overlay "$PWD/bin/wine/overlay.json" -exec "$PWD/bin/wineexec" "${@:2}"
}
