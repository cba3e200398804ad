# Sticks that are not what they say, and sticks that die: as block devices, by tests/stick.py.
#
#   STRESS_STALL=30 tests/suite/stress.sh      how long the stick stalls, in seconds (2)
. "$(dirname "$0")/lib.bash"

size=536870912
one=$(small_iso) && two=$("$root/tests/iso/small.sh" 2 2>>"$tmp/.iso.log" | tail -n 1)
[ -s "$one" ] && [ -s "$two" ] || { cat "$tmp/.iso.log"; echo "not ok small-iso"; exit 1; }
# Copies: the cache notes when it was used, and a source that changes is no source.
cp "$one" "$tmp/one.iso" && cp "$two" "$tmp/two.iso" && one=$tmp/one.iso two=$tmp/two.iso

# plug OPTION...: a stick with the bytes of stick/medium, if there are any; its name is then $dev
plug() {
    coproc STICK { exec "$root/tests/stick.py" stick --size $size "$@" 2>stick.err; }
    read -r dev <&"${STICK[0]}" || fail "$(cat stick.err)"
    stick_in=${STICK[1]} stick_pid=$STICK_PID
    trap 'exec {stick_in}>&-; wait' EXIT
}

unplug() {
    trap - EXIT
    exec {stick_in}>&-
    wait "$stick_pid" || fail "$(cat stick.err)"
}

works() { (cd "$tmp" && mkdir -p probe && cd probe && plug && unplug) >"$tmp/.log" 2>&1; }

if [ "$(id -u)" -ne 0 ] || ! works; then
    skip stress "needs root, nbdfuse, /dev/fuse and loop devices"
    exit 0
fi

create() { "$LIVESTICK" create --yes --quiet --progress none "$@"; }
upgrade() { "$LIVESTICK" upgrade --quiet --progress none "$@"; }
writes() { grep -c ' write ' stick/log; }

# What was on the stick is there afterwards, although marks were written all over it.
fake() {        # STATUS SENTENCE OPTION...
    local status=$1 sentence=$2
    shift 2
    rm -rf stick && mkdir stick
    head -c 20M /dev/urandom >stick/medium
    truncate -s $size stick/medium
    cp --sparse=always stick/medium before
    plug "$@"
    refuses "$status" "^livestick: .*$dev: .*$sentence" create "$one" "$dev"
    unplug
    cmp before stick/medium
}

fakes() {
    fake 3 'it is as it was: .* 512 MiB, but what is written beyond 256 MiB ends up at the beginning' --wraps 268435456
    fake 3 'it is as it was: .* beyond 16[67] MiB ends up at the beginning .it wraps around.: it is a fake' --wraps 175000064
    fake 3 'it is as it was: .* loses what is written beyond about 16[67] MiB: it is a fake' --loses 175000064
    fake 3 'it is as it was: .* beyond about 16[67] MiB overwrites something else' --last 175000064
    fake 1 'read at byte 536870400: Input/output error' --fails 175000064
    grep -q 'it is broken, or smaller than it says' "$tmp/.stderr"
}

# An honest one is written, with no trace of the marks: the bytes are those of a plain file.
honest() {
    rm -rf stick && mkdir stick
    plug
    create --seed stress "$one" "$dev"
    unplug
    create --seed stress --size $size "$one" file
    cmp file stick/medium
}

# ---- what a stick is told to forget. It is full of other bytes then: nothing may take them for zeros.

full() { head -c $size /dev/zero | tr '\0' '\252' >"$1"; }
discards() { grep -c ' discard ' stick/log; }

# create_on_full OPTION...: onto a stick that is full, and is so where it has forgotten; as onto a file that is full
create_on_full() {
    rm -rf stick file && mkdir stick
    full stick/medium
    plug "$@"
    create --seed stress "$one" "$dev"
    unplug
    full file
    create --seed stress "$one" file
    cmp file stick/medium
    judge stick/medium fat32 1
}

