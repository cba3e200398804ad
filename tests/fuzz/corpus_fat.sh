#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Makes the volumes that fuzz_fat starts from, each smaller than the largest input.   usage: corpus_fat.sh DIRECTORY
set -eu
export PATH=$PATH:/sbin:/usr/sbin
script=$(realpath "$0") out=$(realpath "$1")
work=$(mktemp -d "${TMPDIR:-/tmp}/livestick-corpus.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"
head -c 5000 /dev/zero | tr '\0' a >large
echo manifest >small

volume() {      # NAME KIB OPTION...
    local image=$out/$1 kib=$2 i
    shift 2
    mkfs.fat -i 12345678 -C "$@" "$image" "$kib" >/dev/null 2>&1
    mmd -i "$image" ::livestick ::dir '::dir/a directory with a long name'
    mcopy -i "$image" small ::livestick/a.manifest
    mcopy -i "$image" large '::dir/a directory with a long name/Some Large File.squashfs'
    for i in $(seq 20); do mcopy -i "$image" small "::dir/file$i.text"; done
    mdel -i "$image" ::dir/file7.text ::dir/file8.text
    mattrib -i "$image" +s +h ::dir/file1.text
}
volume fat12 120 -F 12 -s 1
volume fat12-two-kib 200 -F 12 -s 4
"$(dirname "$script")/corpus_fat_update.sh" "$out"
