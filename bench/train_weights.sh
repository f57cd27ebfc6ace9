#!/usr/bin/env bash
# The commands and seeds that made the models in npuq/weights.
#
#     bench/train_weights.sh PHOTOGRAPHS RUNS
#
# PHOTOGRAPHS is a folder of images, RUNS a folder for the runs. A run that was stopped goes on where
# it was; one that is finished only writes its model again. On two cores a run takes 6 (UN) or
# 10 minutes (SR).
set -euo pipefail
photographs=$1 runs=$2
weights=$(dirname "$0")/../npuq/weights
mkdir -p "$runs"

for quality_and_lambda in 1:0.003125 2:0.0125 3:0.025; do
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