# Once, in one row, behind the marks and the old table and before all that is written; but neither the table's places nor a mark.
in_one_row() {
    awk -v size=$size '
        $2 == "discard" {
            if (ended || $4 < end || $4 < 1048576 || $4 + $5 > size - 1048576) { print "wrong: " $0; wrong = 1 }
            end = $4 + $5; sum += $5; n++
        }
        $2 != "discard" && n { ended = 1 }
        $2 == "write" && !n && $4 == 0 { erased = 1 }
        $2 == "write" && n { after++ }
        END { print sum " bytes, then " after " writes"; exit wrong || !erased || sum < size * 0.6 || after < 20 }' stick/log
}

forgotten() {
    create_on_full --discards 170
    in_one_row
    plug --discards 170
    upgrade "$two" "$dev"
    unplug
    [ "$(discards)" -eq 0 ]
    judge stick/medium fat32 1
}

# One that fails at it is written all the same, and not asked again.
fails_to_forget() {
    create_on_full --discard-eio 1
    [ "$(discards)" -eq 1 ]
    create_on_full --discards 170 --discard-eio 3
    [ "$(discards)" -eq 3 ]
}

# A file system that makes a discard of a hole to be punched: it is tried once and not believed.
false_holes() {
    rm -rf stick file && mkdir stick
    full stick/medium
    plug --plain --discards 85
    create --seed stress "$one" "$dev"
    unplug
    full file
    create --seed stress "$one" file
    cmp file stick/medium
    [ "$(discards)" -le 1 ]
}

# ---- dying. What was refused has not been lost, what was begun is told by its name and state.

dies_in_create() {      # OPTION SENTENCE
    rm -rf stick && mkdir stick
    plug $1
    refuses 1 "^livestick: $dev: $2" create "$one" "$dev"
    unplug
    cmp -n 512 stick/medium /dev/zero
}

deaths_in_create() {
    local all middle
    rm -rf stick && mkdir stick
    plug
    create "$one" "$dev"
    unplug
    all=$(writes) middle=$((all - 75))        # in the pass: behind it are only what is put back, and the table
    local unfinished='is not finished and does not boot, what was on it is lost; run create again: '
    dies_in_create "--eio $middle" "${unfinished}writing: /dev/loop[0-9]*: write at byte [0-9]*: Input/output error"
    dies_in_create "--read-only $middle" "${unfinished}.*Input/output error"
    dies_in_create "--vanish $middle" "${unfinished}.*Input/output error"
    dies_in_create "--vanish 5" "${unfinished}.*what was there could not be put back"
    dies_in_create "--eio $((all - 25)):100" "${unfinished}.*Input/output error"
}

# After a cut there may be blocks that belong to nobody, which is an error to fsck.fat.
files_hold() {  # IMAGE
    rm -rf boot && mkdir boot
    mcopy -s -Q -m -n -i "$1@@$(start "$1" 1)" ::/ boot
    manifests_hold
}

# The old system is whole after each death; then a good stick gets the new one.
deaths_in_upgrade() {
    local all n option data
    rm -rf stick && mkdir stick
    plug
    create "$one" "$dev"
    unplug
    cp --sparse=always stick/medium fresh
    data=$(start fresh 2)
    plug
    upgrade "$two" "$dev"
    unplug
    all=$(writes)
    for option in "--eio 2" "--eio $((all / 3)):2" "--read-only $((all / 2))" "--vanish $((all - 5))"; do
        echo "== $option of $all"
        cp --sparse=always fresh stick/medium
        plug $option
        refuses 1 "^livestick: $dev: (still starts the system that it had|nothing was written).*Input/output error" \
            upgrade "$two" "$dev"
        unplug
        files_hold stick/medium
        "$LIVESTICK" inspect --json stick/medium | jq -e '.default_entry == "a1"'
        cmp -i "$data" fresh stick/medium || fail "DATA was written"
    done
    plug
    upgrade "$two" "$dev"
    unplug
    judge stick/medium fat32 1
    "$LIVESTICK" inspect --json stick/medium | jq -e '.default_entry == "b1"'
}

