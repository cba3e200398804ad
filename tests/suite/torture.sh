# The power cut at every write, in samples; `make torture` takes all.
. "$(dirname "$0")/lib.bash"

export PYTHONDONTWRITEBYTECODE=1

# KIND OPTION...
cut() { "$root/tests/torture/torture.py" "$LIVESTICK_BUILD/tools/record" "$@" >"$tmp/$1" 2>&1; }

pair() {
    cut fat32 "$@" &
    cut ext4 "$@" || suite_failed=1
    wait $! || suite_failed=1
    cat "$tmp/fat32" "$tmp/ext4"
}

pair
pair --sector 4096

# The same for upgrade --repair.
for kind in fat32 ext4; do
    "$root/tests/torture/repair.py" "$LIVESTICK_BUILD/tools/record" $kind || suite_failed=1
done
finish
