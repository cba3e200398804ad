#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# The volumes that fuzz_ext4_metadata starts from are those of fuzz_ext4.   usage: corpus_ext4_metadata.sh DIRECTORY
exec "$(dirname "$0")/corpus_ext4.sh" "$1"
