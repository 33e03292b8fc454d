#!/usr/bin/env bash
# The first hour on a GPU: does it work, is it exact, how fast is it; at the end the dated page.
#
#   benchmarks/gpu.sh [--dry] [--image_dir=FOLDER] [--results=FOLDER] [--limit=SECONDS] [STEP ...]
#
# Each step is a process of its own with a time limit (--limit lowers all of them); what fails or takes too long is
# named, and the rest goes on. What has left its results in --results (default: runs/gpu) is not run again. STEPs are
# names or patterns ('train_step*'), run in this order; without any, all. --dry shows on a CPU, in small, that all of
# it runs. PYTHON (default: .venv/bin/python) is the interpreter.
set -uo pipefail
here=$PWD && cd "$(dirname "$0")/.." || exit 2
python=${PYTHON:-.venv/bin/python} dry='' images='' results=$PWD/runs/gpu limit=3600 wanted=()
for argument in "$@"; do
    value=${argument#*=}
    case $argument in
    --dry) dry=yes ;;
    --image_dir=*)
        images=$(cd "$here" && realpath -qe "$value") || { echo "gpu.sh: --image_dir: there is no $value" >&2 && exit 2; }
        ;;
    --results=*) results=$(cd "$here" && realpath -m "$value") ;;
    --limit=*) limit=$value ;;
    -h | --help) sed -n '2,9s/^# \?//p' "$0" && exit ;;
    -*) echo "gpu.sh: $argument is none of --dry, --image_dir, --results and --limit" >&2 && exit 2 ;;
    *) wanted+=("$argument") ;;
    esac
done
[[ $limit =~ ^[1-9][0-9]*$ ]] || { echo "gpu.sh: --limit must be a number of seconds, got $limit" >&2 && exit 2; }
command -v "$python" >/dev/null || { echo "gpu.sh: there is no $python: make setup, or PYTHON=... names another" >&2 && exit 2; }
names=() failed=() listing=0

step() { # NAME SECONDS COMMAND ..: runs it, unless its results are there
    local name=$1 seconds=$(($2 < limit ? $2 : limit)) start=$SECONDS pattern chosen=$((${#wanted[@]} == 0)) status
    ((listing)) && names+=("$name") && return 0
    for pattern in ${wanted[@]+"${wanted[@]}"}; do
        # shellcheck disable=SC2053  # a pattern, not a string
        [[ $name == $pattern ]] && chosen=1
    done
    ((chosen)) || return 0
    [[ -e $results/$name.done ]] && echo "$name: done before" && return 0
    timeout --kill-after=10 "$seconds" "${@:3}" >"$results/$name.log" 2>&1
    status=$?
    if ((status == 0)); then
        touch "$results/$name.done"
        echo "$name: $((SECONDS - start)) s"
        return 0
    fi
    failed+=("$name")
    ((status == 124 || status == 137)) && echo "$name: stopped at its limit of $seconds s" && return 0
    echo "$name: failed, see $results/$name.log: $(tail -n 1 "$results/$name.log")"
}

measure() { # QUESTION LABEL SECONDS FLAG ..
    step "$1${2:+-$2}" "$3" "$python" -m "benchmarks.$1" ${dry:+--quick} ${images:+"--image_dir=$images"} \
        "--json=$results/$1${2:+-$2}.json" "${@:4}"
}

# On a GPU `auto` is mixed_bfloat16 and XLA.
train=("$python" -m trainers.main --seed=1 ${images:+"--image_dir=$images"} ${dry:+--transfer_epochs=1 --finetune_epochs=1})
killed() { # one run killed with SIGKILL in each phase ends with the weights of one that was not
    local model="$results/killed" word
    for word in transfer finetune; do
        "${train[@]}" --deterministic "--model_dir=$model" >"$model.$word" 2>&1 &
        until grep -q "^$word epoch 1/" "$model.$word" 2>/dev/null || ! kill -0 $! 2>/dev/null; do sleep 0.2; done
        kill -KILL $! 2>/dev/null && echo "killed in $word"
        wait
    done
    "${train[@]}" --deterministic "--model_dir=$model" && "${train[@]}" --deterministic "--model_dir=$results/straight" || return
    for word in transfer finetune; do
        cmp <(grep weights_sha256 "$model/$word/metrics.json") <(grep weights_sha256 "$results/straight/$word/metrics.json") || return
    done
    echo "the same weights, killed or not"
}
side=224 batch=128
[[ $dry ]] && side=64 batch=4
export -f killed && export results && export train_command="$(printf '%q ' "${train[@]}")"

every_step() {
    step devices 300 "${train[@]}" --phase=check
    step both_phases 1200 "${train[@]}" --mixed_precision=mixed_bfloat16 --jit_compile=true "--model_dir=$results/both_phases"
    step killed 1800 bash -c 'eval "train=($train_command)"; killed'
    for network in MobileNetV2 EfficientNetV2B0 VGG16; do
        for phase in finetune transfer forward; do
            for xla in false true; do
                label=$network-$phase-$([[ $xla == true ]] && echo xla || echo no_xla)
                measure train_step "$label" 900 --backbone=$network --phase=$phase --jit_compile=$xla "--image_size=$side" "--batch_size=$batch" \
                    --precision=mixed_bfloat16
            done
        done
    done
    measure features MobileNetV2-transfer 900 --backbone=MobileNetV2 --phase=transfer
    measure features VGG16 1200 --backbone=VGG16
    measure augmentation '' 900
    measure input_pipeline '' 1800
    measure operations '' 900
    measure end_to_end '' 1800 --backbone=VGG16
    measure scaling '' 900
    step report 120 "$python" -m benchmarks.report "--results=$results" "--output=$results"

}

listing=1 && every_step
for pattern in ${wanted[@]+"${wanted[@]}"}; do
    known=''
    # shellcheck disable=SC2053
    for name in "${names[@]}"; do [[ $name == $pattern ]] && known=yes; done
    [[ $known ]] || { echo "gpu.sh: no step is called $pattern; there are ${names[*]}" >&2 && exit 2; }
done
mkdir -p "$results" || exit 2
listing=0 && every_step
((${#failed[@]} == 0)) || { echo "not done: ${failed[*]}" && exit 1; }
