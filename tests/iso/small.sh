#!/bin/bash
# Builds a small but real Debian live ISO: the distribution's kernel, live-boot's own initrd, isolinux and signed
# UEFI loaders, laid out as live-build does it; only the root file system is a toy (busybox and a shell), so that it
# boots in seconds under emulation.  Needs no root.   usage: small.sh [RELEASE]
# RELEASE (default 1) is stamped into /etc/livestick-release and .disk/info: two of them make an upgrade.
# Prints the path of the cached ISO as the last line of stdout; all talk is on stderr.
set -euo pipefail
export LC_ALL=C TZ=UTC
umask 022

self=$(realpath "$0")
release=${1:-1}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/livestick
work=

die() { echo "small.sh: $*" >&2; exit 1; }
trap '[ -z "$work" ] || rm -rf --one-file-system "$work"' EXIT
trap 'exit 1' HUP INT TERM

[[ $release =~ ^[A-Za-z0-9.]{1,16}$ ]] || die "bad release: $release"
PATH=$PATH:/usr/sbin:/sbin
for tool in apt-get:apt dpkg-deb:dpkg mksquashfs:squashfs-tools xorriso:xorriso mmd:mtools mkfs.fat:dosfstools \
            unshare:util-linux; do
    command -v "${tool%%:*}" >/dev/null || die "missing: ${tool%%:*} (package ${tool##*:})"
done

# ---- is it there already?
packages=(
    linux-image-amd64 live-boot live-boot-initramfs-tools initramfs-tools   # what the live system is
    bash dash coreutils findutils grep sed gzip cpio kmod util-linux mount libc-bin lz4   # what builds its initrd
    busybox-static base-files                                               # its root
    isolinux syslinux-common shim-signed grub-efi-amd64-signed              # its loaders
)
versions=$(apt-cache policy "${packages[@]}" | grep -E '^[^ ]|Candidate:')
grep -q 'Candidate: [0-9]' <<<"$versions" || die "apt knows no packages: run apt-get update"
key=$({ cat "$self"; echo "$release $versions"; } | sha256sum | cut -c1-16)
iso=$cache/small-$key.iso
if [ -s "$iso" ]; then
    touch "$iso"            # in use: not the one to be pruned
    echo "$iso"
    exit 0
fi

mkdir -p "$cache/debs/partial"
work=$(mktemp -d "${TMPDIR:-/var/tmp}/livestick-small.XXXXXX")
root=$work/root cd=$work/cd
mkdir -p "$root" "$work/none/partial" "$cd"/{live,isolinux,.disk,EFI/boot,boot/grub}

# ---- packages: apt resolves and checks them as if nothing were installed; nothing touches the host's dpkg
apt_get() {     # ARCHIVES OPTION...
    apt-get -q -y -o Dir::State::status=/dev/null -o Dir::Cache::archives="$1/" \
        -o Dir::Cache::pkgcache="$work/pkgcache.bin" -o Dir::Cache::srcpkgcache="$work/srcpkgcache.bin" \
        -o Debug::NoLocking=true -o APT::Sandbox::User=root -o APT::Install-Recommends=false \
        "${@:2}" install "${packages[@]}"
}
apt_get "$work/none" --print-uris | awk '$2 ~ /\.deb$/ {print $2}' >"$work/debs"
apt_get "$cache/debs" --download-only >"$work/log" 2>&1 || { cat "$work/log" >&2; die "apt-get cannot get the packages"; }

unpack() { dpkg-deb --fsys-tarfile "$cache/debs/$1" | tar -x -C "$root" --no-same-owner \
               --exclude='./usr/share/doc/*' --exclude='./usr/share/man/*' --exclude='./usr/share/locale/*'; }
while read -r deb; do unpack "$deb"; done <"$work/debs"
for deb in "$cache"/debs/*.deb; do grep -qxF "${deb##*/}" "$work/debs" || rm -f "$deb"; done

