#!/usr/bin/env bash
# What hack/deb-check.sh does in its Debian, as root. /give has the package (new.deb), the same as an older version (old.deb), and counter.so; there is no
# network but the loopback. Writes /give/done if all is well.
set -euo pipefail

# get writes the page at / to /tmp/page, as soon as there is somebody who gives it.
get() {
  for _ in {1..300}; do
    if (exec 3<>/dev/tcp/127.0.0.1/8080 && printf 'GET / HTTP/1.0\r\nHost: localhost\r\n\r\n' >&3 && cat <&3 >/tmp/page) 2>/dev/null; then
      grep -q 'visitor number' /tmp/page && return
      break
    fi
    sleep 0.1
  done
  echo "deb: no page" >&2
  cat /tmp/page /tmp/*.log >&2
  journalctl --no-pager -u isapid >&2
  return 1
}

# ours lists all files that have our name.
ours() {
  find / \( -path /proc -o -path /sys -o -path /dev -o -path /give -o -path /tmp -o -path /run/log \) -prune -o -name '*isapid*' -print | sort
}

about() { # property of the service
  systemctl show --value --property "$1" isapid.service
}

# the failed line is told, for nobody can look later
trap 'echo "deb: line $LINENO failed: $BASH_COMMAND"' ERR
export DEBIAN_FRONTEND=noninteractive
ours >/tmp/before

echo "deb: install"
dpkg -i /give/old.deb
test "$(stat -c '%U:%G %a' /var/lib/isapid)" = "isapid:isapid 700"
test "$(systemctl is-enabled isapid.service)" = disabled
test "$(about ActiveState)" = inactive

echo "deb: without a configuration the service says so, and is not started again and again"
if systemctl start isapid.service; then false; fi
test "$(about ActiveState) $(about ExecMainStatus) $(about NRestarts)" = "failed 3 0"

echo "deb: somebody runs a library"
useradd --create-home joe
install -o joe /give/counter.so /home/joe/counter.so
as_joe=(setpriv --reuid=joe --regid=joe --init-groups env HOME=/home/joe)
"${as_joe[@]}" isapid inspect /home/joe/counter.so >/tmp/inspect.log
"${as_joe[@]}" isapid run /home/joe/counter.so --addr 127.0.0.1:8080 >/tmp/run.log 2>&1 &
get
kill -INT $!
wait $! || { cat /tmp/run.log; exit 1; }

echo "deb: the service"
install -D -m 0644 /give/counter.so /srv/www/counter.so
cat >/etc/isapid/isapid.yaml <<END
sites:
  - name: shop
    root: /srv/www
    bindings: ["http://127.0.0.1:8080"]
    applications: [{path: /, handlers: [{path: "*", extension: /srv/www/counter.so}]}]
END
sha256sum /etc/isapid/isapid.yaml >/tmp/config
echo kept >/var/lib/isapid/kept
systemctl enable --now isapid.service
get
systemctl reload isapid.service
isapid status # root finds the service's socket
before=$(about MainPID)
test "$(stat -c %U "/proc/$before")" = isapid

echo "deb: upgrade"
dpkg -i /give/new.deb
test "$(about ActiveState)" = active
test "$(about MainPID)" != "$before" # the new program serves
get
sha256sum --quiet -c /tmp/config
test "$(cat /var/lib/isapid/kept)" = kept
dpkg --verify isapid
test "$(dpkg-query -W -f '${Version}' isapid)" = "$(isapid version | sed -n 's/^isapid \([^,]*\),.*/\1/p')"

echo "deb: remove"
dpkg -r isapid
test "$(about ActiveState)" = inactive
test ! -e /usr/bin/isapid
test ! -e /usr/lib/isapid
sha256sum --quiet -c /tmp/config
test "$(cat /var/lib/isapid/kept)" = kept

echo "deb: install again, then purge"
dpkg -i /give/new.deb
get # it was enabled
dpkg -P isapid
sha256sum --quiet -c /tmp/config # the administrator's: the package did not bring it
ours | comm -13 /tmp/before - | grep -vx -e /etc/isapid -e /etc/isapid/isapid.yaml && { echo "deb: that is left"; exit 1; }
getent passwd isapid >/dev/null # stays, as it may have files elsewhere
echo "deb: nothing is left but the configuration and the user"
touch /give/done
