#!/usr/bin/env bash
# Builds what is given to users, into a folder (default dist): archives for Linux and Windows, Debian packages, and their sums.
#
#   hack/dist.sh [FOLDER]           build all
#   hack/dist.sh check              build all twice, from two copies in two places with caches of their own, and compare
#
# The same commit gives the same bytes, wherever and whenever it is built with the same Go and the same C compilers. VERSION is the version (default: what
# the program says), SOURCE_DATE_EPOCH the time of all files (default: that of the commit). NFPM is the program that makes Debian packages; without it there are none.
set -euo pipefail
cd "$(dirname "$0")/.."

revision=${REVISION:-$(git rev-parse HEAD)}
VERSION=${VERSION:-$(sed -n 's|^const Software = "isapid/\(.*\)"$|\1|p' internal/executor/executor.go)}
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export VERSION SOURCE_DATE_EPOCH REVISION=$revision

if [[ ${1:-} == check ]]; then
  work=$(mktemp -d)
  trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
  for copy in one a/second; do
    mkdir -p "$work/$copy"
    git archive "$revision" | tar -x -C "$work/$copy"
    GOCACHE=$work/cache-${copy##*/} "$work/$copy/hack/dist.sh" "$work/$copy/dist"
  done
  cmp "$work/one/dist/SHA256SUMS" "$work/a/second/dist/SHA256SUMS"
  echo "dist: built twice, the same bytes:"
  cat "$work/one/dist/SHA256SUMS"
  exit
fi

out=${1:-dist}
rm -rf "$out"
mkdir -p "$out"
out=$(cd "$out" && pwd)
tree=$out/tree

# program FILE PACKAGE VARIABLE=VALUE...
program() {
  env "${@:3}" go build -trimpath -buildvcs=false -ldflags="-s -w -buildid= -X main.release=$VERSION -X main.revision=$revision -extldflags=-Wl,--build-id=none" -o "$tree/$1" "$2"
}

# texts FOLDER: what lies beside every program.
texts() {
  install -m 0644 LICENSE NOTICE README.md "$tree/$1/"
  install -m 0644 internal/config/isapid.example.yaml "$tree/$1/isapid.example.yaml"
}

# linux ARCH COMPILER
linux() {
  local name=isapid-$VERSION-linux-$1
  program "$name/bin/isapid" ./cmd/isapid CGO_ENABLED=1 GOOS=linux GOARCH="$1" CC="$2"
  texts "$name"
  install -d "$tree/$name/systemd"
  install -m 0644 packaging/isapid.service packaging/isapid.socket "$tree/$name/systemd/"
  if [[ $1 == amd64 ]]; then # Wine runs them on this processor
    install -D -m 0644 -t "$tree/$name/lib/isapid" "$tree"/isapid-worker-*.exe
  fi
  go run ./hack/archive "$out/$name.tar.gz" "$tree/$name"
  echo "dist: $name.tar.gz"
  deb "$1" "$name"
}

# deb ARCH TREE
deb() {
  [[ -n ${NFPM:-} ]] || return 0
  local d=$tree/deb-$1
  install -D -m 0755 "$tree/$2/bin/isapid" "$d/usr/bin/isapid"
  if [[ -d $tree/$2/lib/isapid ]]; then
    install -D -m 0644 -t "$d/usr/lib/isapid" "$tree/$2"/lib/isapid/*
  fi
  install -d "$d/lib/systemd/system"
  sed 's|/usr/local/bin/isapid|/usr/bin/isapid|' packaging/isapid.service >"$d/lib/systemd/system/isapid.service"
  install -m 0644 packaging/isapid.socket "$d/lib/systemd/system/"
  install -D -m 0644 -t "$d/usr/share/doc/isapid" README.md NOTICE
  install -m 0644 LICENSE "$d/usr/share/doc/isapid/copyright"
  install -D -m 0644 -t "$d/usr/share/doc/isapid/examples" internal/config/isapid.example.yaml
  find "$d" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
  find "$d" -type d -exec chmod 0755 {} +
  ARCH=$1 TREE=$d "$NFPM" package -f packaging/nfpm.yaml -p deb -t "$out/isapid_${VERSION}_$1.deb" >/dev/null
  echo "dist: isapid_${VERSION}_$1.deb"
}

# windows ARCH
windows() {
  local name=isapid-$VERSION-windows-$1
  program "$name/isapid.exe" ./cmd/isapid CGO_ENABLED=0 GOOS=windows GOARCH="$1"
  if [[ $1 == amd64 ]]; then # for 32-bit libraries
    install -m 0644 "$tree/isapid-worker-386.exe" "$tree/$name/"
  fi
  texts "$name"
  go run ./hack/archive "$out/$name.zip" "$tree/$name"
  echo "dist: $name.zip"
}

for arch in amd64 386; do
  program "isapid-worker-$arch.exe" ./cmd/isapid-worker CGO_ENABLED=0 GOOS=windows GOARCH=$arch
done
native=$(go env GOHOSTARCH)
linux amd64 "$([[ $native == amd64 ]] && echo gcc || echo x86_64-linux-gnu-gcc)"
linux arm64 "$([[ $native == arm64 ]] && echo gcc || echo aarch64-linux-gnu-gcc)"
windows amd64
windows 386

rm -rf "$tree"
# What the package manager of Windows is told.
mkdir -p "$out/winget"
for manifest in packaging/winget/*.yaml; do
  sed -e "s|\${VERSION}|$VERSION|g" \
    -e "s|\${SHA256_AMD64}|$(sha256sum <"$out/isapid-$VERSION-windows-amd64.zip" | cut -c1-64)|" \
    -e "s|\${SHA256_386}|$(sha256sum <"$out/isapid-$VERSION-windows-386.zip" | cut -c1-64)|" "$manifest" >"$out/winget/${manifest##*/}"
done
(cd "$out" && sha256sum -- *.tar.gz *.zip $([[ -z ${NFPM:-} ]] || echo *.deb) >SHA256SUMS)
echo "dist: $out/SHA256SUMS"
