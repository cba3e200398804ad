# Sourced by the recipes of small live ISOs: packages of the distribution without installing them, a root file system
# that is only a busybox and a shell, a cache.  None of it needs root.  A recipe calls
#
#   recipe KIND RELEASE PACKAGE...    ends with the path of the cached ISO, if there is one; else the packages are
#                                     unpacked in $root, and $kernel is the version of theirs
#   make_initrd MODULE... <<'END'     commands for a chroot in $root, where only these and the usual drivers are left
#   toy_root DIR                      the system: DIR is to become its root
#   squash DIR IMAGE                  a squashfs image with what is in DIR
#   ext4_image DIR IMAGE              the same as ext4; DIR is a path in $root
#   isolinux DIR MODULE...            the BIOS loader
#   fat_image FILE DIR                an EFI system partition with what is in DIR
#   finish LABEL OPTION...            the ISO from the tree $cd, by xorriso; prints its path
#
# The path is the last line of stdout; all talk is on stderr.

set -euo pipefail
export LC_ALL=C TZ=UTC
umask 022
PATH=$PATH:/usr/sbin:/sbin

self=$(realpath "$0")
cache=${XDG_CACHE_HOME:-$HOME/.cache}/livestick
work=

die() { echo "${self##*/}: $*" >&2; exit 1; }
trap '[ -z "$work" ] || rm -rf --one-file-system "$work"' EXIT
trap 'exit 1' HUP INT TERM

# ---- is it there already?
cached() {
    [ -s "$iso" ] || return 1
    touch -a "$iso"         # in use: not the one to be pruned; its mtime stays, for whoever reads it at this moment
    echo "$iso"
}

recipe() {      # KIND RELEASE PACKAGE...
    local tool versions key
    kind=$1 release=$2
    packages=("${@:3}" base-files bash dash busybox-static coreutils findutils grep sed kmod util-linux mount libc-bin)
    [[ $release =~ ^[A-Za-z0-9.]{1,16}$ ]] || die "bad release: $release"
    for tool in apt-get:apt dpkg-deb:dpkg mksquashfs:squashfs-tools xorriso:xorriso mmd:mtools mkfs.fat:dosfstools \
                unshare:util-linux; do
        command -v "${tool%%:*}" >/dev/null || die "missing: ${tool%%:*} (package ${tool##*:})"
    done
    versions=$(apt-cache policy "${packages[@]}" | grep -E '^[^ ]|Candidate:')
    grep -q 'Candidate: [0-9]' <<<"$versions" || die "apt knows no packages: run apt-get update"
    key=$({ cat "$self" "${BASH_SOURCE[0]}"; echo "$kind $release $versions"; } | sha256sum | cut -c1-16)
    iso=$cache/$kind-$key.iso
    if cached; then exit 0; fi

    mkdir -p "$cache/debs/partial"
    exec 9>"$cache/lock"
    flock 9                     # one at a time downloads, and whoever waited for the same ISO has it now
    if cached; then exit 0; fi
    work=$(mktemp -d "${TMPDIR:-/var/tmp}/livestick-$kind.XXXXXX")
    root=$work/root cd=$work/cd
    mkdir -p "$root" "$cd" "$work/none/partial"
    unpack_packages
    kernel=$(basename "$root"/lib/modules/*)
    SOURCE_DATE_EPOCH=$(stat -c %Y "$root/boot/vmlinuz-$kernel")     # same packages, same bytes
    export SOURCE_DATE_EPOCH
}

# ---- packages: apt resolves and checks them as if nothing were installed; nothing touches the host's dpkg
apt_get() {     # ARCHIVES OPTION...
    apt-get -q -y -o Dir::State::status=/dev/null -o Dir::Cache::archives="$1/" \
        -o Dir::Cache::pkgcache="$work/pkgcache.bin" -o Dir::Cache::srcpkgcache="$work/srcpkgcache.bin" \
        -o Debug::NoLocking=true -o APT::Sandbox::User=root -o APT::Install-Recommends=false \
        "${@:2}" install "${packages[@]}"
}

unpack_packages() {
    local deb debs=$cache/debs
    apt_get "$work/none" --print-uris | awk '$2 ~ /\.deb$/ {print $2}' >"$debs/$kind.list"
    apt_get "$debs" --download-only >"$work/log" 2>&1 || { cat "$work/log" >&2; die "apt-get cannot get the packages"; }
    while read -r deb; do
        dpkg-deb --fsys-tarfile "$debs/$deb" | tar -x -C "$root" --no-same-owner \
            --exclude='./usr/share/doc/*' --exclude='./usr/share/man/*' --exclude='./usr/share/locale/*'
    done <"$debs/$kind.list"
    for deb in "$debs"/*.deb; do
        grep -qxF "${deb##*/}" "$debs"/*.list || rm -f "$deb"
    done
}

