#!/usr/bin/env bash
# Corpus BLEU and chrF of 5,000 lines: ours beside sacreBLEU's in Python, one thread each, on the same lines.
# Usage: PYTHON=/tmp/parity/bin/python scripts/bench/metrics.sh [LINES]     exit 1 below 10 times faster
set -euo pipefail
cd "$(dirname "$0")/../.."

cargo build --quiet --locked --release --package regard-eval --example metrics
"${PYTHON:-python3}" scripts/bench/metrics.py "${CARGO_TARGET_DIR:-target}/release/examples/metrics" "${1:-5000}"
