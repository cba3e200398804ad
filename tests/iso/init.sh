#!/bin/bash
# Builds what the tests of our own /init (persist/init) make sticks of: the distribution's kernel, the modules that a USB
# stick needs, and a toy system in images.  No boot loader: the tests write their own sticks.  Needs no root.
# Prints the path of the cached ISO as the last line of stdout; all talk is on stderr.  In it:
#
#   vmlinuz, modules/NAME.ko, modules/list     the list in the order of loading
#   01-core.squashfs                           a busybox system with an fstab
#   02-fsck.squashfs                           e2fsck and its libraries
#   03-top.squashfs                            changes a file of the core
#   root.ext2                                  the same in one image
. "$(dirname "$(realpath "$0")")/common.bash"

recipe init 1 linux-image-amd64 e2fsprogs

mkdir -p "$cd/modules"
cp "$root/boot/vmlinuz-$kernel" "$cd/vmlinuz"
cat >"$root/list-modules" <<'END'
set -e
depmod "$1"
modprobe -S "$1" -a --show-depends xhci-pci usb-storage sd_mod vfat nls_cp437 nls_ascii crc32c_generic ext4 \
    loop squashfs overlay dm-snapshot | awk '$1 == "insmod" && !seen[$2]++ {print $2}' >/modules
END
[ -e "$root/usr/bin/awk" ] || ln -s /bin/busybox "$root/usr/bin/awk"
in_chroot /bin/bash /list-modules "$kernel"
while read -r module; do
    cp "$root$module" "$cd/modules/"
    basename "$module" .ko
done <"$root/modules" >"$cd/modules/list"

toy_root "$work/core"
echo 'of the core' >"$work/core/etc/layer"
cat >"$work/core/etc/fstab" <<'END'
# made for the CD
/dev/sda2 / ext3 defaults 0 1
/dev/sda3 swap swap sw 0 0
proc /proc proc defaults 0 0
END
chmod 640 "$work/core/etc/fstab"
ln -s /home "$work/core/opt"

mkdir -p "$work/fsck/sbin" "$work/top/etc"
copy_program() { # PROGRAM DIR: with the libraries it needs
    local file
    mkdir -p "$2${1%/*}"
    cp "$root$1" "$2$1"
    in_chroot /bin/bash -c "ldd $1 >/needs"
    sed -n 's/^[^/]*\(\/[^ ]*\) (0x.*/\1/p' "$root/needs" | while read -r file; do
        mkdir -p "$2${file%/*}"
        cp -L "$root$file" "$2$file"
    done
}
copy_program /sbin/e2fsck "$work/fsck"
echo 'of the top' >"$work/top/etc/layer"

dated "$work/core" "$work/fsck" "$work/top"
squash "$work/core" "$cd/01-core.squashfs"
squash "$work/fsck" "$cd/02-fsck.squashfs"
squash "$work/top" "$cd/03-top.squashfs"
cp -a "$work/fsck/." "$work/core/"
mv "$work/core" "$root/core"
in_chroot /sbin/mke2fs -q -t ext2 -m 0 -E root_owner=0:0 -d /core /root.ext2 24M
mv "$root/root.ext2" "$cd/"
finish "livestick init"
