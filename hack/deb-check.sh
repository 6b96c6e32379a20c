#!/usr/bin/env bash
# Installs the Debian package in dist into a minimal Debian 12 of its own, with its systemd running, and uses it as a new user would: as somebody who
# runs a library, as the service, with an upgrade in between; then removes and purges it, and looks at what is left. hack/deb-inside.sh is what is done
# there. Before that lintian says what it thinks of the package, if it is installed here.
#
# Needs root, debootstrap, systemd-nspawn (Debian: systemd-container), gcc and Debian's packages. BASE is a folder with a minimal Debian 12 and systemd-sysv, if
# there is one already; it is not changed.
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
  debootstrap --variant=minbase --include=systemd-sysv bookworm "$root" >"$work/base.log" 2>&1 || { tail -n 20 "$work/base.log" >&2; exit 1; }
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

cat >"$root/etc/systemd/system/deb-check.service" <<'END'
[Unit]
After=multi-user.target
SuccessAction=poweroff-force
FailureAction=poweroff-force
[Service]
Type=oneshot
ExecStart=/bin/bash /give/deb-inside.sh
StandardOutput=append:/give/log
StandardError=append:/give/log
END
mkdir "$root/etc/systemd/system/default.target.wants"
ln -s ../deb-check.service "$root/etc/systemd/system/default.target.wants/"
timeout 600 systemd-nspawn --quiet --register=no --keep-unit --private-network --directory="$root" --boot >"$work/boot.log" 2>&1 </dev/null || tail -n 20 "$work/boot.log" >&2
cat "$root/give/log"
test -e "$root/give/done"
