# What verify says of a stick: nothing when it is sound, and the right thing when one byte of it is another.
. "$(dirname "$0")/lib.bash"

iso=$(small_iso) && [ -s "$iso" ] || { cat "$tmp/.iso.log"; echo "not ok small-iso"; exit 1; }

create() { "$LIVESTICK" create --quiet --seed verify "$@"; }
start() { sfdisk -J "$1" | jq ".partitiontable.partitions[$2 - 1].start * 512"; }
size() { sfdisk -J "$1" | jq ".partitiontable.partitions[$2 - 1].size * 512"; }
part() { dd if="$1" iflag=skip_bytes,count_bytes skip="$(start "$1" "$2")" count="$(size "$1" "$2")" bs=1M status=none; }

# unpack IMAGE fat32|ext4 PARTITION: into boot/
unpack() {
    rm -rf boot && mkdir boot
    part "$1" "$3" >boot.img
    if [ "$2" = fat32 ]; then mcopy -s -Q -m -n -i boot.img ::/ boot; else debugfs -R 'rdump / boot' boot.img 2>/dev/null; fi
    rm boot.img
}

# verify STATUS IMAGE OPTION...: its JSON goes to v.json
verify() {
    local status=$1 got=0
    shift
    "$LIVESTICK" verify --json --progress none "$@" >v.json 2>v.err || got=$?
    cat v.json v.err
    [ "$got" -eq "$status" ] || fail "exit status $got, not $status: verify $*"
}
bad() { jq -r '.checks[] | select(.ok == false) | .id' v.json; }

sound() {       # fat32|ext4 OPTION...
    create --size 1G --boot-fs "$@" "$iso" s.img
    sha256sum s.img >before
    verify 0 s.img
    jq -e '.format == 1 and .ok and (.checks | length > 4) and ([.checks[] | select(.ok == false)] | length == 0)' v.json
    jq -e '[.checks[] | select(.id == "content-a" and .ok)] | length == 1' v.json
    verify 0 --source "$iso" s.img
    jq -e '[.checks[] | select(.id == "source" and .ok)] | length == 1' v.json
    sha256sum -c before
    "$LIVESTICK" verify --progress none s.img >text
    grep -q '^ok  *content-a ' text
    ! grep -q '^BAD' text
}

