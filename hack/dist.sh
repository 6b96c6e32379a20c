#!/usr/bin/env bash
# Builds what is given to users, into a folder (default dist): archives for Linux and Windows, Debian packages, their sums, and manifests for winget.
#
#   hack/dist.sh [FOLDER]           build all
#   hack/dist.sh check              build all twice and compare; takes some minutes
#
# The same commit gives the same bytes, wherever, whenever and by whomever it is built with the same Go and the same C compilers. VERSION is the version
# (default: what the program says), SOURCE_DATE_EPOCH the time of all files (default: that of the commit), REVISION the commit (default: the one that is
# checked out). NFPM is the program that makes Debian packages; without it there are none.
set -euo pipefail
cd "$(dirname "$0")/.."

# The settings of who builds must not matter: neither those of Go and of C, nor how names are sorted.
GOPROXY=$(go env GOPROXY) GOMODCACHE=$(go env GOMODCACHE) GOCACHE=$(go env GOCACHE)
export GOPROXY GOMODCACHE GOCACHE GOENV=off LC_ALL=C
unset GOFLAGS GOEXPERIMENT GOAMD64 GO386 GOARM64 GOFIPS140 CC CXX AR CGO_CFLAGS CGO_CPPFLAGS CGO_CXXFLAGS CGO_LDFLAGS CPATH LIBRARY_PATH C_INCLUDE_PATH

revision=${REVISION:-$(git rev-parse HEAD)}
VERSION=${VERSION:-$(sed -n 's|^const Software = "isapid/\(.*\)"$|\1|p' internal/executor/executor.go)}
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct "$revision")}
export VERSION SOURCE_DATE_EPOCH REVISION=$revision

# twice builds from two copies of the commit: once as always, and once with all different that must not matter: folder, an empty cache, umask, time zone, time
# of the sources, and, for root, the user.
twice() {
  work=$(mktemp -d)
  trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
  local one=$work/one two=$work/somewhere/else/two home=$work/home as=()
  mkdir -p "$one" "$two" "$home/tmp"
  git archive "$revision" | tar -x -C "$one"
  (umask 077 && git archive "$revision" | tar -x -m --no-same-permissions -C "$two")
  # modules come from where they are already, and are read by whoever builds
  (cd "$two" && env GOMODCACHE="$home/modules" GOFLAGS=-modcacherw GOPROXY="file://$GOMODCACHE/cache/download,$GOPROXY" go mod download)
  if [[ -n ${NFPM:-} ]]; then
    cp "$NFPM" "$home/nfpm"
  fi
  if [[ $(id -u) -eq 0 ]]; then
    chmod 0755 "$work" "${two%/*}" "${two%/*/*}"
    chown -R 65534:65534 "$home" "$two"
    as=(setpriv --reuid=65534 --regid=65534 --clear-groups)
    "${as[@]}" test -x "$(go env GOROOT)/bin/go" || { echo "dist: another user cannot run Go here: both builds are by root" >&2; as=(); }
  fi

  "$one/hack/dist.sh" "$one/dist"
  "${as[@]}" env -i PATH="$(go env GOROOT)/bin:/usr/local/bin:/usr/bin:/bin" HOME="$home" TMPDIR="$home/tmp" TZ=Asia/Kathmandu GOMODCACHE="$home/modules" \
    ${NFPM:+NFPM="$home/nfpm"} VERSION="$VERSION" SOURCE_DATE_EPOCH="$SOURCE_DATE_EPOCH" REVISION="$revision" \
    bash -c "umask 077; exec '$two/hack/dist.sh' '$two/dist'"
  diff -r "$one/dist" "$two/dist"
  (cd "$one/dist" && sha256sum --check --quiet SHA256SUMS)
  echo "dist: built twice, the same bytes:"
  cat "$one/dist/SHA256SUMS"
}

if [[ ${1:-} == check ]]; then
  twice
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

# others writes the licenses of what is built into the programs: of Go's library and of each module.
others() {
  local module version folder file found
  echo "The programs of isapid hold Go's library and the modules below. These are their licenses."
  license "Go $(go env GOVERSION | sed 's/^go//')" "$(go env GOROOT)/LICENSE"
  for system in linux windows; do
    CGO_ENABLED=1 GOOS=$system GOARCH=amd64 go list -deps -f '{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}' ./cmd/isapid ./cmd/isapid-worker
  done | sort -u | while read -r module version folder; do
    found=
    for file in "$folder"/{LICENSE,License,LICENSE.txt,NOTICE,PATENTS}; do
      if [[ -f $file ]]; then
        license "$module $version" "$file"
        found=yes
      fi
    done
    [[ -n $found ]] || { echo "dist: $module has no license that is known here" >&2; exit 1; }
  done
}

