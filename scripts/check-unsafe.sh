#!/usr/bin/env bash
# The tests of regard-kernels, which holds all `unsafe` code, under AddressSanitizer: reads and writes outside of memory that
# is allocated, and memory used after it was freed, end the run. A nightly option of the compiler, hence RUSTC_BOOTSTRAP.
set -euo pipefail
cd "$(dirname "$0")/.."

target=$(rustc -vV | sed -n 's/^host: //p')
# Leaks are not looked for: the threads of the pool live as long as the process.
export RUSTC_BOOTSTRAP=1 ASAN_OPTIONS=detect_leaks=0
export RUSTFLAGS="-Zsanitizer=address" CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/address-sanitizer"
cargo test --locked --release --package regard-kernels --lib --target "$target" "$@"
