#!/usr/bin/env bash
# Holds backends beside the default to the laws and to PyTorch's numbers, moves checkpoints between them, trains `copy` and
# translates. Without an argument that is `ndarray`; `wgpu` takes half an hour where a software driver stands in for a GPU, which
# is then installed and needs root once.
#
#     scripts/check-backends.sh [ndarray] [wgpu]
set -euo pipefail
cd "$(dirname "$0")/.."

backends=("${@:-ndarray}")
# A set of features of its own: what was built for the default is not built again.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/backends
step() { printf '\n== %s\n' "$*"; }
has() { [[ " ${backends[*]} " == *" $1 "* ]]; }

if has wgpu && ! compgen -G '/dev/dri/renderD*' > /dev/null; then
    step "software Vulkan"
    scripts/software-vulkan.sh
    export VK_DRIVER_FILES=/usr/share/vulkan/icd.d/lvp_icd.json
    export VK_ICD_FILENAMES=$VK_DRIVER_FILES
fi
export XDG_RUNTIME_DIR=${XDG_RUNTIME_DIR:-$(mktemp -d)}

step "build with ${backends[*]}"
features=$(IFS=,; echo "flex,${backends[*]}")
checked() { cargo test --locked --release --workspace --no-default-features --features "$features" "$@"; }
checked --no-run
program=$CARGO_TARGET_DIR/release/regard
"$program" devices

step "checkpoints between backends"
checked --test program backends::

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for backend in "${backends[@]}"; do
    if [ "$backend" = wgpu ]; then
        # Every kernel is compiled for seconds: a few laws of whole models, and updates.
        step "laws of transformers and updates on wgpu"
        REGARD_DEVICE=$backend checked --test nn transformer::
        REGARD_DEVICE=$backend checked --test train update::
        copy=(--set train.steps=20 --set train.validate_every=20)
    else
        step "laws and PyTorch's numbers on $backend"
        REGARD_DEVICE=$backend checked --lib --test nn --test decode --test train
        copy=()
    fi
    step "copy on $backend"
    "$program" train configs/copy.toml --run "$work/$backend" --device "$backend" "${copy[@]}"
    echo "c d b a" | "$program" translate "$work/$backend" --device "$backend"
done

printf '\nall backends passed: %s\n' "${backends[*]}"
