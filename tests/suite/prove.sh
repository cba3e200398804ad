# Sticks proved by starting them: good ones, and some that do not start or do not keep anything. And `livestick boot`.
# PROVE_ALL=1: all cases.
. "$(dirname "$0")/lib.bash"

prove() { "$LIVESTICK_BUILD/tools/prove" "$@"; }

iso=$(small_iso)
[ -s "$iso" ] || { cat "$tmp/.iso.log"; echo "not ok small-iso"; exit 1; }

stick() { "$LIVESTICK" create --quiet --size 1G "$@" "$iso" stick.img; }

# A whole picture; one of a black screen is small.
is_png() {
    [ "$(head -c 8 "$1" | od -An -tx1 | tr -d ' \n')" = 89504e470d0a1a0a ] && tail -c 8 "$1" | grep -aq IEND || fail "$1: is no PNG of $(wc -c <"$1") bytes"
}

# Whatever a guest did, the stick has the bytes that it had.
unchanged() {
    local before after
    before=$(sha256sum <stick.img)
    "$@"
    after=$(sha256sum <stick.img)
    [ "$before" = "$after" ] || fail "the stick has changed"
}

starts_and_keeps() {
    stick
    unchanged prove stick.img bios 400 shots >said
    cat said
    grep -Eq '^ok boot-bios started in [0-9]+ s( \(emulated\))?: Linux [0-9][^ ]+, has a shell$' said
    grep -Eq '^ok persist-bios /root/\.livestick-[0-9a-f]+, .* it lies on the persistence partition as /rw/root/\.livestick-' said
    [ "$(wc -l <said)" -eq 2 ] || fail "not two verdicts"
    is_png shots/bios.png
    is_png shots/bios-again.png
    [ -z "$(find . -name '*livestick.*')" ]
}

# The partition is there, but the initrd does not find it by its label.
keeps_nothing_by_another_label() {
    local start
    stick
    start=$(sfdisk -J stick.img | jq '.partitiontable.partitions[1].start')
    dd if=stick.img of=p2.img bs=512 skip="$start" conv=sparse status=none
    e2label p2.img elsewhere
    dd if=p2.img of=stick.img bs=512 seek="$start" conv=notrunc,sparse status=none
    dd if=p2.img of=stick.img bs=512 seek="$start" count=8 conv=notrunc status=none
    unchanged prove stick.img bios 400 >said
    cat said
    grep -q '^ok boot-bios started' said
    grep -Eq '^bad persist-bios not persistent: /root/.* was gone after the power was cut; nothing was ever written to the persistence partition$' said
}

# What the last lines of the console say, and a picture.
kernel_is_none() {
    local kernel
    stick
    kernel=$(mdir -b -i stick.img@@1M ::/live | grep vmlinuz | head -n 1)
    head -c 8000000 /dev/zero >zeros
    mcopy -o -i stick.img@@1M zeros "$kernel"
    unchanged prove stick.img default 300 shots >said
    cat said
    grep -Eq '^bad boot-bios SYSLINUX could not start the kernel; .*last lines: .*Booting kernel failed' said
    grep -Eq '^bad boot-uefi the kernel is none, or damaged; .*last lines: .*invalid magic number' said
    [ "$(wc -l <said)" -eq 2 ] || fail "not two verdicts"
    is_png shots/bios.png
    is_png shots/uefi.png
}

no_boot_code() {
    stick
    dd if=/dev/zero of=stick.img bs=440 count=1 conv=notrunc status=none
    unchanged prove stick.img bios 200 shots >said
    cat said
    grep -Eq '^bad boot-bios no kernel was heard of .*last lines: .*Booting from Hard Disk' said
    is_png shots/bios.png
}

# Made to keep nothing: it starts, and that is all that is asked.
made_to_keep_nothing() {
    stick --no-persist
    unchanged prove stick.img uefi 400 >said
    cat said
    grep -q '^ok boot-uefi started .*; it has no persistence partition, so nothing is kept$' said
    [ "$(wc -l <said)" -eq 1 ]
}

