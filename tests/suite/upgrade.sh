# A new system beside the old one: what was saved stays, both start, and what cannot be done is refused before any write.
. "$(dirname "$0")/lib.bash"

boot() { "$root/tests/boot.py" --timeout 400 "$@"; }
iso() { "$root/tests/iso/$1" "${@:2}" | tail -n 1; }        # SCRIPT ARGS...

one=$(iso small.sh 1 2>"$tmp/.iso.log") && two=$(iso small.sh 2 2>>"$tmp/.iso.log")
[ -s "$one" ] && [ -s "$two" ] || { cat "$tmp/.iso.log"; echo "not ok small-iso"; exit 1; }

create() { "$LIVESTICK" create --quiet --append "console=ttyS0,115200" "$@"; }
upgrade() { "$LIVESTICK" upgrade --quiet "$@"; }

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

# poke IMAGE OFFSET BYTES: as printf writes them
poke() { printf "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none; }

# mended IMAGE KIND PARTITION REGEX: refused as it is, and said what helps; --repair says what it does; then all is well.
mended() {
    local data
    data=$(part "$1" $(($3 + 1)) | sha256sum)
    refused 3 "damaged, which upgrade --repair mends: .*(fsck.fat|e2fsck)" "$LIVESTICK" upgrade --quiet "$two" "$1"
    "$LIVESTICK" inspect "$1" | grep -q '^Upgrade  not possible: .*(upgrade --repair mends it)'
    "$LIVESTICK" upgrade --dry-run --repair --progress none "$two" "$1" >out
    cmp "$1" orig.img || fail "a dry run has written"
    grep -Eq "$4" out || { cat out; fail "the dry run does not say /$4/"; }
    "$LIVESTICK" upgrade --json --repair --progress none "$two" "$1" >up.json 2>err
    grep -Eq "$4" err || { cat err; fail "it does not say /$4/"; }
    jq -e '.written and .slot == "b" and .bytes_repaired > 0 and (.repair | length) > 20' up.json
    judge "$1" "$2" "$3"
    [ "$data" = "$(part "$1" $(($3 + 1)) | sha256sum)" ] || fail "DATA was written"
    [ -z "$(ls "$TMPDIR")" ] || fail "something is left in $TMPDIR"
}

# What is lost by itself, or can be had from the other copy; and the chain of a directory that goes round.
repair_fat() {
    local at fat other
    export TMPDIR=$PWD/tmpdir
    mkdir -p tmpdir
    rm -f clean.img s.img
    create --size 1G "$one" clean.img
    at=$(start clean.img 1)
    fat=$((at + $(od -An -tu2 -j $((at + 14)) -N 2 clean.img) * 512))
    other=$((fat + $(od -An -tu4 -j $((at + 36)) -N 4 clean.img) * 512))
    cp --sparse=always clean.img s.img
    poke s.img $((fat + 20)) '\x05\0\0\0'
    poke s.img $((other + 20)) '\x05\0\0\0'
    mended s.img fat32 1 'Circular cluster chain'
    cp --sparse=always clean.img s.img
    poke s.img $((at + 6 * 512 + 32)) '\x55'
    mended s.img fat32 1 'differences between boot sector and its backup'
    [ "$(head -c 512 boot.img | sha256sum)" = "$(tail -c +3073 boot.img | head -c 512 | sha256sum)" ]
    cp --sparse=always clean.img s.img
    poke s.img $((at + 512)) 'XXXX'
    mended s.img fat32 1 'FSINFO sector has bad magic'
    # The mark of a volume that was not unmounted is nothing that stops an upgrade, and --repair takes it away.
    cp --sparse=always clean.img s.img
    poke s.img $((at + 65)) '\x01'
    "$LIVESTICK" upgrade --json --progress none "$two" s.img | jq -e '.written and (.warnings | test("not unmounted"))'
    "$LIVESTICK" upgrade --json --repair --progress none "$two" s.img | jq -e '.bytes_repaired == 512'
    judge s.img fat32 1
    [ "$(od -An -tu1 -j 65 -N 1 boot.img)" -eq 0 ]
    "$LIVESTICK" upgrade --json --repair --progress none "$one" s.img | jq -e '.written and .bytes_repaired == 0'
    # A system that was damaged beyond that is not mended by it, and then nothing is.
    cp --sparse=always clean.img s.img
    poke s.img $((at + 512)) 'XXXX'
    echo changed | mcopy -D o -i "s.img@@$at" - ::live/filesystem.squashfs
    refused 3 'the system that starts now is damaged .*filesystem.squashfs' "$LIVESTICK" upgrade --quiet --repair "$two" s.img
}

repair_ext4() {
    local at volume
    export TMPDIR=$PWD/tmpdir
    mkdir -p tmpdir
    rm -f clean.img s.img
    create --size 1G --boot-fs ext4 "$one" clean.img
    at=$(start clean.img 2)
    volume="s.img?offset=$at"
    cp --sparse=always clean.img s.img
    debugfs -w -R 'ssv state 0' "$volume"
    mended s.img ext4 2 'files \(.* non-contiguous'
    cp --sparse=always clean.img s.img
    echo mine >mine
    printf 'write mine mine.txt\nwrite mine other.txt\nclri /mine.txt\n' | debugfs -w -f - "$volume"
    mended s.img ext4 2 "Entry 'mine.txt' in / .*CLEARED"
    cmp mine boot/other.txt
    # What starts the stick would be the price: nothing is written.
    cp --sparse=always clean.img s.img
    debugfs -w -R 'sif /livestick/grub.cfg block[0] 0x1234' "$volume"
    refused 3 'could not be repaired, nothing was written: /livestick/grub.cfg: is missing' \
        "$LIVESTICK" upgrade --quiet --repair "$two" s.img
    # No room for the copy.
    if [ "$(id -u)" -eq 0 ] && mkdir -p small && mount -t tmpfs -o size=1M tmpfs small; then
        TMPDIR=$PWD/small refused 3 'a copy of BOOT .* has no room in .*TMPDIR' "$LIVESTICK" upgrade --quiet --repair "$two" s.img
        umount small
    fi
}

# The way back asks for a sound BOOT, too; what it names brings there, and changes nothing else.
rollback_of_unsound() {         # KIND PARTITION OPTION...
    local kind=$1 p=$2 at
    shift 2
    rm -f s.img
    create --size 1G "$@" "$one" s.img
    upgrade "$two" s.img
    at=$(start s.img "$p")
    if [ "$kind" = fat32 ]; then poke s.img $((at + 512)) 'XXXX'; else debugfs -w -R 'ssv state 0' "s.img?offset=$at"; fi
    refused 3 'BOOT is damaged, which upgrade --repair mends \(with the source of the system that starts now' \
        "$LIVESTICK" rollback --quiet s.img
    refused 3 'BOOT is damaged, which upgrade --repair mends' "$LIVESTICK" rollback --quiet --dry-run s.img
    "$LIVESTICK" upgrade --json --repair --progress none "$two" s.img | jq -e '.bytes_repaired > 0 and .is_there_already'
    "$LIVESTICK" inspect --json s.img | jq -e '.default_entry == "b1"'
    "$LIVESTICK" rollback --quiet s.img
    "$LIVESTICK" inspect --json s.img | jq -e '.default_entry == "a1"'
    judge s.img "$kind" "$p"
}

# On a terminal it asks first.
repair_asks() {
    rm -f s.img
    create --size 1G "$one" s.img
    poke s.img $(($(start s.img 1) + 512)) 'XXXX'
    cp --sparse=always s.img orig.img
    for answer in no yes; do
        "$root/tests/tools/answer.py" 'Type yes: $' "$answer" "$LIVESTICK" upgrade --repair --progress none "$two" s.img >out 2>&1 || true
        grep -q 'FSINFO sector has bad magic' out
        if [ $answer = no ]; then grep -q 'nothing was written: the answer is not yes' out; cmp s.img orig.img; fi
    done
    grep -q 'BOOT was mended before the upgrade' out
    judge s.img fat32 1
}

# newer_core IMAGE PARTITION: the core says that it is of a later release (and is not to be started any more)
newer_core() {
    python3 - "$root/tests/torture" "$1" "$(start "$1" "$2")" <<'END'
import sys
sys.path.insert(0, sys.argv[1])
import loader
start = int(sys.argv[3])
with open(sys.argv[2], "r+b") as f:
    f.seek(start)
    f.seek(start + loader.pointer(f.read(512)) * 512 + 11)
    assert f.read(5) == b"6.04 "
    f.seek(-5, 1)
    f.write(b"6.05 ")
END
}

# The BIOS loader of the stick is another one: the host's takes its place in the other directory, starts, and a second
# time in the first one. Where nothing differs nothing is done, and what a newer release has put there stays.
bios_loader() {     # fat32|ext4 PARTITION OPTION-OF-RECORD...
    local kind=$1 p=$2
    shift 2
    truncate -s 1G s.img
    "$LIVESTICK_BUILD/tools/record" log create "$one" s.img serial older-loader "$@"
    judge s.img "$kind" "$p"
    grep -q 'Copyright' boot/livestick/ldlinux.sys && fail "the loader is not another one"
    boot --image s.img --firmware bios --cmd 'echo kept >/root/kept' --shutdown
    "$LIVESTICK" upgrade --dry-run --progress none "$two" s.img | grep -q '^Loader .*will be the BIOS loader'
    "$LIVESTICK" upgrade --json --progress none "$two" s.img | jq -e '.bios_loader_renewed and .warnings == ""'
    judge s.img "$kind" "$p"
    grep -q 'Copyright' boot/livestick/loader/ldlinux.sys
    cmp /usr/lib/syslinux/modules/bios/menu.c32 boot/livestick/loader/menu.c32
    [ ! -e boot/livestick/ldlinux.sys ] && [ ! -e boot/livestick/menu.c32 ]
    grep -q ' /livestick/loader/ldlinux.sys$' boot/livestick/stick.manifest
    ! grep -q ' /livestick/ldlinux.sys$' boot/livestick/stick.manifest
    "$LIVESTICK" inspect --json s.img | jq -e '.bios_loader == {version: "6.04", directory: "/livestick/loader", unfinished: false}'
    "$LIVESTICK" verify --progress none s.img
    release s.img bios | tr '\n' ' ' | grep -q '^2 kept 1 '
    cp --sparse=always s.img now.img
    "$LIVESTICK" upgrade --json --progress none "$two" s.img | jq -e '.is_there_already and .bytes_written == 0'
    cmp s.img now.img
    # A file of it has changed: also a system that is there already gets a whole loader again.
    cp /usr/lib/syslinux/modules/bios/menu.c32 changed && echo >>changed
    if [ "$kind" = fat32 ]; then
        mcopy -D o -i "s.img@@$(start s.img "$p")" changed ::livestick/loader/menu.c32
    else
        printf 'rm /livestick/loader/menu.c32\nwrite changed /livestick/loader/menu.c32\n' |
            debugfs -w -f - "s.img?offset=$(start s.img "$p")"
    fi
    "$LIVESTICK" upgrade --json --progress none "$two" s.img | jq -e '.is_there_already and .bios_loader_renewed'
    judge s.img "$kind" "$p"
    [ -e boot/livestick/ldlinux.sys ] && [ ! -e boot/livestick/loader ]
    release s.img bios | tr '\n' ' ' | grep -q '^2 kept 1 '
    newer_core s.img "$p"
    "$LIVESTICK" upgrade --json --dry-run --progress none "$one" s.img | jq -e '.bios_loader_differs == false and .warnings == ""'
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
check repair-fat repair_fat
check repair-ext4 repair_ext4
check repair-asks repair_asks
check rollback-of-unsound-fat32 rollback_of_unsound fat32 1
check rollback-of-unsound-ext4 rollback_of_unsound ext4 2 --boot-fs ext4
renewed=("loaders-renewed loaders_renewed" "loaders-renewed-on-esp loaders_renewed --boot-fs ext4")
[ -s /usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed ] || {
    renewed=()
    skip loaders-renewed "grub-efi-amd64-signed is not installed, and installing it on this UEFI machine would change its loader"
}
export PYTHONDONTWRITEBYTECODE=1
"$root/tests/torture/kills.py" "$LIVESTICK_BUILD" "$one" "$two" 2 || suite_failed=1
together \
    "${renewed[@]}" \
    "bios-loader-mbr-fat32 bios_loader fat32 1" \
    "bios-loader-gpt-ext4 bios_loader ext4 2 gpt ext4" \
    "fat32-boots boots" \
    "ext4-boots boots --table gpt --boot-fs ext4" \
    "dracut-boots family_boots dracut.sh ^LiveOS_rootfs.*upperdir=/run/overlayfs overlay" \
    "own-boots family_boots own.sh ^overlay./.overlay.*upperdir=/run/livestick/data/changes/default/upper stacked"
finish
