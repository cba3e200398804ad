#!/bin/bash
# Builds media of hand-made live systems, whose own initrd keeps nothing, or that have none.   usage: own.sh FORM [RELEASE]
#   debootstrap      /vmlinuz and /filesystem.squashfs, a Debian with sysvinit made by debootstrap. No initrd, no menu.
#                    Needs root, as debootstrap does; the others do not.
#   lfs              as the tutorials for Linux from Scratch have it: /LABEL, /SYSTEM.img, /boot/livecd-kernel, and an
#                    initramfs that looks for its label on CD drives only; boot scripts that check and remount what
#                    /etc/fstab names; /etc.tar.bz2
#   initramfs-tools  isolinux, a squashfs, and a stock initramfs-tools initrd, which knows nothing of either
#   stacked          two squashfs images, 01-core and 02-more; the second one changes a file of the first
#   snapshot         one ext4 image, and a kernel without overlayfs
# RELEASE (default 1) is stamped into /etc/livestick-release: two of them make an upgrade.
# Prints the path of the cached ISO as the last line of stdout; all talk is on stderr.
. "$(dirname "$(realpath "$0")")/common.bash"

form=${1:?usage: own.sh debootstrap|lfs|initramfs-tools|stacked|snapshot [RELEASE]}
case $form in
debootstrap | lfs | initramfs-tools | stacked | snapshot) ;;
*) die "no such form: $form" ;;
esac
[ "$form" != debootstrap ] || [ "$(id -u)" = 0 ] || die "debootstrap needs root"
recipe "own-$form" "${2:-1}" linux-image-amd64 initramfs-tools dmsetup e2fsprogs gzip cpio lz4 isolinux syslinux-common

