#!/usr/bin/env bash
# The proof inside the machine of systemd.sh, which starts this at every boot: what comes next lies in a file.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."
next=/var/lib/proof
app=https://hello-app.localhost
TIMEFORMAT="took %R s"
export DEBIAN_FRONTEND=noninteractive
case $WHOSE in
    root) home=/var/lib/dockup here=/opt/dockup ;;
    *) home=/home/$WHOSE/.local/share/dockup here=/home/$WHOSE/dockup app=$app:8443 ;;
esac
say() { printf '\n== %s\n' "$*"; }
fail() { printf 'proof: %s\n' "$*"; exit 1; }

ended() {
    local status=$?
    ((status)) || return 0
    printf '\nproof: failed\n'
    systemctl --no-pager --full status dockup docker || true
    journalctl --no-pager -b -u dockup -n 50 || true
    tail -n 15 $home/logs/*.log || true
    systemctl poweroff --force
}

# whose COMMAND: as the one whose Dockup it is, in a login of their own.
whose() {
    if [[ $WHOSE == root ]]; then
        (cd $here && sh -c "$1")
    else
        runuser -u "$WHOSE" -- env -i HOME="/home/$WHOSE" USER="$WHOSE" PATH=/usr/local/bin:/usr/bin:/bin \
            ${SSL_CERT_FILE:+SSL_CERT_FILE="$SSL_CERT_FILE"} ${HTTPS_PROXY:+HTTPS_PROXY="$HTTPS_PROXY"} sh -c "cd $here && $1"
    fi
}

# The lines that Dockup gives to be run by root: there is no sudo here.
obey() {
    printf '# %s\n' "$1"
    sh -c "${1//sudo /}" >/tmp/obeyed.log 2>&1 || { tail /tmp/obeyed.log; fail "that line fails"; }
}

answers() {
    local page=
    for _ in $(seq "${1:-600}"); do
        page=$(curl -sf --cacert $home/router/ca/root.crt $app || true)
        [[ $page == "hello after the boot" ]] && { printf '%s: %s\n' "$app" "$page" && return; }
        sleep 0.5
    done
    fail "$app does not answer: $page"
}

# The unit is active, its main process is the supervisor, and all is well.
well() {
    for _ in $(seq 240); do
        if [[ $(systemctl is-active dockup) == active ]] && whose './dockup status' >/tmp/status.txt 2>&1 &&
            [[ $(systemctl show -P MainPID dockup) == "$(cut -d ' ' -f 1 $home/run/supervisor.pid)" ]]; then
            grep ' is ok, version' /tmp/status.txt
            return
        fi
        sleep 0.5
    done
    cat /tmp/status.txt
    fail "not well: the unit is $(systemctl is-active dockup)"
}

# What runs was started by this boot, not left by somebody.
since_boot() {
    local container started booted
    booted=$(date -u -d "$(systemctl show -P UserspaceTimestamp --timestamp=utc)" +%FT%T)
    [[ -n $(docker ps -q) ]] || fail "no container runs"
    for container in $(docker ps -q); do
        started=$(docker inspect -f '{{.State.StartedAt}}' "$container")
        [[ $started > $booted ]] || fail "$container runs since $started: it was not ended before the boot at $booted"
    done
    printf 'up since %s; the containers came after that\n' "$booted"
}

complaints() {
    journalctl --no-pager -q -b -u dockup -p warning -o cat >/tmp/complaints.txt
    [[ ! -s /tmp/complaints.txt ]] || { cat /tmp/complaints.txt; fail "the journal has complaints of dockup"; }
}

make_image() {
    local folder
    folder=$(mktemp -d)
    mkdir -p "$folder/www"
    cp /bin/busybox "$folder/busybox"
    printf 'hello after the boot' >"$folder/www/index.html"
    tar -C "$folder" -c . | docker import -c 'CMD ["/busybox", "httpd", "-f", "-p", "80", "-h", "/www"]' - nginx:alpine >/dev/null
    rm -rf "$folder"
}

# An ordinary user has asked root for what is missing, and logs in again.
make_ready() {
    [[ $WHOSE != root ]] || return 0
    useradd --create-home --shell /bin/bash "$WHOSE"
    cp -a /opt/dockup "$here"
    chown -R "$WHOSE": "$here"
    local line
    for _ in 1 2 3; do
        line=$(whose './dockup up --detach' 2>&1 | tee /tmp/refused.txt | sed -n 's/.*Run this first: //p' || true)
        [[ -n $line ]] || return 0
        obey "$line"
    done
}

first() {
    say "./dockup up --detach, for $WHOSE"
    make_ready
    time whose './dockup up --detach' || fail "up"
    say "an app"
    apt-get install -y -qq --no-install-recommends busybox-static curl >/dev/null 2>&1
    make_image
    sed -n "s/.*\"api_key\": *\"\([^\"]*\)\".*/header = \"Authorization: Bearer \1\"/p" $home/credentials.json >/tmp/key
    curl -s -K /tmp/key --cacert $home/router/ca/root.crt -H 'Content-Type: application/json' \
        -d '{"create":true,"project":"demo","name":"hello","image":"nginx:alpine","internal_port":80}' \
        "${app/hello-app./}/api/v1/deploy/hello?wait=240" | grep -o '"status":"[a-z]*"' | head -n 1
    answers 60

    say "./dockup install"
    whose './dockup install' | tee /tmp/install.txt
    [[ $WHOSE == root ]] || obey "$(sed -n 's/^  //p' /tmp/install.txt)"
    systemd-analyze verify --man=no dockup.service
    systemctl is-enabled dockup

    say "systemd takes it over"
    whose './dockup down'
    time systemctl start dockup
    well
    answers 60

    say "the supervisor is killed"
    local proxy before
    proxy=$(cat $home/router/haproxy.pid)
    before=$(cat $home/run/api.pid)
    kill -9 "$(systemctl show -P MainPID dockup)"
    until [[ $(systemctl show -P NRestarts dockup) == 1 ]]; do sleep 0.5; done
    well
    [[ $(cat $home/run/api.pid) == "$before" ]] || fail "the services did not outlive it"

    say "stop and start: apps and proxy serve on"
    time systemctl stop dockup
    [[ $(systemctl is-failed dockup) == inactive ]] || fail "a stop is a failure"
    ! kill -0 "$before" 2>/dev/null || fail "the API outlived the stop"
    answers 4
    systemctl start dockup
    well
    [[ $(cat $home/router/haproxy.pid) == "$proxy" ]] || fail "another HAProxy"

    say "down and up --detach: root's unit has the watch again"
    whose './dockup down'
    whose './dockup up --detach' >/dev/null
    [[ $WHOSE != root ]] || well

    say "a reboot"
    echo second >$next
    sync
    systemctl reboot
}

second() {
    say "after the reboot"
    time answers
    well
    since_boot
    complaints
    say "the power is cut"
    echo third >$next
    # Nobody is told: every process is gone at once.
    systemctl reboot --force --force
}

third() {
    say "after the cut"
    time answers
    well
    since_boot
    say "down --all, and what the lines of install undo"
    whose './dockup down --all'
    [[ $(systemctl is-failed dockup) == inactive ]] || fail "down is a failure"
    obey "$(sed -n 's/^to undo \(this\|it\): //p' /tmp/install.txt 2>/dev/null || whose './dockup install' | sed -n 's/^to undo \(this\|it\): //p')"
    [[ ! -e /etc/systemd/system/dockup.service ]] || fail "the unit is still there"
    printf '\nproof: everything came back\n'
    systemctl poweroff
}

trap ended EXIT
"$(cat $next 2>/dev/null || echo first)"
