#!/usr/bin/env bash
# Builds the image of packaging/docker/Dockerfile.wine from the Debian package in dist, and has it serve a DLL: by its own command line, as its own user,
# with the prefix of Wine that is in it, and without the right to write to what that prefix links to.
#
# There is no need for a container engine or a registry: buildah builds without a daemon, and the base image is made by debootstrap from Debian's
# packages. Needs root, buildah, debootstrap, curl and the compiler for DLLs (Debian: gcc-mingw-w64). ARCHES is for whom the image is (default: amd64; amd64,386
# for 32-bit libraries, too), BASE a folder with a minimal Debian 12, if there is one already.
set -euo pipefail
cd "$(dirname "$0")/.."

arches=${ARCHES:-amd64}
debs=(dist/isapid_*_amd64.deb)
[[ -f ${debs[0]} && ${#debs[@]} -eq 1 ]] || { echo "docker: no package, or several, in dist: make dist" >&2; exit 1; }
work=$(mktemp -d)
b=(buildah --root "$work/store" --runroot "$work/run" --storage-driver vfs)
as=(run --isolation chroot --network host)
server=
cleanup() {
  if [[ -n $server ]]; then
    "${b[@]}" "${as[@]}" "$container" -- isapid drain >"$work/drain.log" 2>&1 || cat "$work/drain.log" "$work/serve.log" >&2
    wait "$server" || true
  fi
  "${b[@]}" rm --all >"$work/rm.log" 2>&1 || true # unmounts
  rm -rf --one-file-system "$work"
}
trap cleanup EXIT

base=${BASE:-$work/base}
if [[ -z ${BASE:-} ]]; then
  echo "docker: making a base image"
  debootstrap --variant=minbase bookworm "$base" >"$work/base.log" 2>&1 || { tail -n 20 "$work/base.log" >&2; exit 1; }
fi
container=$("${b[@]}" from scratch)
"${b[@]}" add --quiet "$container" "$base" / >/dev/null
"${b[@]}" commit --quiet --rm "$container" docker.io/library/debian:bookworm-slim >/dev/null

echo "docker: building packaging/docker/Dockerfile.wine for $arches"
"${b[@]}" build --pull-never --isolation chroot --network host -f packaging/docker/Dockerfile.wine \
  --build-arg DEB="${debs[0]##*/}" --build-arg ARCHES="$arches" -t isapid-wine dist >"$work/build.log" 2>&1 || { tail -n 40 "$work/build.log" >&2; exit 1; }
container=$("${b[@]}" from --pull-never localhost/isapid-wine)
root=$("${b[@]}" mount "$container")

# what somebody would mount
port=$((20000 + RANDOM % 10000))
install -d "$root/srv/www"
for arch in ${arches//,/ }; do
  compiler=$([[ $arch == 386 ]] && echo i686 || echo x86_64)-w64-mingw32-gcc
  "$compiler" -shared -Wl,--kill-at -Isdk/c -o "$root/srv/www/counter-$arch.dll" examples/counter/counter.c
done
cat >"$root/etc/isapid/isapid.yaml" <<END
sites:
  - name: shop
    bindings: ["http://127.0.0.1:$port"]
    root: /srv/www
    applications:
      - path: /
        handlers: [{path: "*.dll", isapi: true}]
END

# shellcheck disable=SC2016 # the container's shell expands it
"${b[@]}" "${as[@]}" "$container" -- sh -c 'test "$(id -un)" = isapid && test ! -w /usr/lib/x86_64-linux-gnu/wine && test -w "$ISAPID_WINEPREFIX"'
mapfile -t command < <("${b[@]}" inspect --format '{{range .OCIv1.Config.Entrypoint}}{{println .}}{{end}}{{range .OCIv1.Config.Cmd}}{{println .}}{{end}}' "$container" | sed '/^$/d')
echo "docker: ${command[*]}"
"${b[@]}" "${as[@]}" "$container" -- "${command[@]}" >"$work/serve.log" 2>&1 &
server=$!
for arch in ${arches//,/ }; do
  page=$(curl -fs --retry 60 --retry-delay 1 --retry-connrefused --max-time 60 "http://127.0.0.1:$port/counter-$arch.dll")
  grep -q 'You are visitor number' <<<"$page"
  echo "docker: counter-$arch.dll is served"
done
status=$("${b[@]}" "${as[@]}" "$container" -- isapid status)
grep 'under wine' <<<"$status"
if grep 'making the Wine prefix' "$work/serve.log"; then
  echo "docker: the prefix was not in the image" >&2
  exit 1
fi
