#!/usr/bin/env bash
# The training curves behind Fig. 2B (expected gradients) and Fig. 5A (initialisation by JPEG).
#
#     bench/train_curves.sh PHOTOGRAPHS RUNS
#
# Each run leaves its history in bench/results/curves; `python bench/curves.py` draws them. On two
# cores a run takes 2 minutes.
set -euo pipefail
photographs=$1 runs=$2
curves=$(dirname "$0")/results/curves
mkdir -p "$runs" "$curves"

run() {
    local name=$1
    shift
    local resume=()
    if [[ -e $runs/$name/checkpoint.npz ]]; then resume=(--resume); fi
    npuq train "$photographs" "$runs/$name" --steps 5000 --seed 1 --checkpoint-every 250 "$@" \
        ${resume[@]+"${resume[@]}"}
    cp "$runs/$name/history.csv" "$curves/$name.csv"
}

# Fig. 2B: s_7 with r_16, at a low and a high bit rate, with (E) and without expected gradients
for rate_and_lambda in low:0.003125 high:0.1; do
    rate=${rate_and_lambda%%:*} lambda=${rate_and_lambda##*:}
    soft=(--preset fast-sr --lmbda "$lambda" --alpha-start 7 --alpha-end 7 --alpha-r 16)
    run "fig2b-$rate-e" "${soft[@]}"
    run "fig2b-$rate" "${soft[@]}" --no-expected-rate --no-expected-distortion
done

# Fig. 5A: JPEG's transforms or random orthogonal ones to begin with
for kind in un sr; do
    for start in jpeg orthogonal; do
        run "fig5a-$kind-$start" --preset "fast-$kind" --lmbda 0.0125 --start "$start"
    done
done
