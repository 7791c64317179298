#!/usr/bin/env bash
# Kills a run N times at random instants, a checkpoint in the making among them, and resumes it each time; it must end with
# the parameters, the optimiser's state and the log of a run that was never stopped.
#
#     scripts/soak.sh [N=50] [SEED=1]
set -euo pipefail
cd "$(dirname "$0")/.."
kills=${1:-50}
RANDOM=${2:-1}
cargo build --quiet --locked --release
regard=$PWD/${CARGO_TARGET_DIR:-target}/release/regard
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

cat > soak.toml << 'CONFIG'
[data]
generate = { task = "copy", pairs = 2000, seed = 1, max_length = 12 }
batch_tokens = 256

[tokenizer]
kind = "bpe"
vocabulary = 60
dropout = 0.1

[model]
kind = "transformer"
d_model = 32
n_heads = 2
d_ff = 64
encoder_layers = 1
decoder_layers = 1
dropout = 0.2

[train]
steps = 9000
warmup = 50
accumulate = 2
ema = 0.99
r_drop = 1.0
log_every = 7
validate_every = 100
checkpoint_every = 11
keep = 2
CONFIG

train=("$regard" train soak.toml --threads 2 --quiet --run)

"${train[@]}" whole > /dev/null
killed=0
while [ "$killed" -lt "$kills" ]; do
    resume=''
    [ -e parts/config.toml ] && resume=--resume
    "${train[@]}" parts $resume > /dev/null 2>&1 &
    process=$!
    # Up to two seconds: now while it reads its corpus, now while it trains, now while it writes.
    sleep "$((RANDOM % 2)).$(printf '%03d' $((RANDOM % 1000)))"
    if ! kill -9 "$process" 2> /dev/null; then
        echo "the run ended after $killed kills; raise its steps" >&2
        exit 1
    fi
    wait "$process" 2> /dev/null || true
    killed=$((killed + 1))
done
"${train[@]}" parts --resume > /dev/null

last=checkpoints/step-009000
for file in log.jsonl validation.jsonl "$last"/{model,optimizer,ema}.safetensors checkpoints/{best,last}; do
    cmp "whole/$file" "parts/$file"
done
echo "$kills kills: parameters, moments, moving average and logs are those of the undisturbed run"
