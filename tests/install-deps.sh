#!/bin/bash
# Installs what building, trying and testing livestick needs on Debian 12, if it is missing. Called by the Makefile.
#
#   tests/install-deps.sh build|try|test|bench|fuzz
set -euo pipefail

build=(gcc make pkg-config libfdisk-dev libblkid-dev libparted-dev libext2fs-dev libssl-dev libjson-c-dev
       zlib1g-dev libbz2-dev liblzma-dev libzstd-dev liblz4-dev liblzo2-dev libsquashfs-dev libarchive-dev
       libseccomp-dev musl-tools linux-libc-dev)
run=(syslinux syslinux-common mtools)
uefi=(shim-signed grub-efi-amd64-signed systemd-boot-efi syslinux-efi)
try=(qemu-system-x86 python3 xorriso squashfs-tools dosfstools util-linux)
test=(kmod strace openssl osslsigncode isolinux e2fsprogs fdisk parted jq live-build debootstrap genisoimage qemu-utils ovmf grub-common extlinux cpio xz-utils zstd lz4 bzip2 lzop initramfs-tools-core isomd5sum nbdkit libnbd-bin fuse3 btrfs-progs xfsprogs)
bench=(nbdkit libnbd-bin fuse3 fdisk e2fsprogs genimage extlinux cpio time)
fuzz=(clang llvm libclang-rt-14-dev jq fdisk syslinux xorriso squashfs-tools mtools dosfstools e2fsprogs cpio xz-utils zstd lz4 bzip2 lzop)

# On a PC that was started by UEFI these would install themselves as its loader; nobody who runs tests wants that.
[ -d /sys/firmware/efi ] && uefi=()

case ${1:-} in
build) want=("${build[@]}" "${run[@]}") ;;
try) want=("${build[@]}" "${run[@]}" "${try[@]}") ;;
test) want=("${build[@]}" "${run[@]}" "${try[@]}" "${test[@]}" "${uefi[@]}") ;;
bench) want=("${build[@]}" "${run[@]}" "${try[@]}" "${bench[@]}") ;;
fuzz) want=("${build[@]}" "${fuzz[@]}" "${uefi[@]}") ;;
*) echo "usage: $0 build|try|test" >&2; exit 2 ;;
esac

missing=()
for p in "${want[@]}"; do
    dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing+=("$p")
done
[ ${#missing[@]} -eq 0 ] && exit 0

echo "installing: ${missing[*]}" >&2
sudo=()
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { echo "needs root or sudo to install: ${missing[*]}" >&2; exit 1; }
    sudo=(sudo)
fi
# The talk of apt goes to stderr, so that a caller's last line stays the last.
"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq update >&2
"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install "${missing[@]}" >&2
