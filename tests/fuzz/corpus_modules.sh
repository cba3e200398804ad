#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Makes the initrds that fuzz_modules starts from.   usage: corpus_modules.sh DIRECTORY
set -eu
export LC_ALL=C
out=$(realpath "$1")
work=$(mktemp -d "${TMPDIR:-/tmp}/livestick-corpus.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"

# module NAME PATH [MODINFO...]: 6.1's, of nothing but what it says of itself
module() {
    local name=$1 path=$2 text
    shift 2
    mkdir -p "lib/modules/6.1/kernel/$path"
    {
        echo '.section .modinfo,"a"'
        for text in "$@" 'vermagic=6.1 SMP '; do echo ".asciz \"$text\""; done
    } | as --64 -o "lib/modules/6.1/kernel/$path/$name.ko" -
}
pack() { find . | sort | cpio -o -H newc --quiet --reproducible >"$out/$1"; }

for name in xhci-pci xhci-hcd ehci-hcd ohci-hcd uhci-hcd usb-storage sd_mod loop overlay squashfs ext4 vfat nls_cp437 crc32c_generic; do
    module $name misc
done
module ext4 fs/ext4 depends=jbd2,mbcache 'softdep=pre: crc32c' alias=fs-ext4
module jbd2 fs/jbd2 'softdep=pre: crc32c post: mbcache'
module mbcache fs
module usb-storage drivers/usb depends=scsi_mod,usb-common
pack unlisted
cat >lib/modules/6.1/modules.dep <<'END'
kernel/fs/ext4/ext4.ko: kernel/fs/jbd2/jbd2.ko kernel/fs/mbcache.ko
kernel/fs/jbd2/jbd2.ko: kernel/fs/ext4/ext4.ko
kernel/fs/mbcache.ko:
kernel/drivers/usb/usb-storage.ko: kernel/drivers/scsi/scsi_mod.ko
kernel/misc/squashfs.ko:
kernel/misc/loop.ko.xz:
END
printf '# Aliases\nalias fs-ext4 ext4\nalias crc32c crc32c_generic\nalias crc32c crc32c_intel\n' >lib/modules/6.1/modules.alias
printf '# Soft\nsoftdep ext4 pre: crc32c\nsoftdep usb_storage post: uas\n' >lib/modules/6.1/modules.softdep
printf 'kernel/fs/fat/vfat.ko\nkernel/drivers/scsi/sd_mod.ko\n' >lib/modules/6.1/modules.builtin
pack listed
xz --check=crc32 lib/modules/6.1/kernel/misc/loop.ko
gzip -9n lib/modules/6.1/kernel/misc/squashfs.ko
zstd -q --rm lib/modules/6.1/kernel/misc/overlay.ko
pack packed
mkdir -p usr && mv lib usr/lib && ln -s usr/lib lib
mv usr/lib/modules/6.1 usr/lib/modules/6.2
pack other-version
