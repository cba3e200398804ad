# A new system beside the old one: what was saved stays, both start, and what cannot be done is refused before any write.
. "$(dirname "$0")/lib.bash"

boot() { "$root/tests/boot.py" --timeout 400 "$@"; }
iso() { "$root/tests/iso/$1" "${@:2}" | tail -n 1; }        # SCRIPT ARGS...

one=$(iso small.sh 1 2>"$tmp/.iso.log") && two=$(iso small.sh 2 2>>"$tmp/.iso.log")
[ -s "$one" ] && [ -s "$two" ] || { cat "$tmp/.iso.log"; echo "not ok small-iso"; exit 1; }

create() { "$LIVESTICK" create --quiet --append "console=ttyS0,115200" "$@"; }
upgrade() { "$LIVESTICK" upgrade --quiet "$@"; }

# start IMAGE NUMBER, size IMAGE NUMBER: of a partition, in bytes
start() { sfdisk -J "$1" | jq ".partitiontable.partitions[$2 - 1].start * 512"; }
size() { sfdisk -J "$1" | jq ".partitiontable.partitions[$2 - 1].size * 512"; }
part() { dd if="$1" iflag=skip_bytes,count_bytes skip="$(start "$1" "$2")" count="$(size "$1" "$2")" bs=1M status=none; }

# Every file that a manifest of the stick lists, by sha256sum; BOOT is at $1 and has been unpacked in boot/.
manifests_hold() {
    local m
    for m in boot/livestick/[ab].manifest boot/livestick/stick.manifest; do
        [ ! -e "$m" ] || sed -n 's|^file \([0-9a-f]*\) [0-9]* /|\1  |p' "$m" | (cd boot && sha256sum -c --quiet)
    done
}

# judge IMAGE fat32|ext4 PARTITION: sound, and as the manifests say
judge() {
    rm -rf boot boot.img && mkdir boot
    part "$1" "$3" >boot.img
    if [ "$2" = fat32 ]; then
        fsck.fat -n boot.img
        mcopy -s -Q -m -n -i boot.img ::/ boot
    else
        e2fsck -fn boot.img
        debugfs -R 'rdump / boot' boot.img 2>/dev/null
    fi
    manifests_hold
}

# On each layout: up, back, forth, up again. DATA is never written, the user's files on BOOT stay.
layout() {      # fat32|ext4 PARTITION-OF-BOOT OPTION...
    local kind=$1 p=$2 data=$(($2 + 1)) before
    shift 2
    rm -f s.img
    create --size 1G "$@" "$one" s.img
    echo "my own" >mine
    if [ "$kind" = fat32 ]; then
        mcopy -i "s.img@@$(start s.img "$p")" mine ::mine.txt
        mcopy -i "s.img@@$(start s.img "$p")" mine ::live/mine.txt
    else
        printf 'write mine mine.txt\ncd live\nwrite mine mine.txt\n' | debugfs -w -f - "s.img?offset=$(start s.img "$p")"
    fi
    before=$(part s.img "$data" | sha256sum)
    "$LIVESTICK" upgrade --json --progress none "$two" s.img >up.json
    jq -e '.written and .slot == "b" and .system.volume == "livestick small 2" and .bytes_written > 20000000' up.json
    judge s.img "$kind" "$p"
    [ -e boot/slot-b/live/filesystem.squashfs ] && [ -e boot/live/filesystem.squashfs ]
    cmp mine boot/mine.txt && cmp mine boot/live/mine.txt
    "$LIVESTICK" inspect --json s.img | jq -e '.default_entry == "b1" and .slots.a.volume == "livestick small 1"
        and .slots.b.volume == "livestick small 2" and .unfinished == [] and .leftover == [] and .upgrade_room > 20000000'
    grep -q '^INCLUDE /livestick/a.cfg' boot/livestick/switch.cfg
    cp boot/livestick/switch.cfg forth
    "$LIVESTICK" rollback --json --progress none s.img | jq -e '.written and .slot == "a" and .default_entry == "a1"'
    "$LIVESTICK" rollback --quiet s.img
    judge s.img "$kind" "$p"
    cmp forth boot/livestick/switch.cfg
    # The same system again: nothing to do; and once more over the other one, of which almost nothing is written.
    "$LIVESTICK" upgrade --json --progress none "$two" s.img | jq -e '.is_there_already and .bytes_written == 0'
    "$LIVESTICK" upgrade --json --progress none "$one" s.img >again.json
    jq -e '.slot == "a" and .bytes_written < 300000 and .bytes_spared > 20000000' again.json
    judge s.img "$kind" "$p"
    cmp mine boot/mine.txt && cmp mine boot/live/mine.txt
    [ "$before" = "$(part s.img "$data" | sha256sum)" ] || fail "DATA was written"
}

