#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Makes the facts that fuzz_machine starts from: what the recorded machines' mounts and swaps are, and wrong ones of the
# machine that it has.   usage: corpus_machine.sh DIRECTORY
set -eu
out=$(realpath "$1")
cd "$(dirname "$0")/../fixtures/machines"

# lines FILE NAME: those of a file that has several
lines() { awk -v name="$2:" '$0 == name { on = 1; next } !/^\t/ { on = 0 } on { print substr($0, 2) }' "$1"; }

for m in *.txt; do
    { lines "$m" proc/self/mountinfo; printf '\001proc/swaps\n'; lines "$m" proc/swaps; } >"$out/${m%.txt}"
done

# Each file of that machine, with what it has and with what it should not have.
base=laptop-luks-lvm
awk '/^\[/ { dir = substr($0, 2, length($0) - 2); next }
     / = / { i = index($0, " = "); print (dir ? dir "/" : "") substr($0, 1, i - 1) "\t" substr($0, i + 3) }' $base.txt |
while IFS=$'\t' read -r path text; do
    name=$(echo "$path" | tr / _)
    for wrong in "$text" '' -1 99999999999999999999 8:1 254:254 '%n%s \033[2J'; do
        { lines $base.txt proc/self/mountinfo; printf '\001%s\n%b\n' "$path" "$wrong"; } >"$out/$(printf '%s %s' "$name" "$wrong" | md5sum | cut -c1-12)"
    done
done
