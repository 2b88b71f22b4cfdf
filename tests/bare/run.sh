#!/usr/bin/env bash
# From a bare Debian 12 to a running Dockup: a minimal debootstrap in a folder, with network, processes and Docker Engine of its own.
#
#   tests/bare/run.sh [COMMAND…]     default: inside.sh, the proof; `tests/bare/run.sh .ci/run` tries CI there
#
# Needs root, debootstrap, git, iproute2 and iptables. DOCKUP_BARE_BASE: where the bootstrapped base is kept for the next run
# (default: a cache folder in /var/tmp); it may be another system's, such as Ubuntu 24.04's, made by
# `debootstrap --variant=minbase --components=main,universe noble FOLDER http://archive.ubuntu.com/ubuntu`.
# DOCKUP_BARE_KEEP=1 leaves the machine's folder there and says where it is.
set -euo pipefail

checkout=$(git -C "$(dirname "$(readlink -f "$0")")" rev-parse --show-toplevel)
base=${DOCKUP_BARE_BASE:-/var/tmp/dockup-bare-base}
root=
source "$checkout/tests/bare/network.sh"
say() { printf '%s\n' "bare: $*" >&2; }

cleanup() {
    set +e
    disconnect
    if [[ -n ${DOCKUP_BARE_KEEP:-} ]]; then say "kept $root"; elif [[ -n $root ]]; then rm -rf --one-file-system "$root"; fi
}

bootstrap() {
    [[ -e $base/etc/debian_version && ! -e $base/debootstrap ]] && return
    say "bootstrapping a minimal Debian (once)"
    debootstrap --variant=minbase bookworm "$base" >&2
}

# A copy of the base and a clean clone of what is committed; the resolver and the CAs that this machine trusts go along.
make_machine() {
    root=$(mktemp -d /var/tmp/dockup-bare.XXXXXX)
    chmod 755 "$root"
    cp -a --reflink=auto "$base/." "$root/"
    cp -L /etc/resolv.conf "$root/etc/resolv.conf"
    [[ -s $root/etc/hosts ]] || printf '%s\n' '127.0.0.1 localhost' '::1 localhost ip6-localhost' >"$root/etc/hosts" # an installer writes it
    mkdir -p "$root/usr/local/share/ca-certificates"
    cp /usr/local/share/ca-certificates/*.crt "$root/usr/local/share/ca-certificates/" 2>/dev/null || true
    git clone --quiet --no-hardlinks "$checkout" "$root/opt/dockup"
}

# Everything inside ends with the first process of its pid namespace; the mounts end with its mount namespace.
enter() {
    local settings=(
        HOME=/root TERM=dumb LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
    )
    [[ -z ${SSL_CERT_FILE:-} ]] || settings+=(SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt)
    local proxy
    for proxy in HTTP_PROXY HTTPS_PROXY NO_PROXY; do
        [[ -z ${!proxy:-} ]] || settings+=("$proxy=${!proxy}")
    done
    nsenter --net="/run/netns/$name" unshare --mount --propagation private --pid --fork --kill-child \
        sh -euc '
            root=$1; shift
            mount --bind "$root" "$root" # pivot_root and the engine want a mount point
            mount -t proc proc "$root/proc"
            mount -t sysfs sysfs "$root/sys" # of this network namespace
            mount --rbind /sys/fs/cgroup "$root/sys/fs/cgroup"
            mount --rbind /dev "$root/dev"
            mount -t tmpfs -o mode=755 tmpfs "$root/run"
            mkdir "$root/run/lock"
            mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
            # Not chroot alone: a container would begin at the root of this namespace, which would still be that of the other machine.
            mkdir "$root/.old"
            cd "$root"
            pivot_root . .old
            exec chroot . sh -euc "umount -l /.old; rmdir /.old; exec env -i \"\$@\"" sh "$@"
        ' sh "$root" "${settings[@]}" sh -euc 'cd /opt/dockup; exec "$@"' sh "$@"
}

trap cleanup EXIT
bootstrap
make_machine
connect
say "a bare machine in $root"
if (($#)); then enter "$@"; else enter tests/bare/inside.sh; fi
