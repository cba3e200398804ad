#!/bin/bash
# Builds a full Debian live ISO (standard text system, systemd, live-config) with live-build: the kind of
# medium a user has.  Prints the path of the cached ISO as the last line of stdout; all talk is on stderr.
set -euo pipefail
export LC_ALL=C

self=$(realpath "$0")
cache=${XDG_CACHE_HOME:-$HOME/.cache}/livestick
work=

die() { echo "debian.sh: $*" >&2; exit 1; }
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }

# A chroot with a mounted /proc or /dev must never be removed recursively: unmount first, stay on one file system.
cleanup() {
    local target
    [ -n "$work" ] || return 0
    findmnt -rno TARGET | grep -F "$work/" | sort -r | while read -r target; do as_root umount -l "$target"; done || true
    as_root rm -rf --one-file-system "$work"
}
trap cleanup EXIT
trap 'exit 1' HUP INT TERM

for tool in lb:live-build debootstrap:debootstrap apt-get:apt findmnt:util-linux; do
    command -v "${tool%%:*}" >/dev/null || PATH=$PATH:/usr/sbin:/sbin command -v "${tool%%:*}" >/dev/null ||
        die "missing: ${tool%%:*} (package ${tool##*:})"
done

# The machine's own release, from wherever its apt gets it.
suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
repo() {
    apt-get indextargets --format '$(REPO_URI)' 'Identifier: Packages' 'Origin: Debian' "Codename: $1" \
        'Component: main' | head -n 1
}

# What the user sees changes with these; the hundreds of packages below them follow with the point releases.
versions=$(apt-cache policy linux-image-amd64 live-boot live-config live-task-standard base-files libc6 systemd \
               shim-signed grub-efi-amd64-signed live-build | grep -E '^[^ ]|Candidate:')
grep -q 'Candidate: [0-9]' <<<"$versions" || die "apt knows no packages: run apt-get update"
key=$({ cat "$self"; echo "$suite $versions"; } | sha256sum | cut -c1-16)
iso=$cache/debian-$key.iso
if [ -s "$iso" ]; then
    touch "$iso"            # in use: not the one to be pruned
    echo "$iso"
    exit 0
fi

main=$(repo "$suite")
[ -n "$main" ] || die "apt has no source for Debian $suite"
as_root true || die "live-build needs root (or sudo without a password)"
security=$(repo "$suite-security")
updates=$(repo "$suite-updates")

mkdir -p "$cache"
work=$(mktemp -d "${TMPDIR:-/var/tmp}/livestick-debian.XXXXXX")
free=$(df --output=avail -BM "$work" | tail -n 1 | tr -dc 0-9)
[ "$free" -ge 5000 ] || die "5000 MB needed in $(dirname "$work"), $free MB free"
cd "$work"

# Standard priority text system; live-task-standard's recommends would add every language.
options=(
    --mode debian --distribution "$suite" --architecture amd64 --linux-flavours amd64 --archive-areas main
    --updates "$([ -n "$updates" ] && echo true || echo false)"
    --security "$([ -n "$security" ] && echo true || echo false)"
    --binary-image iso-hybrid --bootloaders "syslinux grub-efi" --uefi-secure-boot enable
    --chroot-squashfs-compression-type lz4          # quickest to make, and to read under emulation
    --apt-recommends false --apt-indices false --cache false --cache-packages false
    --firmware-binary false --firmware-chroot false --debian-installer none
    --memtest none --win32-loader false --source false --checksums sha256
    --iso-volume "livestick debian $suite"
)
for mirror in --{,parent-}mirror-{bootstrap,chroot,binary}; do options+=("$mirror" "$main"); done
if [ -n "$security" ]; then
    for mirror in --{,parent-}mirror-{chroot,binary}-security; do options+=("$mirror" "$security"); done
fi
{
    lb config noauto "${options[@]}"
    cat >config/package-lists/livestick.list.chroot <<-'END'
	live-task-standard live-config-systemd live-tools systemd-sysv user-setup sudo
	zstd keyboard-configuration locales iproute2 ifupdown isc-dhcp-client
	END
    # How this machine reaches its mirror counts in the chroot too; nothing here needs to survive a power cut.
    mkdir -p config/apt
    {
        apt-config dump | grep -E '^Acquire::(https?::|Check-|Retries|AllowInsecure|ForceIPv)' | grep -v ' "";$' || true
        echo 'DPkg::Options:: "--force-unsafe-io";'
    } >config/apt/apt.conf
    as_root lb build noauto
} </dev/null >"$cache/debian.log" 2>&1 || { tail -n 30 "$cache/debian.log" >&2; die "see $cache/debian.log"; }

built=$(echo live-image-*.hybrid.iso)
[ -s "$built" ] || die "live-build made no ISO: see $cache/debian.log"
cp --reflink=auto "$built" "$iso.$$"       # $work may be on another file system
mv "$iso.$$" "$iso"
ls -t "$cache"/debian-*.iso | tail -n +3 | while read -r old; do rm -f "$old"; done
echo "$iso"
