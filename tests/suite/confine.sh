# Least power: what a running livestick may still do, as the kernel and strace see it (docs/security.md).
. "$(dirname "$0")/lib.bash"

iso=$(small_iso)
[ -s "$iso" ] || { cat "$tmp/.iso.log"; echo "not ok small-iso"; exit 1; }
cp "$iso" "$tmp/small.iso" && iso=$tmp/small.iso # the cache is others' too
export TMPDIR=$tmp
export ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0 # LeakSanitizer does not work under strace

# What the kernel has, by livestick's own word; the words are held against /proc below.
"$LIVESTICK" inspect --verbose --json "$iso" 2>"$tmp/layers" >/dev/null
has() { grep -q "^confined .*$1" "$tmp/layers"; }

# slowly LOG COMMAND...: each write takes 20 ms, so that it can be looked at. Everything that matters is logged.
calls=execve,execveat,open,openat,openat2,creat,socket,connect,mount,unlink,unlinkat,rename,ptrace,setresuid,capset,seccomp
calls=$calls,landlock_restrict_self,prctl,ioctl,clone,clone3,fork,vfork,pwrite64
slowly() {
    local log=$1
    shift
    strace -f -qq -s 4096 -o "$log" -e trace="$calls" -e inject=pwrite64:delay_enter=20000 "$@"
}

