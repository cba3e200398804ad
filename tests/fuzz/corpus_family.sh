#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Makes the media that fuzz_family starts from: of each family a tree with empty files, the words of its menu, and the
# scripts that its initrd is known by.   usage: corpus_family.sh DIRECTORY
set -eu
export LC_ALL=C
out=$(realpath "$1")
work=$(mktemp -d "${TMPDIR:-/tmp}/livestick-corpus.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"

# medium NAME MENU PATHS ARGS [FILE=TEXT...]: a tree whose kernel is /boot/vmlinuz; FILEs are the initrd's
medium() {
    local name=$1 menu=$2 paths=$3 args=$4 p
    shift 4
    rm -rf rd && mkdir rd && echo '#!/bin/sh' >rd/init
    for p in "$@"; do mkdir -p "rd/$(dirname "${p%%=*}")" && printf '%b' "${p#*=}" >"rd/${p%%=*}"; done
    {
        [ "$menu" != isolinux ] || printf 'label x\n menu label X\n kernel /boot/vmlinuz\n append initrd=/boot/initrd %s\n' "$args"
        for p in boot/vmlinuz boot/initrd $paths; do
            case $p in
            *=*) printf '\001/%s\n%b' "${p%%=*}" "$(echo "${p#*=}" | tr _ ' ')" ;;
            *) printf '\001/%s\nhsqs' "$p" ;;
            esac
        done
        [ "$menu" != grub ] || printf '\001/boot/grub/grub.cfg\nset timeout=5\nmenuentry "X" --id x {\n linux ($root)/boot/vmlinuz %s\n initrd /boot/initrd\n}\n' "$args"
        [ "$menu" != bls ] || printf '\001/loader/entries/x.conf\ntitle X\nlinux /boot/vmlinuz\ninitrd /boot/initrd\noptions %s\n' "$args"
        printf '\001/CMDLINE\n%s\nquiet\n%s toram\n' "$args" "$args"
        printf '\001/INITRD\n'
        (cd rd && find . | sort | cpio -o -H newc --quiet --reproducible)
    } >"$out/$name"
}

medium live-boot isolinux 'live/filesystem.squashfs live/filesystem.packages=live-boot\t1:2023 .disk/info=Debian_12' 'boot=live components' \
    'usr/lib/live/boot/9990-cmdline-old=persistence-label=*)' scripts/live=x 'lib/modules/6.1/modules.builtin=kernel/fs/ext4/ext4.ko\n'
medium casper grub 'casper/filesystem.squashfs casper/filesystem.manifest=casper\t1.4 .disk/info=Ubuntu_24' 'boot=casper file=/cdrom/preseed/x.seed ---' \
    scripts/casper=persistent 'conf/uuid.conf=1234\n'
medium dmsquash isolinux 'LiveOS/squashfs.img' 'root=live:CDLABEL=X rd.live.image rd.live.check' \
    'usr/lib/dracut/hooks/cmdline/30-parse-dmsquash-live.sh=rd.live.overlay' 'usr/lib/dracut/dracut-version.sh=DRACUT_VERSION=059'
medium kiwi grub 'LiveOS/squashfs.img' 'root=live:CDLABEL=X rd.live.image rd.live.overlay.persistent' \
    sbin/kiwi-live-root=x 'lib/kiwi-live-lib.sh=preparePersistentOverlayLoopBoot live_system.cow\n'
medium archiso bls 'arch/x86_64/airootfs.sfs boot/2025-01-01.uuid' 'archisobasedir=arch archisosearchuuid=2025 cow_label=x' hooks/archiso=cow_label
medium miso isolinux 'manjaro/x86_64/rootfs.sfs .miso' 'misobasedir=manjaro misolabel=X' hooks/miso=misobasedir
medium artix isolinux 'LiveOS/rootfs.img' 'label=X overlay=livefs' hooks/artix=x
medium alpine grub 'apks/.boot_repository .alpine-release=alpine-3.20 boot/modloop-lts' 'modules=loop,squashfs,sd-mod alpine_dev=cdrom'
medium antix isolinux 'antiX/linuxfs' 'quiet persist_static' 'live/lib/x=persist' live/bin/live=x
medium porteus isolinux 'porteus/base/000-kernel.xzm porteus/porteus-v5.cfg' 'changes=/porteus from=/porteus' linuxrc=changes
medium slax isolinux 'slax/01-core.sb slax/boot/syslinux.cfg' 'perch from=/slax' 'lib/livekitlib=LIVEKITNAME=slax\n' 'lib/config=LIVEKITNAME="slax"\n'
medium liveslak isolinux 'liveslak/system/0001.sxz' 'load_ramdisk=1 livemain=liveslak persistence=x' 'init=LIVEMAIN="liveslak"\nMARKER="X"\nPERSISTENCE="p"\n'
medium puppy isolinux 'puppy_fossa64_9.5.sfs' 'pmedia=cd pdrv=x psubdir=y' 'init=PUPPYSFS\n' "DISTRO_SPECS=DISTRO_PUPPYSFS='puppy.sfs'\nDISTRO_FILE_PREFIX=fossa64\n"
medium tinycore isolinux 'cde/optional/x.tcz boot/core.gz' 'quiet tce=sda1 waitusb=5'
medium knoppix isolinux 'KNOPPIX/KNOPPIX' 'lang=en knoppix_dir=KNOPPIX' init=knoppix
medium genkernel grub 'image.squashfs livecd' 'root=/dev/ram0 looptype=squashfs loop=/image.squashfs cdroot' 'etc/initrd.scripts=cdroot' etc/initrd.defaults=LOOPS
medium mageia isolinux 'loopbacks/distrib-lzma.sqfs' 'root=mgalive:LABEL=X' x=y
medium nixos grub nix-store.squashfs 'init=/nix/store/x/init root=LABEL=nixos'
medium anaconda grub 'images/install.img .treeinfo=[release]\nname=_Fedora\nversion_=_39\n repodata/x' 'inst.stage2=hd:LABEL=X quiet'
medium debian-installer isolinux '.disk/info=Debian dists/x pool/x' 'vga=788 --- quiet'
medium windows isolinux 'bootmgr sources/boot.wim' x
medium tails isolinux 'live/filesystem.squashfs live/Tails.module' 'boot=live module=Tails'
medium ubuntu-core grub 'systems/20240101/model' 'snapd_recovery_mode=install'
