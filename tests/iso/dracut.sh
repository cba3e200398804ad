#!/bin/bash
# Builds a small but real dracut live ISO, laid out as lorax does it for Fedora: the distribution's kernel, dracut's own
# dmsquash-live initrd, isolinux and an unsigned GRUB; only the root file system is a toy (busybox and a shell).
# Needs no root.   usage: dracut.sh [overlay|snapshot] [RELEASE]
# overlay: the system lies in the squashfs itself; its initrd can only put an OverlayFS on it.
# snapshot: the squashfs holds an ext4 image, LiveOS/rootfs.img; the initrd has no OverlayFS, as before Linux 3.18, and puts
# a device-mapper snapshot on it.
# RELEASE (default 1) is stamped into /etc/livestick-release and the label: two of them make an upgrade.
# Prints the path of the cached ISO as the last line of stdout; all talk is on stderr.
. "$(dirname "$(realpath "$0")")/common.bash"

form=${1:-overlay}
[ "$form" = overlay ] || [ "$form" = snapshot ] || die "neither overlay nor snapshot: $form"
recipe "dracut-$form" "${2:-1}" \
    linux-image-amd64 dracut dracut-live dmsetup udev e2fsprogs gzip cpio lz4 \
    isolinux syslinux-common grub-efi-amd64-bin

mkdir -p "$cd"/{LiveOS,isolinux,images/pxeboot,EFI/BOOT}
make_initrd dm-mod dm-snapshot <<END
[ $form = overlay ] || { rm /lib/modules/\$1/kernel/fs/overlayfs/overlay.ko; depmod "\$1"; }
dracut --kver "\$1" --no-hostonly --no-hostonly-cmdline --no-early-microcode --nostrip --reproducible --compress lz4 \
    --tmpdir /tmp --add 'dash dmsquash-live' --omit 'resume shutdown virtiofs' --force "/boot/initrd.img-\$1"
END

# ---- root file system
toy_root "$root/fs"
if [ "$form" = overlay ]; then
    squash "$root/fs" "$cd/LiveOS/squashfs.img"
else
    mkdir -p "$work/nest/LiveOS"
    ext4_image /fs "$work/nest/LiveOS/rootfs.img"
    squash "$work/nest" "$cd/LiveOS/squashfs.img"
fi

# ---- medium: each loader has its own copy of kernel and initrd, which are one file
label=Livestick-dracut-$form-$release
cp "$root/boot/vmlinuz-$kernel" "$cd/images/pxeboot/vmlinuz"
cp "$root/boot/initrd.img-$kernel" "$cd/images/pxeboot/initrd.img"
ln "$cd"/images/pxeboot/* "$cd/isolinux/"
isolinux "$cd/isolinux" ldlinux libcom32 libutil vesamenu
cat >"$cd/isolinux/isolinux.cfg" <<END
default vesamenu.c32
timeout 50
menu clear
menu title Livestick dracut $form $release
menu vshift 8
menu rows 18
menu color sel 0 #ffffffff #00000000 none
menu tabmsg Press Tab for full configuration options on menu items.
menu separator

label linux
  menu label ^Start Livestick dracut $form $release
  kernel vmlinuz
  append initrd=initrd.img root=live:CDLABEL=$label rd.live.image quiet

label check
  menu label Test this ^media & start Livestick dracut $form $release
  menu default
  kernel vmlinuz
  append initrd=initrd.img root=live:CDLABEL=$label rd.live.image rd.live.check quiet

menu separator

menu begin ^Troubleshooting
  menu title Troubleshooting

label basic
  menu indent count 5
  menu label Start Livestick dracut $form $release in ^basic graphics mode
  text help
	For screens that stay dark otherwise.
  endtext
  kernel vmlinuz
  append initrd=initrd.img root=live:CDLABEL=$label rd.live.image nomodeset quiet

menu separator

label local
  menu label Boot from ^local drive
  localboot 0xffff

label returntomain
  menu label Return to ^main menu
  menu exit

menu end
END
cat >"$cd/EFI/BOOT/grub.cfg" <<END
set default="1"

function load_video {
  insmod efi_gop
  insmod efi_uga
  insmod all_video
}

load_video
set gfxpayload=keep
insmod gzio
insmod part_gpt
insmod ext2

set timeout=5

search --no-floppy --set=root -l '$label'

menuentry 'Start Livestick dracut $form $release' --class gnu-linux --class gnu --class os {
	linux /images/pxeboot/vmlinuz root=live:CDLABEL=$label rd.live.image quiet
	initrd /images/pxeboot/initrd.img
}
menuentry 'Test this media & start Livestick dracut $form $release' --class gnu-linux --class gnu --class os {
	linux /images/pxeboot/vmlinuz root=live:CDLABEL=$label rd.live.image rd.live.check quiet
	initrd /images/pxeboot/initrd.img
}
submenu 'Troubleshooting -->' {
	menuentry 'Start Livestick dracut $form $release in basic graphics mode' --class gnu-linux --class os {
		linux /images/pxeboot/vmlinuz root=live:CDLABEL=$label rd.live.image nomodeset quiet
		initrd /images/pxeboot/initrd.img
	}
}
END

# UEFI: a GRUB that looks beside itself; in the tree and, for firmware that reads only El Torito, in a FAT image
in_chroot /usr/bin/grub-mkimage -O x86_64-efi -p /EFI/BOOT -o /BOOTX64.EFI \
    normal configfile search search_fs_uuid search_fs_file search_label test echo linux boot reboot halt \
    fat iso9660 ext2 part_msdos part_gpt all_video efi_gop efi_uga gzio
cp "$root/BOOTX64.EFI" "$cd/EFI/BOOT/"
mkdir "$work/efi"
cp -r "$cd/EFI" "$work/efi/"
fat_image "$cd/images/efiboot.img" "$work/efi"

finish "$label" \
    -isohybrid-mbr "$root/usr/lib/ISOLINUX/isohdpfx.bin" -partition_offset 16 \
    -b isolinux/isolinux.bin -c isolinux/boot.cat -no-emul-boot -boot-load-size 4 -boot-info-table \
    -eltorito-alt-boot -e images/efiboot.img -no-emul-boot -isohybrid-gpt-basdat
