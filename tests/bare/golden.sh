#!/usr/bin/env bash
# The golden path on the bare machine, with curl, as the guide for agents (/llms.txt) words it; a failed redeploy; a reboot.
# The image is made here under the name that the guide uses: nothing can be pulled everywhere.
set -euo pipefail
cd "$(dirname "$0")/../.."
home=/var/lib/dockup
say() { printf '\n== %s\n' "$*"; }
fail() { printf 'golden: %s\n' "$*" >&2; exit 1; }
field() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" | head -n 1; }

# answers URL: waits until the app's own page comes back over HTTPS, certificate and all.
answers() {
    local page=
    for _ in $(seq 120); do
        page=$(curl -sf "$1" || true)
        if [[ $page == "hello from the bare machine" ]]; then
            printf '%s: %s\n' "$1" "$page"
            return
        fi
        sleep 0.25
    done
    fail "$1 does not answer: $page"
}

make_image() {
    local folder
    folder=$(mktemp -d)
    mkdir -p "$folder/www"
    cp /bin/busybox "$folder/busybox"
    printf 'hello from the bare machine' >"$folder/www/index.html"
    tar -C "$folder" -c . | docker import -c 'CMD ["/busybox", "httpd", "-f", "-p", "80", "-h", "/www"]' - nginx:alpine >/dev/null
    rm -rf "$folder"
}

# As a power cut and a boot: every process ends at once, the engine too, then the line that `install` gives for @reboot runs.
reboot() {
    local boot
    boot=$(./dockup install | sed -n 's/.*@reboot //p')
    [[ -n $boot ]] || fail "install gives no line for a boot"
    pkill -9 -f dockup-guard || true
    pkill -9 -f libs.supervisor || true
    pkill -9 nats-server || true
    pkill -9 redis-server || true
    pkill -9 haproxy || true
    pkill -9 dockerd || true
    pkill -9 containerd || true
    pkill -9 docker-init || fail "no app ran"
    while pgrep -x dockerd >/dev/null || pgrep -f libs.supervisor >/dev/null; do sleep 0.1; done
    rm -f /var/run/docker.pid
    booted=$(date -u +%FT%T)
    say "boot: $boot"
    time sh -c "$boot" >/dev/null
}

say "the user's own tools"
apt-get install -y -q --no-install-recommends curl busybox-static procps >/dev/null
make_image
TIMEFORMAT="took %R s"
DOCKUP=$(field url <<<"$(tr -d '\n ' <$home/credentials.json)")
HBR=$(field api_key <<<"$(tr -d '\n ' <$home/credentials.json)")
export CURL_CA_BUNDLE=$home/router/ca/root.crt

say "the golden path"
curl -s "$DOCKUP/api/v1/projects" -H "Authorization: Bearer $HBR" && echo
PID=$(curl -s -X POST "$DOCKUP/api/v1/projects" -H "Authorization: Bearer $HBR" -H "Content-Type: application/json" -d '{"name": "My Project"}' | field id)
curl -s -X POST "$DOCKUP/api/v1/projects/$PID/apps" \
    -H "Authorization: Bearer $HBR" \
    -H "Content-Type: application/json" \
    -d '{"name": "my-app", "slug": "my-app", "image": "nginx:alpine", "internal_port": 80}' >/tmp/app.json
id=$(field id </tmp/app.json)
curl -s -X POST "$DOCKUP/api/v1/apps/$id/deploy" -H "Authorization: Bearer $HBR" && echo
answers "$(field url </tmp/app.json)"

say "the quick example, word for word"
curl -s -X POST $DOCKUP/api/v1/projects/$PID/apps \
  -H "Authorization: Bearer $HBR" \
  -H "Content-Type: application/json" \
  -d '{"name":"demo","slug":"demo","image":"nginx:alpine","internal_port":80}' >/tmp/demo.json
curl -s -X POST $DOCKUP/api/v1/deploy/demo \
  -H "Authorization: Bearer $HBR" && echo
answers "$(field url </tmp/demo.json)"

