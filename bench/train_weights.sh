#!/usr/bin/env bash
# The commands and seeds that made the models in npuq/weights.
#
#     bench/train_weights.sh PHOTOGRAPHS RUNS
#
# PHOTOGRAPHS is a folder of images, RUNS a folder for the runs. A run that was stopped goes on where
# it was; one that is finished only writes its model again. On two cores a run of the linear model
# takes 4 to 5 minutes; one part of one of the hyperprior model, 350 to 4,400 steps, 2 to 25.
# Qualities 2, 4 and 5 of the linear model and all but the last part of the hyperprior model were
# trained by earlier versions of the kernels, which round differently: training them again gives
# models that are as good, but others.
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

# The hyperprior model, small: quality 4 first, then from each to the next lower quality, on crops of
# 128; from part c on, on crops of 256, without which whole pictures suffer (see README.md here).
hyperprior() {
    local kind=$1 quality=$2 part=$3 lambda=$4 steps=$5 seed=$6
    shift 6
    local run=$runs/hyperprior-$kind-$quality$part resume=()
    if [[ -e $run/checkpoint.npz ]]; then resume=(--resume); fi
    npuq train "$photographs" "$run" --preset "fast-hyperprior-$kind" --lmbda "$lambda" \
        --steps "$steps" --seed "$seed" --validation-crop 256 \
        --name "hyperprior-$kind-$quality" "$@" ${resume[@]+"${resume[@]}"}
    cp "$run/model.npz" "$weights/hyperprior-$kind-$quality.npz"
}
for kind in un sr; do
    # where alpha begins in each part
    from_4=() from_8=() from_12=() from_14=()
    if [[ $kind == sr ]]; then
        from_4=(--alpha-start 4) from_8=(--alpha-start 8)
        from_12=(--alpha-start 12) from_14=(--alpha-start 14)
    fi
    run=$runs/hyperprior-$kind small=(--batch-size 8 --crop 128)
    hyperprior "$kind" 4 a 0.0125 2000 1 "${small[@]}"
    hyperprior "$kind" 2 a 0.003125 1500 1 "${small[@]}" ${from_4[@]+"${from_4[@]}"} \
        --init-model "$run-4a/model.npz"
    hyperprior "$kind" 1 a 0.0015625 1500 1 "${small[@]}" ${from_4[@]+"${from_4[@]}"} \
        --init-model "$run-2a/model.npz"
    hyperprior "$kind" 1 b 0.0015625 1000 2 "${small[@]}" ${from_8[@]+"${from_8[@]}"} \
        --init-model "$run-1a/model.npz"
    large=(--batch-size 2 --crop 256 --learning-rate 3e-4)
    for quality_part_and_lambda in 4:a:0.0125 2:a:0.003125 1:b:0.0015625; do
        IFS=: read -r quality part lambda <<< "$quality_part_and_lambda"
        hyperprior "$kind" "$quality" c "$lambda" 350 3 "${large[@]}" \
            ${from_12[@]+"${from_12[@]}"} --init-model "$run-$quality$part/model.npz"
        hyperprior "$kind" "$quality" d "$lambda" 350 4 "${large[@]}" \
            ${from_14[@]+"${from_14[@]}"} --init-model "$run-${quality}c/model.npz"
    done
    large=(--batch-size 2 --crop 256 --learning-rate 5e-4)
    hyperprior "$kind" 4 e 0.0125 4400 5 "${large[@]}" ${from_14[@]+"${from_14[@]}"} \
        --init-model "$run-4d/model.npz"
    hyperprior "$kind" 2 e 0.003125 4000 5 "${large[@]}" ${from_8[@]+"${from_8[@]}"} \
        --init-model "$run-4e/model.npz"
    hyperprior "$kind" 1 e 0.0015625 3500 5 "${large[@]}" ${from_8[@]+"${from_8[@]}"} \
        --init-model "$run-2e/model.npz"
    for quality_lambda_and_steps in 4:0.0125:2800 2:0.003125:2000 1:0.0015625:1500; do
        IFS=: read -r quality lambda steps <<< "$quality_lambda_and_steps"
        hyperprior "$kind" "$quality" f "$lambda" "$steps" 6 "${large[@]}" \
            ${from_14[@]+"${from_14[@]}"} --init-model "$run-${quality}e/model.npz"
    done
done
