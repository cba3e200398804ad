#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Makes the media that fuzz_sums starts from, in its input format: one for each way of writing a list.
# usage: corpus_sums.sh DIRECTORY
set -eu
export LC_ALL=C
mkdir -p "$1"
out=$(realpath "$1")
work=$(mktemp -d "${TMPDIR:-/tmp}/livestick-corpus.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"

mkdir live
echo kernel >live/vmlinuz
echo system >live/root.sfs
echo odd >'live/a\b'

# NAME LIST: the text of LIST is on stdin
medium() {
    {
        if [ "$2" = /md5sum.txt ]; then cat; else printf '\001%s\n' "$2"; cat; fi
        for f in live/vmlinuz live/root.sfs 'live/a\b'; do printf '\001/%s\n' "$f"; cat "$f"; done
    } >"$out/$1"
}

printf '%s\n' live/vmlinuz live/root.sfs 'live/a\b' | tr '\n' '\0' >names
sums() { xargs -0 "$@" <names; }
sums md5sum | medium gnu /md5sum.txt
sums md5sum -b | medium binary /md5sum.txt
sums md5sum --tag | medium tag /md5sum.txt
sums sha1sum | sed 's,  ,  ../,' | medium parent /sub/sha1sums
sums sha224sum | medium root /sub/deep/SHA224SUMS
sums sha256sum | medium sha256 /sha256sum.txt
sums sha384sum | sed 's/$/\r/' | medium dos /SHA384SUMS
sums sha512sum | medium any /CHECKSUMS
sums b2sum | medium gentoo /isoroot_b2sums
{ echo 'These are the MD5 message digests'; sums md5sum; echo '# end'; } | medium slackware /CHECKSUMS.md5
sha512sum live/root.sfs | sed 's,live/,,' | medium beside /live/root.sha512
md5sum <live/vmlinuz | medium bare /live/vmlinuz.md5.txt
{ sums md5sum; echo x | md5sum | sed 's,-,live/vmlinuz,'; printf '%032d  ../../etc/passwd\n' 7; } | medium odds /md5sum.txt
printf '%s' 'ISO MD5SUM = 8e80cc6b4a27cf1f76c8f9e665eb22d5;SKIPSECTORS = 2;RHLISOSTATUS=1;FRAGMENT SUMS = 1c62;' |
    medium isomd5sum /FIELD
printf '%s' "check=1;pad=1;sha1sum=$(echo | sha1sum | cut -c1-40);signature=70" | medium suse /FIELD
