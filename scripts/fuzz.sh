#!/usr/bin/env bash
# Reads dirty corpora and damaged caches, a million of each by default. Usage: scripts/fuzz.sh [CASES [FIRST]]
set -euo pipefail
cd "$(dirname "$0")/.."
export REGARD_FUZZ_CASES=${1:-1000000} REGARD_FUZZ_FIRST=${2:-0}
time cargo test --locked --release --package regard-text --test text fuzz -- --nocapture
