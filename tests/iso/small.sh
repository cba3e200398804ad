#!/bin/bash
# Builds a small but real Debian live ISO: the distribution's kernel, live-boot's own initrd, isolinux and signed
# UEFI loaders, laid out as live-build does it; only the root file system is a toy (busybox and a shell), so that it
# boots in seconds under emulation.  Needs no root.   usage: small.sh [RELEASE]
# RELEASE (default 1) is stamped into /etc/livestick-release and .disk/info: two of them make an upgrade.
# Prints the path of the cached ISO as the last line of stdout; all talk is on stderr.
. "$(dirname "$(realpath "$0")")/common.bash"

recipe small "${1:-1}" \
    linux-image-amd64 live-boot live-boot-initramfs-tools initramfs-tools gzip cpio lz4 \
    isolinux syslinux-common shim-signed grub-efi-amd64-signed

mkdir -p "$cd"/{live,isolinux,.disk,EFI/boot,boot/grub}
make_initrd <<'END'
echo 'MODULES=most
COMPRESS=lz4' >/etc/initramfs-tools/conf.d/livestick
mkinitramfs -o "/boot/initrd.img-$1" "$1"
END

fs=$work/fs
toy_root "$fs"
mkdir -p "$fs/etc/network" "$fs/lib/live"
squash "$fs" "$cd/live/filesystem.squashfs"

# ---- medium: both names of kernel and initrd are one file, and no menu uses the short one
for name in vmlinuz initrd.img; do
    cp "$root/boot/$name-$kernel" "$cd/live/"
    ln "$cd/live/$name-$kernel" "$cd/live/$name"
done
echo "Debian GNU/Linux $(cat "$root/etc/debian_version") - livestick small amd64 LIVE Binary $release" >"$cd/.disk/info"

# The last four save seconds: live-boot need not wait for further disks, nor write network and fstab settings.
append='boot=live components quiet splash quickusbmodules nonetworking nofstab usb-storage.delay_use=0'
failsafe='boot=live components memtest noapic noapm nodma nomce nolapic nosmp nosplash vga=788'
isolinux "$cd/isolinux" ldlinux libcom32 libutil vesamenu
cat >"$cd/isolinux/isolinux.cfg" <<'END'
include menu.cfg
default vesamenu.c32
prompt 0
timeout 50
END
cat >"$cd/isolinux/menu.cfg" <<'END'
menu hshift 0
menu width 82

menu title Boot menu
include stdmenu.cfg
include live.cfg
menu begin utilities
	menu label ^Utilities
	menu title Utilities
	include stdmenu.cfg
	label mainmenu
		menu label ^Back..
		menu exit
menu end

menu clear
END
cat >"$cd/isolinux/stdmenu.cfg" <<'END'
menu color title	* #FFFFFFFF *
menu color sel		* #ffffffff #76a1d0ff *
menu vshift 12
menu rows 10
menu tabmsg Press ENTER to boot or TAB to edit a menu entry
END
cat >"$cd/isolinux/live.cfg" <<END
label live-amd64
	menu label ^Live system (amd64)
	menu default
	linux /live/vmlinuz-$kernel
	initrd /live/initrd.img-$kernel
	append $append

label live-amd64-failsafe
	menu label Live system (amd64 fail-safe mode)
	linux /live/vmlinuz-$kernel
	initrd /live/initrd.img-$kernel
	append $failsafe
END
cat >"$cd/boot/grub/grub.cfg" <<END
set default=0
set timeout=5

menuentry "Live system (amd64)" --hotkey=l {
	linux	/live/vmlinuz-$kernel $append findiso=\${iso_path}
	initrd	/live/initrd.img-$kernel
}
menuentry "Live system (amd64 fail-safe mode)" {
	linux	/live/vmlinuz-$kernel $failsafe
	initrd	/live/initrd.img-$kernel
}

submenu 'Utilities...' --hotkey=u {
	if [ "\${grub_platform}" = "efi" ]; then
		menuentry "UEFI Firmware Settings" {
			fwsetup
		}
	fi
}
END

# UEFI: the loaders in the tree and, for firmware that reads only El Torito, once more in a FAT image
cp "$root/usr/lib/shim/shimx64.efi.signed" "$cd/EFI/boot/bootx64.efi"
cp "$root/usr/lib/grub/x86_64-efi-signed/gcdx64.efi.signed" "$cd/EFI/boot/grubx64.efi"
mkdir -p "$work/efi/boot/grub"
cp -r "$cd/EFI" "$work/efi/"
cat >"$work/efi/boot/grub/grub.cfg" <<'END'
search --set=root --file /.disk/info
set prefix=($root)/boot/grub
configfile ($root)/boot/grub/grub.cfg
END
fat_image "$cd/boot/grub/efi.img" "$work/efi"

(cd "$cd" && find . -type f ! -path ./isolinux/isolinux.bin ! -name sha256sum.txt -print0 | sort -z |
    xargs -0 sha256sum >sha256sum.txt)
finish "livestick small $release" \
    -isohybrid-mbr "$root/usr/lib/ISOLINUX/isohdpfx.bin" -partition_offset 16 \
    -b isolinux/isolinux.bin -c isolinux/boot.cat -no-emul-boot -boot-load-size 4 -boot-info-table \
    -eltorito-alt-boot -e boot/grub/efi.img -no-emul-boot -isohybrid-gpt-basdat -isohybrid-apm-hfsplus
