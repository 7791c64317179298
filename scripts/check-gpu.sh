#!/usr/bin/env bash
# What a GPU is asked to show, by a program that was built for it, wherever that was: what it is, `copy` learned in f32 and in bf16, a
# run that is resumed, a checkpoint that moves to the processor, and the speed of a transformer base. Where there is a Python with
# PyTorch for the same card, its speed comes beside it, eager and compiled.
#
#     [PYTHON=python3] scripts/check-gpu.sh PROGRAM [DEVICE]           DEVICE defaults to cuda
#
# Prints a table of figures at the end. The program must have been built with the features of DEVICE and `flex`.
set -euo pipefail
cd "$(dirname "$0")/.."

program=${1:?which program}
device=${2:-cuda}
# To try the script itself: STEPS=60 LEAST=0 TINY=1.
steps=${STEPS:-1500}
least=${LEAST:-99}
shape=(--layers 6 --d-model 512 --d-ff 2048 --n-heads 8 --vocabulary 32000 --batch 400 --source-length 64 --target-length 64 --steps 20)
[ -z "${TINY:-}" ] || shape=(--layers 1 --d-model 16 --d-ff 32 --n-heads 2 --vocabulary 100 --batch 4 --source-length 8 --target-length 8 --steps 2)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
step() { printf '\n== %s\n' "$*"; }
failed=()
show() { # NAME COMMAND...: goes on after a failure, and remembers it
    local name=$1
    shift
    step "$name"
    "$@" || failed+=("$name")
}

"$program" devices
[ "$device" != cuda ] || nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv || true

"$program" data copy --out "$work/copy" --pairs 400 --seed 9 > /dev/null
exact() { # RUN DEVICE
    "$program" evaluate "$1" --tsv "$work/copy/test.tsv" --device "$2" --json | grep -oE '"exact_match":[0-9.]+' | cut -d: -f2
}
learn() { # NAME SETTINGS...
    local name=$1
    shift
    time "$program" train configs/copy.toml --run "$work/$name" --device "$device" --set train.steps="$steps" "$@"
    local here there
    here=$(exact "$work/$name" "$device")
    there=$(exact "$work/$name" flex)
    printf '%s: %s %% exact on %s, %s %% on flex, %s asked for\n' "$name" "$here" "$device" "$there" "$least" | tee -a "$work/figures"
    awk -v here="$here" -v there="$there" -v least="$least" 'BEGIN { exit !(here >= least && there >= least) }'
}
has_bf16=$("$program" devices | grep -E "^ *$device" | grep -c bf16 || true)
show "copy, f32" learn f32
[ "$has_bf16" = 0 ] || show "copy, bf16" learn bf16 --set train.precision=bf16

resumed() {
    local half=$((steps / 2))
    "$program" train configs/copy.toml --run "$work/resumed" --device "$device" --set train.steps="$half"
    "$program" train configs/copy.toml --run "$work/resumed" --device "$device" --resume --set train.steps="$steps"
    printf 'last loss, in one go and resumed on %s: ' "$device" | tee -a "$work/figures"
    for run in f32 resumed; do
        tail -n 1 "$work/$run/log.jsonl" | grep -oE '"nats":[0-9.e-]+' | cut -d: -f2
    done | paste -sd' ' | tee -a "$work/figures"
}
show "resume" resumed
moved() {
    "$program" train configs/copy.toml --run "$work/resumed" --device flex --resume --set train.steps=$((steps + 20))
}
show "resume on flex" moved

speed() { # NAME COMMAND...
    local name=$1
    shift
    printf '%s: ' "$name" | tee -a "$work/figures"
    "$@" --json "${shape[@]}" | tee -a "$work/figures"
}
precisions=(f32)
[ "$has_bf16" = 0 ] || precisions+=(bf16)
for precision in "${precisions[@]}"; do
    show "speed, $precision" speed "regard $precision" "$program" bench train --device "$device" --precision "$precision"
    if "${PYTHON:-python3}" -c 'import torch; assert torch.cuda.is_available()' 2> /dev/null; then
        peer=("${PYTHON:-python3}" scripts/bench/train.py --device cuda --precision "$precision")
        show "speed of PyTorch, $precision" speed "PyTorch eager $precision" "${peer[@]}"
        show "speed of PyTorch, compiled, $precision" speed "torch.compile $precision" "${peer[@]}" --compile
    fi
done

step "figures"
cat "$work/figures"
[ "${#failed[@]}" = 0 ] || { printf 'failed: %s\n' "${failed[@]}" >&2; exit 1; }
printf '\nall checks of %s passed\n' "$device"
