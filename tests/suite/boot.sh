# Real boots in QEMU: a file that is saved in one boot is there in the next, whatever firmware, table and file system.
# The small ISO for the layouts, the full Debian live once.
. "$(dirname "$0")/lib.bash"

boot() { "$root/tests/boot.py" --timeout 400 "$@"; }

iso=$(small_iso)
[ -s "$iso" ] || { cat "$tmp/.iso.log"; echo "not ok small-iso"; exit 1; }

create() { "$LIVESTICK" create --quiet --append "console=ttyS0,115200" "$@"; }

# boot_saves IMAGE WORD ARGS...: persistence is on, and WORD is saved.
boot_saves() {
    local image=$1 word=$2
    shift 2
    boot --image "$image" "$@" --cmd 'cat /proc/mounts' --cmd "echo $word >>/root/kept" --shutdown >saved
    grep -q '^overlay / overlay .*upperdir=/run/live/persistence/[a-z0-9]*/rw' saved
    grep -q '/run/live/persistence/.* ext4 rw' saved
}

# boot_has IMAGE WORDS ARGS...: what earlier boots saved is there, in their order.
boot_has() {
    local image=$1 words=$2
    shift 2
    boot --image "$image" "$@" --cmd 'tr "\n" " " </root/kept' >has
    grep -q "^$words" has
}


# One stick is started by each firmware in turn: what one saved the other finds.
matrix() {
    local image=$1
    shift
    create --size 1G "$@" "$iso" "$image"
    boot_saves "$image" bios --firmware bios
    boot_saves "$image" uefi --firmware uefi
    boot_has "$image" "bios uefi" --firmware bios
}

# With Microsoft's keys in the firmware, the ISO's own signed shim, GRUB and kernel.
secure_boot() {
    create --size 1G "$iso" sb.img
    "$LIVESTICK" inspect --json "$iso" | jq -e '.plan.firmware.secure_boot == "yes"'
    boot --image sb.img --firmware secureboot --cmd 'dmesg | grep -i "secure *boot"' --cmd 'cat /proc/mounts' \
        --cmd 'echo locked >/root/kept' --shutdown >saved
    grep -qi 'secure *boot.*enabled' saved
    grep -q '^overlay / overlay .*upperdir=/run/live/persistence/[a-z0-9]*/rw' saved
    boot_has sb.img locked --firmware secureboot
}

# The stick is as sound after two boots, one of them ended by pulling the plug, as a journal makes it.
sound_after() {
    local start
    start=$(sfdisk -J "$1" | jq '.partitiontable.partitions[1].start')
    dd if="$1" of=p2.img bs=512 skip="$start" conv=sparse status=none
    e2fsck -fy p2.img >log || [ $? -eq 1 ] || { cat log; return 1; }
    e2fsck -fn p2.img
    debugfs -R 'cat /rw/root/kept' p2.img 2>/dev/null | grep -q bios
    start=$(sfdisk -J "$1" | jq '.partitiontable.partitions[0] | .start, .size' | tr '\n' ' ')
    dd if="$1" of=p1.img bs=512 skip="${start%% *}" count="$(echo "$start" | cut -d' ' -f2)" status=none
    fsck.fat -n p1.img
}

not_kept_without_persistence() {
    create --size 500M --no-persist "$iso" n.img
    boot --image n.img --cmd 'cat /proc/mounts' >first
    grep -q '^overlay / overlay .*upperdir=/run/live/overlay/rw' first
}

tree() {
    mkdir "$1"
    xorriso -osirrox on -indev "$iso" -extract / "$1" >log 2>&1 || { cat log; return 1; }
    chmod -R u+rwX "$1"
}

# Nothing of UEFI's but an image that the firmware would have booted from the CD.
efi_in_image_only() {
    tree t1
    rm -r t1/EFI
    create --size 1G t1 image.img
    boot_saves image.img image --firmware uefi
}

# isolinux and nothing else: the host's shim and GRUB start it.
efi_of_the_host() {
    tree t2
    rm -r t2/EFI t2/boot
    create --size 1G t2 host.img
    boot_saves host.img host --firmware secureboot
}

