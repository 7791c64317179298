#!/usr/bin/env bash
# Training step of Regard beside PyTorch eager: both are run in turn, and the ratio is that of the medians.
#
#     PYTHON=/tmp/parity/bin/python scripts/bench/compare.sh [PAIRS] [shape flags of `regard bench train`]
#
# Needs a release build of the program and a Python with torch (scripts/parity/requirements.txt). PAIRS defaults to 7.
set -euo pipefail
cd "$(dirname "$0")/../.."

pairs=7
if [[ ${1:-} =~ ^[0-9]+$ ]]; then
    pairs=$1
    shift
fi
program=${CARGO_TARGET_DIR:-target}/release/regard
results=$(mktemp)
trap 'rm -f "$results"' EXIT
for ((pair = 1; pair <= pairs; pair++)); do
    printf 'pair %d of %d\n' "$pair" "$pairs" >&2
    "$program" bench train --threads 2 --json "$@" >> "$results"
    "${PYTHON:-python3}" scripts/bench/train.py --threads 2 --json "$@" >> "$results"
done

"${PYTHON:-python3}" - "$results" << 'SUMMARY'
import json
import statistics
import sys

lines = [json.loads(line) for line in open(sys.argv[1])]
sides = {"regard": lines[0::2], "PyTorch": lines[1::2]}
median = {}
for name, runs in sides.items():
    seconds = sorted(run["seconds_per_step"] for run in runs)
    median[name] = statistics.median(seconds)
    memory = statistics.median(run["peak_memory_mib"] for run in runs)
    print(f"{name}: {median[name]:.4f} s a step ({seconds[0]:.4f} to {seconds[-1]:.4f}), {memory:.0f} MiB, "
          f"{runs[0]['parameters']} parameters")
print(f"ratio of medians: {median['regard'] / median['PyTorch']:.3f}")
SUMMARY
