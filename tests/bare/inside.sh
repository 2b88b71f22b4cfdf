#!/usr/bin/env bash
# The proof, inside the bare machine: up, the status over HTTPS, a second up, down and up again, down --all.
set -euo pipefail
TIMEFORMAT="took %R s"
cd "$(dirname "$0")/../.."
say() { printf '\n== %s\n' "$*"; }
home=/var/lib/dockup

say "nothing is installed"
command -v python3 docker haproxy redis-server git || echo "no python3, docker, haproxy, redis-server, git"

say "./dockup up --detach"
time ./dockup up --detach

say "the status, over HTTPS with our own root certificate"
url=$(sed -n 's/.*"url": *"\([^"]*\)".*/\1/p' $home/credentials.json)
ask() { .venv/bin/python -P tests/bare/get.py "$home/router/ca/root.crt" "$url/api/v1/system/status"; }
ask

say "a second up finds the first"
again=$(./dockup up --detach)
head -n 1 <<<"$again"

say "status"
./dockup status

say "down leaves the proxy; up finds everything as it was"
proxy=$(cat $home/router/haproxy.pid)
./dockup down
kill -0 "$proxy" && echo "HAProxy ($proxy) goes on"
time ./dockup up --detach >/dev/null
ask >/dev/null
[ "$(cat $home/router/haproxy.pid)" = "$proxy" ] && echo "the same HAProxy"

say "memory"
DOCKUP_HOME=$home .venv/bin/python -P -m libs.supervisor.memory

tests/bare/golden.sh

say "down --all"
proxy=$(cat $home/router/haproxy.pid)
./dockup down --all
if kill -0 "$proxy" 2>/dev/null; then echo "HAProxy is still there" && exit 1; fi
echo "done"
