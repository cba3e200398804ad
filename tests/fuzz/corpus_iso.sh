#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Makes the images that fuzz_iso starts from: small ones, one of each kind.   usage: corpus_iso.sh DIRECTORY
set -eu
export LC_ALL=C SOURCE_DATE_EPOCH=1800000000
mkdir -p "$1"
out=$(realpath "$1")
work=$(mktemp -d "${TMPDIR:-/tmp}/livestick-corpus.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"

repeat() { printf "$1%.0s" $(seq "$2"); }
mkisofs() { xorriso -stdio_sync off -as mkisofs -quiet -no-pad "$@" 2>>log || { cat log >&2; exit 1; }; }

mkdir -p tree/boot deep/1/2/3/4/5/6/7/8/9
echo a >tree/boot/a
echo b >"tree/$(repeat n 150)"
echo f >deep/1/2/3/4/5/6/7/8/9/f
ln -s boot/a tree/link
ln -s "$(repeat x 120)/../$(repeat y 120)" tree/long
mkisofs -R -o "$out/rock_ridge.iso" tree
mkisofs --norock -J -o "$out/joliet.iso" tree
mkisofs --norock -o "$out/plain.iso" tree
xorriso -stdio_sync off -compliance deep_paths_off -padding 0 -outdev relocated.iso -map deep / -commit 2>>log
head -c 133120 relocated.iso >"$out/relocated.iso"      # all but padding
head -c 2048 /dev/zero >tree/boot/image
boot='-b boot/image -c boot/catalogue -no-emul-boot -boot-load-size 4 -eltorito-alt-boot -no-emul-boot'
mkisofs -R $boot -append_partition 2 0xef tree/boot/image -e --interval:appended_partition_2:all:: \
    -o "$out/mbr.iso" tree
mkisofs -R $boot -append_partition 2 0xef tree/boot/image -appended_part_as_gpt -e boot/image -o "$out/gpt.iso" tree
