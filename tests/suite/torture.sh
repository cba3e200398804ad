# The power cut at every write, in samples; `make torture` takes all.
. "$(dirname "$0")/lib.bash"

export PYTHONDONTWRITEBYTECODE=1
"$root/tests/torture/torture.py" "$LIVESTICK_BUILD/tools/record" fat32 >"$tmp/fat32" 2>&1 &
"$root/tests/torture/torture.py" "$LIVESTICK_BUILD/tools/record" ext4 >"$tmp/ext4" 2>&1 || suite_failed=1
wait $! || suite_failed=1
cat "$tmp/fat32" "$tmp/ext4"
finish