mkdir -p "$cd"
make_initrd dm-mod dm-snapshot <<END
[ $form != snapshot ] || { rm /lib/modules/\$1/kernel/fs/overlayfs/overlay.ko; depmod "\$1"; }
[ $form != initramfs-tools ] || { echo 'MODULES=most
COMPRESS=lz4' >/etc/initramfs-tools/conf.d/livestick; mkinitramfs -o /boot/initrd.img "\$1"; }
END

# The modules that are left are those of the system, too.
system() {      # DIR
    toy_root "$1"
    mkdir -p "$1/lib/modules"
    cp -a "$root/lib/modules/$kernel" "$1/lib/modules/"
}

isolinux_menu() {       # KERNEL ARGUMENTS
    mkdir -p "$cd/isolinux"
    isolinux "$cd/isolinux" ldlinux
    printf 'DEFAULT live\nTIMEOUT 50\nLABEL live\n  MENU LABEL Live system\n  KERNEL %s\n  APPEND %s\n' "$1" "$2" \
        >"$cd/isolinux/isolinux.cfg"
}

# What the machine's own apt uses.
mirror() {
    apt-get indextargets --format '$(REPO_URI)' 'Identifier: Packages' 'Origin: Debian' "Codename: $1" \
        'Component: main' | head -n 1
}

make_debootstrap() {
    local suite fs=$work/debian
    suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
    command -v debootstrap >/dev/null || die "missing: debootstrap (package debootstrap)"
    debootstrap --variant=minbase --include=sysvinit-core,e2fsprogs,procps,kmod "$suite" "$fs" "$(mirror "$suite")" >&2
    rm -rf "$fs"/var/cache/apt/* "$fs"/var/lib/apt/lists/* "$fs"/usr/share/{doc,man,locale}/*
    mkdir -p "$fs/lib/modules"
    cp -a "$root/lib/modules/$kernel" "$fs/lib/modules/"
    cp "$root/boot/config-$kernel" "$fs/boot/"
    echo "$release" >"$fs/etc/livestick-release"
    echo 'T0:2345:respawn:/sbin/getty -n -l /bin/bash -L ttyS0 115200 vt100' >>"$fs/etc/inittab"
    # The disk of the machine that it was made on.
    echo '/dev/sda1 / ext4 errors=remount-ro 0 1' >"$fs/etc/fstab"
    squash "$fs" "$cd/filesystem.squashfs"
    cp "$root/boot/vmlinuz-$kernel" "$cd/vmlinuz"
}

# The root is looked for where it was when the CD was made; rc.sysinit does what the book's boot scripts do.
make_lfs() {
    local fs=$work/fs init=$work/init
    system "$fs"
    printf '/dev/sda1 / ext3 defaults 1 1\n/dev/sda2 swap swap pri=1 0 0\nproc /proc proc defaults 0 0\n' >"$fs/etc/fstab"
    mv "$fs/sbin/init" "$fs/sbin/init.real"
    cat >"$fs/sbin/init" <<'END'
#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
while read -r device at rest; do
    case $device in /dev/*) echo "rc: checking $device for $at"; fsck "$device" || { echo "rc: BROKEN"; sleep 1000; } ;; esac
done </etc/fstab
mount -o remount,rw / || { echo "rc: cannot remount /"; sleep 1000; }
exec /sbin/init.real
END
    chmod 755 "$fs/sbin/init"
    squash "$fs" "$cd/SYSTEM.img"
    mkdir -p "$cd/boot" "$init"/{bin,proc,sys,dev,mnt/cdrom,SYSTEM} "$work/etc/etc/opt"
    cp "$root/bin/busybox" "$init/bin/"
    cat >"$init/init" <<'END'
#!/bin/busybox sh
busybox mount -t proc proc /proc
for drive in $(busybox sed -n 's/^drive name://p' /proc/sys/dev/cdrom/info); do
    [ "$(busybox dd if=/dev/$drive bs=1 skip=32808 count=9 2>/dev/null)" = mylivecd ] || continue
    busybox mount -t iso9660 /dev/$drive /mnt/cdrom && busybox mount -o loop /mnt/cdrom/SYSTEM.img /SYSTEM &&
        exec busybox switch_root /SYSTEM /sbin/init
done
echo "no live CD in any CD drive"
exec busybox sh
END
    chmod 755 "$init/init"
    (cd "$init" && find . | sort | cpio -o -H newc -R 0:0 --quiet | gzip -9n) >"$cd/boot/initramfs.img.gz"
    cp "$root/boot/vmlinuz-$kernel" "$cd/boot/livecd-kernel"
    echo "somebody's LiveCD" >"$cd/LABEL"
    echo "from the archive" >"$work/etc/etc/opt/unpacked"
    dated "$work/etc"
    tar -C "$work/etc" --sort=name --owner=0 --group=0 -cjf "$cd/etc.tar.bz2" etc
    isolinux_menu /boot/livecd-kernel \
        'initrd=/boot/initramfs.img.gz root=/dev/ram0 ramdisk_size=65536 init=/linuxrc root=/dev/livecd vga=791'
}

make_initramfs_tools() {
    system "$work/fs"
    mkdir -p "$cd/live"
    squash "$work/fs" "$cd/live/root.squashfs"
    cp "$root/boot/vmlinuz-$kernel" "$root/boot/initrd.img" "$cd/live/"
    isolinux_menu "/live/vmlinuz-$kernel" 'initrd=/live/initrd.img root=/dev/sr0 ro quiet'
}

make_stacked() {
    system "$work/fs"
    mkdir -p "$cd/images" "$work/more/etc"
    echo core >"$work/fs/etc/layer"
    echo core >"$work/fs/etc/only-core"
    echo more >"$work/more/etc/layer"
    squash "$work/fs" "$cd/images/01-core.squashfs"
    # More than the least size of a system image.
    seq 100000 | gzip -9n >"$work/more/etc/numbers.gz"
    squash "$work/more" "$cd/images/02-more.squashfs"
    cp "$root/boot/vmlinuz-$kernel" "$cd/vmlinuz"
}

make_snapshot() {
    system "$root/fs"
    ext4_image /fs "$cd/root.ext4"
    cp "$root/boot/vmlinuz-$kernel" "$cd/vmlinuz"
}

"make_${form//-/_}"
boot=()
[ ! -d "$cd/isolinux" ] ||
    boot=(-b isolinux/isolinux.bin -c isolinux/boot.cat -no-emul-boot -boot-load-size 4 -boot-info-table)
finish "livestick $form $release" "${boot[@]}"
