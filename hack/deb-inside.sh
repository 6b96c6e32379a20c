#!/usr/bin/env bash
# What hack/deb-check.sh does in its Debian, as root; PORT is free. /give has the package (new.deb), the same as an older version (old.deb), and counter.so.
set -euo pipefail

# get writes the page at / to /tmp/page, as soon as there is somebody who gives it.
get() {
  for _ in {1..300}; do
    if (exec 3<>"/dev/tcp/127.0.0.1/$PORT" && printf 'GET / HTTP/1.0\r\nHost: localhost\r\n\r\n' >&3 && cat <&3 >/tmp/page) 2>/dev/null; then
      grep -q 'visitor number' /tmp/page && return
      break
    fi
    sleep 0.1
  done
  echo "deb: no page" >&2
  cat /tmp/page /tmp/*.log >&2
  return 1
}

# as USER COMMAND…: with nothing of ours in the environment
as() {
  exec setpriv --reuid="$1" --regid="$1" --init-groups env -i PATH="$PATH" HOME="$(getent passwd "$1" | cut -d: -f6)" "${@:2}"
}

# ours lists all files that have our name.
ours() {
  find / \( -path /proc -o -path /dev -o -path /give -o -path /tmp \) -prune -o -name '*isapid*' -print | sort
}

# unit KEY: what isapid.service says of it.
unit() {
  sed -n "s/^$1=//p" /usr/lib/systemd/system/isapid.service
}

export DEBIAN_FRONTEND=noninteractive
printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d # nothing may be started
chmod +x /usr/sbin/policy-rc.d
ours >/tmp/before

echo "deb: install"
dpkg -i /give/old.deb
test "$(stat -c '%U:%G %a' /var/lib/isapid)" = "isapid:isapid 700"
test ! -e /etc/systemd/system/multi-user.target.wants/isapid.service
cat >/etc/isapid/isapid.yaml <<END
sites:
  - name: shop
    root: /srv/www
    bindings: ["http://127.0.0.1:$PORT"]
    applications: [{path: /, handlers: [{path: "*", extension: /srv/www/counter.so}]}]
END
sha256sum /etc/isapid/isapid.yaml >/tmp/config
echo kept >/var/lib/isapid/kept

echo "deb: upgrade"
dpkg -i /give/new.deb
sha256sum --quiet -c /tmp/config
test "$(cat /var/lib/isapid/kept)" = kept
dpkg --verify isapid
test "$(dpkg-query -W -f '${Version}' isapid)" = "$(isapid version | sed -n 's/^isapid \([^,]*\),.*/\1/p')"

echo "deb: somebody runs a library"
useradd --create-home joe
install -o joe /give/counter.so /home/joe/counter.so
(as joe isapid inspect /home/joe/counter.so) >/tmp/inspect.log
(as joe isapid run /home/joe/counter.so --addr "127.0.0.1:$PORT") >/tmp/run.log 2>&1 &
get
kill -INT $!
wait $! || { cat /tmp/run.log; exit 1; }

echo "deb: the service, as its unit says"
install -D -m 0644 /give/counter.so /srv/www/counter.so
install -d -o isapid -g isapid -m "$(unit RuntimeDirectoryMode)" /run/isapid
install -d -o isapid -g isapid /var/log/isapid
read -ra environment < <(unit Environment)
environment+=(STATE_DIRECTORY=/var/lib/isapid LOGS_DIRECTORY=/var/log/isapid RUNTIME_DIRECTORY=/run/isapid)
service() { # the key with the command line
  local words
  read -ra words < <(unit "$1")
  as "$(unit User)" "${environment[@]}" "${words[@]}"
}
(service ExecStartPre)
(service ExecStart) >/tmp/serve.log 2>&1 &
get
test "$(stat -c %U "/proc/$!")" = isapid
(service ExecReload)
isapid status # root finds the service's socket
isapid drain
wait $! || { cat /tmp/serve.log; exit 1; }

echo "deb: remove"
dpkg -r isapid
test ! -e /usr/bin/isapid
test ! -e /usr/lib/isapid
sha256sum --quiet -c /tmp/config
test "$(cat /var/lib/isapid/kept)" = kept

echo "deb: purge"
rmdir /run/isapid # systemd does that
dpkg -P isapid
sha256sum --quiet -c /tmp/config # the administrator's: the package did not bring it
ours | comm -13 /tmp/before - | grep -vx -e /etc/isapid -e /etc/isapid/isapid.yaml && { echo "deb: that is left" >&2; exit 1; }
getent passwd isapid >/dev/null # stays, as it may have files elsewhere
echo "deb: nothing is left but the configuration and the user"
