#!/usr/bin/env bash
# The training curves behind Figs. 2B, 3B (expected gradients) and 5A (initialisation by JPEG).
#
#     bench/paper/train_curves.sh PHOTOGRAPHS RUNS
#
# Each run leaves its history in bench/results/curves, which `python bench/paper/figure.py 2 3 5`
# draws. On two cores a run takes 2 minutes.
set -euo pipefail
photographs=$1 runs=$2
curves=$(dirname "$0")/../results/curves
mkdir -p "$runs" "$curves"

run() {
    local name=$1
    shift
    local resume=()
    if [[ -e $runs/$name/checkpoint.npz ]]; then resume=(--resume); fi
    npuq train "$photographs" "$runs/$name" --seed 1 "$@" ${resume[@]+"${resume[@]}"}
    cp "$runs/$name/history.csv" "$curves/$name.csv"
}

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

# Fig. 3B: the hyperprior model, smaller and for fewer steps, at a high bit rate
hyperprior=(--preset fast-hyperprior-sr --size 32,48 --crop 64 --validation-crop 128
    --lmbda 0.05 --steps 2000 --checkpoint-every 100)
for name_and_alphas in 13:13:13 anneal:1:16 7:7:7; do
    IFS=: read -r name start end <<< "$name_and_alphas"
    soft=(--alpha-start "$start" --alpha-end "$end")
    run "fig3b-$name-e" "${hyperprior[@]}" "${soft[@]}"
    run "fig3b-$name" "${hyperprior[@]}" "${soft[@]}" "${sampled[@]}"
done
