# 20,000 small files: what is kept of each is bounded, whatever is done with them; any ISO takes some 20 MiB. With
# sanitizers, which take several times as much, the same is done and only the result judged.
# One thread.
. "$(dirname "$0")/lib.bash"

case $LIVESTICK_BUILD in
*/san) declare -A mib=([create]=0 [fat32]=0 [ext4]=0) ;;
*) declare -A mib=([create]=36 [fat32]=42 [ext4]=80) ;; # an upgrade of ext4 holds inode tables
esac
# within MIB ARGUMENTS...
within() { python3 "$root/tests/suite/bounded.py" 60 "$1" "$LIVESTICK" "${@:2}"; }

many_files() {  # TREE TEXT
    live_tree "$1"
    python3 - "$1" "$2" <<'END'
import os, sys
for d in range(20):
    os.makedirs("%s/files/directory-%03d" % (sys.argv[1], d))
    for i in range(1000):
        with open("%s/files/directory-%03d/file-%04d.txt" % (sys.argv[1], d, i), "w") as f:
            f.write("%s %d %d\n" % (sys.argv[2], d, i))
END
    live_iso "$1"
}
fixtures() {
    many_files first one
    many_files second another
}

looked_at() {
    within "${mib[create]}" inspect first.iso >/dev/null
    within "${mib[create]}" create --dry-run --size 2G first.iso no.img >/dev/null
    [ ! -e no.img ]
}

# made_and_upgraded fat32|ext4: both systems are on the stick, byte for byte
made_and_upgraded() {
    local boot=1
    [ "$1" = fat32 ] || boot=2
    rm -f t.img
    within "${mib[create]}" create --quiet --size 2G --boot-fs "$1" ../first.iso t.img
    judge t.img "$1" $boot
    diff -r ../first/files boot/files
    within "${mib[create]}" inspect t.img >/dev/null
    within "${mib[$1]}" upgrade --quiet ../second.iso t.img
    judge t.img "$1" $boot
    diff -r ../first/files boot/files
    diff -r ../second/files boot/slot-b/files
}

check fixtures fixtures
check looked-at looked_at
together "fat32 made_and_upgraded fat32" "ext4 made_and_upgraded ext4"
finish
