#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Makes the modules that fuzz_modinfo starts from.   usage: corpus_modinfo.sh DIRECTORY
set -eu
out=$(realpath "$1")
work=$(mktemp -d "${TMPDIR:-/tmp}/livestick-corpus.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"
cat >module.s <<'END'
.section .modinfo,"a"
.asciz "alias=pci:v00008086d*"
.asciz "depends=usb-storage,scsi_mod"
.asciz "softdep=pre: crc32c post: dm-mod"
.asciz "alias=fs-ext4"
.asciz "vermagic=6.1.0-40-amd64 SMP preempt mod_unload modversions "
END
as --64 -o "$out/elf64" module.s
as --32 -o "$out/elf32" module.s
cp "$out/elf64" "$out/elf64-stripped" && strip -g "$out/elf64-stripped"
head -c 200 "$out/elf64" >"$out/cut"
