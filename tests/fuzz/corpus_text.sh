#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Makes the texts that fuzz_text starts from.   usage: corpus_text.sh DIRECTORY
set -eu
cd "$1"
printf 'switch\nDEFAULT a1\nINCLUDE /livestick/a.cfg\n%460s\n' '' >switch-one
printf 'switch\nDEFAULT b1\nINCLUDE /livestick/b.cfg\nMENU BEGIN\nMENU LABEL Previous system\nINCLUDE /livestick/a.cfg\nMENU END\n%380s\n' '' >switch-two
printf 'ini\nrelease\nversion\n[general]\nfamily = Fedora\nversion=1\n; no\n\n[release]\nname = Fedora\nversion = 39\n' >ini
for size in 8G 512M 1.5G 4096 1k 3TiB 7MB 0 -1 1e3 0x10 9999999T nan 1.G ''; do printf 'size\n%s' "$size" >"size-$size"; done
printf 'args\nboot=live toram "boot=a b" live-media=/dev/sda1 quiet --- x=1\tsplash boot=' >args
printf 'args\nvga=788 initrd=/x root="UUID=1 2" -- single' >args-init
printf 'config\n6.1.0-40\n#\n# Linux/x86 6.1 Kernel Configuration\nCONFIG_EXT4_FS=y\nCONFIG_SQUASHFS=m\n# CONFIG_X is not set\nCONFIG_LOCALVERSION="-own"\nCONFIG_HZ=250\n' >config
