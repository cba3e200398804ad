#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Makes the initrds that fuzz_initrd starts from: small ones, in each compression.   usage: corpus_initrd.sh DIRECTORY
set -eu
export LC_ALL=C
mkdir -p "$1"
out=$(realpath "$1")
work=$(mktemp -d "${TMPDIR:-/tmp}/livestick-corpus.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"

archive() { (cd "$1" && find . | sort | cpio -o -H "$2" --quiet --reproducible); }

mkdir -p early/kernel/x86 main/usr/lib more/usr/lib
echo microcode >early/kernel/x86/a.bin
ln -s usr/lib main/lib
ln -s ../lib/../.. main/usr/up
echo b >main/usr/lib/b
ln main/usr/lib/b main/c
ln main/c main/usr/lib/d
mkfifo main/pipe
echo new >more/usr/lib/b
for tree in early main more; do archive $tree newc >$tree.cpio; done

cp main.cpio "$out/plain"
archive main crc >"$out/checksums"
cat early.cpio main.cpio more.cpio >"$out/three"
(cat early.cpio && gzip -9n <main.cpio && head -c 7 /dev/zero && zstd -q <more.cpio) >"$out/mixed"
gzip -9n <main.cpio >"$out/gzip"
bzip2 <main.cpio >"$out/bzip2"
xz --check=none <main.cpio >"$out/xz"
xz --format=lzma <main.cpio >"$out/lzma"
lzop <main.cpio >"$out/lzo"
lz4 -q -l - - <main.cpio >"$out/lz4"
zstd -q <main.cpio >"$out/zstd"
