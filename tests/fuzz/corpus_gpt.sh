#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Makes the small devices that fuzz_gpt starts from.   usage: corpus_gpt.sh DIRECTORY
set -eu
export PATH=$PATH:/sbin:/usr/sbin
mkdir -p "$1"
truncate -s 128K "$1/gpt"
printf 'label: gpt\nfirst-lba: 40\nstart=40, size=100, name=one\nstart=144, size=40, name=two\n' | sfdisk -q "$1/gpt"
truncate -s 160K "$1/grown"
dd if="$1/gpt" of="$1/grown" conv=notrunc status=none
