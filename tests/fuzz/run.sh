#!/bin/bash
# Runs each fuzz target for some seconds under libFuzzer, ASan and UBSan, as many at a time as there are processors.
# `make fuzz` builds them first.   usage: tests/fuzz/run.sh SECONDS [NAME...]
# Prints "ok fuzz-NAME" or "not ok fuzz-NAME". New inputs are kept in build/corpus/NAME.
set -uo pipefail
cd "$(dirname "$0")/../.."
. tests/fuzz/corpus.bash
seconds=${1:?usage: run.sh SECONDS [NAME...]}
shift
names=("$@")
[ ${#names[@]} -gt 0 ] || mapfile -t names < <(fuzz_targets)
out=build/fuzz/log
mkdir -p $out

fuzz() {        # NAME
    local name=$1
    corpus "$name" || { echo "not ok fuzz-$name: no corpus"; return; }
    if build/fuzz/fuzz/fuzz_$name -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
        -artifact_prefix=$out/$name- build/corpus/$name >$out/$name.log 2>&1; then
        echo "ok fuzz-$name ($(grep -o '^Done [0-9]* runs' $out/$name.log))"
    else
        tail -40 $out/$name.log | sed 's/^/# /'
        echo "not ok fuzz-$name"
    fi
}

running=0
for name in "${names[@]}"; do
    if [ $running -eq "$(nproc)" ]; then wait -n; running=$((running - 1)); fi
    fuzz "$name" >$out/$name.verdict &
    running=$((running + 1))
done
wait
failed=0
for name in "${names[@]}"; do
    cat $out/$name.verdict
    grep -q '^ok ' $out/$name.verdict || failed=1
done
exit $failed
