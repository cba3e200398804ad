# Sourced by the suites. A test is a function called by `check NAME function`; inside it any failing command fails
# the test. $tmp is a private directory, removed at the end.

set -uo pipefail
: "${LIVESTICK:?run by tests/run}"
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
tmp=$(mktemp -d "${TMPDIR:-/var/tmp}/livestick-test.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
suite_failed=0

# Not as the condition of an `if`: bash would ignore errexit in all of it.
run_in() {      # DIRECTORY LOG FUNCTION ARGS...
    local dir=$1 log=$2
    shift 2
    (set -e; cd "$dir"; "$@") >"$log" 2>&1
}

verdict() {     # NAME STATUS LOG
    if [ "$2" -eq 0 ]; then
        echo "ok $1"
    else
        sed 's/^/# /' "$3" | tail -40
        echo "not ok $1"
        suite_failed=1
    fi
}

check() {
    local name=$1
    shift
    run_in "$tmp" "$tmp/.log" "$@"
    verdict "$name" $? "$tmp/.log"
}

# together "NAME FUNCTION ARGS"...: each in a directory of its own, two at a time; told in their order.
together() {
    local line name running=0
    for line in "$@"; do
        name=${line%% *}
        mkdir "$tmp/$name"
        if [ $running -eq 2 ]; then wait -n; running=1; fi
        # shellcheck disable=SC2086
        (run_in "$tmp/$name" "$tmp/$name/.log" ${line#* }; echo $? >"$tmp/$name/.status") &
        running=$((running + 1))
    done
    wait
    for line in "$@"; do
        name=${line%% *}
        verdict "$name" "$(cat "$tmp/$name/.status")" "$tmp/$name/.log"
    done
}

skip() { echo "skip $1: $2"; }

# Fails with words: `grep -q x f || fail "no x in f"`.
fail() { echo "FAILED: $*"; exit 1; }

# refuses STATUS REGEX command...: the exit status is exact, stderr is one sentence of ours that matches.
refuses() {
    local status=$1 regex=$2 got=0
    shift 2
    "$@" >"$tmp/.stdout" 2>"$tmp/.stderr" </dev/null || got=$?
    cat "$tmp/.stderr"
    [ "$got" -eq "$status" ] || fail "exit status $got, not $status: $*"
    grep -Eq "$regex" "$tmp/.stderr" || fail "stderr does not say /$regex/"
    [ "$(grep -c '^livestick: ' "$tmp/.stderr")" -eq 1 ] || fail "not one sentence"
    [ ! -s "$tmp/.stdout" ] || fail "stdout is not empty"
}

# The target must be as it was: a sparse file with a known beginning, middle and end.
make_target() {         # FILE [MIB]
    local mib=${2:-300}
    truncate -s "${mib}M" "$1"
    printf 'precious' | dd of="$1" conv=notrunc status=none
    printf 'precious' | dd of="$1" bs=1M seek=$((mib / 2)) conv=notrunc status=none
    printf 'precious' | dd of="$1" bs=1 seek=$((mib * 1024 * 1024 - 8)) conv=notrunc status=none
    cp --sparse=always "$1" "$1.orig"
}
untouched() { cmp "$1" "$1.orig" || fail "$1 was changed"; }

# bad_source STATUS REGEX FILE: create from FILE is refused so, and the target is as before.
bad_source() {
    make_target t.img
    refuses "$1" "$2" "$LIVESTICK" create --yes --quiet "$3" t.img
    untouched t.img
}

# A tree with a live-boot menu, of which one thing is wrong.
live_tree() {
    rm -rf "$1" && mkdir -p "$1/live" "$1/isolinux"
    head -c 70000 /dev/urandom >"$1/live/vmlinuz"
    head -c 90000 /dev/urandom >"$1/live/initrd.img"
    head -c 200000 /dev/urandom >"$1/live/filesystem.squashfs"
    printf 'label live\n menu label Live\n linux /live/vmlinuz\n initrd /live/initrd.img\n append boot=live\n' \
        >"$1/isolinux/isolinux.cfg"
}
live_iso() { xorriso -as mkisofs -quiet -R -iso-level 3 -o "$1.iso" "$1"; }


# The small live ISO, built once and cached outside the clone.
small_iso() { "$root/tests/iso/small.sh" 2>"$tmp/.iso.log" | tail -n 1; }

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

finish() { exit "$suite_failed"; }
