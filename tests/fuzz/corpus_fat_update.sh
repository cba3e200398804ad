#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Makes the volumes that fuzz_fat_update starts from: small FAT32 ones.   usage: corpus_fat_update.sh DIRECTORY
set -eu
export LC_ALL=C.UTF-8 SOURCE_DATE_EPOCH=1700000000 PATH=$PATH:/sbin:/usr/sbin
mkdir -p "$1"
out=$(realpath "$1")
work=$(mktemp -d "${TMPDIR:-/tmp}/livestick-corpus.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"

mkdir -p tree/live tree/dir/sub/deep
head -c 1000 /dev/zero | tr '\0' k >tree/live/vmlinuz
head -c 3000 /dev/zero | tr '\0' i >tree/live/initrd.img
head -c 9000 /dev/zero | tr '\0' s >tree/live/filesystem.squashfs
echo text >"tree/dir/long name.txt"
echo text >"tree/dir/another name.txt"
: >tree/dir/sub/EMPTY
for i in 1 2 3 4 5 6 7 8 9; do echo $i >"tree/dir/sub/file number $i, with a name of many entries"; done

le32() { printf "$(printf '\\%03o\\%03o\\%03o\\%03o' $(($1 & 255)) $(($1 >> 8 & 255)) $(($1 >> 16 & 255)) $(($1 >> 24)))"; }
poke() { le32 "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none; }
sectors() { dd if=big of="$small" bs=512 skip="$1" count="$2" seek="$3" conv=notrunc status=none; }

# mtools takes a volume with few clusters for a FAT12: it fills a large one, of which the beginning is cut out.
shrink() { # NAME FATS FAT-SECTORS DATA-SECTORS
    small=$out/$1
    fat=$(od -An -tu4 -j36 -N4 big | tr -d ' ')
    sectors 0 32 0
    for i in $(seq 0 $(($2 - 1))); do sectors $((32 + i * fat)) "$3" $((32 + i * $3)); done
    sectors $((32 + $2 * fat)) "$4" $((32 + $2 * $3))
    for boot in 0 3072; do
        poke "$small" $((boot + 32)) $((32 + $2 * $3 + $4))
        poke "$small" $((boot + 36)) "$3"
    done
    poke "$small" $((512 + 488)) 0xffffffff
}
make() { # OPTIONS...
    rm -f big
    truncate -s 36M big
    mkfs.fat -F 32 -S 512 -s 1 -i 1234abcd "$@" big >/dev/null
}

make
shrink empty 2 2 200
mcopy -s -i big tree/* ::
shrink filled 2 2 200
mcopy -i big tree/live/vmlinuz ::gone
mdel -i big ::gone '::/dir/sub/file number 4*'
shrink deleted 2 3 300
make -f 1
mcopy -s -i big tree/* ::
shrink one_fat 1 2 200
