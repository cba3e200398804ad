#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Makes the archives that fuzz_extra starts from.   usage: corpus_extra.sh DIRECTORY
set -eu
out=$(realpath "$1")
work=$(mktemp -d "${TMPDIR:-/tmp}/livestick-corpus.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"
mkdir -p etc/init.d
echo own >etc/hostname
ln etc/hostname etc/same
ln -s ../bin/sh etc/shell
mkfifo etc/pipe
long=etc/$(printf %0150d 0)
echo long >"$long"
pack() { tar -c --sort=name --mtime=@0 --owner=0 --group=0 "$@"; }
pack --format=gnu etc >"$out/gnu"
pack --format=pax etc >"$out/pax"
pack --format=ustar --exclude="$long" etc >"$out/ustar"
pack -C etc . >"$out/below"
pack --transform='s|^etc|..|' -P etc >"$out/outside"
{ printf '\001/root.tar.gz\n'; pack etc | gzip -9n; } >"$out/gzip"
{ printf '\001/usr.tar.xz\n'; pack etc | xz; } >"$out/xz"
{ printf '\001/home.tar.bz2\n'; pack etc | bzip2; } >"$out/bzip2"
{ printf '\001/opt.tar.zst\n'; pack etc | zstd -q; } >"$out/zstd"
{ cat "$out/ustar"; printf '\001/rootcopy/etc/motd\nhello\n\001/rootcopy/bin -> usr/bin\n'; } >"$out/rootcopy"
