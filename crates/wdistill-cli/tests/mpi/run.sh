#!/usr/bin/env bash
# Several programs work on one run: the same weights for 1, 2 and 4 of them, killed and resumed with another number, and
# refused where they cannot share the work; and pseudo data in parts, by the scripts of docs/cluster. What is missing is
# installed where Debian's packages and pip can be.
set -euo pipefail
cd "$(dirname "$0")/../../../.."
here=crates/wdistill-cli/tests/mpi
cluster=$PWD/docs/cluster

packages=()
command -v mpirun > /dev/null && command -v mpicc > /dev/null || packages+=(openmpi-bin libopenmpi-dev)
ls /usr/lib/llvm-*/lib/libclang*.so* > /dev/null 2>&1 || packages+=(libclang-dev)
command -v pgrep > /dev/null || packages+=(procps)
command -v xz > /dev/null || packages+=(xz-utils)
command -v sbatch > /dev/null || packages+=(slurm-client)
command -v python3 > /dev/null || packages+=(python3)
python3 -m venv --help > /dev/null 2>&1 || packages+=(python3-venv)
if [ "${#packages[@]}" -gt 0 ]; then
    command -v apt-get > /dev/null || { echo "mpi/run.sh: the test needs ${packages[*]}" >&2; exit 1; }
    apt-get update --quiet --quiet
    apt-get install --yes --quiet --quiet --no-install-recommends "${packages[@]}" > /dev/null
fi
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/plain" "$work/mpi"
cargo build --release --package wdistill-cli
cp target/release/wdistill "$work/plain"
# In the same folder, so that only what knows MPI is built again.
cargo build --release --package wdistill-cli --features mpi
cp target/release/wdistill "$work/mpi"
plain=$work/plain/wdistill
program=$work/mpi/wdistill

for name in train validation test; do
    lines=30
    if [ "$name" = train ]; then lines=2000; fi
    xz --decompress --stdout "crates/wdistill-demo/data/$name.tsv.xz" | sed --quiet "1,${lines}p" > "$work/$name.tsv"
    cut -f 1 "$work/$name.tsv" > "$work/$name.en"
    cut -f 2 "$work/$name.tsv" > "$work/$name.de"
done
cp "$here/tiny.toml" "$work/tiny.toml"

# A hash of all weights of a run: of the teacher, of the generator's student and of the student.
weights() {
    (cd "$1" && find . -path '*/model/model.safetensors' | sort | xargs sha256sum | sha256sum)
}

mpi() {
    local ranks=$1
    shift
    mpirun --oversubscribe --bind-to none -np "$ranks" "$@"
}

run() {
    local name=$1
    shift
    "$@" run "$work/tiny.toml" --out "$work/$name" --threads 1 --force --quiet > "$work/$name.table"
}

echo "alone, without MPI"
run alone "$plain"
expected=$(weights "$work/alone")
[ "$(find "$work/alone" -path '*/model/model.safetensors' | wc -l)" -eq 3 ]
for ranks in 1 2 4; do
    echo "$ranks ranks"
    run "ranks-$ranks" mpi "$ranks" "$program"
    [ "$(weights "$work/ranks-$ranks")" = "$expected" ]
done

# Kills the last of some ranks at once when a file is there, and says how long the others live on.
killed() {
    local name=$1 ranks=$2 file=$3
    run "$name" mpi "$ranks" "$program" 2> "$work/$name.log" &
    local job=$!
    until [ -e "$work/$name/$file" ]; do
        kill -0 "$job" || { cat "$work/$name.log"; exit 1; }
        sleep 0.02
    done
    local launcher since
    launcher=$(pgrep --parent "$job" --exact mpirun || echo "$job")
    kill -KILL "$(pgrep --parent "$launcher" --exact wdistill | tail -n 1)"
    since=$(date +%s%N)
    if wait "$job"; then
        echo "a run whose rank was killed ended well" >&2
        exit 1
    fi
    local passed=$((($(date +%s%N) - since) / 1000000))
    echo "$name: a rank of $ranks was killed, and all had ended after $passed ms"
    [ "$passed" -lt 5000 ]
}

killed teacher-killed 4 teacher/checkpoint.safetensors
run teacher-killed mpi 2 "$program"
[ "$(weights "$work/teacher-killed")" = "$expected" ]
killed generator-killed 4 wd/generator/checkpoint.safetensors
killed generator-killed 2 wd/student/checkpoint.safetensors
run generator-killed "$plain"
[ "$(weights "$work/generator-killed")" = "$expected" ]

