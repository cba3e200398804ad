#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Makes the inputs that fuzz_menu starts from, of the menus in the tests.   usage: corpus_menu.sh DIRECTORY
set -eu
out=$(realpath "$1")
cd "$(dirname "$0")/../fixtures/menus"
for first in $(find . -name 'isolinux.cfg' -o -name syslinux.cfg); do
	menu=${first#./} menu=${menu%%/*}
	{
		cat "$first"
		for other in $(find "$menu" -name '*.cfg'); do
			[ "./$other" = "$first" ] || printf '\001/isolinux/%s\n%s\n' "$(basename "$other")" "$(cat "$other")"
		done
	} >"$out/$menu"
done
