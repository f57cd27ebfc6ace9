#!/usr/bin/env bash
# Linear models with the quantizers of Sec. 2 in training, and the paper's own on the same budget.
#
#     bench/paper/train_older_quantizers.sh PHOTOGRAPHS RUNS [QUALITY ...]
#
# The quality is 4 (lambda 0.0125) unless others are given. `python bench/paper/older_quantizers.py
# KODAK RUNS` measures what comes out. A run that was stopped goes on where it was; one that is
# finished stays as it is.
set -euo pipefail
photographs=$1 runs=$2
shift 2
qualities=("$@")
if [[ $# == 0 ]]; then qualities=(4); fi
mkdir -p "$runs"

run() {
    local run=$runs/$1
    shift
    local resume=()
    if [[ -e $run/model.npz ]]; then return; fi
    if [[ -e $run/checkpoint.npz ]]; then resume=(--resume); fi
    npuq train "$photographs" "$run" --preset fast-un --steps 5000 --seed 1 "$@" \
        ${resume[@]+"${resume[@]}"}
}

soft=(--alpha-start 1 --alpha-end 16)
for quality in "${qualities[@]}"; do
    lambda=$(python3 -c "print(0.1 * 2 ** ($quality - 7))")
    run "un-$quality" --lmbda "$lambda"
    run "sr-$quality" --lmbda "$lambda" "${soft[@]}"
    run "annealed-$quality" --lmbda "$lambda" --quantizer annealed "${soft[@]}"
    for quantizer in straight-through stochastic shared-shift shared-noise; do
        run "$quantizer-$quality" --lmbda "$lambda" --quantizer "$quantizer"
    done
done
