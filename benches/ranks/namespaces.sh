#!/usr/bin/env bash
# Two hosts on one machine: two network namespaces with names of their own, joined by a virtual cable, over which mpirun
# starts two ranks each and carries everything by TCP. Needs root, iproute2 and the program that tests/mpi/run.sh builds:
#
#     benches/ranks/namespaces.sh RECIPE OUT [RATE]        (RATE of the cable, such as 1gbit)
set -euo pipefail
cd "$(dirname "$0")/../.."
program=$PWD/target/mpi/release/wdistill
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
work=$(mktemp -d)
end() {
    ip netns delete wd-one || true
    ip netns delete wd-two || true
    rm -rf "$work"
}
trap end EXIT
ip netns add wd-one
ip netns add wd-two
ip link add cable-one netns wd-one type veth peer name cable-two netns wd-two
for side in one:1 two:2; do
    name=${side%:*} number=${side#*:}
    ip -n "wd-$name" address add "10.77.0.$number/24" dev "cable-$name"
    ip -n "wd-$name" link set "cable-$name" up
    ip -n "wd-$name" link set lo up
    if [ -n "${3:-}" ]; then
        tc -n "wd-$name" qdisc add dev "cable-$name" root tbf rate "$3" burst 1mb latency 50ms
    fi
done
# What ssh would do: run a command on a host.
cat > "$work/shell" <<'EOF'
#!/usr/bin/env bash
host=$1
shift
case $host in 10.77.0.1) name=wd-one ;; 10.77.0.2) name=wd-two ;; esac
exec ip netns exec "$name" unshare --uts bash -c "hostname $name; $*"
EOF
chmod +x "$work/shell"
ip netns exec wd-one unshare --uts bash -c "hostname wd-one; exec mpirun --mca plm_rsh_agent $work/shell \
    --mca btl tcp,self --mca btl_tcp_if_include 10.77.0.0/24 --mca oob_tcp_if_include 10.77.0.0/24 \
    --host 10.77.0.1:2,10.77.0.2:2 --bind-to none -np 4 \
    bash -c 'echo \"rank \$OMPI_COMM_WORLD_RANK on \$(hostname)\" >&2; exec $program run $1 --out $2 --threads 1 --force --quiet'"
for name in one two; do
    ip -n "wd-$name" -s -s link show "cable-$name" | sed -n '/RX:/{n;p;q}' | awk -v name="$name" '{ print "bytes received by wd-" name ": " $1 }'
done