say "one call from nothing"
time curl -s -X POST "$DOCKUP/api/v1/deploy/once?wait=60" -H "Authorization: Bearer $HBR" -H "Content-Type: application/json" \
    -d '{"create": true, "project": "Another", "name": "once", "image": "nginx:alpine", "internal_port": 80}' >/tmp/once.json
[[ $(field status </tmp/once.json) == live ]] || fail "$(cat /tmp/once.json)"
answers "$(field url </tmp/once.json)"

say "a local image, by a pipe"
docker save nginx:alpine | \
  curl -s -X POST --data-binary @- \
    -H "Authorization: Bearer $HBR" \
    -H "Content-Type: application/octet-stream" \
    "$DOCKUP/api/v1/deploy/my-app?wait=60" >/tmp/upload.json
[[ $(field status </tmp/upload.json) == live ]] || fail "$(cat /tmp/upload.json)"
answers "$(field url </tmp/app.json)"
: | curl -s -X POST --data-binary @- -H "Authorization: Bearer $HBR" -H "Content-Type: application/octet-stream" \
    $DOCKUP/api/v1/deploy/my-app | grep -o '"code":"empty_upload"' || fail "an empty pipe was taken"

say "the slug is taken"
[[ $(curl -s -X POST "$DOCKUP/api/v1/projects/$PID/apps" -H "Authorization: Bearer $HBR" -H "Content-Type: application/json" \
    -d '{"name": "demo", "slug": "demo", "image": "nginx:alpine"}' | field code) == slug_taken ]] || fail "no slug_taken"
echo slug_taken

say "a deploy that fails leaves the old version"
curl -s -X POST "$DOCKUP/api/v1/apps/demo/deploy?wait=60" -H "Authorization: Bearer $HBR" -H "Content-Type: application/json" \
    -d '{"image": "nosuchimage:1"}' | grep -o '"failure":{"phase":"[a-z]*","code":"[a-z_]*"' || fail "no failure"
answers "$(field url </tmp/demo.json)"

say "a live container is removed by hand"
docker rm -f "$(docker ps -q --filter "label=dockup.app=$id")" >/dev/null
answers "$(field url </tmp/app.json)"
curl -s "$DOCKUP/api/v1/apps/my-app/events?limit=200" -H "Authorization: Bearer $HBR" | grep -o '"message":"[^"]*vanished[^"]*"' || fail "no event"

say "down leaves the apps; up finds them"
./dockup down
answers "$(field url </tmp/demo.json)"
./dockup up --detach >/dev/null
answers "$(field url </tmp/demo.json)"

say "a reboot"
reboot
for file in app demo once; do answers "$(field url </tmp/$file.json)"; done
for container in $(docker ps -q); do
    started=$(docker inspect -f '{{.State.StartedAt}}' "$container")
    [[ $started > $booted ]] || fail "$container runs since $started: it was not ended before the boot at $booted"
done
./dockup status

say "backup, wipe, restore"
key=$(./dockup backup /tmp/dockup.age | grep -o 'AGE-SECRET-KEY-[0-9A-Z]*')
ls -l /tmp/dockup.age
before=$(curl -s "$DOCKUP/api/v1/apps/my-app/events?limit=20" -H "Authorization: Bearer $HBR" | grep -o '"seq":[0-9]*' | head -n 20)
./dockup down --all
dockerd >/tmp/dockerd.log 2>&1 &
until docker info >/dev/null 2>&1; do sleep 0.2; done
docker ps -aq | xargs -r docker rm -f >/dev/null
docker images -aq | sort -u | xargs -r docker rmi -f >/dev/null
find $home -mindepth 1 -delete
DOCKUP_BACKUP_KEY=$key ./dockup restore /tmp/dockup.age
./dockup up --detach >/dev/null
for file in app demo once; do answers "$(field url </tmp/$file.json)"; done
after=$(curl -s "$DOCKUP/api/v1/apps/my-app/events?limit=20" -H "Authorization: Bearer $HBR" | grep -o '"seq":[0-9]*' | head -n 20)
[[ $before == "$after" ]] || fail "the history is another: $before / $after"
echo "the same key, certificates and history"
