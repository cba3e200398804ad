# Hand-made live systems become sticks: each is made by `create` and booted twice, and a file is kept.
. "$(dirname "$0")/lib.bash"

boot() { "$root/tests/boot.py" --timeout 400 "$@"; }

tree() {        # ISO DIR
    mkdir "$2"
    xorriso -osirrox on -indev "$1" -extract / "$2" >log 2>&1 || { cat log; return 1; }
    chmod -R u+rwX "$2"
}

made() { "$root/tests/iso/own.sh" "$@" | tail -n 1; }

# keeps SOURCE PROOF ARGS...: two boots; PROOF is a line of /proc/mounts of the first.
keeps() {
    local source=$1 proof=$2
    shift 2
    "$LIVESTICK" create --quiet --size 700M --append console=ttyS0,115200 "$source" own.img
    boot --image own.img --cmd 'cat /proc/mounts' "$@" --cmd 'echo saved >>/root/kept' --shutdown >first
    grep -Eq "$proof" first || { cat first; return 1; }
    boot --image own.img --firmware uefi --cmd 'cat /root/kept' >second
    grep -q '^saved' second
}

overlay='^overlay / overlay .*upperdir=/run/livestick/data/changes/default/upper'

# No initrd, no menu: a kernel and a squashfs in a directory.
debootstrap_keeps() {
    tree "$(made debootstrap)" tree
    rm -rf tree/isolinux
    [ "$(find tree -type f | wc -l)" -eq 2 ]
    keeps tree "$overlay" --cmd 'cat /etc/fstab'
    grep -q '^#livestick: /dev/sda1 / ext4' first
}

# An initrd that looks at CD drives, boot scripts that check what /etc/fstab names, an archive for /etc.
lfs_keeps() {
    local iso
    iso=$(made lfs)
    "$LIVESTICK" inspect --json "$iso" | jq -e '.source.family == "own" and .plan.menu[0].title == "Live system"
        and ([.plan.menu[].title] | index("Live system (copied to memory)")) and .plan.menu[0].initrds == ["/livestick/a1.initrd"]'
    keeps "$iso" "$overlay" --cmd 'cat /etc/opt/unpacked /etc/fstab'
    grep -q '^from the archive' first
    grep -q '^#livestick: /dev/sda1 / ext3' first && grep -q '^#livestick: /dev/sda2 swap' first
    ! grep -q 'rc: checking' first
}

# isolinux and a stock initrd of initramfs-tools, which boots nothing from a stick.
initramfs_tools_keeps() { keeps "$(made initramfs-tools)" "$overlay"; }

# What the upper image changes is seen, and what only the lower one has, too.
stacked_keeps() {
    tree "$(made stacked)" tree
    keeps tree "$overlay" --cmd 'cat /etc/layer /etc/only-core'
    grep -A1 '^more' first | grep -q '^core'
}

# No overlay in the kernel: the changes of one ext4 image go into a snapshot.
snapshot_keeps() { keeps "$(made snapshot)" '^/dev/(dm-0|mapper/[^ ]*) / ext4 rw'; }

# The distribution's own initrd could do it, but the user wants ours.
asked_for() {
    local iso
    iso=$("$root/tests/iso/dracut.sh" overlay | tail -n 1)
    "$LIVESTICK" inspect --json --initrd source "$iso" | jq -e '.source.family == "dmsquash"'
    "$LIVESTICK" inspect --json --initrd own "$iso" | jq -e '.source.family == "own" and .source.family_forced'
    refuses 2 'does not go with' "$LIVESTICK" inspect --initrd own --family casper "$iso"
    refuses 2 'neither own nor source' "$LIVESTICK" inspect --initrd mine "$iso"
}

bad_tree() {    # REGEX CHANGE...
    rm -rf bad
    cp -r tree bad
    (cd bad && eval "$2")
    truncate -s 300M t.img
    refuses 5 "$1" "$LIVESTICK" create --yes --quiet bad t.img
    [ "$(stat -c %b t.img)" -eq 0 ] || fail "something was written"
}

bad_input() {
    tree "$(made stacked)" tree
    bad_tree 'no live system' 'rm -r images'
    bad_tree '01-core.squashfs: ' 'truncate -s 1000000 images/01-core.squashfs'
    bad_tree 'no init' 'rm images/01-core.squashfs'
    bad_tree 'compress' "printf '\x09\x00' | dd of=images/01-core.squashfs bs=1 seek=20 conv=notrunc status=none"
    # Modules of another kernel: the version in the kernel's header is another.
    bad_tree '6\.1\..*6\.1\.' "sed -i 's/6\.1\.0-\([0-9]*\)-amd64 (/6.1.9-\1-amd64 (/' vmlinuz"
}

debootstrap=("debootstrap-keeps debootstrap_keeps")
[ "$(id -u)" = 0 ] || { debootstrap=(); skip debootstrap-keeps "debootstrap needs root"; }
together \
    "${debootstrap[@]}" \
    "lfs-keeps lfs_keeps" \
    "initramfs-tools-keeps initramfs_tools_keeps" \
    "stacked-keeps stacked_keeps" \
    "snapshot-keeps snapshot_keeps"
check asked-for asked_for
check bad-input bad_input
finish
