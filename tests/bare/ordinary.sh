#!/usr/bin/env bash
# An ordinary user on the bare machine: what `up` says, what the lines that it says bring, and then the three commands that `up` ends with.
# `tests/bare/run.sh tests/bare/ordinary.sh`
set -euo pipefail
source=$(readlink -f "$(dirname "$0")/../..")
work=/home/ann/dockup
say() { printf '\n== %s\n' "$*"; }
fail() { printf 'ordinary: %s\n' "$*" >&2; exit 1; }

# ann COMMAND: as ann, in a login of her own; settings before it as NAME=VALUE.
ann() {
    runuser -u ann -- env HOME=/home/ann USER=ann PATH=/usr/local/bin:/usr/bin:/bin ${SSL_CERT_FILE:+SSL_CERT_FILE="$SSL_CERT_FILE"} \
        ${HTTPS_PROXY:+HTTPS_PROXY="$HTTPS_PROXY"} sh -c "cd $work 2>/dev/null; $1"
}

# refused COMMAND WORDS: it ends with 1 and says so in plain words.
refused() {
    local said status=0
    said=$(ann "$1" 2>&1) || status=$?
    printf '$ %s\n%s\n' "$1" "$said"
    [[ $status == 1 && $said == *"$2"* && $said != *Traceback* ]] || fail "status $status, and not: $2"
}

# The line that the last refusal asked for, run by root: there is no sudo here.
obey() {
    local line
    line=$(ann './dockup up --detach' 2>&1 | sed -n 's/.*Run this first: //p' || true)
    [[ -n $line ]] || fail "no command is said"
    printf '# %s\n' "$line"
    DEBIAN_FRONTEND=noninteractive sh -c "${line//sudo /}" >/tmp/obeyed.log 2>&1 || { tail /tmp/obeyed.log; fail "that line fails"; }
}

useradd --create-home --shell /bin/bash ann

say "no Python"
cp -a "$source" $work
chown -R ann: $work
refused './dockup up --detach' "Python 3.11 or newer"
obey

say "somebody else's clone"
refused "$source/dockup up --detach" "may not write"

say "everything is missing"
refused './dockup up --detach' 'missing on this machine: haproxy'
obey

say "the engine"
docker version >/dev/null 2>&1 || refused './dockup up --detach' 'no Docker Engine answers'
docker version >/dev/null 2>&1 || setsid dockerd >/tmp/dockerd.log 2>&1 </dev/null &
for _ in $(seq 150); do docker version >/dev/null 2>&1 && break; sleep 0.2; done
docker version >/dev/null || fail "no engine"

say "wrong settings"
refused 'DOCKUP_TLS=sometimes ./dockup up --detach' 'it takes internal'
refused 'DOCKUP_HTTPS_PORT=443 ./dockup up --detach' 'DOCKUP_HTTPS_PORT: port 443 is for root alone'
refused 'DOCKUP_HOME=/root/state ./dockup up --detach' DOCKUP_HOME
mkdir /small
mount -t tmpfs -o size=64m,mode=777 tmpfs /small
refused 'DOCKUP_HOME=/small/dockup ./dockup up --detach' 'DOCKUP_HOME: '
python3 -m http.server --bind 127.0.0.1 8443 >/dev/null 2>&1 &
other=$!
for _ in $(seq 50); do (: </dev/tcp/127.0.0.1/8443) 2>/dev/null && break; sleep 0.1; done
refused './dockup up --detach' 'DOCKUP_HTTPS_PORT: port 8443 is taken'
kill $other
wait $other || true

say "up"
ann './dockup up --detach' >/tmp/up.txt || { cat /tmp/up.txt; fail "up"; }
cat /tmp/up.txt

say "the three commands that it ends with"
apt-get install -y -q --no-install-recommends curl busybox-static >/dev/null 2>&1
folder=$(mktemp -d)
mkdir -p "$folder/www"
cp /bin/busybox "$folder/busybox"
printf 'hello from ann' >"$folder/www/index.html"
tar -C "$folder" -c . | docker import -c 'CMD ["/busybox", "httpd", "-f", "-v", "-p", "80", "-h", "/www"]' - nginx:alpine >/dev/null
sed '1,/^Try these/d' /tmp/up.txt >/tmp/try.sh
ann 'sh -e /tmp/try.sh' | tee /tmp/tried.txt
grep -q '"status":"live"' /tmp/tried.txt || fail "the deploy is not live"
root=/home/ann/.local/share/dockup/router/ca/root.crt
[[ $(ann "curl -s --cacert $root https://hello-app.localhost:8443") == "hello from ann" ]] || fail "the app does not answer"
[[ $(ann "curl -s -o /dev/null -w '%{http_code} %{redirect_url}' http://hello-app.localhost:8080") == 30?\ https://hello-app.localhost:8443/ ]] || fail "no redirect"

say "status, logs, install, down, up"
ann './dockup status'
ann './dockup logs api -n 3'
ann './dockup install'
ann './dockup install' >/dev/null
ann './dockup down'
[[ $(ann "curl -s --cacert $root https://hello-app.localhost:8443") == "hello from ann" ]] || fail "the app does not answer after down"
ann './dockup up --detach' >/dev/null
[[ $(ann "curl -s --cacert $root https://hello-app.localhost:8443") == "hello from ann" ]] || fail "the app does not answer after up"
ann './dockup down --all'
echo done
