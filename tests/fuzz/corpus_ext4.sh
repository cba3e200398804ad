#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Makes the volumes that fuzz_ext4 starts from: small ones, one of each kind.   usage: corpus_ext4.sh DIRECTORY
set -eu
export LC_ALL=C E2FSPROGS_FAKE_TIME=1800000000 PATH=$PATH:/sbin:/usr/sbin
mkdir -p "$1"
out=$(realpath "$1")
work=$(mktemp -d "${TMPDIR:-/tmp}/livestick-corpus.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"

repeat() { printf "$1%.0s" $(seq "$2"); }
make() { # NAME KIB OPTIONS...
    name=$1 size=$2
    shift 2
    mke2fs -q -F -b 1024 -N 32 -U 00112233-4455-6677-8899-aabbccddeeff -E hash_seed=00112233-4455-6677-8899-aabbccddeeff \
        -d tree "$@" "$out/$name" "$size" >/dev/null
}

mkdir -p tree/livestick tree/dir/sub
echo manifest >tree/livestick/a.manifest
head -c 2000 /dev/zero | tr '\0' a >tree/file
for i in 0 2 4 6 8 10 12 14; do printf x | dd of=tree/pieces bs=1 seek=$((i * 1024)) conv=notrunc status=none; done
for i in 1 2 3 4 5 6; do echo >"tree/dir/$(repeat $i 180)"; done
printf x | dd of=tree/far bs=1 seek=70000000 status=none # below three levels of tables
ln -s file tree/fast
ln -s "$(repeat x 100)" tree/slow

make ext2 80 -t ext2
make revision0 80 -t ext2 -r 0
make extents 80 -t ext4 -O ^has_journal,^metadata_csum,^resize_inode
make checksums 80 -t ext4 -O ^has_journal,^resize_inode
make inline 80 -t ext4 -O inline_data,^has_journal,^metadata_csum,^resize_inode
make groups 96 -t ext4 -O meta_bg,^flex_bg,^has_journal,^metadata_csum,^resize_inode -g 256
