#!/usr/bin/env bash
# The sum of 60 million numbers over 2 and 4 ranks of one machine against MPI_Allreduce, and over TCP of its loopback:
#
#     benches/ranks/sums.sh [MILLIONS] [ROUNDS]
set -euo pipefail
cd "$(dirname "$0")/../.."
cargo build --release --package wdistill-train --features mpi --example rank_sums --target-dir target/mpi
for transport in vader tcp; do
    for ranks in 2 4; do
        echo "$transport:"
        mpirun --oversubscribe --mca btl "$transport,self" -x RAYON_NUM_THREADS=1 -np "$ranks" \
            target/mpi/release/examples/rank_sums "${1:-60}" "${2:-5}"
    done
done
