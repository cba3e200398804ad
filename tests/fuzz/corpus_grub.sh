#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Makes the inputs that fuzz_grub starts from, of the menus in the tests.   usage: corpus_grub.sh DIRECTORY
set -eu
out=$(realpath "$1")
cd "$(dirname "$0")/../fixtures/menus"
for menu in grub-*/ bls-*/; do
	menu=${menu%/}
	for first in $(cd "$menu" && find . -name grub.cfg -o -name loopback.cfg -o -name '*.conf'); do
		{
			cat "$menu/$first"
			for other in $(cd "$menu" && find . -name '*.cfg'); do
				[ "$other" = "$first" ] || printf '\001%s\n%s\n' "${other#.}" "$(cat "$menu/$other")"
			done
		} >"$out/$menu-$(basename "$first")"
	done
done