# A stick that somebody made with mkfs, mcopy and syslinux: nothing of livestick's is on it.
others_stick() {
    local kernel initrd
    mkdir t conf
    xorriso -osirrox on -indev "$iso" -extract /live t/live >log 2>&1 || { cat log; return 1; }
    chmod -R u+rwX t
    kernel=$(cd t/live && echo vmlinuz-*) initrd=$(cd t/live && echo initrd.img-*)
    printf 'DEFAULT live\nPROMPT 0\nTIMEOUT 300\nLABEL live\n  KERNEL /live/%s\n  INITRD /live/%s\n  APPEND %s\n' \
        "$kernel" "$initrd" 'boot=live quiet splash persistence quickusbmodules nonetworking nofstab' >t/syslinux.cfg
    echo '/ union' >conf/persistence.conf
    truncate -s 200M p1.img
    mkfs.fat -F 32 -n LIVE p1.img >log
    mcopy -s -i p1.img t/* ::/
    syslinux --install p1.img
    truncate -s 100M p2.img
    mkfs.ext4 -q -L persistence -d conf p2.img
    truncate -s 302M stick.img
    printf 'start=2048,size=409600,type=c,bootable\nstart=411648,size=204800,type=83\n' | sfdisk -q stick.img
    dd if=/usr/lib/syslinux/mbr/mbr.bin of=stick.img conv=notrunc status=none
    dd if=p1.img of=stick.img bs=1M seek=1 conv=notrunc,sparse status=none
    dd if=p2.img of=stick.img bs=1M seek=201 conv=notrunc,sparse status=none
    unchanged prove stick.img bios 400 >said
    cat said
    grep -Eq '^ok boot-bios started .*: Linux [0-9][^ ]+, has a shell$' said
    grep -Eq '^ok persist-bios /root/.*lies on the persistence partition as /rw/root/' said
}

# type_when_ready COMMAND ANSWER: keys, a pipe, has the command when the guest in out has a shell, and Ctrl-A x after the answer.
type_when_ready() {
    mkfifo keys
    (
        exec 9>keys
        for _ in $(seq 400); do
            sleep 1
            grep -q LIVESTICK-TEST-READY out && break
        done
        sleep 2
        printf '%s\n' "$1" >&9
        for _ in $(seq 60); do
            grep -q "$2" out && break
            sleep 1
        done
        printf '\001x' >&9
    ) &
    touch out
}

# A terminal that is none: words of the guest come out, keys go in, Ctrl-A x ends it.
boot_on_the_terminal() {
    stick
    type_when_ready 'echo typed-$((40+2)) >/root/x; cat /root/x' typed-42
    unchanged timeout 500 "$LIVESTICK" boot --serial --memory 1G "$@" stick.img <keys >out 2>err || { cat err; tail out; return 1; }
    wait
    cat err
    grep -q 'typed-42' out
    grep -q 'stick.img: nothing is written to it' err
}

# With --write it does stay.
boot_that_writes() {
    "$LIVESTICK" create --quiet --size 1G --append "console=ttyS0,115200" "$iso" stick.img
    type_when_ready 'echo written >/root/x; sync; echo done-$((40+2))' done-42
    timeout 500 "$LIVESTICK" boot --serial --write stick.img <keys >out 2>err || { cat err; tail out; return 1; }
    wait
    local start
    start=$(sfdisk -J stick.img | jq '.partitiontable.partitions[1].start')
    dd if=stick.img of=p2.img bs=512 skip="$start" conv=sparse status=none
    e2fsck -fy p2.img >log || [ $? -eq 1 ]
    debugfs -R 'cat /rw/root/x' p2.img 2>/dev/null | grep -q written
}

boot_refuses() {
    stick
    ! prove stick.img bios,coreboot 2>said
    grep -q '^prove: --boot: "coreboot" is none of bios, uefi, secureboot, all$' said
    refuses 1 'there is no graphical session here for a window: use --serial' \
        env -u DISPLAY -u WAYLAND_DISPLAY "$LIVESTICK" boot stick.img
    refuses 2 'is none of bios, uefi, secureboot' "$LIVESTICK" boot --firmware coreboot stick.img
    refuses 2 'no system starts with less than 64M' "$LIVESTICK" boot --memory 1M stick.img
    refuses 1 'no such file or device' "$LIVESTICK" boot --serial nowhere.img
    refuses 3 'is neither a file nor a block device' "$LIVESTICK" boot --serial .
    head -c 10M /dev/zero >other.img
    refuses 3 'is not a stick that livestick made' "$LIVESTICK" boot --serial --write other.img
}

check boot-refuses boot_refuses
cases=(
    "starts-and-keeps starts_and_keeps"
    "keeps-nothing-by-another-label keeps_nothing_by_another_label"
    "kernel-is-none kernel_is_none"
    "boot-on-the-terminal boot_on_the_terminal --uefi"
)
# The rest for those who work on it: another three minutes.
[ -z "${PROVE_ALL:-}" ] || cases+=(
    "no-boot-code no_boot_code"
    "made-to-keep-nothing made_to_keep_nothing"
    "boot-that-writes boot_that_writes"
    "others-stick others_stick"
)
together "${cases[@]}"
finish
