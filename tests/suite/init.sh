# Our own /init (persist/init) in QEMU: sticks that are put together by hand, without livestick, from a kernel, modules and
# the images of tests/iso/init.sh.
. "$(dirname "$0")/lib.bash"

medium=$("$root/tests/iso/init.sh" 2>"$tmp/.iso.log" | tail -n 1)
[ -s "$medium" ] || { cat "$tmp/.iso.log"; echo "not ok init-medium"; exit 1; }
kit=$tmp/kit
mkdir "$kit"
xorriso -osirrox on -indev "$medium" -extract / "$kit" >"$tmp/.kit.log" 2>&1 || { cat "$tmp/.kit.log"; exit 1; }
chmod -R u+rwX "$kit"

BOOT=4C56-0001 DATA=4c697665-7374-4963-8b00-00000000da7a
BOOT_START=2048 BOOT_SIZE=131072 DATA_START=133120 DATA_SIZE=81920 # sectors; an image of 105 MiB
boot_at() { echo "stick.img@@$((BOOT_START * 512))"; }

# archive UNION: what another part of livestick builds; prints nothing, makes initrd.
archive() {
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
    mkdir -p archive/extra/etc archive/extra/root/new
    echo 'of extra' >archive/extra/etc/extra
    chmod 600 archive/extra/etc/extra
    ln -s ../etc/extra archive/extra/root/new/link
    (cd archive && find . | sort | cpio -o -H newc -R 0:0 --quiet) >initrd
}

# menu ARGS...: the next start's kernel arguments
menu() {
    printf 'DEFAULT x\nLABEL x\n LINUX /vmlinuz\n INITRD /initrd\n APPEND console=ttyS0,115200 %s\n' \
        "livestick.boot=$BOOT livestick.data=$DATA usb-storage.delay_use=0 $*" >syslinux.cfg
    mcopy -o -i "$(boot_at)" syslinux.cfg ::/syslinux.cfg
}

data_put() { dd if="${1:-data.img}" of=stick.img bs=512 seek=$DATA_START conv=notrunc,sparse status=none; }
data_get() { dd if=stick.img of=data.img bs=512 skip=$DATA_START count=$DATA_SIZE conv=sparse status=none; }

# stick UNION: makes stick.img, with an empty DATA
stick() {
    local image
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
    if [ "$1" = snapshot ]; then
        mcopy -i "$(boot_at)" "$kit/root.ext2" ::/live/
    else
        mcopy -i "$(boot_at)" "$kit"/*.squashfs ::/live/
    fi
    truncate -s $((DATA_SIZE * 512)) data.img
    mke2fs -q -F -t ext4 -U $DATA -m 0 data.img
    data_put
}

start() { "$root/tests/boot.py" --image stick.img --timeout 120 --log console "$@"; }

saved() {
    stick overlay
    menu perch debug
    start --cmd 'cat /proc/mounts; ls -R /run/livestick' --cmd 'cat /etc/fstab /etc/layer; ls -la /etc /root/new' --cmd 'echo kept >/root/kept' --shutdown
    start --cmd 'cat /root/kept'
}
together "saved saved"
finish