echo "three ranks"
if run three mpi 3 "$program" 2> "$work/three.log"; then exit 1; fi
grep --quiet "teacher.training: 3 ranks cannot have shares = 4 evenly; 1, 2, 4 can" "$work/three.log"
[ "$(grep --count "^error:" "$work/three.log")" -eq 1 ]

echo "ranks that compute with other instructions"
if mpi 1 "$program" run "$work/tiny.toml" --out "$work/mixed" --quiet : \
    -x WDISTILL_INSTRUCTIONS=plain -np 1 "$program" run "$work/tiny.toml" --out "$work/mixed" --quiet \
    2> "$work/mixed.log"; then exit 1; fi
grep --quiet "^error: rank 1 on .*: it computes with plain instructions" "$work/mixed.log"
[ "$(grep --count "^error:" "$work/mixed.log")" -eq 1 ]

# The parts of a run's pseudo data, made by scripts for clusters. Shards have 10,000 lines; this text has three.
xz --decompress --stdout crates/wdistill-demo/data/train.tsv.xz | sed --quiet 1,25000p > "$work/train.tsv"
cut -f 1 "$work/train.tsv" > "$work/train.en"
cut -f 2 "$work/train.tsv" > "$work/train.de"
sed -i -e 's/^beam_size = 2/beam_size = 1/' -e 's/updates = [0-9]*/updates = 20/g' \
    -e 's/generator = { updates = 20/generator = { updates = 10/' "$work/tiny.toml"
export WDISTILL=$plain RECIPE=$work/tiny.toml

echo "a Slurm array"
"$plain" pseudo-data "$RECIPE" --out "$work/slurm" --part 3/3 --force --quiet
cat > "$work/slurm.conf" <<'EOF'
ClusterName=test
SlurmctldHost=localhost
AuthType=auth/none
EOF
for script in "$cluster"/*.sbatch; do
    # Without a controller sbatch reads the script, refuses what it does not know, and then finds nobody.
    SLURM_CONF=$work/slurm.conf timeout 60 sbatch "$script" 2> "$work/sbatch.log" && exit 1
    cat "$work/sbatch.log"
    grep --quiet --ignore-case "unrecognized option\|invalid" "$work/sbatch.log" && exit 1
    bash -n "$script"
done
for index in 0 1; do
    RUN=$work/slurm SLURM_ARRAY_TASK_ID=$index SLURM_ARRAY_TASK_MIN=0 SLURM_ARRAY_TASK_COUNT=3 SLURM_CPUS_PER_TASK=1 \
        bash "$cluster/pseudo-data.sbatch" 2> /dev/null &
done
wait
[ "$(find "$work/slurm/pseudo/shards" -name '*.json' | wc -l)" -eq 3 ]
# One is lost, and made again by whoever comes next: here two ranks.
rm "$work/slurm/pseudo/shards/00001.txt"
RUN=$work/slurm SLURM_CPUS_PER_TASK=1 SRUN="mpirun --oversubscribe --bind-to none -np 2" WDISTILL=$program \
    bash "$cluster/train.sbatch" --force > /dev/null 2> "$work/slurm.log" || { tail "$work/slurm.log"; exit 1; }

echo "Snakemake and Kubernetes"
python3 -m venv "$work/environment"
"$work/environment/bin/pip" install --quiet snakemake kubernetes-validate
# Parts of one run may come at the same time: the first prepares, the others wait.
"$work/environment/bin/snakemake" --snakefile "$cluster/Snakefile" --directory "$work" --cores 2 --quiet all --config \
    recipe="$RECIPE" run="$work/snakemake" parts=3 wdistill="$plain"
cmp "$work/slurm/pseudo/target.txt" "$work/snakemake/pseudo/target.txt"
"$work/environment/bin/kubernetes-validate" --strict "$cluster/pseudo-data.yaml"
# The command of the job, as its second pod would run it.
job=$("$work/environment/bin/python" -c 'import sys, yaml
container = yaml.safe_load(open(sys.argv[1]))["spec"]["template"]["spec"]["containers"][0]
print(container["command"][2])' "$cluster/pseudo-data.yaml")
mkdir "$work/bin" && ln -s "$plain" "$work/bin/wdistill"
cp "$RECIPE" "$work/recipe.toml"
(cd "$work" && PATH=$work/bin:$PATH JOB_COMPLETION_INDEX=1 bash -c "$job" 2> /dev/null)
[ -e "$work/runs/recipe/pseudo/shards/00001.txt" ] && [ ! -e "$work/runs/recipe/pseudo/shards/00000.txt" ]
echo "mpi/run.sh: all is well"
