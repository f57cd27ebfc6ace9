#!/usr/bin/env bash
# The commands and seeds that made the models in npuq/weights.
#
#     bench/train_weights.sh PHOTOGRAPHS RUNS
#
# PHOTOGRAPHS is a folder of images, RUNS a folder for the runs. A run that was stopped goes on where
# it was; one that is finished only writes its model again. On two cores a run of the linear model
# takes 4 to 5 minutes; one of the hyperprior model, 1,500 to 2,000 steps, some 15 on one core.
# Qualities 2, 4 and 5 were trained by an earlier version of the kernels, which rounds differently:
# training them again gives models that are as good, but others.
set -euo pipefail
photographs=$1 runs=$2
weights=$(dirname "$0")/../npuq/weights
mkdir -p "$runs"

# quality:lambda, where lambda is the paper's 0.1 * 2^i, i = -6 ... 1
for quality_and_lambda in 1:0.0015625 2:0.003125 3:0.00625 4:0.0125 5:0.025 6:0.05 7:0.1 8:0.2; do
    quality=${quality_and_lambda%%:*} lambda=${quality_and_lambda##*:}
    for kind in un sr; do
        run=$runs/$kind-$quality
        resume=()
        if [[ -e $run/checkpoint.npz ]]; then resume=(--resume); fi
        npuq train "$photographs" "$run" --preset "fast-$kind" --lmbda "$lambda" --seed 1 \
            --checkpoint-every 2000 --name "linear-$kind-$quality" ${resume[@]+"${resume[@]}"}
        cp "$run/model.npz" "$weights/linear-$kind-$quality.npz"
    done
done

# The hyperprior model, small: quality 4 first, then from each to the next lower quality.
hyperprior() {
    local kind=$1 quality=$2 part=$3 lambda=$4 steps=$5
    shift 5
    local run=$runs/hyperprior-$kind-$quality$part resume=()
    if [[ -e $run/checkpoint.npz ]]; then resume=(--resume); fi
    npuq train "$photographs" "$run" --preset "fast-hyperprior-$kind" --lmbda "$lambda" \
        --steps "$steps" --validation-crop 256 --checkpoint-every 250 \
        --name "hyperprior-$kind-$quality" "$@" ${resume[@]+"${resume[@]}"}
    cp "$run/model.npz" "$weights/hyperprior-$kind-$quality.npz"
}
for kind in un sr; do
    soft=() softer=()
    if [[ $kind == sr ]]; then soft=(--alpha-start 4) softer=(--alpha-start 8); fi
    from=$runs/hyperprior-$kind
    hyperprior "$kind" 4 "" 0.0125 2000 --seed 1
    hyperprior "$kind" 2 "" 0.003125 1500 --seed 1 --init-model "$from-4/model.npz" \
        ${soft[@]+"${soft[@]}"}
    hyperprior "$kind" 1 "" 0.0015625 1500 --seed 1 --init-model "$from-2/model.npz" \
        ${soft[@]+"${soft[@]}"}
    hyperprior "$kind" 1 b 0.0015625 1000 --seed 2 --init-model "$from-1/model.npz" \
        ${softer[@]+"${softer[@]}"}
done
