# The power cut at every write, in samples; `make torture` takes all.
. "$(dirname "$0")/lib.bash"

export PYTHONDONTWRITEBYTECODE=1

# Two at a time, the longest first; repair.py is the same for upgrade --repair.
jobs=("torture fat32" "torture fat32 --sector 4096" "torture ext4" "torture ext4 --sector 4096" "repair fat32" "repair ext4")
running=0
for job in "${jobs[@]}"; do
    if [ $running -eq 2 ]; then wait -n; running=1; fi
    read -ra words <<<"$job"
    ("$root/tests/torture/${words[0]}.py" "$LIVESTICK_BUILD/tools/record" "${words[@]:1}" || echo "not ok $job") \
        >"$tmp/$job" 2>&1 &
    running=$((running + 1))
done
wait
for job in "${jobs[@]}"; do
    cat "$tmp/$job"
    ! grep -q '^not ok' "$tmp/$job" || suite_failed=1
done
finish
