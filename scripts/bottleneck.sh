#!/usr/bin/env bash
# Trains the four toy models into OUT/toy-bottleneck, OUT/toy-bahdanau, OUT/toy-luong and OUT/toy-transformer, and compares them by
# the length of their sources: OUT/compare.json, OUT/compare.html. A run that was stopped goes on.
set -euo pipefail
if [ $# -ne 1 ]; then
    echo "usage: scripts/bottleneck.sh OUT" >&2
    exit 2
fi
# A model whose training was interrupted is not to be compared.
trap 'exit 130' INT TERM
mkdir -p "$1"
out=$(cd "$1" && pwd)
cd "$(dirname "$0")/.."

regard() { cargo run --quiet --locked --release -- "$@"; }

runs=()
for kind in bottleneck bahdanau luong transformer; do
    run=$out/toy-$kind
    resume=''
    [ -e "$run/config.toml" ] && resume=--resume
    regard train "configs/toy-$kind.toml" --run "$run" $resume
    runs+=("$run")
done
regard compare "${runs[@]}" --tsv data/toy-en-fr/test.tsv --edges 3,7,11,16,26,41 \
    --html "$out/compare.html" --json > "$out/compare.json.new"
mv "$out/compare.json.new" "$out/compare.json"
grep -oE '"finding":"[^"]*"' "$out/compare.json"
echo "written: $out/compare.json, $out/compare.html"
