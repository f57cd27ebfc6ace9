#!/usr/bin/env bash
# The training curves behind Figs. 2B, 3B (expected gradients) and 5A (initialisation by JPEG).
#
#     bench/paper/train_curves.sh PHOTOGRAPHS RUNS [PREFIX]
#
# With a PREFIX, such as fig3b, only the runs whose names begin so.
# Each run leaves its history in bench/results/curves, which `python bench/paper/figure.py 2 3 5 6`
# draws. On two cores a run takes 2 minutes. Those of the hyperprior model branch off RUNS/trunk, a
# run of bench/trunk.py; for Fig. 6C `bench/held_out.py` then compresses photographs by their models.
set -euo pipefail
photographs=$1 runs=$2 prefix=${3-}
curves=$(dirname "$0")/../results/curves
mkdir -p "$runs" "$curves"

run() {
    local name=$1
    shift
    if [[ $name != "$prefix"* ]]; then return; fi
    local start=()
    if [[ -e $runs/$name/checkpoint.npz ]]; then
        start=(--resume)
    elif [[ -n $trunk ]]; then
        start=(--branch-from "$trunk")
    fi
    npuq train "$photographs" "$runs/$name" --seed 1 "$@" ${start[@]+"${start[@]}"}
    cp "$runs/$name/history.csv" "$curves/$name.csv"
}

trunk=
sampled=(--no-expected-rate --no-expected-distortion)
linear=(--steps 5000 --checkpoint-every 250)

# Fig. 2B: s_7 with r_16, at a low and a high bit rate, with (E) and without expected gradients
for rate_and_lambda in low:0.003125 high:0.1; do
    rate=${rate_and_lambda%%:*} lambda=${rate_and_lambda##*:}
    soft=(--preset fast-sr --lmbda "$lambda" --alpha-start 7 --alpha-end 7 --alpha-r 16)
    run "fig2b-$rate-e" "${linear[@]}" "${soft[@]}"
    run "fig2b-$rate" "${linear[@]}" "${soft[@]}" "${sampled[@]}"
done

# Fig. 5A: JPEG's transforms or random orthogonal ones to begin with
for kind in un sr; do
    for start in jpeg orthogonal; do
        run "fig5a-$kind-$start" "${linear[@]}" --preset "fast-$kind" --lmbda 0.0125 --start "$start"
    done
done

# Figs. 3B and 6C: short branches of the hyperprior's trunk (bench/trunk.py), at a high bit rate with
# three courses of alpha, and with one of them at lower rates
branch() {
    local name=$1 lambda=$2 start=$3 end=$4
    local soft=(--lmbda "$lambda" --alpha-start "$start" --alpha-end "$end")
    run "$name-e" "${hyperprior[@]}" "${soft[@]}"
    run "$name" "${hyperprior[@]}" "${soft[@]}" "${sampled[@]}"
}

hyperprior=(--preset fast-hyperprior-sr --size 64,192 --batch-size 2 --validation-crop 256
    --coordinates frequency --learning-rate 8e-4 --warmup-steps 50 --rate-schedule constant
    --steps 500 --cooldown-steps 350 --skip-ratio 10 --checkpoint-every 50)
trunk=$runs/trunk/checkpoint.npz
branch fig3b-anneal 0.05 1 16
branch fig3b-7 0.05 7 7
branch fig3b-13 0.05 13 13
branch fig6c-1 0.0015625 1 16
branch fig6c-2 0.003125 1 16
branch fig6c-4 0.0125 1 16
