#!/usr/bin/env bash
# Training step of Regard, with padding computed and with padding skipped, beside PyTorch eager, which computes it: all three
# are run in turn, and ratios are those of the medians. Regard's recurrences never step through padding; with `--model bahdanau`,
# "computed" means the maps around them alone.
#
#     PYTHON=/tmp/parity/bin/python scripts/bench/compare.sh [TURNS] [--model bahdanau] [shape flags of `regard bench train`]
#
# Needs a release build of the program and a Python with torch (scripts/parity/requirements.txt). TURNS defaults to 7.
set -euo pipefail
cd "$(dirname "$0")/../.."

turns=7
if [[ ${1:-} =~ ^[0-9]+$ ]]; then
    turns=$1
    shift
fi
program=${CARGO_TARGET_DIR:-target}/release/regard
results=$(mktemp)
trap 'rm -f "$results"' EXIT
for ((turn = 1; turn <= turns; turn++)); do
    printf 'turn %d of %d\n' "$turn" "$turns" >&2
    for padding in computed skipped; do
        "$program" bench train --threads 2 --json --padding "$padding" "$@" >> "$results"
    done
    "${PYTHON:-python3}" scripts/bench/train.py --threads 2 --json "$@" >> "$results"
done

"${PYTHON:-python3}" - "$results" << 'SUMMARY'
import json
import statistics
import sys

lines = [json.loads(line) for line in open(sys.argv[1])]
names = ["regard, padding computed", "regard, padding skipped", "PyTorch"]
sides = {name: lines[i :: len(names)] for i, name in enumerate(names)}
median = {}
for name, runs in sides.items():
    seconds = sorted(run["seconds_per_step"] for run in runs)
    median[name] = statistics.median(seconds)
    memory = statistics.median(run["peak_memory_mib"] for run in runs)
    print(f"{name}: {median[name]:.4f} s a step ({seconds[0]:.4f} to {seconds[-1]:.4f}), {memory:.0f} MiB, "
          f"{runs[0]['parameters']} parameters")
for name in names[:2]:
    print(f"{name}: {median[name] / median['PyTorch']:.3f} of PyTorch's median")
SUMMARY
