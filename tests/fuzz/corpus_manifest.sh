#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Makes the manifests that fuzz_manifest starts from, without their last line.   usage: corpus_manifest.sh DIRECTORY
set -eu
cd "$1"
sum=$(printf x | sha256sum | cut -d' ' -f1)
slot() {
    printf 'livestick-manifest 1\nfamily live-boot\nsource x.iso\nvolume X\nappend \n'
    printf "file $sum %s %s\n" 70000 /live/vmlinuz 0 '/live/a name' 18446744073709551615 /slot-b/x
}
{ slot; echo "content $sum"; } >slot
for line in 'file x' "file $sum 1 x" "file $sum -1 /x" "file $sum 99999999999999999999 /x" "file $sum 1 /a/../b" "file $sum 1 /a//b" \
    "file $sum 1 /" "file ${sum^^} 1 /x" novalue 'key '; do
    { slot; echo "$line"; } >"$(printf %s "$line" | md5sum | cut -c1-8)"
done
echo 'livestick-manifest 2' >newer
echo 'family x' >none