stalls() {
    rm -rf stick && mkdir stick
    plug --stall "$((RANDOM % 40 + 60)):${STRESS_STALL:-2}"
    create "$one" "$dev"
    grep -q stalls stick/log
    unplug
    plug --stall "20:${STRESS_STALL:-2}"
    upgrade "$two" "$dev"
    grep -q stalls stick/log
    unplug
    judge stick/medium fat32 1
}

# On a slow stick an interruption is obeyed after the write that is under way, not when all is written.
interrupted() {
    local pid seen status=0
    rm -rf stick && mkdir stick
    plug --rate 4000000
    "$LIVESTICK" create --yes --quiet --progress none "$one" "$dev" 2>said &
    pid=$!
    until [ "$(writes)" -gt 20 ]; do sleep 0.1; done
    kill -TERM $pid
    seen=$(writes)
    wait $pid || status=$?
    [ $status -eq 1 ] && grep -q "^livestick: $dev: .*interrupted" said || { cat said; fail "status $status"; }
    # What is put back are at most the marks.
    echo "$seen writes, then $(($(writes) - seen)) more"
    unplug
    cmp -n 512 stick/medium /dev/zero
}

# ---- memory that waits to be written

# Where a group of processes of its own is counted; empty: nowhere
group() {
    local path
    path=$(sed -n 's/^[0-9]*:memory://p' /proc/self/cgroup)
    if [ -n "$path" ] && mkdir "/sys/fs/cgroup/memory$path/livestick.$$" 2>/dev/null; then
        echo "/sys/fs/cgroup/memory$path/livestick.$$"
    elif mkdir "/sys/fs/cgroup/livestick.$$" 2>/dev/null; then
        if [ -e "/sys/fs/cgroup/livestick.$$/memory.stat" ]; then echo "/sys/fs/cgroup/livestick.$$"; else rmdir "/sys/fs/cgroup/livestick.$$"; fi
    fi
}

# dirty COMMAND...: the most that waited, in bytes
dirty() {
    local pid most=0 now
    sh -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$group" "$@" >&2 &
    pid=$!
    while kill -0 $pid 2>/dev/null; do
        now=$(awk '$1 ~ /^(dirty|writeback|file_dirty|file_writeback)$/ { n += $2 } END { print n }' "$group/memory.stat")
        [ "$now" -le "$most" ] || most=$now
        sleep 0.05
    done
    wait $pid
    echo "$most"
}

# And the same for a program that lets the kernel do it, so that the figure means something.
dirty_memory() {
    local most
    rm -rf stick && mkdir stick
    plug --rate 8000000
    most=$(dirty "$LIVESTICK" create --yes --quiet --progress none "$one" "$dev")
    echo "create: $most bytes"
    [ "$most" -lt 16777216 ]
    most=$(dirty "$LIVESTICK" upgrade --quiet --progress none "$two" "$dev")
    echo "upgrade: $most bytes"
    [ "$most" -lt 16777216 ]
    most=$(dirty dd if=/dev/zero of="$dev" bs=1M count=32 status=none)
    echo "dd: $most bytes"
    [ "$most" -gt 16777216 ]
    unplug
}

check fakes-are-refused fakes
check honest-leaves-no-trace honest
check forgotten-once forgotten
check fails-to-forget fails_to_forget
check false-holes false_holes
check deaths-in-create deaths_in_create
check deaths-in-upgrade deaths_in_upgrade
check stalls stalls
check interrupted-on-a-slow-stick interrupted
group=$(group)
if [ -n "$group" ]; then
    check dirty-memory dirty_memory
    rmdir "$group"
else
    skip dirty-memory "no memory control group of its own can be made"
fi
finish
