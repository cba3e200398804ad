# Every image that is made goes before judges that are not ours: sfdisk, parted, fsck.fat, e2fsck, mtools, xorriso.
# One thread.
. "$(dirname "$0")/lib.bash"

iso=$(small_iso)
[ -s "$iso" ] || { cat "$tmp/.iso.log"; echo "not ok small-iso"; exit 1; }

# part IMAGE NUMBER: "START SIZE" in MiB, read by sfdisk
part() { sfdisk -J "$1" | jq -r ".partitiontable.partitions[$(($2 - 1))] | \"\(.start / 2048) \(.size / 2048)\""; }

# cut IMAGE NUMBER FILE: the partition as a file of its own
cut_part() {
    local start size
    read -r start size < <(part "$1" "$2")
    dd if="$1" of="$3" bs=1M skip="$start" count="$size" conv=sparse status=none
}

# number IMAGE ROLE: which partition is ESP, BOOT or DATA (with an ESP: 1, 2, 3; without one: -, 1, 2)
number() {
    local n
    n=$(sfdisk -J "$1" | jq '.partitiontable.partitions | length')
    case $2:$n in
    ESP:3) echo 1 ;;
    BOOT:3 | DATA:2) echo 2 ;;
    DATA:3) echo 3 ;;
    BOOT:*) echo 1 ;;
    esac
}

judge_tables() {
    local boot=fat32 n
    [ -n "$(number "$1" ESP)" ] && boot="ext[24]" # without a journal parted says ext2
    sfdisk --verify "$1" 2>&1 | tee verify.log
    ! grep -Eiv 'no errors detected|unallocated' verify.log | grep -i 'error\|overlap\|wrong\|beyond'
    parted -sm "$1" unit B print >parted.log 2>&1 </dev/null || { cat parted.log; return 1; }
    ! grep -i 'error\|warning' parted.log
    grep -q '^1:1048576B:.*:fat32:' parted.log
    grep -q "^$(number "$1" BOOT):.*:$boot:" parted.log
    grep -q "^$(number "$1" DATA):.*:ext4:" parted.log
}

# unpack_fat FILE DIRECTORY, unpack_ext4 FILE DIRECTORY
unpack_fat() {
    fsck.fat -n "$1" >fsck.log || { cat fsck.log; return 1; }
    [ "$(wc -l <fsck.log)" -eq 2 ] || { cat fsck.log; fail "fsck.fat has something to say"; }
    mcopy -s -Q -m -n -i "$1" ::/ "$2"
}
unpack_ext4() {
    e2fsck -fn "$1" || return 1
    debugfs -R "rdump / $2" "$1" 2>&1 | grep -v '^debugfs ' >debugfs.log || true
    [ ! -s debugfs.log ] || { cat debugfs.log; fail "debugfs has something to say"; }
    rmdir "$2/lost+found"
}

# Cuts the partitions out: boot.img, data.img, esp.img, and the files of BOOT and of the ESP as directories boot, esp.
judge_file_systems() {
    local esp
    rm -rf boot esp && mkdir boot esp
    esp=$(number "$1" ESP)
    cut_part "$1" "$(number "$1" BOOT)" boot.img
    cut_part "$1" "$(number "$1" DATA)" data.img
    if [ -n "$esp" ]; then
        cut_part "$1" "$esp" esp.img
        unpack_fat esp.img esp
        unpack_ext4 boot.img boot
    else
        unpack_fat boot.img boot
    fi
    e2fsck -fn data.img || return 1
    [ "$(debugfs -R 'cat /persistence.conf' data.img 2>/dev/null)" = "/ union" ]
}

# The files on BOOT (and the ESP) are those of the ISO, byte for byte, but for what the plan leaves out, for our own
# directory, and for GRUB's configurations, which are all alike and lead to ours.
judge_files() {
    local iso=$1 plan=$2 cfg
    rm -rf have want && mkdir want && cp -a boot have
    rm -r have/livestick
    cp -a esp/. have && rm -rf have/livestick
    find have -name grub.cfg | while read -r cfg; do
        cmp "$cfg" "$(find have -name grub.cfg | head -1)"
        grep -q 'configfile /livestick/grub.cfg' "$cfg"
    done
    find have -name grub.cfg -delete
    osirrox_log=$(xorriso -osirrox on -indev "$iso" -extract / want 2>&1) || { echo "$osirrox_log"; return 1; }
    chmod -R u+rwX want
    jq -r '.plan.left_out[].path' "$plan" | while read -r path; do rm -r "want$path"; done
    find want have -type d -empty -delete
    diff -r have want
    (cd want && find . -type f -printf '%s\n' | awk '{ n += $1 } END { print n }') >want.bytes
    jq .plan.copied_bytes "$plan" | diff - want.bytes
}

