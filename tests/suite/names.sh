# Names and labels with escape sequences, format directives, quotes, changes of direction and 4 KiB of text, from an
# image, a stick, a drive: none reaches the terminal as it is, nor a command line (docs/security.md).
# One thread.
. "$(dirname "$0")/lib.bash"

export TMPDIR=$tmp

# What a terminal may be sent: text in UTF-8 and line feeds; strings of JSON, as the reader of JSON gets them, too.
cat >"$tmp/clean.py" <<'E2'
import json, sys, unicodedata
def judge(text, where):
    for c in text:
        if c != '\n' and (unicodedata.category(c) in ('Cc', 'Cf') or c in '\u2028\u2029'):
            sys.exit('%s: U+%04X comes through: %r' % (where, ord(c), text[max(0, text.index(c) - 40):][:80]))
def walk(value, where):
    if isinstance(value, str):
        judge(value, where)
    elif isinstance(value, dict):
        for key in value:
            walk(key, where)
            walk(value[key], where + '.' + key)
    elif isinstance(value, list):
        for item in value:
            walk(item, where + '[]')
for name in sys.argv[1:]:
    text = open(name, 'rb').read().decode('utf-8')
    judge(text, name)
    if name.endswith('.json'):
        assert text, name + ' is empty'
        for line in [text] if text.startswith('{\n') else text.splitlines():
            walk(json.loads(line), name)
E2
clean() { python3 "$tmp/clean.py" "$@"; }

esc=$'\e]0;pwned\a\e[31m' rlo=$'\xe2\x80\xae' c1=$'\xc2\x9b31m'
evil="$esc$rlo$c1%n%s%500\$n\"'\`id\`\$(touch pwned);\\x"
long=$(head -c 4096 /dev/zero | tr '\0' 'A') # in a menu a line of so much is refused
title=${long:0:3500}

hostile_tree() {    # DIRECTORY: all that livestick reads and tells of
    rm -rf "$1" && mkdir -p "$1/live" "$1/isolinux" "$1/.disk" "$1/boot/grub"
    head -c 70000 /dev/urandom >"$1/live/vmlinuz"
    head -c 90000 /dev/urandom >"$1/live/initrd.img"
    head -c 200000 /dev/urandom >"$1/live/filesystem.squashfs"
    printf '%s' "$evil$long" >"$1/.disk/info"
    printf 'live-boot %s%s\n' "$evil" "$long" >"$1/live/filesystem.packages"
    printf '%s\n' "$evil$long" >"$1/LABEL"
    echo x >"$1/%n%s\$(touch pwned);\`id\`'x"
    echo x >"$1/$(printf '%s' "$long" | head -c 200)"
    printf 'menu title %s\nlabel a\n menu label %s\n linux /live/vmlinuz\n initrd /live/initrd.img\n append boot=live x="%s"\n' \
        "$evil" "$evil$title" "$evil" >"$1/isolinux/isolinux.cfg"
    printf 'label b\n menu label %s\n linux /live/gone%s\n append boot=live\n' "$title$evil" "$evil" >>"$1/isolinux/isolinux.cfg"
    printf 'label %s\n menu label c\n kernel memdisk\n' "$evil" >>"$1/isolinux/isolinux.cfg"
    printf "menuentry '%s' {\n linux /live/vmlinuz boot=live %s\n initrd /live/initrd.img\n}\n" 'x%n$(id)' '$(id)' \
        >"$1/boot/grub/grub.cfg"
}

# tell VERB ARGS...: text and JSON of it, with the exit status of the first; all that was said is clean.
tell() {
    local status=0
    "$LIVESTICK" "$@" >said.out 2>said.err </dev/null || status=$?
    "$LIVESTICK" "$@" --json >said.json 2>said.err2 </dev/null || true
    [ ! -s said.json ] && rm said.json
    clean said.* || { cat -v said.* | cut -c -300; return 1; }
    [ ! -e pwned ] || fail "a command was run"
    return $status
}

from_an_image() {
    hostile_tree tree
    xorriso -as mkisofs -quiet -R -iso-level 3 -V $'%n\e[31m\e]0;x\a"\'`id`$(id)' -o 'x%n$(id).iso' tree
    tell inspect 'x%n$(id).iso'
    grep -q '%n' said.out || fail "the names were not told"
    grep -qF '\x1b[31m' said.out || fail "what is escaped is not shown"
    tell inspect tree
    printf ' menu label %s\n' "$evil$long" >>tree/isolinux/isolinux.cfg
    ! tell inspect tree
    tell create --dry-run --size 400M 'x%n$(id).iso' none.img
    for mode in lines json bar; do
        "$LIVESTICK" create --yes --seed x --size 400M --progress $mode 'x%n$(id).iso' $mode.img >run.out 2>run.err
        tr '\r' '\n' <run.err >run.err2
        if [ $mode = json ]; then mv run.err2 run.json && clean run.json; else clean run.err2; fi
        clean run.out
    done
    [ ! -e pwned ]
}

# The name of a file is refused with a sentence that shows it harmlessly.
refused_names() {
    local name
    for name in $'a\e[31mb' $'a\nb' "a${rlo}b" "a${c1}b"; do
        hostile_tree bad && echo x >"bad/$name"
        xorriso -as mkisofs -quiet -R -iso-level 3 -o bad.iso bad
        ! tell create --yes --size 400M bad.iso never.img || fail "$(printf '%q' "$name") was taken"
        ! tell inspect bad.iso
        [ ! -e never.img ]
    done
}

