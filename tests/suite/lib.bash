# Sourced by the suites. A test is a function called by `check NAME function`; inside it any failing command fails
# the test. $tmp is a private directory, removed at the end.

set -uo pipefail
: "${LIVESTICK:?run by tests/run}"
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
tmp=$(mktemp -d "${TMPDIR:-/var/tmp}/livestick-test.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
suite_failed=0

check() {
    local name=$1 status
    shift
    # Not as the condition of an `if`: bash would ignore errexit in all of it.
    (set -e; cd "$tmp"; "$@") >"$tmp/.log" 2>&1
    status=$?
    if [ "$status" -eq 0 ]; then
        echo "ok $name"
    else
        sed 's/^/# /' "$tmp/.log" | tail -40
        echo "not ok $name"
        suite_failed=1
    fi
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

# The small live ISO, built once and cached outside the clone.
small_iso() { "$root/tests/iso/small.sh" 2>"$tmp/.iso.log" | tail -n 1; }

finish() { exit "$suite_failed"; }
