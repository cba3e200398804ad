#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Makes the system images that fuzz_image starts from: small ones, of each kind.   usage: corpus_image.sh DIRECTORY
set -eu
export LC_ALL=C E2FSPROGS_FAKE_TIME=1800000000 PATH=$PATH:/sbin:/usr/sbin
mkdir -p "$1"
out=$(realpath "$1")
work=$(mktemp -d "${TMPDIR:-/tmp}/livestick-corpus.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"

squash() { # NAME OPTIONS...
    name=$1
    shift
    mksquashfs tree "$out/$name" -all-root -all-time 1800000000 -mkfs-time 1800000000 -noappend -quiet -no-progress -nopad \
        -processors 1 "$@" >/dev/null
}

mkdir -p tree/usr/lib/modules/6.1.0 tree/etc tree/dir/sub
echo hello >tree/etc/file
head -c 9000 /dev/zero | tr '\0' a >tree/dir/blocks
printf x | dd of=tree/dir/sparse bs=1 seek=20000 status=none
ln -s usr/lib tree/lib
ln -s ../dir/./blocks tree/etc/link
ln -s loop tree/dir/loop
ln tree/etc/file tree/dir/sub/hard
mkfifo tree/dir/fifo
for i in 1 2 3 4 5 6; do echo $i >tree/usr/lib/modules/6.1.0/$i.ko; done

for c in gzip xz lz4 zstd lzo; do squash $c -comp $c -b 4096; done
squash plain -b 4096 -noI -noId -noD -noF -noX
squash data -b 4096 -noI -noId -noX
squash index -noI -noId -noD -noF -no-xattrs -no-exports -p '/hidden c 644 0 0 0 0'
mke2fs -q -F -b 1024 -N 48 -t ext2 -d tree "$out/ext2" 160 >/dev/null
mke2fs -q -F -b 1024 -N 48 -t ext4 -O ^has_journal,^resize_inode,inline_data,^metadata_csum -d tree "$out/ext4" 160 >/dev/null