# GRUB's menu and nothing else, with a submenu: SYSLINUX starts it by BIOS.
bios_from_grub() {
    tree t3
    rm -r t3/isolinux
    sed -i 's/^menuentry "Live system (amd64 fail-safe/submenu "More of it" {\n&/; s/^submenu .Util/}\n&/' t3/boot/grub/grub.cfg
    grub-script-check t3/boot/grub/grub.cfg
    "$LIVESTICK" inspect --json t3 | jq -e '[.plan.menu[].submenu] == ["", "More of it", ""]'
    create --size 1G t3 grub.img
    boot_saves grub.img grub --firmware bios
}

# A drive with sectors of 4096 bytes: no BIOS loader reads them, UEFI does. Not on the USB that QEMU emulates: OVMF 2022.11
# finds no FAT there, neither ours nor one of mkfs.fat's.
sectors_of_4096() {
    create --size 2G --sector-size 4096 "$iso" 4k.img
    boot_saves 4k.img 4k --firmware uefi --sector-size 4096 --bus virtio
}

# Other families' own initrds, built from Debian's packages. family_keeps FAMILY REGEX FIRMWARE ISO-SCRIPT ARGS...
family_keeps() {
    local family=$1 proof=$2 firmware=$3 script=$4 made
    shift 4
    made=$("$root/tests/iso/$script" "$@" | tail -n 1)
    create --size 1G "$made" family.img
    "$LIVESTICK" inspect --json "$made" | jq -e '.source.family == "'"$family"'" and .source.version != ""'
    boot --image family.img --cmd 'cat /proc/mounts' --cmd 'echo family >>/root/kept' --shutdown >saved
    grep -Eq "$proof" saved
    boot_has family.img family --firmware "$firmware"
}

full_debian() {
    local debian
    debian=$("$root/tests/iso/debian.sh" | tail -n 1)
    create --size 4G "$debian" debian.img
    boot --image debian.img --timeout 900 --login user:live --cmd 'cat /proc/mounts' \
        --cmd 'echo "saved in the first boot" >/home/user/kept; sync' --shutdown >first
    grep -q '^overlay / overlay .*upperdir=/run/live/persistence/[a-z0-9]*/rw' first
    boot --image debian.img --timeout 900 --firmware uefi --login user:live --cmd 'cat /home/user/kept' >second
    grep -q 'saved in the first boot' second
}

# Two at a time: a guest under emulation keeps one core busy.
host=efi-of-the-host
[ -s /usr/lib/shim/shimx64.efi.signed ] || {
    host=
    skip efi-of-the-host "shim-signed is not installed, and installing it on this UEFI machine would change its loader"
}
# The longest first: nothing then runs alone at the end.
together \
    "full-debian-keeps full_debian" \
    "mbr-fat32-keeps matrix mbr.img" \
    "gpt-fat32-keeps matrix gpt.img --table gpt" \
    "mbr-ext4-keeps matrix mbr-ext4.img --boot-fs ext4" \
    "gpt-ext4-keeps matrix gpt-ext4.img --table gpt --boot-fs ext4" \
    "secure-boot secure_boot" \
    "efi-in-image-only efi_in_image_only" \
    ${host:+"efi-of-the-host efi_of_the_host"} \
    "bios-from-grub bios_from_grub" \
    "sectors-of-4096 sectors_of_4096" \
    "dracut-overlay-keeps family_keeps dmsquash ^LiveOS_rootfs.*upperdir=/run/overlayfs uefi dracut.sh overlay" \
    "dracut-snapshot-keeps family_keeps dmsquash ^/dev/mapper/live-rw.*ext4 bios dracut.sh snapshot" \
    "kiwi-keeps family_keeps kiwi ^LiveOS_rootfs.*upperdir=/run/overlay/overlayfs bios kiwi.sh" \
    "not-kept-without-persistence not_kept_without_persistence"
check mbr-sound-after-two-boots sound_after mbr-fat32-keeps/mbr.img
finish
