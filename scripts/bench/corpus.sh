#!/usr/bin/env bash
# What a large corpus costs the host: cache, memory, time to the first batch after a restart.
# Usage: scripts/bench/corpus.sh [PAIRS [DIRECTORY]], by default ten million; some two gigabytes of disk.
set -euo pipefail
cd "$(dirname "$0")/../.."

pairs=${1:-10000000}
directory=${2:-$(mktemp -d)}
cargo build --quiet --locked --release --package regard-text --example corpus_speed
speed=${CARGO_TARGET_DIR:-target}/release/examples/corpus_speed

mkdir -p "$directory"
[ -e "$directory/pairs.tsv" ] || "$speed" generate "$pairs" "$directory/pairs.tsv"
rm -rf "$directory/cache" "$directory/tokenizer.json"
echo "== from nothing"
"$speed" measure "$directory/pairs.tsv" "$directory"
echo "== after a restart"
"$speed" measure "$directory/pairs.tsv" "$directory"
echo "== from nothing, without duplicates"
rm "$directory/tokenizer.json"
"$speed" filtered "$directory/pairs.tsv" "$directory"
