#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Makes the kernels that fuzz_kernel starts from: a header, and something small packed.   usage: corpus_kernel.sh DIRECTORY
set -eu
export LC_ALL=C
mkdir -p "$1"
out=$(realpath "$1")
work=$(mktemp -d "${TMPDIR:-/tmp}/livestick-corpus.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"

le32() { printf "$(printf '\\%03o\\%03o\\%03o\\%03o' $(($1 % 256)) $(($1 / 256 % 256)) $(($1 / 65536 % 256)) $(($1 / 16777216)))"; }
at() { dd of="$1" bs=1 seek=$(($2)) conv=notrunc status=none; }

printf 'CONFIG_SQUASHFS=m\n# CONFIG_X is not set\nCONFIG_LOCALVERSION="-own"\n' | gzip -9n >config
(printf '\177ELF\2\1\1\0\0\0\0\0\0\0\0\0\2\0\076\0'
printf 'Linux version %%s\0Linux version 5.4.1-own (root@host) #1\0IKCFG_ST'
cat config
printf IKCFG_ED) >vmlinux

image() { # NAME: of "packed"
    head -c 1024 /dev/zero >x
    printf '\1' | at x 0x1f1
    printf '\125\252' | at x 0x1fe
    printf 'HdrS\17\2' | at x 0x202
    printf '\0\1' | at x 0x20e
    printf '5.4.1-own (root@host) #1' | at x 0x300
    printf '\1\0\1' | at x 0x234
    le32 0 | at x 0x248
    le32 "$(stat -c %s packed)" | at x 0x24c
    cat x packed >"$out/$1"
}
packed() { # NAME COMMAND...
    name=$1
    shift
    "$@" <vmlinux >packed
    [ "$name" = gzip ] || printf '\1\1\0\0' >>packed
    image "$name"
}

packed gzip gzip -9n
packed bzip2 bzip2
packed lzma xz --format=lzma
packed xz xz --check=crc32
packed lzo lzop
packed lz4 lz4 -q -l - -
packed zstd zstd -q
cp vmlinux "$out/vmlinux"
(head -c 56 /dev/zero; printf 'ARM\144'; cat vmlinux) >"$out/arm64"
zstd -q <vmlinux >packed
(printf 'MZ\0\0zimg\100\0\0\0'; le32 "$(stat -c %s packed)"; printf 'zstd22'; head -c 42 /dev/zero; cat packed) >"$out/zboot"
