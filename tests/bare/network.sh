# Sourced: a network of its own for a bare machine, with a way out. `connect` makes it under $name, `disconnect` takes it away.
# shellcheck shell=bash

id=$((RANDOM % 200 + 20))
name=dkbare$id
outside=10.215.$id.1
inside=10.215.$id.2

connect() {
    ip netns add "$name"
    ip link add "$name" type veth peer name eth0 netns "$name"
    ip addr add "$outside/30" dev "$name"
    ip link set "$name" up
    ip -n "$name" addr add "$inside/30" dev eth0
    ip -n "$name" link set lo up
    ip -n "$name" link set eth0 up
    ip -n "$name" route add default via "$outside"
    sysctl -qw net.ipv4.ip_forward=1
    iptables -t nat -A POSTROUTING -s "$inside" -j MASQUERADE
    iptables -I FORWARD -i "$name" -j ACCEPT
    iptables -I FORWARD -o "$name" -j ACCEPT
}

disconnect() {
    ip netns del "$name" 2>/dev/null
    ip link del "$name" 2>/dev/null
    iptables -t nat -D POSTROUTING -s "$inside" -j MASQUERADE 2>/dev/null
    iptables -D FORWARD -i "$name" -j ACCEPT 2>/dev/null
    iptables -D FORWARD -o "$name" -j ACCEPT 2>/dev/null
}
