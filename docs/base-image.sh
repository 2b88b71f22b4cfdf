#!/bin/sh
# A base image of this machine's own files, for a machine that reaches no registry and no mirror:
#
#   docs/base-image.sh NAME PATH… [LINK=TARGET…]
#
# Each path, a program or a folder, goes in with the libraries that it is linked to; busybox is the shell. Needs docker, and busybox-static.
set -eu

name=$1
shift
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir -m 1777 "$root/tmp"
mkdir -p "$root/bin" "$root/usr/bin"
cp "$(command -v busybox)" "$root/bin/busybox"
for applet in $(busybox --list); do
    [ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
done
ln -s ../../bin/busybox "$root/usr/bin/env"

for path; do
    case $path in
    *=*) mkdir -p "$root/${path%/*}" && ln -s "${path#*=}" "$root/${path%%=*}" ;;
    *)
        real=$(readlink -f "$path")
        tar -C / -c "${path#/}" "${real#/}" | tar -C "$root" -x
        ;;
    esac
done
# ldd says where each library is; the loader stands there without an arrow.
find "$root" -type f \( -perm -u+x -o -name '*.so*' \) -exec ldd {} + 2>/dev/null |
    awk '$2 == "=>" && $3 ~ /^\// {print $3} $1 ~ /^\// && $1 !~ /:$/ {print $1}' | sort -u |
    sed 's,^/,,' | tar -C / -c --dereference --files-from=- | tar -C "$root" -x

tar -C "$root" -c . | docker import --change 'ENV PATH=/usr/local/bin:/usr/bin:/bin' --change 'CMD ["/bin/sh"]' - "$name"