in_chroot() {   # COMMAND...
    local as_root=(unshare -m)
    [ "$(id -u)" = 0 ] || as_root=(unshare -Urm)
    "${as_root[@]}" bash -c '
        mkdir -p "$1"/{dev,proc,tmp} && mount --rbind /dev "$1/dev" && mount --rbind /proc "$1/proc" &&
        exec chroot "$1" "${@:2}"' - "$root" "$@" >&2
}

# ---- initrd, by the distribution's own tool.  It would take all drivers there are, so leave only what QEMU and ordinary
# PCs boot from.  Quick for the kernel to unpack under emulation counts more than small: lz4.
make_initrd() { # MODULE... <COMMANDS; in them $1 is the version of the kernel
    {
        cat <<'END'
set -e
PATH=/usr/sbin:/usr/bin:/sbin:/bin
kernel=$1
shift
[ -e /usr/bin/awk ] || ln -s /bin/busybox /usr/bin/awk      # update-alternatives never ran
depmod "$kernel"
modprobe -S "$kernel" -a --show-depends usb-storage uas xhci-pci ehci-pci uhci-hcd ohci-pci usbhid hid-generic \
    sd_mod sr_mod ahci ata_piix ata_generic nvme virtio_pci virtio_blk virtio_scsi \
    vfat nls_cp437 nls_iso8859-1 nls_utf8 nls_ascii ext4 crc32c_generic crc32c-intel isofs squashfs loop overlay "$@" |
    awk '$1 == "insmod" {print $2}' | sort -u >/keep
find "/lib/modules/$kernel/kernel" -name '*.ko' | grep -vxFf /keep | xargs rm -f
depmod "$kernel"
set -- "$kernel"
END
        cat
    } >"$root/make-initrd"
    in_chroot /bin/bash /make-initrd "$kernel" "$@"
}

# ---- root file system
toy_root() {    # DIR
    local fs=$1 applet
    mkdir -p "$fs"/{bin,sbin,dev,proc,sys,run,tmp,mnt,root,home,etc,usr/bin,usr/sbin,usr/lib,var/log,var/tmp}
    cp "$root/bin/busybox" "$fs/bin/"
    "$root/bin/busybox" --list-full | grep -vx -e bin/busybox -e sbin/init | while read -r applet; do
        mkdir -p "$fs/${applet%/*}"
        ln -s /bin/busybox "$fs/$applet"
    done
    cp "$root/usr/lib/os-release" "$root/etc/debian_version" "$fs/etc/"
    echo "$release" >"$fs/etc/livestick-release"
    echo "livestick-$kind" >"$fs/etc/hostname"
    echo '127.0.0.1 localhost' >"$fs/etc/hosts"
    echo 'root:x:0:0:root:/root:/bin/sh' >"$fs/etc/passwd"
    echo 'root:x:0:' >"$fs/etc/group"
    cat >"$fs/etc/profile" <<END
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=\${TERM:-linux} PS1='root@livestick-$kind:\w# '
cd
echo "LIVESTICK-TEST-READY release=\$(cat /etc/livestick-release) kernel=\$(uname -r) console=\$(tty)"
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
}

squash() {      # DIR IMAGE
    mksquashfs "$1" "$2" -comp lz4 -all-root -no-progress -quiet -no-xattrs >&2
}

ext4_image() {  # DIR IMAGE
    dated "$root$1"
    in_chroot /sbin/mke2fs -q -t ext4 -m 0 -U 4c697665-7374-4963-8b00-000000000001 \
        -E hash_seed=4c697665-7374-4963-8b00-000000000002,root_owner=0:0 -d "$1" /image 192M
    mv "$root/image" "$2"
}

# ---- medium
isolinux() {    # DIR MODULE...
    local module
    cp "$root/usr/lib/ISOLINUX/isolinux.bin" "$1/"
    for module in "${@:2}"; do cp "$root/usr/lib/syslinux/modules/bios/$module.c32" "$1/"; done
}

dated() { find "$@" -exec touch -hd "@$SOURCE_DATE_EPOCH" {} +; }

fat_image() {   # FILE DIR
    local kib
    dated "$2"
    kib=$((($(find "$2" -type f -exec cat {} + | wc -c) / 1024 + 64 + 31) / 32 * 32))
    mkfs.fat -C "$1" -i 4c495645 --invariant "$kib" >/dev/null
    (cd "$2" && find . -mindepth 1 -type d -printf '::%P\n' | sort | xargs mmd -i "$1")
    (cd "$2" && find . -type f -printf '%P\n' | sort | while read -r f; do mcopy -m -i "$1" "$f" "::$f"; done)
}

finish() {      # LABEL OPTION...
    dated "$cd"
    xorriso -as mkisofs -quiet -R -r -J -joliet-long -l -cache-inodes -iso-level 3 -V "$1" "${@:2}" \
        -o "$work/iso" "$cd" >&2
    mv "$work/iso" "$iso.$$"        # $work may be on another file system
    mv "$iso.$$" "$iso"
    ls -tu "$cache/$kind"-????????????????.iso | tail -n +5 | while read -r old; do rm -f "$old"; done
    echo "$iso"
}
