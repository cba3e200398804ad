#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Makes what fuzz_syslinux_map starts from: a boot sector and ldlinux.sys.   usage: corpus_syslinux_map.sh DIRECTORY
set -eu
mkdir -p "$1"
work=$(mktemp -d "${TMPDIR:-/tmp}/livestick-corpus.XXXXXX")
trap 'rm -rf "$work"' EXIT
for dir in "" dir; do
    mformat -C -i "$work/floppy" -f 1440 ::
    [ -z "$dir" ] || mmd -i "$work/floppy" "::/$dir"
    syslinux -d "/$dir" --install "$work/floppy" 2>/dev/null
    mcopy -n -i "$work/floppy" "::/$dir/ldlinux.sys" "$work/sys" 2>/dev/null || mcopy -n -i "$work/floppy" ::/ldlinux.sys "$work/sys"
    { head -c 512 "$work/floppy"; cat "$work/sys"; } >"$1/floppy-$dir"
    rm -f "$work/sys" "$work/floppy"
done
