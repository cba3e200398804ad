# Our own /init (persist/init) in QEMU: sticks that are put together by hand, without livestick, from a kernel, modules and
# the images of tests/iso/init.sh.
. "$(dirname "$0")/lib.bash"

medium=$("$root/tests/iso/init.sh" 2>"$tmp/.iso.log" | tail -n 1)
[ -s "$medium" ] || { cat "$tmp/.iso.log"; echo "not ok init-medium"; exit 1; }
kit=$tmp/kit
mkdir "$kit"
xorriso -osirrox on -indev "$medium" -extract / "$kit" >"$tmp/.kit.log" 2>&1 || { cat "$tmp/.kit.log"; exit 1; }
chmod -R u+rwX "$kit"

BOOT=4C56-0001 DATA=4c697665-7374-4963-8b00-00000000da7a EXT_BOOT=4c697665-7374-4963-8b00-00000000b007
BOOT_START=2048 BOOT_SIZE=131072 DATA_START=133120 DATA_SIZE=81920 EXT_BOOT_SIZE=65536 # sectors
boot_at() { echo "stick.img@@$((BOOT_START * 512))"; }

# archive UNION: what another part of livestick builds; prints nothing, makes initrd.
archive() {
    local image
    rm -rf archive
    mkdir -p archive/{dev,proc,sys,run,mnt,tmp,modules}
    cp "$LIVESTICK_BUILD/init" archive/init
    cp "$kit"/modules/*.ko archive/modules/
    {
        echo 'livestick-initrd 1'
        echo 'system Toy System'
        echo 'init /sbin/init'
        echo "union $1"
        sed 's/^/module /' "$kit/modules/list"
        if [ "$1" = snapshot ]; then
            echo 'image /live/root.ext2 ext2'
        else
            for image in 01-core 02-fsck 03-top; do echo "image /live/$image.squashfs squashfs"; done
        fi
    } >archive/livestick.conf
    mkdir -p archive/extra/etc archive/extra/root/new archive/extra/opt/there
    echo 'of extra' >archive/extra/etc/extra
    chmod 600 archive/extra/etc/extra
    ln -s ../../etc/extra archive/extra/root/new/link
    echo 'through a link' >archive/extra/opt/there/x # in the system, /opt is a link to /home
    echo 'instead of another' >archive/extra/etc/hosts
    chmod 700 archive/extra/etc
    (cd archive && find . | sort | cpio -o -H newc -R 0:0 --quiet) >initrd
}

# menu ARGS...: the next start's kernel arguments
menu() {
    printf 'DEFAULT x\nLABEL x\n LINUX /vmlinuz\n INITRD /initrd\n APPEND console=ttyS0,115200 %s\n' \
        "livestick.boot=$BOOT livestick.data=$DATA usb-storage.delay_use=0 $*" >syslinux.cfg
    mcopy -o -i "$(boot_at)" syslinux.cfg ::/syslinux.cfg
}

put() { dd if="$1" of=stick.img bs=1M oflag=seek_bytes seek=$(($2 * 512)) conv=notrunc status=none; } # FILE SECTOR
data_put() { put "${1:-data.img}" $DATA_START; }
data_get() {
    dd if=stick.img of=data.img bs=1M iflag=skip_bytes,count_bytes skip=$((DATA_START * 512)) count=$((DATA_SIZE * 512)) status=none
}

# stick UNION: makes stick.img, with an empty DATA
stick() {
    archive "$1"
    truncate -s $(((DATA_START + DATA_SIZE + 2048) * 512)) stick.img
    sfdisk -q stick.img <<END
label: dos
start=$BOOT_START, size=$BOOT_SIZE, type=c, bootable
start=$DATA_START, size=$DATA_SIZE, type=83
END
    dd if=/usr/lib/syslinux/mbr/mbr.bin of=stick.img bs=440 count=1 conv=notrunc status=none
    mkfs.fat -F 32 -s 1 -i "${BOOT/-/}" --offset $BOOT_START stick.img $((BOOT_SIZE / 2)) >/dev/null
    syslinux --offset $((BOOT_START * 512)) -i stick.img
    mcopy -i "$(boot_at)" "$kit/vmlinuz" initrd ::/
    mmd -i "$(boot_at)" ::/live
    [ "$1" = snapshot ] || mcopy -i "$(boot_at)" "$kit"/*.squashfs ::/live/
    truncate -s $((DATA_SIZE * 512)) data.img
    mke2fs -q -F -t ext4 -U $DATA -m 0 data.img
    data_put
}

# ext_boot IMAGE: what /init takes for BOOT lies behind DATA, as ext4 with a journal; only the loader's files are on the FAT
ext_boot() {
    local at=$((DATA_START + DATA_SIZE))
    mkdir -p boot/live
    cp "$1" boot/live/root.ext2
    if [ ! -e boot.img ]; then
        truncate -s $(((at + EXT_BOOT_SIZE + 2048) * 512)) stick.img
        echo "start=$at, size=$EXT_BOOT_SIZE, type=83" | sfdisk -q --append stick.img
        truncate -s $((EXT_BOOT_SIZE * 512)) boot.img
    fi
    mke2fs -q -F -t ext4 -U $EXT_BOOT -d boot boot.img
    put boot.img $at
}

start() { "$root/tests/boot.py" --image stick.img --timeout 120 --log console "$@"; }

# Lines of the console that are ours, of the last start.
lacks() { ! grep -Eq "$2" "$1" || fail "$1 has /$2/"; }
said() { grep -a '^livestick: ' console | tr -d '\r'; }

# A session is saved, has its first start only once, and load=, noload=, toram, perchdir= do what they say.
overlay() {
    local stem='/run/livestick/data/changes/default'
    stick overlay
    menu perch single
    start --cmd 'cat /proc/mounts' --cmd 'cat /etc/layer /etc/fstab' --cmd 'cat /root/new/link; stat -c %a /etc/extra /etc/fstab' \
        --cmd 'grep Shmem: /proc/meminfo; cat /home/there/x /etc/hosts; stat -c %a:%n /etc' --cmd 'tr "\0" " " </proc/1/cmdline; tr "\0" "\n" </proc/1/environ' \
        --cmd 'echo kept >/root/kept; echo mine >/etc/extra' --shutdown >first
    grep -q "^overlay / overlay rw,noatime,lowerdir=.*/02:.*/01:.*/00,upperdir=$stem/upper,workdir=$stem/work" first
    grep -q '^/dev/sd.2 /run/livestick/data ext4 rw,noatime' first
    grep -q '^/dev/sd.1 /run/livestick/boot vfat ro,' first
    grep -c '^/dev/loop. /run/livestick/images/0. squashfs ro' first | grep -qx 3
    grep -qx 'of the top' first
    diff - <(sed -n '/made for/,/^proc .proc/p' first) <<'END'
# made for the CD
#livestick: /dev/sda2 / ext3 defaults 0 1
#livestick: /dev/sda3 swap swap sw 0 0
proc /proc proc defaults 0 0
END
    sed -n '/^of extra/,+2p' first | tr '\n' ' ' | grep -qx 'of extra 600 640 '
    grep -qx 'through a link' first
    grep -qx 'instead of another' first
    grep -qx 755:/etc first
    # the initramfs, some MiB, has been freed
    awk '/^Shmem:/ { n = $2 } END { exit n == "" || n >= 1024 }' first
    grep -qE '^/bin/sh /sbin/init single ' first
    lacks first '^(from|perchdir|load)='

    menu perch toram from=/
    start --cmd 'cat /proc/mounts; cat /sys/block/loop0/loop/backing_file' --cmd 'cat /root/kept /etc/extra' >second
    grep -q "upperdir=$stem/upper" second
    lacks second /run/livestick/boot
    grep -qx /run/livestick/copy/00 second
    grep -qx kept second
    grep -qx mine second

    # the plug was pulled
    menu perch noload=top from=/slot-b perchdir=resume
    mmd -i "$(boot_at)" ::/slot-b ::/slot-b/live
    mcopy -i "$(boot_at)" "$kit"/*.squashfs ::/slot-b/live/
    start --cmd 'cat /etc/layer /root/kept; cat /sys/block/loop0/loop/backing_file' --shutdown >third
    said | grep -q 'DATA: e2fsck -p: exit status [01]: '
    grep -qx 'of the core' third
    grep -qx kept third
    grep -qx /run/livestick/boot/slot-b/live/01-core.squashfs third

    menu 'load=core,0[3-9]*'
    start --cmd 'cat /proc/mounts; cat /etc/layer; cat /etc/extra; cat /etc/fstab' --cmd '! ls /root/kept /sbin/e2fsck' --shutdown >fourth
    grep -q 'upperdir=/run/livestick/memory/upper' fourth
    lacks fourth /run/livestick/data
    grep -qx 'of the top' fourth
    grep -qx 'of extra' fourth
    grep -q '^#livestick: /dev/sda3' fourth

    menu perch perchdir=other.1
    start --cmd 'cat /proc/mounts; cat /etc/extra' --cmd '! ls /root/kept' --shutdown >fifth
    grep -q 'upperdir=/run/livestick/data/changes/other.1/upper' fifth
    grep -qx 'of extra' fifth
}

# Damage that e2fsck -p repairs; that it does not; that nobody can, because the images have no e2fsck.
damaged() {
    stick overlay
    debugfs -w -f - data.img <<'END'
set_super_value free_inodes_count 7
set_super_value state 2
END
    data_put
    menu perch
    start --cmd 'cat /proc/mounts' --cmd 'echo kept >/root/kept' --shutdown >first
    said | grep -q 'DATA has errors: it is checked'
    said | grep -q 'DATA: e2fsck -p: exit status 1: repaired'
    grep -q 'upperdir=/run/livestick/data/' first
    data_get
    e2fsck -fn data.img

    # two files with the same block: which of them it belongs to only the user can know
    mke2fs -q -F -t ext4 -O ^extents,^64bit,^metadata_csum -U $DATA -m 0 data.img
    echo 'first file' >a
    echo 'second file' >b
    printf 'write a a\nwrite b b\n' | debugfs -w -f - data.img
    debugfs -w -f - data.img <<END
set_inode_field b block[0] $(debugfs -R 'bmap a 0' data.img)
set_super_value state 2
END
    data_put
    # questions are asked on all consoles, also when another one is /dev/console
    menu perch console=tty0
    start --answer 'one letter .c, y, r, s, b.' q --answer 'one letter .c, y, r, s, b.' Y \
        --cmd 'cat /proc/mounts; cat /run/livestick/data/a' --shutdown >second
    said | grep -q 'e2fsck -y: exit status 1: repaired'
    grep -q 'upperdir=/run/livestick/data/changes/default/upper' second
    grep -qx 'first file' second
    data_get
    e2fsck -fn data.img

    debugfs -w -R 'set_super_value state 2' data.img
    data_put
    cp data.img before.img
    menu perch noload=fsck
    start --answer 'one letter .c, r, f, s, b.' c --cmd 'cat /proc/mounts' --shutdown >third
    said | grep -q 'says of itself that it has errors'
    grep -q 'upperdir=/run/livestick/memory/upper' third
    lacks third /run/livestick/data
    data_get
    cmp data.img before.img
}

# No DATA: a shell, then without saving. No BOOT: what there is. DATA without room.
missing() {
    stick overlay
    tune2fs -L "$(printf '\033[2Jx')" data.img
    data_put
    menu perch livestick.data=00000000-0000-0000-0000-000000000001
    start --answer 'one letter .c, r, s, b.' s --answer '# $' 'ls -d /sys/block/sd?; cat /etc/layer; exit' \
        --answer 'one letter .c, r, s, b.' c --cmd 'cat /proc/mounts' --shutdown >first
    said | grep -q 'DATA of the stick is not there: no file system has the UUID 00000000-'
    said | grep -q ' sda: 106 MiB, QEMU QEMU HARDDISK'
    said | grep -q " sda1: 64.0 MiB, vfat $BOOT"
    said | grep -qF " sda2: 40.0 MiB, ext4 $DATA \\x1b[2Jx"
    grep -a -q '^of the top' console
    grep -q 'upperdir=/run/livestick/memory/upper' first

    menu perch
    start --cmd 'dd if=/dev/zero of=/root/fill bs=64k 2>/dev/null; echo x >>/root/fill2; sync; df -k /run/livestick/data' \
        --cmd 'echo kept >/tmp/x; ls -la /root' --shutdown
    start --cmd 'cat /proc/mounts; ls -la /root; rm /root/fill' --shutdown >second
    said | grep -qE 'DATA is nearly full: .* of 3[0-9]\.. MiB are free'
    grep -q '^overlay / overlay rw,.*upperdir=/run/livestick/data/changes/default/upper' second

    menu perch livestick.boot=0000-0001
    start --expect 'BOOT of the stick is not there' --expect 'sda1: 64.0 MiB, vfat 4C56-0001' --expect 'one letter .r, b.'
}

# Blocks of one image: saved, also when the plug was pulled; a store that belongs to another image; one that is spoilt.
snapshot() {
    local block DATA_SIZE=163840
    stick snapshot
    ext_boot "$kit/root.ext2"
    menu perch livestick.boot=$EXT_BOOT
    start --cmd 'cat /proc/mounts; cat /etc/fstab /etc/extra' --cmd 'echo kept >/root/kept' >first
    grep -q '^/dev/mapper/livestick-root / ext2 rw,noatime' first
    grep -q '^/dev/sd.3 /run/livestick/boot ext4 ro,' first
    lacks first /run/livestick/images/
    grep -qx 'of extra' first
    grep -q '^#livestick: /dev/sda2' first
    menu perch toram livestick.boot=$EXT_BOOT
    start --cmd 'cat /proc/mounts /root/kept' --shutdown >second
    lacks second /run/livestick/boot
    said | grep -q 'the system with its changes: e2fsck -p: exit status [01]'
    grep -qx kept second

    menu perch livestick.boot=$EXT_BOOT
    data_get
    block=$(debugfs -R 'bmap /changes/default/snapshot.img 0' data.img)
    cp data.img good.img
    head -c 4 /dev/zero | dd of=data.img bs=1 seek=$((block * $(stat_block) + 4)) conv=notrunc status=none
    data_put
    start --answer 'one letter .c, n, r, s, b.' c --cmd 'cat /proc/mounts' --cmd '! ls /root/kept' --shutdown >third
    said | grep -q 'the saved changes cannot be used'
    grep -q '^/dev/mapper/livestick-root / ext2 rw,noatime' third
    lacks third /run/livestick/data

    data_put good.img
    cp "$kit/root.ext2" other.ext2
    tune2fs -L other other.ext2
    ext_boot other.ext2
    start --answer 'one letter .c, n, r, s, b.' n --cmd 'cat /proc/mounts; ls -1 /run/livestick/data/changes/default' --cmd '! ls /root/kept' \
        --shutdown >fourth
    said | grep -q 'belong to another version of the system'
    grep -qx snapshot.img.old-1 fourth
    grep -qx snapshot.origin.old-1 fourth
}
stat_block() { dumpe2fs -h data.img 2>/dev/null | sed -n 's/^Block size: *//p'; }

together "init-overlay overlay" "init-damaged damaged" "init-missing missing" "init-snapshot snapshot"
finish