kernel=$(basename "$root"/lib/modules/*)
SOURCE_DATE_EPOCH=$(stat -c %Y "$root/boot/vmlinuz-$kernel")     # same packages, same bytes
export SOURCE_DATE_EPOCH

# ---- initrd, by initramfs-tools itself in a chroot.  MODULES=most takes all there is, so leave only what QEMU and
# ordinary PCs boot from.  Quick for the kernel to unpack under emulation counts more than small: lz4.
cat >"$root/make-initrd" <<'END'
set -e
PATH=/usr/sbin:/usr/bin:/sbin:/bin
[ -e /usr/bin/awk ] || ln -s /bin/busybox /usr/bin/awk      # update-alternatives never ran
depmod "$1"
modprobe -S "$1" -a --show-depends usb-storage uas xhci-pci ehci-pci uhci-hcd ohci-pci usbhid hid-generic \
    sd_mod sr_mod ahci ata_piix ata_generic nvme virtio_pci virtio_blk virtio_scsi \
    vfat nls_cp437 nls_iso8859-1 nls_utf8 nls_ascii ext4 crc32c_generic crc32c-intel isofs squashfs loop overlay |
    awk '$1 == "insmod" {print $2}' | sort -u >/keep
find "/lib/modules/$1/kernel" -name '*.ko' | grep -vxFf /keep | xargs rm -f
depmod "$1"
echo 'MODULES=most
COMPRESS=lz4' >/etc/initramfs-tools/conf.d/livestick
mkinitramfs -o "/boot/initrd.img-$1" "$1"
END
as_root=(unshare -m); [ "$(id -u)" = 0 ] || as_root=(unshare -Urm)
"${as_root[@]}" bash -c '
    mkdir -p "$1"/{dev,proc,tmp} && mount --rbind /dev "$1/dev" && mount --rbind /proc "$1/proc" &&
    exec chroot "$1" /bin/bash /make-initrd "$2"' - "$root" "$kernel" >&2

# ---- root file system
fs=$work/fs
mkdir -p "$fs"/{bin,sbin,dev,proc,sys,run,tmp,mnt,root,home,etc/network,lib/live,usr/bin,usr/sbin,usr/lib,var/log,var/tmp}
cp "$root/bin/busybox" "$fs/bin/"
"$root/bin/busybox" --list-full | grep -vx -e bin/busybox -e sbin/init | while read -r applet; do
    mkdir -p "$fs/${applet%/*}"
    ln -s /bin/busybox "$fs/$applet"
done
cp "$root/usr/lib/os-release" "$root/etc/debian_version" "$fs/etc/"
echo "$release" >"$fs/etc/livestick-release"
echo livestick-small >"$fs/etc/hostname"
echo '127.0.0.1 localhost' >"$fs/etc/hosts"
echo 'root:x:0:0:root:/root:/bin/sh' >"$fs/etc/passwd"
echo 'root:x:0:' >"$fs/etc/group"
cat >"$fs/etc/profile" <<'END'
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=${TERM:-linux} PS1='root@livestick-small:\w# '
cd
echo "LIVESTICK-TEST-READY release=$(cat /etc/livestick-release) kernel=$(uname -r) console=$(tty)"
END
cat >"$fs/sbin/init" <<'END'
#!/bin/sh
# A root shell on every console that was asked for; busybox' poweroff and reboot signal process 1.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
leave() { sync; echo s >/proc/sysrq-trigger; echo u >/proc/sysrq-trigger; "$1" -f; }
trap 'leave poweroff' USR1 USR2
trap 'leave reboot' TERM
mount -t tmpfs -o mode=1777 tmp /tmp
hostname -F /etc/hostname
echo 3 >/proc/sys/kernel/printk     # a late kernel message must not land in the middle of a command's output
shell() { while :; do setsid -c sh -l <>"/dev/$1" >&0 2>&1; sleep 1; done; }
for console in tty1 $(sed -n 's/ /\n/g; p' /proc/cmdline | sed -n 's/^console=\(ttyS[0-9]*\).*/\1/p' | sort -u); do
    shell "$console" &
done
while :; do wait; sleep 1; done
END
chmod 755 "$fs/sbin/init"
chmod 1777 "$fs/tmp" "$fs/var/tmp"
mksquashfs "$fs" "$cd/live/filesystem.squashfs" -comp lz4 -all-root -no-progress -quiet -no-xattrs >&2

# ---- medium: both names of kernel and initrd are one file, and no menu uses the short one
for name in vmlinuz initrd.img; do
    cp "$root/boot/$name-$kernel" "$cd/live/"
    ln "$cd/live/$name-$kernel" "$cd/live/$name"
done
echo "Debian GNU/Linux $(cat "$root/etc/debian_version") - livestick small amd64 LIVE Binary $release" >"$cd/.disk/info"

# The last four save seconds: live-boot need not wait for further disks, nor write network and fstab settings.
append='boot=live components quiet splash quickusbmodules nonetworking nofstab usb-storage.delay_use=0'
failsafe='boot=live components memtest noapic noapm nodma nomce nolapic nosmp nosplash vga=788'
cp "$root/usr/lib/ISOLINUX/isolinux.bin" \
   "$root"/usr/lib/syslinux/modules/bios/{ldlinux,libcom32,libutil,vesamenu}.c32 "$cd/isolinux/"
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
cat >"$work/grub.cfg" <<'END'
search --set=root --file /.disk/info
set prefix=($root)/boot/grub
configfile ($root)/boot/grub/grub.cfg
END
find "$cd" "$work/grub.cfg" -exec touch -hd "@$SOURCE_DATE_EPOCH" {} +
efi=$cd/boot/grub/efi.img
kib=$((($(cat "$cd"/EFI/boot/* | wc -c) / 1024 + 64 + 31) / 32 * 32))
mkfs.fat -C "$efi" -i 4c495645 --invariant "$kib" >/dev/null
mmd -i "$efi" ::EFI ::EFI/boot ::boot ::boot/grub
mcopy -m -i "$efi" "$cd"/EFI/boot/* ::EFI/boot
mcopy -m -i "$efi" "$work/grub.cfg" ::boot/grub

(cd "$cd" && find . -type f ! -path ./isolinux/isolinux.bin ! -name sha256sum.txt -print0 | sort -z |
    xargs -0 sha256sum >sha256sum.txt)
find "$cd" -exec touch -hd "@$SOURCE_DATE_EPOCH" {} +
xorriso -as mkisofs -quiet -R -r -J -joliet-long -l -cache-inodes -iso-level 3 -V "livestick small $release" \
    -isohybrid-mbr "$root/usr/lib/ISOLINUX/isohdpfx.bin" -partition_offset 16 \
    -b isolinux/isolinux.bin -c isolinux/boot.cat -no-emul-boot -boot-load-size 4 -boot-info-table \
    -eltorito-alt-boot -e boot/grub/efi.img -no-emul-boot -isohybrid-gpt-basdat -isohybrid-apm-hfsplus \
    -o "$work/iso" "$cd" >&2
mv "$work/iso" "$iso.$$"        # $work may be on another file system
mv "$iso.$$" "$iso"
ls -t "$cache"/small-*.iso | tail -n +5 | while read -r old; do rm -f "$old"; done
echo "$iso"
