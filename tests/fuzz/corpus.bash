# Sourced by run.sh and coverage.sh, in the repository's root.

fuzz_targets() { ls tests/fuzz/fuzz_*.c | sed 's|.*/fuzz_||; s|\.c$||'; }

# corpus NAME: makes build/corpus/NAME unless it is there: by corpus_NAME.sh, or with nothing in it.
corpus() {
    [ -d "build/corpus/$1" ] && return
    rm -rf "build/corpus/$1.new" && mkdir -p "build/corpus/$1.new"
    if [ -x "tests/fuzz/corpus_$1.sh" ]; then
        "tests/fuzz/corpus_$1.sh" "build/corpus/$1.new" || return
    fi
    mv "build/corpus/$1.new" "build/corpus/$1"
}
