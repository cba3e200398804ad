# Files of the source with the same bytes: on ext4 each is written once and has several names. Judges: xorriso, e2fsck,
# debugfs, sha256sum and the kernel, if it may mount.
# One thread.
. "$(dirname "$0")/lib.bash"

create() { "$LIVESTICK" create --quiet --boot-fs ext4 --size 300M "$@"; }

# tree DIRECTORY VERSION: kernel and initrd twice, one in a directory of its own; what is small twice stays twice
tree() {
    live_tree "$1"
    head -c 900000 /dev/urandom >"$1/live/vmlinuz"
    head -c 3000000 /dev/urandom >"$1/live/initrd.img"
    echo "version $2" >"$1/version"
    mkdir "$1/install"
    cat >>"$1/isolinux/isolinux.cfg" <<EOF
label install
 menu label Install
 linux /install/vmlinuz
 initrd /install/initrd.gz
 append boot=live
EOF
    head -c 5000 /dev/urandom >"$1/small" && cp "$1/small" "$1/small-2"
}
hard_links() { ln "$1/live/vmlinuz" "$1/install/vmlinuz"; ln "$1/live/initrd.img" "$1/install/initrd.gz"; }
copies() { cp "$1/live/vmlinuz" "$1/install/vmlinuz"; cp "$1/live/initrd.img" "$1/install/initrd.gz"; }

# links IMAGE PATH: how many names its inode counts
links() { debugfs -R "stat $2" "$1?offset=$(start "$1" 2)" 2>/dev/null | sed -n 's/^Links: \([0-9]*\).*/\1/p'; }
inode() { debugfs -R "stat $2" "$1?offset=$(start "$1" 2)" 2>/dev/null | sed -n 's/^Inode: \([0-9]*\).*/\1/p'; }