# Another signed GRUB comes with the new system: it replaces the old one, and the manifest says so. A second time there is
# nothing to renew. What is not as it was signed stays away.
loaders_renewed() {     # OPTION...
    local kind=stick
    rm -rf s.img older broken
    mkdir older broken
    xorriso -osirrox on -indev "$one" -extract / older >log 2>&1 || { cat log; return 1; }
    xorriso -osirrox on -indev "$two" -extract / broken >log 2>&1 || { cat log; return 1; }
    chmod -R u+rwX older broken
    cp /usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed older/EFI/boot/grubx64.efi
    head -c 1000 /dev/zero >>broken/EFI/boot/grubx64.efi
    create --size 1G "$@" older s.img
    [ $# -eq 0 ] || kind=esp
    "$LIVESTICK" upgrade --json --progress none broken s.img | jq -e '.written and .loader_files_renewed == 0'
    mcopy -n -i "s.img@@1M" ::/EFI/boot/grubx64.efi grub
    cmp grub older/EFI/boot/grubx64.efi
    "$LIVESTICK" upgrade --json --progress none "$one" s.img | jq -e '.written and .loader_files_renewed == 1'
    rm grub && mcopy -n -i "s.img@@1M" ::/EFI/boot/grubx64.efi grub
    ! cmp -s grub older/EFI/boot/grubx64.efi
    mcopy -n -i "s.img@@1M" ::/livestick/$kind.manifest m
    grep -q "^file $(sha256sum <grub | cut -d' ' -f1) .*/EFI/boot/grubx64.efi" m
    [ $kind = esp ] || judge s.img fat32 1
    "$LIVESTICK" upgrade --json --progress none "$two" s.img | jq -e '.written and .loader_files_renewed == 0'
    boot --image s.img --firmware secureboot --cmd 'cat /etc/livestick-release' | grep -qx 2
}

dry_run() {
    rm -f s.img
    create --size 1G "$one" s.img
    cp --sparse=always s.img orig.img
    "$LIVESTICK" upgrade --dry-run --progress none "$two" s.img >out
    grep -q '^New      livestick small 2, slot b' out && grep -q '/slot-b/live/vmlinuz' out
    "$LIVESTICK" upgrade --dry-run --json --progress none "$two" s.img | jq -e '.written == false and .bytes_to_write > 20000000'
    cmp s.img orig.img
}

# refused STATUS REGEX COMMAND...: nothing is written
refused() {
    cp --sparse=always s.img orig.img
    refuses "$@"
    cmp s.img orig.img || fail "something was written"
}

refusals() {
    local offset other
    rm -f s.img
    create --size 1G "$one" s.img
    offset=$(start s.img 1)
    refused 2 'usage: livestick upgrade' "$LIVESTICK" upgrade "$two"
    refused 3 'one system only' "$LIVESTICK" rollback s.img
    refused 3 'nothing.img: ' "$LIVESTICK" upgrade --quiet "$two" nothing.img
    other=$(iso dracut.sh overlay)
    refused 3 'live-boot system and .* is a dmsquash system' "$LIVESTICK" upgrade --quiet "$other" s.img
    cp "$two" damaged.iso
    printf XXXX | dd of=damaged.iso bs=1 seek=24000000 conv=notrunc status=none
    refused 5 'damaged.iso: /live/.*: is damaged: its SHA-256' "$LIVESTICK" upgrade --quiet damaged.iso s.img
    truncate -s 300M foreign.img
    printf '2048,200000,c,*\n' | sfdisk -q foreign.img
    refuses 3 'is not a stick that livestick made' "$LIVESTICK" upgrade --quiet "$two" foreign.img
    # A file of the user's where the new system has one.
    mmd -i "s.img@@$offset" ::slot-b ::slot-b/live
    echo mine | mcopy -i "s.img@@$offset" - ::slot-b/live/filesystem.squashfs
    refused 3 'filesystem.squashfs, and the stick has one of that name' "$LIVESTICK" upgrade --quiet "$two" s.img
    mdel -i "s.img@@$offset" ::slot-b/live/filesystem.squashfs
    # The system that could be gone back to has changed.
    echo changed | mcopy -D o -i "s.img@@$offset" - ::live/filesystem.squashfs
    refused 3 'the system that starts now is damaged .*filesystem.squashfs' "$LIVESTICK" upgrade --quiet "$two" s.img
    upgrade --in-place "$two" s.img
    judge s.img fat32 1
}

# The full Debian live does not go beside a small system, nor into its place; in place of it goes what fits.
no_room() {
    local debian
    debian=$(iso debian.sh)
    rm -f s.img
    create --size 1G --slots 1 "$one" s.img
    refused 3 'no room for a second system.*[0-9]' "$LIVESTICK" upgrade --quiet "$debian" s.img
    refused 3 '[0-9]' "$LIVESTICK" upgrade --quiet --in-place "$debian" s.img
    upgrade --in-place "$two" s.img
    judge s.img fat32 1
    "$LIVESTICK" inspect --json s.img | jq -e '.slots | keys == ["a"] and .a.volume == "livestick small 2"'
}

# A FAT that contradicts itself is refused, with what helps.
unsound() {
    local offset first
    rm -f s.img
    create --size 1G "$one" s.img
    offset=$(start s.img 1)
    first=$((offset + $(od -An -tu2 -j $((offset + 14)) -N 2 s.img) * 512))
    # The chain of the fifth cluster leads to itself, in both FATs.
    printf '\x05\x00\x00\x00' | dd of=s.img bs=1 seek=$((first + 20)) conv=notrunc status=none
    printf '\x05\x00\x00\x00' | dd of=s.img bs=1 seek=$((first + 20 + $(od -An -tu4 -j $((offset + 36)) -N 4 s.img) * 512)) conv=notrunc status=none
    refused 3 'fsck.fat' "$LIVESTICK" upgrade --quiet "$two" s.img
}

release() { boot --image "$1" --firmware "$2" --cmd 'cat /etc/livestick-release /root/kept; grep -c upperdir=/run/live/persistence /proc/mounts'; }

# Saved in the old system, there in the new one, and after going back.
boots() {       # OPTION...
    create --size 1G "$@" "$one" b.img
    boot --image b.img --cmd 'echo kept >/root/kept' --shutdown
    upgrade "$two" b.img
    release b.img bios >new
    tr '\n' ' ' <new | grep -q '^2 kept 1 '
    "$LIVESTICK" rollback --quiet b.img
    release b.img uefi >old
    tr '\n' ' ' <old | grep -q '^1 kept 1 '
}

# Other families' initrds in the second slot.
family_boots() {        # SCRIPT PROOF ARGS...
    local script=$1 proof=$2
    shift 2
    create --size 1G "$(iso "$script" "$@" 1)" f.img
    upgrade "$(iso "$script" "$@" 2)" f.img
    boot --image f.img --firmware uefi --cmd 'cat /etc/livestick-release /proc/mounts' >out
    head -1 out | grep -qx 2
    grep -Eq "$proof" out
}

check mbr-fat32 layout fat32 1
check gpt-fat32 layout fat32 1 --table gpt
check mbr-ext4 layout ext4 2 --boot-fs ext4
check gpt-ext4 layout ext4 2 --table gpt --boot-fs ext4
check dry-run dry_run
check refusals refusals
check no-room no_room
check unsound unsound
renewed=("loaders-renewed loaders_renewed" "loaders-renewed-on-esp loaders_renewed --boot-fs ext4")
[ -s /usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed ] || {
    renewed=()
    skip loaders-renewed "grub-efi-amd64-signed is not installed, and installing it on this UEFI machine would change its loader"
}
finish
