#!/usr/bin/env bash
# Everything that must hold before a change is pushed, cheap things first. Needs Rust and a C compiler, nothing else.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n== %s\n' "$*"; }
fail() { printf 'check failed: %s\n' "$*" >&2; exit 1; }

step "format"
cargo fmt --all --check

step "lines between the crates"
# Normal dependencies of a crate, one a line.
dependencies() { cargo tree --locked --package "$1" --edges normal --prefix none --format '{p}' | cut -d' ' -f1 | sort -u; }
forbid() {
    local crate=$1 all found
    shift
    all=$(dependencies "$crate")
    [ -n "$all" ] || fail "no dependencies of $crate were listed"
    found=$(grep -vx "$crate" <<< "$all" | grep -E "^($(IFS='|'; echo "$*"))\$" || true)
    [ -z "$found" ] || fail "$crate must not depend on: $found"
}
forbid regard-text burn 'burn-.*' 'regard-(kernels|nn|decode|train|eval)'
forbid regard-eval burn 'burn-.*' 'regard-.+'
forbid regard-kernels clap burn-optim burn-train 'regard-(nn|text|eval|decode|train)'
forbid regard-nn clap burn-optim burn-train 'regard-(text|eval|decode|train)'
forbid regard-decode clap burn-optim burn-train regard-train
forbid regard-train clap burn-optim burn-train
for root in crates/*/src/lib.rs crates/regard/src/main.rs; do
    case $root in crates/regard-kernels/*) continue ;; esac
    grep -q '^#!\[forbid(unsafe_code)\]' "$root" || fail "$root does not forbid unsafe code"
done

step "clippy"
cargo clippy --locked --workspace --all-targets -- -D warnings

step "a library without a backend"
cargo check --locked --package regard-nn

step "tests"
cargo test --locked --release --workspace

# The tests built them; each asserts that it learned.
for example in crates/regard-nn/examples/*; do
    name=$(basename "$example" .rs)
    printf '%s: ' "$name"
    "${CARGO_TARGET_DIR:-target}/release/examples/$name" | tail -n 1
done

step "benchmarks run"
cargo bench --locked --workspace --bench attention -- --max-length 256

step "documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --document-private-items

step "the quick start of the README"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
regard() { cargo run --quiet --locked --release -- "$@"; }
regard check configs/toy-transformer.toml
regard train configs/toy-transformer.toml --run "$work/run"
awk -F'\t' '{ if (split($1, words, " ") <= 15) print }' data/toy-en-fr/test.tsv > "$work/short.tsv"
regard evaluate "$work/run" --tsv "$work/short.tsv" --min-bleu 95
tail -n 1 "$work/run/timing.jsonl"
tail -n 1 "$work/run/timing.jsonl" | grep -oE '"peak_memory_mib":[0-9.]+' | cut -d: -f2 |
    awk '{ exit !($1 < 1536) }' || fail "training took 1.5 GiB or more"
regard evaluate "$work/run" --tsv "$work/short.tsv" --json |
    grep -oE '"exact_match":[0-9.]+' | cut -d: -f2 |
    awk '{ print "exact match " $1 " %, 90 asked for"; exit !($1 >= 90) }' || fail "exact match below 90 %"
printf 'first line of a translation: '
time (echo "the old black tree falls ." | "${CARGO_TARGET_DIR:-target}/release/regard" translate "$work/run")
regard inspect "$work/run"
regard attend "$work/run" "the black cow that the children see left ."

printf '\nall checks passed\n'
