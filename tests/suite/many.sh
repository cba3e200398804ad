# Several sticks in one run: read once, written side by side, each for itself.
. "$(dirname "$0")/lib.bash"

iso=$(small_iso) && [ -s "$iso" ] || { cat "$tmp/.iso.log"; echo "not ok small-iso"; exit 1; }

# Each has its own ids, also from one seed, and the first is what it would be alone.
three() {
    "$LIVESTICK" create --size 1G --seed three --json --progress json "$iso" a.img b.img c.img >out.json 2>progress
    jq -e '.format == 1 and (.sticks | length == 3) and ([.sticks[].written] | all)
        and [.sticks[].target] == ["a.img", "b.img", "c.img"]' out.json
    for i in a b c; do "$LIVESTICK" verify --quiet $i.img; done
    [ "$(for i in a b c; do sfdisk -J $i.img | jq -r .partitiontable.id; done | sort -u | wc -l)" -eq 3 ]
    [ "$(jq -r '.sticks[].plan | .. | .data_uuid? // empty' out.json | sort | uniq -d | wc -l)" -eq 0 ]
    for i in a b c; do
        jq -e -s --arg t $i.img '[.[] | select(.target == $t)] | last | .done == .total' progress
    done
    "$LIVESTICK" create --size 1G --seed three --quiet "$iso" alone.img
    cmp a.img alone.img
}

# What is wrong with one is said before any of them is touched.
refused() {
    rm -f ./*.img
    for i in a b c; do truncate -s 1G $i.img; done
    truncate -s 1M c.img
    printf old | dd of=a.img conv=notrunc status=none
    cp --sparse=always a.img before.img
    refuses 3 'c\.img: .*too small' "$LIVESTICK" create --yes "$iso" a.img b.img c.img
    cmp a.img before.img
    refuses 2 'a\.img: is named twice' "$LIVESTICK" create --yes "$iso" a.img b.img a.img
    refuses 3 '\./a\.img: is in use' "$LIVESTICK" create --yes "$iso" a.img b.img ./a.img
    cmp a.img before.img
    cmp b.img <(head -c 1G /dev/zero)
    # Nobody agrees to the second: then the first stays as it is too.
    for i in a b; do printf old | dd of=$i.img conv=notrunc status=none; done
    echo a.img | "$LIVESTICK" create --progress none "$iso" a.img b.img >out 2>err && fail "went on"
    grep -q 'b.img: not wiped' err
    cmp a.img before.img
    "$LIVESTICK" create --dry-run --yes "$iso" a.img b.img >plan
    [ "$(grep -c '^Target ' plan)" -eq 2 ]
    cmp a.img before.img
}

# One stick breaks in the middle: the others are made, and it is said which.
one_breaks() {
    rm -f ./*.img
    local got=0
    mkdir mnt
    truncate -s 1G medium
    nbdkit -f -U socket --filter=error file medium error-pwrite=EIO error-pwrite-rate=100% error-pwrite-file=break &
    echo $! >nbdkit.pid
    for _ in $(seq 100); do [ -S socket ] && break; sleep 0.05; done
    nbdfuse mnt/stick --unix socket &
    for _ in $(seq 100); do [ -e mnt/stick ] && break; sleep 0.05; done
    touch break
    for i in b c; do truncate -s 1G $i.img; done
    "$LIVESTICK" create --yes --json --progress none "$iso" b.img mnt/stick c.img >out.json 2>err || got=$?
    fusermount -u mnt || fusermount3 -u mnt
    kill "$(cat nbdkit.pid)"
    cat err out.json
    [ "$got" -eq 1 ]
    grep -q '^livestick: 1 of 3 sticks failed: mnt/stick: ' err
    jq -e '[.sticks[].written] == [true, false, true]' out.json
    for i in b c; do "$LIVESTICK" verify --quiet $i.img; done
}

check three three
check refused refused
if [ -w /dev/fuse ]; then check one-breaks one_breaks; else skip one-breaks "no /dev/fuse here"; fi
finish
