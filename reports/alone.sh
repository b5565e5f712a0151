#!/bin/sh
# Run a command in network, process and mount namespaces of its own, where they are allowed: it meets no other Ray.
set -e
export RAY_TMPDIR=/tmp RAY_USAGE_STATS_ENABLED=0 RAY_raylet_start_wait_time_s=300 RAY_worker_niceness=0
alone="unshare --mount --pid --ipc --net --fork --kill-child --mount-proc"
if $alone ip link set lo up 2> /dev/null; then
  # Ray asks the routing table for its address: a cable that leads nowhere has one.
  exec $alone sh -ec '
    ip link set lo up; ip link add out type veth peer name nowhere
    ip addr add 10.78.0.1/24 dev out; ip link set out up; ip link set nowhere up
    ip route add default via 10.78.0.2
    mount -t tmpfs tmp /dev/shm; mkdir -p /tmp/ray; mount -t tmpfs ray /tmp/ray
    exec "$@"' sh "$@"
fi
exec "$@"