# watch LOG N: the id of the livestick that writes, after more than N layers came into force; it is stopped then.
watch() {
    local pid i
    for i in $(seq 600); do
        sleep 0.05
        pid=$(awk '/ execve\("/ && index($0, "livestick\"") { p = $1 } END { print p }' "$1" 2>/dev/null) || continue
        [ -n "$pid" ] || continue
        awk -v p="$pid" '$1 == p && /(landlock_restrict_self|seccomp\(SECCOMP_SET_MODE_FILTER).* = 0$/ { n++ }
                         $1 == p && / pwrite64\(/ && n > '"$2"' { w++ } END { exit w < 2 }' "$1" || continue
        kill -STOP "$pid" && echo "$pid" && return 0
    done
    return 1
}

layers() { local n=0; has 'Landlock ABI' && n=$((n + 2)); has seccomp && n=$((n + 2)); echo "$n"; }

# status_is PID: every thread of it has given up all.
status_is() {
    local task
    for task in "/proc/$1/task"/*; do
        cat "$task/status" >status
        grep -q '^NoNewPrivs:.1$' status || fail "new privileges"
        grep -q '^CapEff:.0\{16\}$' status && grep -q '^CapPrm:.0\{16\}$' status || fail "capabilities"
        ! has seccomp || grep -q '^Seccomp:.2$' status || fail "no seccomp"
        ! has seccomp || ! grep -q '^Seccomp_filters:' status || grep -q '^Seccomp_filters:.2$' status || fail "not the second filter"
        [ "$(id -u)" -ne 0 ] || grep -q '^Uid:.65534.65534.65534.65534$' status || fail "identity"
        [ "$(id -u)" -ne 0 ] || grep -q '^CapBnd:.0\{16\}$' status || fail "bounding set"
    done
}

# after_closing LOG PID: what it called after the last layer came into force.
after_closing() {
    awk -v p="$2" '$1 == p && $2 ~ /\(/ { line[++n] = $0 }
                   $1 == p && /(landlock_restrict_self|seccomp\(SECCOMP_SET_MODE_FILTER).* = 0$/ { from = n }
                   END { for (i = from + 1; i <= n; i++) print line[i] }' "$1"
}

# It writes and talks to devices, and makes threads. A sanitizer's build looks at its own memory map, a stick at sysfs.
nothing_after_closing() {   # LOG PID
    after_closing "$1" "$2" >closing
    grep -q ' pwrite64(' closing || fail "nothing was written after closing"
    grep -vE '^[0-9]+ +(pwrite64|ioctl|prctl|clone3?)\(' closing |
        grep -vE ' open(at)?\(.*"/(proc/self|usr|lib|sys)/.*O_RDONLY' >late || true
    [ ! -s late ] || { cat late; fail "something was opened or run after closing"; }
}

while_writing() {   # COMMAND...
    local pid
    slowly trace "$@" &
    pid=$(watch trace "$(($(layers) - 1))") || fail "it was not seen writing"
    status_is "$pid"
    ls "/proc/$pid/task" >threads
    kill -CONT "$pid"
    wait %% || fail "it did not go on"
    nothing_after_closing trace "$pid"
}

create_in_force() {
    rm -f t.img
    while_writing "$LIVESTICK" create --quiet --yes --seed x --size 400M "$iso" t.img
    [ "$(wc -l <threads)" -ge 2 ] || fail "it was to be looked at while its threads run"
    "$LIVESTICK" inspect t.img | grep -q '^Slot a'
    [ -z "$(ls -d "$tmp"/livestick-?????? 2>/dev/null)" ] || fail "the private directory was left"
}

# Another system, so that there is something to write.
upgrade_in_force() {
    xorriso -indev "$iso" -outdev other.iso -boot_image any replay -volid OTHER -map /etc/hostname /other >/dev/null 2>&1
    while_writing "$LIVESTICK" upgrade --quiet --ignore-checksums other.iso t.img
    "$LIVESTICK" inspect t.img | grep -q '^Slot b .*OTHER'
}

rollback_in_force() {
    slowly trace "$LIVESTICK" rollback t.img
    nothing_after_closing trace "$(awk '{ print $1; exit }' trace)"
    "$LIVESTICK" inspect t.img | grep -q '^Slot a .*starts by default'
}

# Programs get fixed arguments, files of the private directory, and four variables: whatever the image is called and has.
programs_see_no_names() {
    local title='$(touch pwned);`id`%n'
    mkdir -p "tree/live" tree/isolinux
    head -c 70000 /dev/urandom >tree/live/vmlinuz; head -c 90000 /dev/urandom >tree/live/initrd.img
    head -c 200000 /dev/urandom >tree/live/filesystem.squashfs; echo x >'tree/; touch pwned'
    printf 'label live\n menu label %s\n linux /live/vmlinuz\n initrd /live/initrd.img\n append boot=live\n' "$title" \
        >tree/isolinux/isolinux.cfg
    xorriso -as mkisofs -quiet -R -iso-level 3 -V 'A;$(id)%n' -o 'x;$(id).iso' tree
    slowly trace "$LIVESTICK" create --quiet --yes --size 400M 'x;$(id).iso' t2.img
    grep ' execve(' trace | grep -v ' = -1 ' | tail -n +2 >programs
    cat programs
    [ "$(grep -cE 'mformat|"/usr/bin/syslinux"|mcopy' programs)" -ge 3 ] || fail "no programs"
    ! grep -E 'touch|\(id|pwned|%n' programs || fail "a name reached a command line"
    [ "$(grep -E '"(-i|--install)", "' programs | grep -c '/\* 4 vars \*/')" -eq 3 ] || fail "environment"
    ! grep -oE '"/[^"]*"' programs | grep -vE '^"/(usr/)?s?bin/|^"'"$tmp"'/livestick-[^/]*/|^"/proc/' || fail "another path"
    [ ! -e pwned ]
}

# Opened before root is given up: a source that only root can read, a place where only root can write.
roots_own() {
    rm -rf private && mkdir -m 700 private && cp -p "$iso" private && chmod 600 private/*
    (cd private && "$LIVESTICK" create --quiet --yes --seed x --size 400M small.iso t.img)
    "$LIVESTICK" create --quiet --yes --seed x --size 400M "$iso" public.img
    cmp private/t.img public.img
    # A tree is read file by file, when root is nobody: the same stick as of a tree that all can read.
    rm -rf t && mkdir t && xorriso -osirrox on -indev "$iso" -extract / t >/dev/null 2>&1
    chmod -R a+rX,u+w t && "$LIVESTICK" create --quiet --yes --seed x --size 400M t open.img
    chmod -R go-rwx t && "$LIVESTICK" create --quiet --yes --seed x --size 400M t closed.img
    cmp open.img closed.img
}

# Killed, it can do nothing any more; the unfinished file goes all the same.
killed() {
    local pid i
    slowly trace "$LIVESTICK" create --quiet --yes --size 400M "$iso" k.img &
    pid=$(watch trace "$(($(layers) - 1))") || fail "it was not seen writing"
    [ -s k.img ]
    kill -KILL "$pid"
    wait %% || true
    for i in $(seq 100); do [ ! -e k.img ] || sleep 0.1; done
    [ ! -e k.img ] || fail "the unfinished file is still there"
}

# What somebody else has put in its place is not removed.
replaced() {
    local pid
    slowly trace "$LIVESTICK" create --quiet --yes --size 400M "$iso" r.img &
    pid=$(watch trace "$(($(layers) - 1))") || fail "it was not seen writing"
    rm r.img && echo mine >r.img
    kill -KILL "$pid"
    wait %% || true
    sleep 1
    [ "$(cat r.img)" = mine ]
}

without_landlock() {
    strace -f -qq -o /dev/null -e trace=landlock_create_ruleset -e inject=landlock_create_ruleset:error=EOPNOTSUPP \
        "$LIVESTICK" create --verbose --quiet --yes --seed x --size 400M "$iso" w.img 2>said
    cat said
    [ "$(grep -c '^confined .*; not: Landlock (the kernel has none)$' said)" -eq 2 ]
    cmp w.img public.img
}

# Root's kernel reads the new partitions again, though nothing of livestick is root any more.
partitions_read_again() {
    local loop
    truncate -s 400M loop.img
    loop=$(losetup --show -P -f loop.img)
    strace -f -qq -o trace -e trace=ioctl "$LIVESTICK" create --quiet --yes --allow-fixed "$iso" "$loop" || { losetup -d "$loop"; return 1; }
    losetup -d "$loop"
    grep -q 'ioctl([0-9]*, BLKRRPART) *= 0' trace || { grep BLKRRPART trace; fail "not read again"; }
}

in_user_namespace() {
    unshare -Ur "$LIVESTICK" create --verbose --quiet --yes --seed x --size 400M "$iso" ns.img 2>said
    cat said
    grep -q '^confined from now on: .*; not: uid 65534 (' said
    cmp ns.img public.img
}

# Its owner alone may look at a file system in user space: livestick stays root there, with nothing but the name of it.
in_user_space() {
    local status=0
    touch fuse.img && truncate -s 400M under.img
    nbdfuse fuse.img [ nbdkit --exit-with-parent file under.img ] &
    for _ in $(seq 100); do [ -s fuse.img ] && break; sleep 0.1; done
    "$LIVESTICK" create --verbose --quiet --yes --seed x "$iso" fuse.img 2>said || status=$?
    umount fuse.img
    wait
    cat said
    [ $status -eq 0 ] || fail "exit status $status"
    grep -q '^confined from now on: capabilities dropped.*; not: uid 65534 (what is open does not answer it)' said
    cmp under.img public.img
}

help_and_words() {
    "$LIVESTICK" create --help | grep -q -- '--verbose'
    "$LIVESTICK" inspect --verbose "$iso" 2>said >/dev/null
    [ "$(wc -l <said)" -eq 1 ] && grep -q '^confined while reading: .*no new privileges' said
    "$LIVESTICK" create --quiet --yes --size 400M "$iso" quiet.img 2>said && [ ! -s said ] || fail "it talks unasked"
}

if ! command -v strace >/dev/null || ! strace -o /dev/null true 2>/dev/null; then
    skip confine "strace does not work here"
    finish
fi
check create-in-force create_in_force
check upgrade-in-force upgrade_in_force
check rollback-in-force rollback_in_force
check programs-see-no-names programs_see_no_names
check roots-own roots_own
check killed-leaves-no-file killed
check another-file-stays replaced
check without-landlock without_landlock
check verbose help_and_words
if [ "$(id -u)" -eq 0 ]; then
    if losetup -f >/dev/null 2>&1; then check partitions-read-again partitions_read_again; else skip partitions-read-again "no loop devices"; fi
    if unshare -Ur true 2>/dev/null; then check user-namespace in_user_namespace; else skip user-namespace "no user namespaces"; fi
    if command -v nbdfuse >/dev/null && [ -w /dev/fuse ]; then check user-space in_user_space; else skip user-space "no nbdfuse"; fi
else
    skip partitions-read-again "needs root"
    skip user-namespace "needs root"
    skip user-space "needs root"
fi
finish
