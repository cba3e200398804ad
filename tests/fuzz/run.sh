#!/bin/bash
# Runs each fuzz target for some seconds under libFuzzer, ASan and UBSan. usage: tests/fuzz/run.sh SECONDS [NAME...]
# Prints "ok fuzz-NAME" or "not ok fuzz-NAME". New inputs are kept in build/fuzz/NAME.
set -uo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:?usage: run.sh SECONDS [NAME...]}
shift
names=("$@")
[ ${#names[@]} -gt 0 ] || names=($(ls tests/fuzz/fuzz_*.c | sed 's|.*/fuzz_||; s|\.c$||'))
out=build/fuzz
mkdir -p $out
packages='fdisk blkid ext2fs com_err libcrypto json-c zlib liblzma libzstd liblz4 lzo2 libsquashfs1 libarchive'
flags="-std=gnu11 -g -O1 -I. -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DLIVESTICK_VERSION=\"fuzz\" -fsanitize=address,undefined
       -fno-sanitize-recover=undefined -pthread $(pkg-config --cflags $packages)"

# The library once, instrumented.
objects=()
for c in src/base/*.c src/media/*.c src/source/*.c src/fs/*.c bootinst/*.c persist/image*.c persist/kernel*.c src/manifest.c partition/gpt.c; do
    o=$out/$(echo "$c" | tr / _).o
    objects+=("$o")
    [ "$o" -nt "$c" ] || clang $flags -fsanitize=fuzzer-no-link -c -o "$o" "$c" || { echo "not ok fuzz-build"; exit 1; }
done

fuzz() {        # NAME
    local name=$1 seeds=()
    clang $flags -fsanitize=fuzzer -o $out/fuzz_$name tests/fuzz/fuzz_$name.c "${objects[@]}" \
        $(pkg-config --libs $packages) -lbz2 || { echo "not ok fuzz-$name: does not build"; return; }
    mkdir -p $out/$name
    [ -d tests/fuzz/corpus/$name ] && seeds=(tests/fuzz/corpus/$name)
    if [ -x tests/fuzz/corpus_$name.sh ] && [ -z "$(ls -A $out/$name)" ]; then
        tests/fuzz/corpus_$name.sh $out/$name || { echo "not ok fuzz-$name: no corpus"; return; }
    fi
    if $out/fuzz_$name -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -artifact_prefix=$out/$name- \
        $out/$name "${seeds[@]}" >$out/$name.log 2>&1; then
        echo "ok fuzz-$name ($(grep -o '^Done [0-9]* runs' $out/$name.log))"
    else
        tail -40 $out/$name.log | sed 's/^/# /'
        echo "not ok fuzz-$name"
    fi
}

# As many at a time as there are processors.
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
