#!/usr/bin/env bash
# Search of Regard, greedy or with `--beam W`, beside CTranslate2 (one thread each) and Hugging Face's generate (two threads), for batches of 1
# and 32: run in turn, and the ratio is that of the medians.
#
#     PYTHON=/tmp/peers/bin/python scripts/bench/compare_decode.sh [ROUNDS] [shape flags of `regard bench decode`]
#
# Needs a release build of the program and a Python with ctranslate2, torch and transformers. ROUNDS defaults to 7.
set -euo pipefail
cd "$(dirname "$0")/../.."

rounds=7
if [[ ${1:-} =~ ^[0-9]+$ ]]; then
    rounds=$1
    shift
fi
program=${CARGO_TARGET_DIR:-target}/release/regard
python=${PYTHON:-python3}
results=$(mktemp)
trap 'rm -f "$results"' EXIT
for batch in 1 32; do
    shape=(--source-length 24 --target-length 32 --batch "$batch" --json "$@")
    for ((round = 1; round <= rounds; round++)); do
        printf 'batch %d, round %d of %d\n' "$batch" "$round" "$rounds" >&2
        {
            "$program" bench decode --threads 1 "${shape[@]}"
            "$python" scripts/bench/decode_ctranslate2.py --threads 1 "${shape[@]}"
            "$python" scripts/bench/decode_transformers.py --threads 2 "${shape[@]}"
        } | sed "s/^{/{\"batch\": $batch, /" >> "$results"
    done
done

"$python" - "$results" "$("$program" --version)" << 'SUMMARY'
import json
import statistics
import sys

lines = [json.loads(line) for line in open(sys.argv[1])]
for batch in sorted({line["batch"] for line in lines}):
    medians = []
    for side in range(3):
        runs = [line for line in lines if line["batch"] == batch][side::3]
        speeds = sorted(run["target_tokens_per_second"] for run in runs)
        medians.append(statistics.median(speeds))
        memory = statistics.median(run["peak_memory_mib"] for run in runs)
        print(f"batch {batch}, {runs[0].get('version', sys.argv[2])}: {medians[side]:.0f} tokens/s "
              f"({speeds[0]:.0f} to {speeds[-1]:.0f}), {memory:.0f} MiB; ratio of medians {medians[0] / medians[side]:.3f}")
SUMMARY
