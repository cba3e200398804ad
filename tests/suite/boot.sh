# Real boots in QEMU: a file that is saved in the first boot is there in the second. The small ISO for the layouts, the
# full Debian live once.
. "$(dirname "$0")/lib.bash"

boot() { "$root/tests/boot.py" --timeout 300 "$@"; }

iso=$(small_iso)
[ -s "$iso" ] || { cat "$tmp/.iso.log"; echo "not ok small-iso"; exit 1; }

keeps() {
    local image=$1
    shift
    rm -f "$image"
    "$LIVESTICK" create --quiet --size 1G --append "console=ttyS0,115200" "$@" "$iso" "$image"
    boot --image "$image" --cmd 'cat /proc/mounts' --cmd 'echo "saved in the first boot" >/root/kept' --shutdown >first
    grep -q '^overlay / overlay .*upperdir=/run/live/persistence/[a-z0-9]*/rw' first
    grep -q '/run/live/persistence/.* ext4 rw' first
    boot --image "$image" --cmd 'cat /root/kept' >second
    grep -q 'saved in the first boot' second
}

# The stick is as sound after two boots, one of them ended by pulling the plug, as a journal makes it.
sound_after() {
    local start
    start=$(sfdisk -J "$1" | jq '.partitiontable.partitions[1].start')
    dd if="$1" of=p2.img bs=512 skip="$start" conv=sparse status=none
    e2fsck -fy p2.img >log || [ $? -eq 1 ] || { cat log; return 1; }
    e2fsck -fn p2.img
    debugfs -R 'cat /rw/root/kept' p2.img 2>/dev/null | grep -q 'saved in the first boot'
    start=$(sfdisk -J "$1" | jq '.partitiontable.partitions[0] | .start, .size' | tr '\n' ' ')
    dd if="$1" of=p1.img bs=512 skip="${start%% *}" count="$(echo "$start" | cut -d' ' -f2)" status=none
    fsck.fat -n p1.img
}

not_kept_without_persistence() {
    rm -f n.img
    "$LIVESTICK" create --quiet --size 500M --no-persist --append "console=ttyS0,115200" "$iso" n.img
    boot --image n.img --cmd 'cat /proc/mounts' >first
    grep -q '^overlay / overlay .*upperdir=/run/live/overlay/rw' first
}

full_debian() {
    local debian
    debian=$("$root/tests/iso/debian.sh" | tail -n 1)
    "$LIVESTICK" create --quiet --size 4G --append "console=ttyS0,115200" "$debian" debian.img
    boot --image debian.img --timeout 900 --login user:live --cmd 'cat /proc/mounts' \
        --cmd 'echo "saved in the first boot" >/home/user/kept; sync' --shutdown >first
    grep -q '^overlay / overlay .*upperdir=/run/live/persistence/[a-z0-9]*/rw' first
    boot --image debian.img --timeout 900 --login user:live --cmd 'cat /home/user/kept' >second
    grep -q 'saved in the first boot' second
}

check mbr-keeps keeps mbr.img
check mbr-sound-after-two-boots sound_after mbr.img
check gpt-keeps keeps gpt.img --table gpt
check not-kept-without-persistence not_kept_without_persistence
check full-debian-keeps full_debian
finish