# Each line of a manifest against what the judges' programs have read. judge_manifest DIRECTORY NAME
judge_manifest() {
    local m=$1/livestick/$2.manifest
    sed -n 's|^file \([0-9a-f]*\) [0-9]* /|\1  |p' "$m" >sums
    [ -s sums ]
    (cd "$1" && sha256sum --quiet -c ../sums)
    head -n -1 "$m" | sha256sum | cut -c1-64 >end
    grep -q "^end $(cat end)$" "$m"
    awk '$1 == "file" { print $3 }' "$m" >sizes
    diff sizes <(sed -n "s|^file [0-9a-f]* [0-9]* /|$1/|p" "$m" | xargs -d '\n' stat -c %s)
}

# Nothing lies there that is in no manifest, but the manifests and the switch.
judge_manifests() {
    judge_manifest boot a
    judge_manifest boot stick
    cat boot/livestick/{a,stick}.manifest | sed -n 's|^file [0-9a-f]* [0-9]* ||p' | sort >listed
    (cd boot && find . -type f ! -name '*.manifest' ! -name switch.cfg) | sed 's/^\.//' | sort | diff listed -
    [ -d esp/livestick ] || return 0
    judge_manifest esp esp
    sed -n 's|^file [0-9a-f]* [0-9]* ||p' esp/livestick/esp.manifest | sort >listed
    (cd esp && find . -type f ! -name '*.manifest') | sed 's/^\.//' | sort | diff listed -
}

judge_loader() {
    local code=mbr.bin
    [ "$2" = gpt ] && code=gptmbr.bin
    cmp -n 440 "$1" "/usr/lib/syslinux/mbr/$code"
    [ "$(wc -c <boot/livestick/switch.cfg)" -eq 512 ]
    cmp boot/livestick/menu.c32 /usr/lib/syslinux/modules/bios/menu.c32
    grub-script-check boot/livestick/grub.cfg
    grub-script-check boot/livestick/a.grub
    if [ -d esp/EFI ]; then
        lsattr_of boot.img /livestick/ldlinux.sys | grep -q 0x80010 # immutable, extents
    else
        mattrib -i boot.img ::/livestick/ldlinux.sys | grep -q 'S *H *R'
    fi
}
lsattr_of() { debugfs -R "stat $2" "$1" 2>/dev/null | grep Flags; }

whole() {
    local iso=$1
    shift
    "$LIVESTICK" create --quiet --seed judge "$@" "$iso" stick.img
    "$LIVESTICK" create --dry-run --json --seed judge "$@" "$iso" other.img >plan.json
    judge_tables stick.img
    judge_file_systems stick.img
    judge_files "$iso" plan.json
    judge_manifests
    judge_loader stick.img "$(jq -r .plan.table plan.json)"
    "$LIVESTICK" inspect --json stick.img >inspect.json
    jq -e '.made_by_livestick and .damage == "" and .slots.a.family == "live-boot" and .default_entry == "a1"' inspect.json
}

judged() { rm -f stick.img; whole "$@"; }

mbr_facts() {
    rm -f stick.img && "$LIVESTICK" create --quiet --size 1G "$iso" stick.img
    sfdisk -J stick.img | jq -e '.partitiontable | .label == "dos" and (.partitions |
        .[0].type == "c" and .[0].bootable and .[0].start == 2048 and .[1].type == "83" and (.[1].bootable | not))'
    # The last MiB and the gap stay zeros.
    cmp -n 1048064 -i 512:0 stick.img /dev/zero
    cmp -n 1048576 -i $((1023 * 1048576)):0 stick.img /dev/zero
}

gpt_facts() {
    rm -f stick.img && "$LIVESTICK" create --quiet --table gpt --size 1G "$iso" stick.img
    sfdisk -J stick.img | jq -e '.partitiontable | .label == "gpt" and (.partitions |
        .[0].type == "C12A7328-F81F-11D2-BA4B-00A0C93EC93B" and .[0].attrs == "LegacyBIOSBootable" and
        .[1].type == "0FC63DAF-8483-4772-8E79-3D69D8477DE4")'
}

same_bytes_twice() {
    local table
    for table in mbr gpt; do
        rm -f one.img two.img
        "$LIVESTICK" create --quiet --seed X --table $table --size 1G "$iso" one.img
        sleep 1.1
        "$LIVESTICK" create --quiet --seed X --table $table --size 1G "$iso" two.img
        cmp one.img two.img
        rm two.img
        "$LIVESTICK" create --quiet --seed Y --table $table --size 1G "$iso" two.img
        ! cmp -s one.img two.img
        # Without a seed the ids differ each time.
        rm one.img two.img
        "$LIVESTICK" create --quiet --table $table --size 1G "$iso" one.img
        "$LIVESTICK" create --quiet --table $table --size 1G "$iso" two.img
        ! cmp -s one.img two.img
    done
}

