# What verify says of the structure of sticks that were used, upgraded, or made by other means than livestick.
. "$(dirname "$0")/lib.bash"
tool=$LIVESTICK_BUILD/tools/structure

iso=$(small_iso)
[ -s "$iso" ] || { cat "$tmp/.iso.log"; echo "not ok small-iso"; exit 1; }

# says IMAGE LINE...: a line of the report begins with each of these words. Without any, nothing is bad.
says() {
    local image=$1 line
    shift
    "$tool" "$image" >report
    cat report
    for line in "$@"; do grep -q "^$line" report || fail "does not say: $line"; done
    [ $# -gt 0 ] || none_bad
}
none_bad() { ! grep '^bad' report || fail "something is bad"; }
only_bad() { # ID...
    local id
    grep '^bad' report | cut -d' ' -f2 | tr -d : | sort -u >bad
    for id in "$@"; do grep -qx "$id" bad || fail "$id is not bad"; done
    ! grep -vxF "$(printf '%s\n' "$@")" bad || fail "more is bad"
}

start() { sfdisk -J "$1" | jq ".partitiontable.partitions[$(($2 - 1))].start * 512"; }
size() { sfdisk -J "$1" | jq ".partitiontable.partitions[$(($2 - 1))].size * 512"; }

unpack() { # DIRECTORY
    xorriso -osirrox on -indev "$iso" -extract / "$1" >/dev/null 2>&1
    chmod -R u+w "$1"
}

# ---- made by others

others_fat() {
    unpack tree
    truncate -s 200M stick.img
    echo '2048,,c,*' | sfdisk -q stick.img
    mkfs.fat -F 32 --offset 2048 -h 2048 stick.img $((199 * 1024)) >/dev/null
    mmd -i stick.img@@1M ::/syslinux
    mcopy -s -i stick.img@@1M tree/live tree/isolinux tree/EFI ::/
    mcopy -i stick.img@@1M tree/isolinux/*.cfg ::/syslinux/
    mmove -i stick.img@@1M ::/syslinux/isolinux.cfg ::/syslinux/syslinux.cfg
    syslinux -t 1048576 -d /syslinux -i stick.img
    dd if=/usr/lib/syslinux/mbr/mbr.bin of=stick.img conv=notrunc status=none
    says stick.img 'ok boot-code: is SYSLINUX' 'ok table-second' 'ok fs-check: partition 1: fsck.fat' \
        'ok loader-map: the boot sector finds /syslinux/ldlinux.sys' 'ok loader-sum' 'ok menu-files' 'ok efi-program'
    none_bad
    ! grep -q '^unknown' report

    # Copied over, the file has another place, and SYSLINUX' map leads to the old one.
    mcopy -i stick.img@@1M ::/syslinux/ldlinux.sys ldlinux.sys
    mattrib -i stick.img@@1M -r -s -h ::/syslinux/ldlinux.sys
    mcopy -i stick.img@@1M ldlinux.sys ::/syslinux/filler.sys
    mdel -i stick.img@@1M ::/syslinux/ldlinux.sys
    mcopy -o -i stick.img@@1M ldlinux.sys ::/another.sys
    mcopy -i stick.img@@1M ldlinux.sys ::/syslinux/placeholder
    mren -i stick.img@@1M ::/syslinux/filler.sys ::/syslinux/ldlinux.sys
    says stick.img 'bad loader-map'
    only_bad loader-map

    # A kernel that is gone, and no active partition.
    syslinux -t 1048576 -d /syslinux -i stick.img
    mdeltree -i stick.img@@1M ::/live
    sfdisk -q -A stick.img -
    says stick.img 'bad menu-files' 'bad boot-flag'
    only_bad menu-files boot-flag
}

others_without_table() {
    unpack tree
    truncate -s 100M stick.img
    mkfs.fat -F 32 stick.img >/dev/null
    mcopy -s -i stick.img tree/live tree/isolinux ::/
    mcopy -i stick.img tree/isolinux/isolinux.cfg ::/syslinux.cfg
    syslinux -i stick.img
    says stick.img 'ok table: there is none' 'ok loader-map' 'ok menu-files' 'ok fs-check'
    none_bad
}

others_hybrid_iso() {
    cp "$iso" stick.img
    truncate -s 100M stick.img
    says stick.img 'ok boot-code: is ISOLINUX' 'ok table: MBR, 2 partitions, odd' 'unknown table-second' \
        'ok fs-check: partition 2' 'ok efi-program' 'unknown menu-files'
    none_bad
}

others_nothing() {
    truncate -s 10M stick.img
    says stick.img 'bad table: there is no partition table'
    only_bad table
    head -c 10M /dev/urandom >stick.img
    "$tool" stick.img >report
    ! grep '^ok' report
}

# Every kind of ext that people make: the copy of the metadata has all that e2fsck wants to read.
ext_kinds() {
    local n=0 options
    mkdir -p tree/dir/sub
    for n in $(seq 400); do echo "$n" >"tree/dir/a-rather-long-name-$n"; done
    ln -s "$(printf 'x%.0s' $(seq 200))" tree/slow
    ln -s dir tree/fast
    truncate -s 3G tree/hole
    for n in 0 2 4 6 8 10 12 14 16 18; do printf x | dd of=tree/pieces bs=4k seek=$n conv=notrunc status=none; done
    head -c 3M /dev/urandom >tree/large
    while read -r options; do
        rm -f stick.img
        # shellcheck disable=SC2086
        mke2fs -q -F -d tree $options stick.img 60M
        e2fsck -fy stick.img >/dev/null || true # mke2fs counts quotas before it fills
        e2fsck -fn stick.img
        says stick.img 'ok fs-check: the device: e2fsck finds nothing' 'ok fs-read'
        none_bad
    done <<'END'
-t ext2 -b 1024
-t ext2 -b 4096
-t ext3 -b 1024
-t ext3
-t ext4
-t ext4 -b 1024
-t ext4 -O ^metadata_csum,^64bit
-t ext4 -O meta_bg,^resize_inode
-t ext4 -O inline_data
-t ext4 -O quota
-t ext4 -O bigalloc
-t ext4 -O ^flex_bg,^has_journal
-t ext4 -O sparse_super2
-t ext4 -O mmp
-t ext4 -O encrypt,casefold,project -I 512
-t ext4 -E lazy_itable_init=1 -N 100000
END
    # Attributes in a block of their own, and in an inode.
    rm -f stick.img
    mke2fs -q -F -t ext4 -O ea_inode -d tree stick.img 60M
    head -c 3000 /dev/urandom >value && head -c 40000 /dev/urandom >large
    printf '%s\n' 'ea_set -f value /pieces user.one' 'ea_set -f large /large user.two' | debugfs -w -f - stick.img
    [ "$(debugfs -R 'ea_list /large' stick.img 2>/dev/null | grep -c user.two)" -eq 1 ]
    e2fsck -fy stick.img >/dev/null || true # debugfs does not count their blocks
    says stick.img 'ok fs-check: the device: e2fsck finds nothing'
    # And it is no judge that always agrees.
    debugfs -w -R 'clri /dir/sub' stick.img
    says stick.img 'bad fs-check'
}

# ---- ours, used

mounts() { mkdir -p m && mount -o "loop,offset=$(start "$1" "$2"),sizelimit=$(size "$1" "$2")" "$1" m; }

others_extlinux() {
    unpack tree
    truncate -s 200M stick.img
    echo '2048,,83,*' | sfdisk -q stick.img
    mkfs.ext4 -q -O ^64bit,^metadata_csum -E offset=1048576 stick.img 199M
    mounts stick.img 1
    cp -r tree/live tree/isolinux m/
    mkdir -p m/boot/syslinux
    cp tree/isolinux/isolinux.cfg m/boot/syslinux/syslinux.cfg
    extlinux --install m/boot/syslinux
    umount m
    dd if=/usr/lib/syslinux/mbr/mbr.bin of=stick.img conv=notrunc status=none
    says stick.img 'ok loader-map: the boot sector finds /boot/syslinux/ldlinux.sys' 'ok loader-sum' 'ok menu-files' \
        'ok fs-check'
    none_bad
}

work() { # files come, go and grow
    local i
    mkdir -p m/rw/etc
    for i in $(seq 2000); do echo "$i" >"m/rw/etc/file$i"; done
    sync -f m
    for i in $(seq 1 2 2000); do rm "m/rw/etc/file$i"; done
    mkdir m/rw/new && cp -r /usr/share/doc/lib[a-c]* m/rw/new/
    exec 5>m/rw/open && rm m/rw/open && echo deleted >&5
    sync -f m
    for i in $(seq 2000 4000); do echo "$i" >"m/rw/etc/file$i"; done
    rm -rf m/rw/new/liba*
    sync -f m
}

# Pulled out while it was mounted: the journal is for that. What the journal cannot mend is bad.
not_unmounted() {
    "$LIVESTICK" create --quiet --seed s --size 600M "$iso" stick.img
    mounts stick.img 2
    work
    cp --sparse=always stick.img pulled.img
    exec 5>&-
    umount m
    says stick.img 'ok fs-clean: DATA: was unmounted' 'ok fs-check: DATA: e2fsck finds nothing$'
    none_bad
    sha256sum pulled.img >before
    says pulled.img 'ok fs-clean: DATA: was not unmounted; it is judged' 'ok fs-check: DATA' 'ok data-files'
    none_bad
    sha256sum -c --quiet before
    # Without the replay e2fsck would have found fault with it.
    dd if=pulled.img of=data.img bs=1M skip=$(($(start pulled.img 2) / 1048576)) conv=sparse status=none
    ! e2fsck -fn data.img

    e2fsck -fy data.img >/dev/null || true
    local block
    block=$(debugfs -R 'blocks /rw/etc' data.img 2>/dev/null | awk '{ print $1 }')
    printf '\xff' | dd of=pulled.img bs=1 seek=$(($(start pulled.img 2) + block * 4096 + 100)) conv=notrunc status=none
    cp pulled.img damaged.img
    # The block may be in the journal, which mends it; an inode table that is not used by any transaction is not.
    printf '\xff' | dd of=damaged.img bs=1 seek=$(($(start damaged.img 2) + 1024 + 0x5c)) conv=notrunc status=none
    says damaged.img 'bad fs-check'
}

upgraded() { # OPTIONS...
    local second
    second=$("$root/tests/iso/small.sh" 2 2>/dev/null | tail -n 1)
    rm -f stick.img
    "$LIVESTICK" create --quiet --seed s --slots 2 --size 600M "$@" "$iso" stick.img
    "$LIVESTICK" upgrade --quiet "$second" stick.img
    says stick.img 'ok menu-switch: one sector; b1 of slot b starts' 'ok menu-same' 'ok data-files'
    none_bad
    ! grep '^unknown' report
    "$LIVESTICK" rollback --quiet stick.img
    says stick.img 'ok menu-switch: one sector; a1 of slot a starts'
    none_bad
    # A file of the slot that is only "Previous system" counts, too.
    if [ $# -eq 0 ]; then
        mdel -i "stick.img@@1M" ::/slot-b/live/vmlinuz*
        says stick.img 'bad menu-files: /slot-b/live/vmlinuz'
        only_bad menu-files
    fi
}
upgraded_ext4() { upgraded --boot-fs ext4 --table gpt; }

# Whatever an upgrade that was cut leaves, no file and no menu is bad, and what is says that it is harmless.
cut_off() { # OPTIONS...
    local second n
    second=$("$root/tests/iso/small.sh" 2 2>/dev/null | tail -n 1)
    "$LIVESTICK" create --quiet --seed s --slots 2 --size 600M "$@" "$iso" stick.img
    for n in 1 2 4 5 9 25 43 45; do
        cp --sparse=always stick.img cut.img
        "$LIVESTICK_BUILD/tools/record" log -w $n -d upgrade "$second" cut.img && fail "write $n is not one of an upgrade"
        "$tool" cut.img >report
        cat report
        ! grep '^bad' report | grep -vE '^bad (fs-check|fat-copies): ' || fail "write $n: more is bad"
        ! grep '^bad fs-check' report | grep -v 'no file is touched by that' || fail "write $n: is said to do harm"
    done
}
cut_off_ext4() { cut_off --boot-fs ext4; }

tests=("others-fat others_fat" "others-without-table others_without_table" "others-hybrid-iso others_hybrid_iso"
    "others-nothing others_nothing" "ext-kinds ext_kinds" "upgraded upgraded" "upgraded-ext4 upgraded_ext4"
    "cut-off cut_off" "cut-off-ext4 cut_off_ext4")
mounting=("others-extlinux others_extlinux" "not-unmounted not_unmounted")
if [ "$(id -u)" -eq 0 ] && [ -e /dev/loop-control ]; then
    tests+=("${mounting[@]}")
else
    for t in "${mounting[@]}"; do skip "${t%% *}" "needs root and loop devices"; done
fi
if [ $# -gt 0 ]; then # for one of them by hand: structure.sh ext_kinds
    check "$1" "$1"
    finish
fi
together "${tests[@]}"
finish
