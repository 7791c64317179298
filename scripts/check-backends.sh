#!/usr/bin/env bash
# Holds backends beside the default to the laws and to PyTorch's numbers, moves checkpoints between them, trains `copy` and
# translates. Without an argument that is `ndarray` and `wgpu`. Where there is no GPU, a software driver stands in for it, which is then
# installed and needs root once; it compiles every kernel for a second or so, and is given a part of the laws.
#
#     scripts/check-backends.sh [ndarray] [wgpu]
set -euo pipefail
cd "$(dirname "$0")/.."

[ $# -gt 0 ] || set -- ndarray wgpu
backends=("$@")
# A set of features of its own: what was built for the default is not built again.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/backends
step() { printf '\n== %s\n' "$*"; }
has() { [[ " ${backends[*]} " == *" $1 "* ]]; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export XDG_RUNTIME_DIR=${XDG_RUNTIME_DIR:-$work}
software=
if has wgpu && ! compgen -G '/dev/dri/renderD*' > /dev/null; then
    software=yes
    step "software Vulkan"
    scripts/software-vulkan.sh
    export VK_DRIVER_FILES=/usr/share/vulkan/icd.d/lvp_icd.json
    export VK_ICD_FILENAMES=$VK_DRIVER_FILES
    # Most of the time goes to compiling kernels that are used once: without optimisation and for vectors of 128 bits that takes
    # 26 seconds of the processor for a first update, and 64 with what Mesa does by default. What was compiled serves all that follows.
    export GALLIVM_PERF=nopt LP_NATIVE_VECTOR_WIDTH=128 MESA_SHADER_CACHE_DIR=$work/kernels
fi

step "build with ${backends[*]}"
features=$(IFS=,; echo "flex,${backends[*]}")
checked() { cargo test --locked --release --workspace --no-default-features --features "$features" "$@"; }
checked --no-run
program=$CARGO_TARGET_DIR/release/regard
"$program" devices

step "checkpoints between backends"
checked --test program backends::

for backend in "${backends[@]}"; do
    copy=()
    if [ "$backend" = wgpu ] && [ -n "$software" ]; then
        step "operations, whole models, search and updates on wgpu"
        REGARD_DEVICE=$backend checked --lib -- --skip flex::
        # One law of transformers takes five minutes, and so does a rule that learns hundreds of updates.
        REGARD_DEVICE=$backend checked --test nn -- transformer:: --skip computing_again
        REGARD_DEVICE=$backend checked --test decode -- search:: beam:: scoring::
        REGARD_DEVICE=$backend checked --test train -- update:: optimizers:: run:: groups:: --skip every_rule_learns
        # Up to five letters and one small layer a side: an update of the configuration as it is takes such a driver seconds.
        for setting in data.{generate.max_length=5,batch_tokens=256} \
            model.{d_model=32,d_ff=64,n_heads=2,encoder_layers=1,decoder_layers=1} \
            train.{learning_rate=0.01,warmup=20,steps=250,horizon=250,log_every=25}; do
            copy+=(--set "$setting")
        done
    else
        step "laws and PyTorch's numbers on $backend"
        REGARD_DEVICE=$backend checked --lib --test nn --test decode --test train
        copy+=(--set train.steps=750)
    fi
    step "copy on $backend"
    "$program" train configs/copy.toml --run "$work/$backend" --device "$backend" "${copy[@]}"
    said=$(echo "c d b a" | "$program" translate "$work/$backend" --device "$backend")
    [ "$said" = "c d b a" ] || { echo "$backend copies \`c d b a\` as \`$said\`" >&2; exit 1; }
done

printf '\nall backends passed: %s\n' "${backends[*]}"