# one_file IMAGE PATH PATH...: names of one inode, which counts just them
one_file() {
    local image=$1 first=$2 p
    shift
    for p; do
        [ "$(inode "$image" "$p")" = "$(inode "$image" "$first")" ] || fail "$p is not $first"
        [ "$(links "$image" "$p")" = $# ] || fail "$p counts $(links "$image" "$p") names, not $#"
    done
}

# The kernel sees the same, and sha256sum agrees with both manifests there. mounted IMAGE "LINKS PATH"...
mounted() {
    local image=$1
    shift
    if ! mkdir -p mnt || ! mount -t tmpfs none mnt 2>/dev/null; then return 0; fi
    umount mnt
    mount -o "ro,loop,offset=$(start "$image" 2)" "$image" mnt
    for want; do stat -c '%h %n' "mnt/${want#* }"; done | sed 's|mnt/||' >names
    for m in mnt/livestick/*.manifest; do
        sed -n 's|^file \([0-9a-f]*\) [0-9]* /|\1  |p' "$m" | (cd mnt && sha256sum -c --quiet) || echo "$m" >bad
    done
    umount mnt
    printf '%s\n' "$@" | diff - names
    [ ! -e bad ] || fail "a sum is wrong"
}

# from DIRECTORY KIND: as a source of that kind; the name of it
source_of() {
    case $2 in
    iso-hardlinks) xorriso -as mkisofs -quiet -R -iso-level 3 --hardlinks -o "$1.iso" "$1" && echo "$1.iso" ;;
    iso) xorriso -as mkisofs -quiet -R -iso-level 3 -o "$1.iso" "$1" && echo "$1.iso" ;;
    *) echo "$1" ;;
    esac
}

# A stick, judged; then the whole way of an upgrade: forth, back, over the first one, and with links of the user's.
way() {         # hard_links|copies KIND
    local from next k=vmlinuz i=initrd
    tree one 1 && "$1" one
    from=$(source_of one "$2")
    "$LIVESTICK" create --json --dry-run --boot-fs ext4 --size 300M "$from" s.img >plan.json
    jq -e '.plan.same_bytes == 3900000 and ([.plan.copied[] | select(.same_as)] | length == 2)' plan.json
    create "$from" s.img
    judge s.img ext4 2
    one_file s.img /live/$k /install/$k
    one_file s.img /live/$i.img /install/$i.gz
    one_file s.img /small
    one_file s.img /small-2
    mounted s.img "2 live/$k" "2 install/$k" "2 live/$i.img" "1 small"
    "$LIVESTICK" verify s.img >verify.txt || { cat verify.txt; return 1; }

    tree two 2 && "$1" two
    next=$(source_of two "$2")
    "$LIVESTICK" upgrade --quiet "$next" s.img
    judge s.img ext4 2
    one_file s.img /slot-b/live/$k /slot-b/install/$k
    mounted s.img "2 live/$k" "2 slot-b/live/$k" "2 slot-b/install/$i.gz"
    "$LIVESTICK" rollback --quiet s.img
    judge s.img ext4 2

    # The user has names of his own for a kernel of the system that goes, and for one of ours that stays.
    debugfs -w -f - "s.img?offset=$(start s.img 2)" <<EOF
ln /slot-b/live/$k /mine
sif /slot-b/live/$k links_count 3
ln /live/$k /mine-2
sif /live/$k links_count 3
EOF
    e2fsck -fn "s.img?offset=$(start s.img 2)"
    tree three 3 && "$1" three
    next=$(source_of three "$2")
    "$LIVESTICK" upgrade --quiet "$next" s.img
    judge s.img ext4 2
    one_file s.img /mine
    cmp boot/mine two/live/$k
    one_file s.img /slot-b/live/$k /slot-b/install/$k
    one_file s.img /live/$k /install/$k /mine-2
    # The next one lies over the first: not through the user's name.
    "$LIVESTICK" upgrade --quiet "$(source_of two "$2")" s.img
    judge s.img ext4 2
    one_file s.img /mine-2
    cmp boot/mine-2 one/live/$k
    one_file s.img /live/$k /install/$k
    "$LIVESTICK" rollback --quiet s.img
    "$LIVESTICK" verify s.img >verify.txt || { cat verify.txt; return 1; }
}

# The same system without twins: the stick needs not be smaller, and no file is the same as another one.
differ() {
    tree one 1
    head -c 900000 /dev/urandom >one/install/vmlinuz
    { head -c 2999999 one/live/initrd.img; printf x; } >one/install/initrd.gz
    [ "$(tail -c 1 one/live/initrd.img)" != x ] || printf y | dd of=one/install/initrd.gz bs=1 seek=2999999 conv=notrunc
    create one s.img
    judge s.img ext4 2
    one_file s.img /live/vmlinuz
    one_file s.img /live/initrd.img
    cmp boot/install/initrd.gz one/install/initrd.gz
}

# What a symlink leads to is a name of it. FAT has no way: there it is written twice.
symlinks() {
    tree one 1
    ln -s ../live/vmlinuz one/install/vmlinuz && ln -s ../live/initrd.img one/install/initrd.gz
    ln -s live one/casper
    create one s.img
    judge s.img ext4 2
    one_file s.img /live/filesystem.squashfs /casper/filesystem.squashfs
    "$LIVESTICK" create --quiet --size 300M one f.img
    judge f.img fat32 1
    cmp boot/casper/filesystem.squashfs one/live/filesystem.squashfs
}

# A stick with names of one file, as a source.
from_stick() {
    tree one 1 && hard_links one
    create one s.img
    create s.img t.img
    judge t.img ext4 2
    one_file t.img /live/vmlinuz /install/vmlinuz
}

# What lies on DATA, which is always ext4; the kernel that is on a FAT32 BOOT is there by itself.
on_data() {
    mkdir -p kit/slax/boot kit/slax/modules
    head -c 70000 /dev/urandom >kit/slax/boot/vmlinuz && cp kit/slax/boot/vmlinuz kit/slax/kernel-copy
    head -c 80000 /dev/urandom >kit/slax/boot/initrfs.img
    head -c 200000 /dev/urandom >kit/slax/01-core.sb && cp kit/slax/01-core.sb kit/slax/modules/02-again.sb
    printf 'label live\n menu label Live\n kernel /slax/boot/vmlinuz\n initrd /slax/boot/initrfs.img\n append slax.flags=perch\n' \
        >kit/slax/boot/syslinux.cfg
    "$LIVESTICK" create --quiet --family linux-live --size 400M kit s.img
    part s.img 2 >data.img && e2fsck -fn data.img
    one_file s.img /slax/01-core.sb /slax/modules/02-again.sb
    one_file s.img /slax/kernel-copy
    debugfs -R 'rdump / .' data.img 2>/dev/null
    sed -n 's|^file \([0-9a-f]*\) [0-9]* /|\1  |p' livestick/data.manifest | sha256sum -c --quiet
}

# Less is written, and the smallest stick is smaller, by what is there twice.
bytes() {
    local size
    tree one 1 && hard_links one
    for i in 1 2; do
        [ $i = 1 ] || { cp one/live/vmlinuz v && mv v one/install/vmlinuz && printf x >>one/install/vmlinuz; }
        "$LIVESTICK" create --json --dry-run --boot-fs ext4 --size 300M one s.img >plan$i.json
    done
    size=$(jq -s '.[1].plan.bytes_to_write - .[0].plan.bytes_to_write' plan1.json plan2.json)
    [ "$size" -gt 890000 ] && [ "$size" -lt 920000 ] || fail "$size bytes less"
}

together \
    "hard-links-in-a-directory way hard_links directory" \
    "hard-links-in-an-iso way hard_links iso-hardlinks" \
    "copies-in-an-iso way copies iso" \
    "copies-in-a-directory way copies directory" \
    "files-that-differ differ" \
    "symlinks symlinks" \
    "a-stick-as-source from_stick" \
    "a-system-on-data on_data" \
    "bytes bytes"
finish