# On the command line too: what the user has typed may have come from a hostile name.
from_the_command_line() {
    ! tell create --yes "$evil" "$evil"
    ! tell inspect "$evil"
    ! tell create --size "$evil" a b
    ! tell create "--$evil" a b
    ! tell upgrade "$evil" "$evil"
    ! tell "$evil"
    cp "$(small_iso)" "$(printf 's\e[31m%%n.iso')"
    tell create --yes --seed x --size 400M "$(printf 's\e[31m%%n.iso')" "$(printf 't\e[31m%%n.img')"
}

# What is on the drive that is to be wiped: shown before the question, which nobody answers.
from_the_old_drive() {
    truncate -s 400M old.img
    printf 'label: gpt\nfirst-lba: 2048\nstart=1MiB, size=40MiB, name="EVILNAMEEVILNAME"\nstart=60MiB, size=40MiB\n' |
        sfdisk -q old.img
    # The name of a partition is UTF-16; both tables, and their checksums.
    python3 - old.img <<'E2'
import sys, struct, zlib
data = open(sys.argv[1], 'r+b')
evil = '\x1b]0;x\x07\x1b[31m%n\u202e'.encode('utf-16le')
for at in (512, 400 * 1024 * 1024 - 512):
    data.seek(at); head = bytearray(data.read(92))
    entries = struct.unpack_from('<Q', head, 72)[0] * 512
    data.seek(entries); table = bytearray(data.read(128 * 128))
    table[56:56 + len(evil)] = evil
    data.seek(entries); data.write(table)
    struct.pack_into('<I', head, 88, zlib.crc32(table)); struct.pack_into('<I', head, 16, 0)
    struct.pack_into('<I', head, 16, zlib.crc32(head))
    data.seek(at); data.write(head)
E2
    mkfs.ext4 -q -E offset=$((1024 * 1024)) -L $'%n\e[31m\e]0;x\a' old.img 40960k 2>/dev/null
    mkfs.fat -F 16 --offset $((60 * 2048)) -n EVILLABEL old.img 40960 >/dev/null
    LC_ALL=C sed -i $'s/EVILLABEL/\e[31m%n\e[/g' old.img
    ! tell create "$(small_iso)" old.img || fail "it was wiped"
    grep -q 'ALL OF THIS WILL BE LOST' said.err
    grep -qF '"%n\x1b[31m' said.err && grep -qF '\x1b[31m%n' said.err || fail "the label is not shown"
    tell inspect old.img
    ! tell upgrade "$(small_iso)" old.img
    ! tell rollback old.img
}

# A stick whose manifests somebody has written anew, with checksums that are right.
from_a_stick() {
    local iso=$tmp/iso/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA.iso
    mkdir iso && cp "$(small_iso)" "$iso"
    "$LIVESTICK" create --quiet --yes --seed x --append BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB --size 400M "$iso" stick.img
    cp stick.img refused.img
    cat >rewrite.py <<'E2'
import sys, re, hashlib
data = bytearray(open(sys.argv[1], 'rb').read())
evil = b'\x1b]0;x\x07\x1b[31m%n%s\xe2\x80\xae\xc2\x9b$(id)"\xff'
n = 0
for m in list(re.finditer(rb'livestick-manifest 1\n(?:[^\n]*\n)*?end [0-9a-f]{64}\n', bytes(data))):
    lines = m.group().split(b'\n')[:-2]
    for i, line in enumerate(lines):
        key, _, value = line.partition(b' ')
        if key.decode() in sys.argv[2:] and value:
            lines[i] = key + b' ' + (evil * 9)[:len(value)]
            n += 1
    text = b'\n'.join(lines) + b'\n'
    text += b'end ' + hashlib.sha256(text).hexdigest().encode() + b'\n'
    assert len(text) == len(m.group())
    data[m.start():m.end()] = text
assert n >= len(sys.argv[2:]), n
open(sys.argv[1], 'wb').write(data)
E2
    python3 rewrite.py stick.img source volume program
    python3 rewrite.py refused.img append
    tell inspect stick.img
    grep -qF '\x1b[31m' said.out || fail "the manifest was not read"
    xorriso -indev "$iso" -outdev other.iso -boot_image any replay -map /etc/hostname /other -volid 'OTHER %n' >/dev/null 2>&1
    tell upgrade --dry-run --ignore-checksums other.iso stick.img
    tell upgrade --ignore-checksums other.iso stick.img
    # What would get into the new system's menu is more than a matter of telling.
    ! tell upgrade --ignore-checksums other.iso refused.img || fail "kernel arguments with control characters were taken"
    grep -q 'has a control character' said.err
    tell rollback --dry-run stick.img
    tell rollback stick.img
    tell inspect stick.img
}

# Vendor, model, serial of USB, mount points.
from_a_drive() {
    list() { "$LIVESTICK_BUILD/tools/machine" stick-hostile-names "$LIVESTICK" list --all "$@"; }
    (cd "$root" && list >"$tmp/said.out" 2>"$tmp/said.err" && list --json >"$tmp/said.json")
    clean said.out said.err said.json
    grep -qF '/media/\x1b[2J\x0a' said.out && grep -qF '\xff' said.json || fail "the drive was not shown"
    jq -e '[.drives[] | select(.path == "/dev/sdb")] | length == 1' said.json
}

check names-of-an-image from_an_image
check names-that-are-refused refused_names
check names-on-the-command-line from_the_command_line
check names-of-the-old-drive from_the_old_drive
check names-of-a-stick from_a_stick
check names-of-a-drive from_a_drive
finish
