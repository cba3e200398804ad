# The house of docs/architecture.md: who may include whom, sizes, what may not be there at all.
# One thread.
. "$(dirname "$0")/lib.bash"
cd "$root"

# A file includes only from its own folder or a lower floor; folders on one floor do not know each other.
include_direction() {
    local f from to bad=0
    declare -A floor=([src]=5 [partition]=4 [bootinst]=4 [persist]=4 [persist/init]=4 [src/fs]=3 [src/source]=3 [src/media]=2 [src/base]=1)
    cd "$root"
    for f in src/*.[ch] src/*/*.[ch] partition/*.[ch] bootinst/*.[ch] persist/*.[ch] persist/init/*.[ch]; do
        from=$(dirname "$f")
        while read -r to; do
            to=$(dirname "$to")
            [ "$to" = "$from" ] && continue
            [ -n "${floor[$to]:-}" ] || { echo "$f includes from $to, which is no folder of the house"; bad=1; continue; }
            [ "${floor[$to]}" -lt "${floor[$from]}" ] || { echo "$f includes from $to"; bad=1; }
        done < <(sed -n 's/^#include "\(.*\)"/\1/p' "$f")
    done
    return $bad
}

# Only src/media opens, reads or writes the stick; sources are opened in src/source.
one_seam() {
    cd "$root"
    ! grep -nE '\b(pwrite|pwritev|fsync|fdatasync|sync_file_range|posix_fallocate|BLKDISCARD)\b *\(' \
        src/*.c src/base/*.c src/fs/*.c src/source/*.c partition/*.c bootinst/*.c persist/*.c
}

no_shell() {
    cd "$root"
    ! grep -nE '\b(system|popen|execlp|execvp|wordexp)\(' src/*.c src/*/*.c partition/*.c bootinst/*.c persist/*.c persist/init/*.c
}

file_sizes() {
    cd "$root"
    wc -l src/*.[ch] src/*/*.[ch] partition/*.[ch] bootinst/*.[ch] persist/*.[ch] persist/init/*.[ch] |
        awk '$2 != "total" && $1 > 600 { print; bad = 1 } END { exit bad }'
}

spdx() {
    cd "$root"
    ! git ls-files '*.c' '*.h' | xargs grep -L 'SPDX-License-Identifier: GPL-3.0-or-later' | grep .
}

no_hosts_in_tree() {
    cd "$root"
    ! git ls-files | grep -v '^LICENSE$' | xargs grep -nE 'deb\.debian\.org|ftp\.[a-z.]*debian' --
}

check include-direction include_direction
check one-device-seam one_seam
check no-shell no_shell
check file-sizes file_sizes
check licence-lines spdx
check no-mirror-names no_hosts_in_tree
finish
