#!/usr/bin/env bash
# Installs the Debian package in dist into a minimal Debian 12 of its own and uses it as a new user would: over an older version, as somebody who runs a
# library, as the service with the command lines of its unit; then removes and purges it, and looks at what is left. hack/deb-inside.sh is what is done there.
#
# Needs root, debootstrap, gcc and Debian's packages. BASE is a folder with a minimal Debian 12, if there is one already; it is not changed. systemd does not
# run there: whether its units are right is said by systemd-analyze, and whether the package is by lintian, if these are installed here.
set -euo pipefail
cd "$(dirname "$0")/.."

debs=(dist/isapid_*_amd64.deb)
[[ -f ${debs[0]} && ${#debs[@]} -eq 1 ]] || { echo "deb: no package, or several, in dist: make dist" >&2; exit 1; }
if command -v lintian >/dev/null; then
  lintian --allow-root --fail-on error,warning dist/isapid_*.deb
fi
work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
root=$work/root

if [[ -n ${BASE:-} ]]; then
  cp -a "$BASE" "$root"
else
  debootstrap --variant=minbase bookworm "$root" >"$work/base.log" 2>&1 || { tail -n 20 "$work/base.log" >&2; exit 1; }
fi
mkdir "$root/give"
cp hack/deb-inside.sh "$root/give/"
cp "${debs[0]}" "$root/give/new.deb"
gcc -shared -fPIC -Isdk/c -o "$root/give/counter.so" examples/counter/counter.c

dpkg-deb -R "${debs[0]}" "$work/old"
sed -i 's/^Version: .*/Version: 0.0.0/' "$work/old/DEBIAN/control"
rm -r "$work/old/usr/share/man" # files come and go between versions
sed -i '/share\/man/d' "$work/old/DEBIAN/md5sums"
dpkg-deb --root-owner-group -Znone -b "$work/old" "$root/give/old.deb" >/dev/null
if command -v systemd-analyze >/dev/null; then # with a program that is here
  sed "s|=/usr/bin/isapid|=$(type -P true)|" "$work/old/usr/lib/systemd/system/isapid.service" >"$work/isapid.service"
  cp "$work/old/usr/lib/systemd/system/isapid.socket" "$work/"
  systemd-analyze verify "$work/isapid.service" "$work/isapid.socket"
fi

# what is mounted and what runs there ends with it
unshare --mount --pid --fork --kill-child bash -euc 'mount -t proc proc "$1/proc"; mount -t devtmpfs devtmpfs "$1/dev"
  exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin PORT="$2" chroot "$1" bash /give/deb-inside.sh' - "$root" "$((20000 + RANDOM % 10000))"