old_content_does_not_show() {
    rm -f new.img && "$LIVESTICK" create --quiet --seed X --size 1G "$iso" new.img
    # A hybrid ISO with a GPT of its own, then a whole other stick: both leave nothing that anybody finds.
    truncate -s 1G old.img && dd if="$iso" of=old.img conv=notrunc bs=1M status=none
    "$LIVESTICK" create --quiet --yes --seed X --size 1G "$iso" old.img 2>/dev/null && fail "--size over a file"
    "$LIVESTICK" create --quiet --yes --seed X "$iso" old.img
    wipefs -n old.img | grep -v OFFSET | awk '{ print $3 }' | sort | tr '\n' ' ' | grep -qx 'dos '
    "$LIVESTICK" create --quiet --yes --seed X --table gpt "$iso" old.img
    "$LIVESTICK" create --quiet --yes --seed X "$iso" old.img
    wipefs -n old.img | grep -v OFFSET | awk '{ print $3 }' | sort | tr '\n' ' ' | grep -qx 'dos '
    judge_tables old.img
    judge_file_systems old.img
}

without_persistence() {
    rm -f stick.img && "$LIVESTICK" create --quiet --no-persist --size 500M "$iso" stick.img
    [ "$(sfdisk -J stick.img | jq '.partitiontable.partitions | length')" -eq 1 ]
    cut_part stick.img 1 p1.img && fsck.fat -n p1.img
    mtype -i p1.img ::/livestick/a.cfg >a.cfg
    ! grep -qw persistence a.cfg
    grep -q nopersistence a.cfg
}

chosen_persistence() {
    rm -f stick.img && "$LIVESTICK" create --quiet --persist-size 100M --persist-label mine --size 1G "$iso" stick.img
    [ "$(part stick.img 2 | cut -d' ' -f2)" = 100 ]
    cut_part stick.img 2 p2.img && e2fsck -fn p2.img
    [ "$(blkid -p -s LABEL -o value p2.img)" = mine ]
    cut_part stick.img 1 p1.img && mtype -i p1.img ::/livestick/a.cfg | grep -q 'persistence-label=mine '
}

from_a_directory() {
    rm -rf tree stick.img && mkdir tree
    xorriso -osirrox on -indev "$iso" -extract / tree 2>log || { cat log; return 1; }
    chmod -R u+rwX tree
    "$LIVESTICK" create --quiet --seed X --size 1G tree stick.img
    "$LIVESTICK" create --dry-run --json --seed X --size 1G tree other.img >plan.json
    judge_tables stick.img && judge_file_systems stick.img && judge_files "$iso" plan.json && judge_manifests
}

