#!/usr/bin/env bash
# A reboot under systemd: a minimal Debian 12 that is booted, with network, processes and Docker Engine of its own. Dockup comes up there
# from a clean clone, an app is deployed, what `install` says is done, and the machine is rebooted, then cut off: rebooted.sh.
#
#   tests/bare/systemd.sh [root|ann]     whose Dockup it is: root's (default) or an ordinary user's
#
# Needs root, debootstrap, git, iproute2, iptables and systemd-nspawn (Debian's systemd-container); the machine's kernel is this one's.
# DOCKUP_BARE_SYSTEMD: where the bootstrapped base is kept for the next run (default: a cache folder in /var/tmp).
# DOCKUP_BARE_KEEP=1 leaves the machine's folder there and says where it is.
set -euo pipefail

checkout=$(git -C "$(dirname "$(readlink -f "$0")")" rev-parse --show-toplevel)
base=${DOCKUP_BARE_SYSTEMD:-/var/tmp/dockup-bare-systemd}
whose=${1:-root}
root=
log=
again=133 # the status by which nspawn says that its machine wants to boot anew
source "$checkout/tests/bare/network.sh"
say() { printf '%s\n' "bare: $*" >&2; }

cleanup() {
    set +e
    [[ -z $log ]] || kill "$log"
    disconnect
    if [[ -n ${DOCKUP_BARE_KEEP:-} ]]; then say "kept $root"; elif [[ -n $root ]]; then rm -rf --one-file-system "$root"; fi
}

bootstrap() {
    [[ -e $base/etc/debian_version && ! -e $base/debootstrap ]] && return
    say "bootstrapping a minimal Debian with systemd (once)"
    debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus bookworm "$base" >&2
}

# A copy of the base and a clean clone of what is committed; the resolver and the CAs that this machine trusts go along.
make_machine() {
    root=$(mktemp -d /var/tmp/dockup-bare.XXXXXX)
    chmod 755 "$root"
    cp -a --reflink=auto "$base/." "$root/"
    rm -f "$root/etc/resolv.conf"
    cp -L /etc/resolv.conf "$root/etc/resolv.conf"
    printf 'bare\n' >"$root/etc/hostname"
    printf '127.0.0.1 localhost bare\n' >"$root/etc/hosts"
    mkdir -p "$root/usr/local/share/ca-certificates"
    cp /usr/local/share/ca-certificates/*.crt "$root/usr/local/share/ca-certificates/" 2>/dev/null || true
    git clone --quiet --no-hardlinks "$checkout" "$root/opt/dockup"
    proof >"$root/etc/systemd/system/proof.service"
    mkdir -p "$root/etc/systemd/system/multi-user.target.wants"
    ln -s /etc/systemd/system/proof.service "$root/etc/systemd/system/multi-user.target.wants/proof.service"
    : >"$root/var/log/proof"
}

# The proof goes on at every boot. The engine of a machine within a machine has to be let at its control groups.
proof() {
    local settings=(HOME=/root TERM=dumb LANG=C.UTF-8 "WHOSE=$whose")
    [[ -z ${SSL_CERT_FILE:-} ]] || settings+=(SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt)
    local proxy
    for proxy in HTTP_PROXY HTTPS_PROXY NO_PROXY; do
        [[ -z ${!proxy:-} ]] || settings+=("$proxy=${!proxy}")
    done
    printf '[Unit]\nBefore=docker.service\n\n[Service]\nType=exec\n'
    printf 'Environment="%s"\n' "${settings[@]//%/%%}"
    printf 'ExecStartPre=-/bin/sh -c "for each in /sys/fs/cgroup /sys/fs/cgroup/*; do mount -o remount,rw,bind $$each; done"\n'
    printf 'ExecStart=/opt/dockup/tests/bare/rebooted.sh\nStandardOutput=append:/var/log/proof\nStandardError=inherit\n'
}

# Its processes end with the first one of its pid namespace, its mounts with its mount namespace.
boot() {
    local status=0
    nsenter --net="/run/netns/$name" env SYSTEMD_SECCOMP=0 SYSTEMD_NSPAWN_API_VFS_WRITABLE=yes \
        unshare --mount --propagation shared sh -c 'mount -t tmpfs -o mode=755 tmpfs /run && exec "$@"' sh \
        systemd-nspawn --quiet --boot --directory="$root" --register=no --keep-unit --capability=all --console=pipe \
        --resolv-conf=off --timezone=off </dev/null >"$root/var/log/console" 2>&1 || status=$?
    return "$status"
}

trap cleanup EXIT
bootstrap
make_machine
connect
say "a machine that boots, in $root"
tail -n +1 -F "$root/var/log/proof" &
log=$!
status=$again
while ((status == again)); do status=0; boot || status=$?; done
sleep 1
grep -qx 'proof: everything came back' "$root/var/log/proof" || { say "that failed ($status)"; tail -n 30 "$root/var/log/console"; exit 1; }
