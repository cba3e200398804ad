#!/bin/bash
# Builds a small but real kiwi live ISO, laid out as kiwi does it for openSUSE: the distribution's kernel, an initrd by
# dracut with kiwi-live and systemd, GRUB for BIOS and UEFI; only the root file system is a toy (busybox and a shell).
# Needs no root.   usage: kiwi.sh [RELEASE]
# RELEASE (default 1) is stamped into /etc/livestick-release and the label: two of them make an upgrade.
# Prints the path of the cached ISO as the last line of stdout; all talk is on stderr.
. "$(dirname "$(realpath "$0")")/common.bash"

recipe kiwi "${1:-1}" \
    linux-image-amd64 kiwi-dracut-live dracut dracut-live dracut-network systemd udev dmsetup e2fsprogs fdisk \
    iproute2 procps gzip cpio lz4 grub-efi-amd64-bin grub-pc-bin

loader=boot/x86_64/loader
mkdir -p "$cd"/{LiveOS,"$loader",boot/grub2,EFI/BOOT}
# kiwi-live wants a network; the scripts are the smallest one.  Only systemd mounts its root: it has no hook for that.
make_initrd dm-mod <<'END'
dracut --kver "$1" --no-hostonly --no-hostonly-cmdline --no-early-microcode --nostrip --reproducible --compress lz4 \
    --tmpdir /tmp --add 'network-legacy kiwi-live' --omit 'resume shutdown virtiofs systemd-networkd' --force "/boot/initrd.img-$1"
END

# ---- root file system
toy_root "$root/fs"
mkdir -p "$work/nest/LiveOS"
ext4_image /fs "$work/nest/LiveOS/rootfs.img"
squash "$work/nest" "$cd/LiveOS/squashfs.img"

# ---- medium
label=Livestick_Kiwi_Live_$release
id=boot/0x4c697665      # the file that GRUB finds its medium by
cp "$root/boot/vmlinuz-$kernel" "$cd/$loader/linux"
cp "$root/boot/initrd.img-$kernel" "$cd/$loader/initrd"
echo "${id#boot/}" | tee "$cd/boot/mbrid" >"$cd/$id"
options="root=live:CDLABEL=$label rd.live.image rd.live.overlay.persistent rd.live.overlay.cowfs=ext4 quiet"
entry() {       # TITLE OPTION...
    cat <<END
menuentry "$1" --class os --unrestricted {
    set gfxpayload=keep
    echo Loading kernel...
    \$linux (\$root)/$loader/linux \${extra_cmdline} \${isoboot} ${*:2}
    echo Loading initrd...
    \$initrd (\$root)/$loader/initrd
}
END
}
{
    cat <<END
set btrfs_relative_path="y"
export btrfs_relative_path
search --file --set=root /$id
set default=0
if [ -n "\${iso_path}" ]; then
    isoboot="iso-scan/filename=\${iso_path}"
fi
set timeout=5
set timeout_style=menu
set linux=linux
set initrd=initrd
if [ "\${grub_cpu}" = "x86_64" -o "\${grub_cpu}" = "i386" ]; then
    if [ "\${grub_platform}" = "efi" ]; then
        set linux=linuxefi
        set initrd=initrdefi
    fi
fi
export linux initrd
terminal_input console
terminal_output console
END
    entry "Livestick Kiwi $release" "$options"
    entry "Failsafe -- Livestick Kiwi $release" \
        'ide=nodma apm=off noresume edd=off nomodeset 3' "$options"
    entry "Mediacheck" mediacheck=1 plymouth.enable=0 "$options"
    cat <<'END'
menuentry "Boot from Hard Disk" --class os --unrestricted {
    exit
}
END
} >"$cd/boot/grub2/grub.cfg"

# The loaders only look for the medium.  That of UEFI is in the tree and, for firmware that reads only El Torito, in a
# FAT image, too.
cat >"$cd/EFI/BOOT/grub.cfg" <<END
set btrfs_relative_path="yes"
search --file --set=root /$id
set prefix=(\$root)/boot/grub2
configfile (\$root)/boot/grub2/grub.cfg
END
cp "$cd/EFI/BOOT/grub.cfg" "$root/early.cfg"
modules=(normal configfile search search_fs_uuid search_fs_file search_label test echo linux boot reboot
         fat iso9660 ext2 part_msdos part_gpt)
in_chroot /usr/bin/grub-mkimage -O x86_64-efi -p /EFI/BOOT -o /bootx64.efi "${modules[@]}" linuxefi all_video
in_chroot /usr/bin/grub-mkimage -O i386-pc-eltorito -p /boot/grub2 -c /early.cfg -o /eltorito.img \
    "${modules[@]}" biosdisk
cp "$root/bootx64.efi" "$cd/EFI/BOOT/"
cp "$root/eltorito.img" "$cd/$loader/"
mkdir "$work/efi"
cp -r "$cd/EFI" "$work/efi/"
fat_image "$cd/boot/x86_64/efi" "$work/efi"

finish "$label" \
    --grub2-mbr "$root/usr/lib/grub/i386-pc/boot_hybrid.img" -partition_offset 16 \
    -b "$loader/eltorito.img" -c boot/boot.catalog -no-emul-boot -boot-load-size 4 -boot-info-table --grub2-boot-info \
    -eltorito-alt-boot -e boot/x86_64/efi -no-emul-boot -isohybrid-gpt-basdat
