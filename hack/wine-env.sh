# shellcheck shell=bash
# To be sourced from the module's folder: after it, `wine_go test PACKAGE...` runs the tests of packages as Windows programs under Wine.
# GOARCH may be 386 instead of amd64.
#
# Two things that Wine 8 does not do as Windows does are mended in the Go library that these tests are built with:
#
#   - to the way in which Go deletes files in folders since 1.25 it answers STATUS_NOT_IMPLEMENTED, where Windows says STATUS_NOT_SUPPORTED and
#     Go goes on with the older way;
#   - of an accept in some hundred it tells that it is complete, and never says how it ended (ERROR_IO_INCOMPLETE), whereupon Go's HTTP server
#     ends. It was successful; only the addresses have to be asked for.

wine_prepare() {
  mkdir -p bin/wine
  go build -o bin/wineexec ./hack/wineexec
  local replace=()
  wine_mend internal/syscall/windows/at_windows.go \
    's|^\(\t*\)STATUS_NOT_SUPPORTED:.*|\1NTStatus(0xC0000002), STATUS_NOT_SUPPORTED:|'
  wine_mend internal/poll/fd_windows.go \
    '/^func (fd \*FD) acceptOne/,/"acceptex"/s|^\tif err != nil {|\tif err == windows.ERROR_IO_INCOMPLETE {\n\t\terr = nil\n\t}\n&|'
  wine_mend net/fd_windows.go \
    's|^\trsa, _ := rrsa.Sockaddr()|&\n\tif rsa == nil {\n\t\trsa, _ = syscall.Getpeername(netfd.pfd.Sysfd)\n\t}\n\tif lsa == nil {\n\t\tlsa, _ = syscall.Getsockname(netfd.pfd.Sysfd)\n\t}|'
  local IFS=,
  printf '{"Replace": {%s}}\n' "${replace[*]}" >bin/wine/overlay.json
}

wine_mend() { # a file of Go's library, how sed changes it
  local source changed
  source=$(go env GOROOT)/src/$1 changed=$PWD/bin/wine/${1//\//-}.txt
  sed "$2" "$source" >"$changed"
  if cmp -s "$source" "$changed"; then
    echo "wine: $1 is not the one that is known here; see hack/wine-env.sh" >&2
    return 1
  fi
  replace+=("\"$source\": \"$changed\"")
}

wine_go() {
  GOOS=windows GOARCH=${GOARCH:-amd64} CGO_ENABLED=0 go "$1" -overlay "$PWD/bin/wine/overlay.json" -exec "$PWD/bin/wineexec" "${@:2}"
}