license() { # of what, file
  printf '\n%s\n%s: %s\n\n' "----------------------------------------------------------------------" "$1" "${2##*/}"
  tr -d '\r' <"$2"
}

# texts FOLDER: what lies beside every program.
texts() {
  install -m 0644 LICENSE NOTICE README.md CHANGELOG.md "$tree/THIRD-PARTY" "$tree/$1/"
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
  "$tree/archive" "$out/$name.tar.gz" "$tree/$name"
  echo "dist: $name.tar.gz"
  deb "$1" "$name"
}

# deb ARCH TREE
deb() {
  [[ -n ${NFPM:-} ]] || return 0
  local d=$tree/deb-$1 texts=$tree/deb-$1/usr/share/doc/isapid
  install -D -m 0755 "$tree/$2/bin/isapid" "$d/usr/bin/isapid"
  if [[ -d $tree/$2/lib/isapid ]]; then
    install -D -m 0644 -t "$d/usr/lib/isapid" "$tree/$2"/lib/isapid/*
  fi
  install -d "$d/usr/lib/systemd/system"
  sed 's|/usr/local/bin/isapid|/usr/bin/isapid|' packaging/isapid.service >"$d/usr/lib/systemd/system/isapid.service"
  install -m 0644 packaging/isapid.socket "$d/usr/lib/systemd/system/"
  install -D -m 0644 -t "$texts" README.md NOTICE packaging/deb/copyright
  install -D -m 0644 -t "$texts/examples" internal/config/isapid.example.yaml
  gzip -9n <"$tree/THIRD-PARTY" >"$texts/THIRD-PARTY.gz"
  gzip -9n <CHANGELOG.md >"$texts/NEWS.gz"
  gzip -9n <<END >"$texts/changelog.gz"
isapid ($VERSION) unstable; urgency=medium

  * NEWS.gz says what is new.

 -- $(sed -n 's/^maintainer: //p' packaging/nfpm.yaml)  $(date -u -R -d "@$SOURCE_DATE_EPOCH")
END
  install -d "$d/usr/share/man/man1"
  gzip -9n <packaging/deb/isapid.1 >"$d/usr/share/man/man1/isapid.1.gz"
  install -D -m 0644 packaging/deb/overrides "$d/usr/share/lintian/overrides/isapid"
  find "$d" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
  find "$d" -type d -exec chmod 0755 {} +
  find "$d" -type f ! -path "$d/usr/bin/*" -exec chmod 0644 {} +
  # the newest version of the C library that the program asks for
  GLIBC=$(readelf -W --dyn-syms "$d/usr/bin/isapid" | grep -o '@GLIBC_[0-9.]*' | sort -V | tail -n 1 | cut -d_ -f2) \
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
  "$tree/archive" "$out/$name.zip" "$tree/$name"
  echo "dist: $name.zip"
}

# winget writes what the package manager of Windows is told.
winget() {
  local manifest
  mkdir -p "$out/winget"
  for manifest in packaging/winget/*.yaml; do
    sed -e '/^#/d' -e "s|\${VERSION}|$VERSION|g" \
      -e "s|\${SHA256_AMD64}|$(sha256sum <"$out/isapid-$VERSION-windows-amd64.zip" | cut -c1-64)|" \
      -e "s|\${SHA256_386}|$(sha256sum <"$out/isapid-$VERSION-windows-386.zip" | cut -c1-64)|" "$manifest" >"$out/winget/${manifest##*/}"
  done
  if grep -r '[$]{' "$out/winget"; then
    echo "dist: that is not filled in" >&2
    return 1
  fi
}

mkdir -p "$tree"
go build -o "$tree/archive" ./hack/archive
others >"$tree/THIRD-PARTY"
for arch in amd64 386; do
  program "isapid-worker-$arch.exe" ./cmd/isapid-worker CGO_ENABLED=0 GOOS=windows GOARCH=$arch
done
native=$(go env GOHOSTARCH)
linux amd64 "$([[ $native == amd64 ]] && echo gcc || echo x86_64-linux-gnu-gcc)"
linux arm64 "$([[ $native == arm64 ]] && echo gcc || echo aarch64-linux-gnu-gcc)"
windows amd64
windows 386
winget
rm -rf "$tree"
(cd "$out" && sha256sum -- *.* winget/* >SHA256SUMS)
echo "dist: $out/SHA256SUMS"