# One byte in each file that a manifest names: found, named, and nothing else in the files' contents.
each_file() {   # fat32|ext4 PARTITION
    local path same named n=0
    create --size 1G --boot-fs "$1" "$iso" s.img
    unpack s.img "$1" "$2"
    while read -r path; do
        [ -s "boot$path" ] || continue
        "$root/tests/flip.py" s.img --file "boot$path" >at
        verify 4 s.img
        # Some configurations are the same file at several places.
        same=$(cd boot && find . -type f -exec cmp -s ".$path" {} \; -print | cut -c 2-)
        named=$(jq -r '.checks[] | select(.ok == false and (.id | startswith("content-"))) | .detail' v.json)
        [[ $named == *": is not what was written: its SHA-256 differs" ]] && grep -qxF "${named%%: *}" <<<"$same" || fail "$path"
        "$root/tests/flip.py" s.img "$(cat at)"
        n=$((n + 1))
    done < <(sed -n 's/^file [0-9a-f]* [0-9]* //p' boot/livestick/*.manifest)
    [ "$n" -ge 14 ]
    verify 0 s.img
}

# A file that is missing, one that is longer, one of the user's; and text for people.
other_faults() {
    local at initrd got=0
    create --size 1G "$iso" s.img
    at=s.img@@$(start s.img 1)
    echo mine >mine
    mcopy -i "$at" mine ::/mine.txt
    verify 0 s.img
    jq -e '.checks[] | select(.id == "not-ours") | .ok and (.detail | contains("/mine.txt"))' v.json
    initrd=$(mtype -i "$at" ::/livestick/a.manifest | sed -n 's|^file .* \(/live/initrd.*\)$|\1|p' | head -n 1)
    mdel -i "$at" "::$initrd"
    mcopy -o -i "$at" mine ::/livestick/a.cfg
    verify 4 s.img
    jq -e --arg p "$initrd" '.checks[] | select(.id == "content-a" and .detail == $p + ": is missing")' v.json
    jq -e '.checks[] | select(.id == "content-a" and (.detail | startswith("/livestick/a.cfg: has 5 bytes instead of")))' v.json
    "$LIVESTICK" verify --progress none s.img >text 2>err || got=$?
    [ "$got" -eq 4 ] && grep -q '^livestick: s.img: 2 of [0-9]* checks found something wrong$' err
    grep -q "^BAD  content-a  *$initrd: is missing$" text
}

# An upgrade that was cut off: said, and that the other system is whole.
cut_upgrade() {
    local at
    create --size 1G "$iso" s.img
    at=s.img@@$(start s.img 1)
    mcopy -i "$at" ::/livestick/a.manifest next
    mcopy -i "$at" next ::/livestick/b.next
    verify 4 s.img
    [ "$(bad)" = unfinished ]
    jq -e '.checks[] | select(.id == "unfinished") | .detail | startswith("an upgrade of slot b was cut off: slot a still starts")' v.json
    jq -e '.checks[] | select(.id == "content-b") | .ok == null' v.json
    jq -e '.checks[] | select(.id == "content-a") | .ok' v.json
}

# Another ISO of the same name is not what is on the stick.
other_source() {
    cp "$iso" other.iso
    xorriso -indev "$iso" -osirrox on -extract /live/filesystem.squashfs fs >/dev/null 2>&1
    "$root/tests/flip.py" other.iso --file fs
    create --size 1G "$iso" s.img
    verify 4 --source other.iso s.img
    jq -e '[.checks[] | select(.ok == false)] | length == 1 and .[0].id == "source"
        and (.[0].detail | startswith("/live/filesystem.squashfs: "))' v.json
    head -c 1000 /dev/zero >no.iso
    refuses 5 'no\.iso: ' "$LIVESTICK" verify --quiet --source no.iso s.img
}

# What somebody else made: an ISO written as it is, by its own checksums and against its source.
hybrid() {
    cp "$iso" h.img && truncate -s +100M h.img
    verify 0 h.img
    jq -e '.checks[] | select(.id == "content" and .ok)' v.json
    verify 0 --source "$iso" h.img
    xorriso -indev "$iso" -osirrox on -extract /live/filesystem.squashfs fs >/dev/null 2>&1
    "$root/tests/flip.py" h.img --file fs
    verify 4 --source "$iso" h.img
    jq -e '.checks[] | select(.id == "source" and .ok == false) | .detail | startswith("/live/filesystem.squashfs: differs at byte ")' v.json
    verify 4 h.img
    jq -e '.checks[] | select(.id == "content" and .ok == false) | .detail | contains("/live/filesystem.squashfs")' v.json
}

nothing() {
    head -c 10M /dev/zero >zero.img
    verify 4 zero.img
    jq -e '[.checks[] | select(.ok == true)] == []' v.json
    refuses 1 'absent.img: no such file' "$LIVESTICK" verify --quiet absent.img
    refuses 3 'is neither a file nor a block device' "$LIVESTICK" verify --quiet .
}

together \
    "sound-fat32 sound fat32" \
    "sound-fat32-gpt sound fat32 --table gpt" \
    "sound-ext4 sound ext4" \
    "sound-ext4-gpt sound ext4 --table gpt" \
    "each-file-fat32 each_file fat32 1" \
    "each-file-ext4 each_file ext4 2" \
    "other-faults other_faults" \
    "cut-upgrade cut_upgrade" \
    "other-source other_source" \
    "hybrid hybrid" \
    "nothing nothing"
finish