# A stick is a source too, whatever file system it has: the system comes over as it was, and boots from the new one.
from_a_stick() {
    local fs
    rm -f first-*.img second.img
    for fs in fat32 ext4; do
        rm -f second.img
        "$LIVESTICK" create --quiet --boot-fs $fs --size 1G "$iso" first-$fs.img
        "$LIVESTICK" create --quiet --size 1G first-$fs.img second.img
        judge_tables second.img
        judge_file_systems second.img
        judge_manifests
        "$LIVESTICK" inspect --json second.img | jq -r .slots.a.content >content-$fs
        grep -q '^menuentry .Live system (amd64)' boot/livestick/a.grub
        [ "$(grep -c '^LABEL' boot/livestick/a.cfg)" -eq 3 ]
    done
    rm -f second.img && "$LIVESTICK" create --quiet --size 1G "$iso" second.img
    judge_file_systems second.img
    (cd boot/live && sha256sum ./*) >live.sums
    rm -f third.img && "$LIVESTICK" create --quiet --size 1G first-ext4.img third.img
    judge_file_systems third.img
    (cd boot/live && sha256sum -c ../../live.sums)
}

# As live-build's "hdd" images are: a FAT partition with the live tree and SYSLINUX' menu, made by other tools.
from_a_disk_image() {
    rm -rf tree hdd.img stick.img && mkdir tree
    xorriso -osirrox on -indev "$iso" -extract / tree 2>log || { cat log; return 1; }
    chmod -R u+rwX tree
    mv tree/isolinux tree/syslinux && mv tree/syslinux/isolinux.cfg tree/syslinux/syslinux.cfg
    truncate -s 200M hdd.img
    echo '2048,,c,*' | sfdisk -q hdd.img
    mkfs.fat -F 32 -s 1 --offset 2048 -n DEBIAN_LIVE hdd.img $((199 * 1024)) >/dev/null
    mcopy -s -i hdd.img@@1M tree/.disk tree/* ::/
    "$LIVESTICK" inspect --json hdd.img | jq -e '.what == "source" and .source.family == "live-boot"'
    "$LIVESTICK" create --quiet --size 1G hdd.img stick.img
    judge_tables stick.img
    judge_file_systems stick.img
    cmp boot/live/filesystem.squashfs tree/live/filesystem.squashfs
    grep -q 'persistence-label=' boot/livestick/a.cfg
    "$LIVESTICK" inspect --json stick.img | jq -e '.slots.a.volume == "DEBIAN_LIVE"'
}

# As many media of today: no isolinux, only GRUB's menu. The stick boots by BIOS all the same.
from_a_grub_menu() {
    rm -rf tree stick.img && mkdir tree
    xorriso -osirrox on -indev "$iso" -extract / tree 2>log || { cat log; return 1; }
    chmod -R u+rwX tree && rm -r tree/isolinux
    "$LIVESTICK" create --quiet --size 1G tree stick.img
    cut_part stick.img 1 p1.img && mtype -i p1.img ::/livestick/a.cfg >a.cfg
    cat a.cfg
    grep -q '^ *LINUX /live/vmlinuz-' a.cfg && grep -q '^ *INITRD /live/initrd.img-' a.cfg
    grep -q 'MENU LABEL Live system (amd64)$' a.cfg && grep -q 'MENU LABEL Live system (amd64 fail-safe mode)$' a.cfg
    grep -q 'APPEND boot=live components .*persistence-label=' a.cfg
    ! grep -q 'findiso' a.cfg
}

as_nobody() {
    chmod 755 "$tmp" && rm -rf open && mkdir -m 777 open && cp "$iso" open/iso && cp "$LIVESTICK" open/livestick
    chmod 644 open/iso
    rm -f root.img && "$LIVESTICK" create --quiet --seed X --size 1G open/iso root.img
    (cd open && setpriv --reuid 65534 --regid 65534 --clear-groups env -i ASAN_OPTIONS=detect_leaks=0 TMPDIR=/tmp \
        ./livestick create --quiet --seed X --size 1G iso nobody.img)
    cmp root.img open/nobody.img
}

on_a_loop_device() {
    local loop
    rm -f file.img loop.img && truncate -s 1G loop.img
    "$LIVESTICK" create --quiet --seed X --size 1G "$iso" file.img
    loop=$(losetup --show -f loop.img)
    "$LIVESTICK" create --quiet --yes --seed X "$iso" "$loop" || { losetup -d "$loop"; return 1; }
    losetup -d "$loop"
    cmp file.img loop.img
}

in_use_is_refused() {
    local loop status=0
    rm -f fs.img && truncate -s 1G fs.img && mke2fs -q -F fs.img && mkdir -p mnt
    loop=$(losetup --show -f fs.img)
    mount "$loop" mnt && echo precious >mnt/file
    refuses 3 "$loop: .*mounted" "$LIVESTICK" create --yes --quiet "$iso" "$loop" || status=1
    [ "$(cat mnt/file)" = precious ] || status=1
    umount mnt
    losetup -d "$loop"
    e2fsck -fn fs.img || status=1
    return $status
}

check small-mbr judged "$iso" --size 2G
check small-gpt judged "$iso" --table gpt --size 2G
check small-ext4-mbr judged "$iso" --boot-fs ext4 --size 2G
check small-ext4-gpt judged "$iso" --boot-fs ext4 --table gpt --size 2G
check mbr-facts mbr_facts
check gpt-facts gpt_facts
check same-bytes-twice same_bytes_twice
check old-content-does-not-show old_content_does_not_show
check without-persistence without_persistence
check chosen-persistence chosen_persistence
check from-a-directory from_a_directory
check from-a-grub-menu from_a_grub_menu
check from-a-stick from_a_stick
check from-a-disk-image from_a_disk_image
if [ "$(id -u)" -eq 0 ]; then
    check as-nobody as_nobody
else
    skip as-nobody "runs as a user already"
fi
if [ "$(id -u)" -eq 0 ] && losetup -f >/dev/null 2>&1; then
    check on-a-loop-device on_a_loop_device
    check in-use-is-refused in_use_is_refused
else
    skip on-a-loop-device "no loop device can be set up here"
    skip in-use-is-refused "no loop device can be set up here"
fi

debian=$("$root/tests/iso/debian.sh" 2>"$tmp/.iso.log" | tail -n 1)
if [ -s "$debian" ]; then
    check debian-mbr judged "$debian" --size 8G
    check debian-ext4 judged "$debian" --boot-fs ext4 --size 8G
else
    tail -5 "$tmp/.iso.log"
    echo "not ok debian-iso"
    suite_failed=1
fi
finish
