# The forty bad inputs: whatever is wrong with a source or a stick, one sentence says what, the exit status is right, nothing
# is written, and it takes less than two seconds of the processor and 64 MiB. With sanitizers, which take ten times as
# much, only the time is bounded, by twenty seconds. Each test has the number that it has in docs/testing.md.
# One thread.
. "$(dirname "$0")/lib.bash"

case $LIVESTICK_BUILD in
*/san) seconds=20 mib=0 ;;
*) seconds=2 mib=64 ;;
esac
bounded() { python3 "$root/tests/suite/bounded.py" $seconds $mib "$@"; }
livestick() { bounded "$LIVESTICK" "$@"; }

# refused STATUS REGEX SOURCE OPTION...: create is refused, and t.img is as it was
refused() {
    local status=$1 regex=$2 source=$3
    shift 3
    refuses "$status" "$regex" livestick create --yes --quiet "$@" "$source" t.img
    untouched t.img
}

# The tree that all ISOs are made of, and the good ISO: 3 MiB, with all that tests/iso/bad.py changes.
good_tree() {
    live_tree "$1"
    mkdir -p "$1"/odd/sub/subsub "$1"/odd/dirx "$1"/boot root
    head -c 150000 /dev/urandom >root/file
    rm "$1/live/filesystem.squashfs" && mksquashfs root "$1/live/filesystem.squashfs" -quiet -no-progress
    echo x | tee "$1"/odd/{a-name-that-has-thirty-letters,nn,dirx/file,sub/subsub/file} >/dev/null
    ln -s sub "$1/odd/link"
    head -c 2048 /dev/urandom >"$1/isolinux/isolinux.bin"
    mkfs.fat -C "$1/boot/efi.img" 1440 >/dev/null && mmd -i "$1/boot/efi.img" ::EFI ::EFI/BOOT
}
hybrid_iso() {
    xorriso -as mkisofs -quiet -R -J -iso-level 3 -V forty -b isolinux/isolinux.bin -c isolinux/boot.cat -no-emul-boot \
        -boot-load-size 4 -boot-info-table -eltorito-alt-boot -e boot/efi.img -no-emul-boot \
        -isohybrid-mbr /usr/lib/ISOLINUX/isohdpfx.bin -isohybrid-gpt-basdat -o "$1.iso" "$1"
}
fixtures() {
    make_target t.img 120
    good_tree good && hybrid_iso good
    "$root/tests/iso/bad.py" iso good.iso .
    livestick inspect --json good.iso >good.json
    jq -e '.plan.firmware.bios and .source.family == "live-boot"' good.json
    livestick create --quiet --size 300M --seed forty good.iso stick.img
}

# ---- ISO images: refused by create. A row: test, ISO, exit status, what the sentence says.

iso_rows() {
    cat <<'END'
1-name-with-dots         name_with_dots            5 /odd: has a name "\.\./\.\./etc/cron\.d/forty", with a slash in it
1-name-dot-dot           name_dot_dot              5 /odd: has a name "\.\.", that means a directory
2-name-absolute          name_absolute             5 /odd: has a name "/etc/cron\.d/forty", with a slash in it
2-name-with-nul          name_with_nul             5 /odd: has a name "name", with a control character in it
2-name-with-escapes      name_with_escapes         5 /odd: has a name "\\x1b\[2J\\x1b\]0;forty\\x07%n%s%s", with a control character
2-name-with-newline      name_with_newline         5 /odd: has a name "name\\x0aWarning all is well", with a control character
2-name-right-to-left     name_right_to_left        5 /odd: has a name "name-\\xe2\\x80\\xaeosi\.exe", .* hides or turns its letters
2-name-no-utf8           name_no_utf8              5 /odd: has a name "name-\\xff\\xfe", that is not UTF-8
3-file-through-link      file_through_link         5 /odd/link: is there twice
5-continued-by-itself    continued_by_itself       5 /odd: the Rock Ridge fields of an entry have no end
5-continued-backwards    continued_backwards       5 /odd: the Rock Ridge fields of an entry have no end
5-continued-outside      continued_outside         5 /odd: damaged continuation of Rock Ridge fields
6-relocated-to-parent    relocated_to_parent       5 /odd/sub: is a directory that is inside itself, or in two places
6-directory-in-itself    directory_in_itself       5 /odd/sub: is a directory that is inside itself, or in two places
6-directory-is-root      directory_is_root         5 /odd/sub: is a directory that is inside itself, or in two places
7-directory-of-4-gib     directory_of_4_gib        5 /odd/sub: the directory has 4294967295 bytes: it is damaged or hostile
8-directory-behind-end   directory_behind_end      5 : is cut short: has [0-9]+ bytes, says it needs 8796092991488
8-file-behind-end        file_behind_end           5 : is cut short: has [0-9]+ bytes, says it needs 87960930[0-9]+
8-cut-short              cut_short                 5 : is cut short: has [0-9]+ bytes, says it needs [0-9]+
8-cut-by-a-byte          cut_by_a_byte             5 : is cut short: has [0-9]+ bytes, says it needs [0-9]+
9-files-that-overlap     files_that_overlap        5 : its files have [0-9]{11} bytes, the image only [0-9]{7}: it is damaged or hostile
10-ten-million-entries   ten_million_entries       5 /d[0-9]+: has more than 200000 files
10-many-levels           hundred_thousand_levels   5 (/d)+: is deeper than 64 directories
10-much-to-read          directories_of_60_mib     5 /d[0-9]+: the directories have more than 536870912 bytes
10-long-names            names_of_200_letters      5 /d[0-9]+: has names and symlinks of more than 8388608 bytes
10-long-symlinks         symlinks_of_4_kib         5 /l[0-9]+: has names and symlinks of more than 8388608 bytes
10-files-in-pieces       files_in_pieces           5 /d[0-9]+/f[0-9]: with it, files are in more than 400000 pieces
16-compressed            zisofs                    5 /live/vmlinuz: is compressed by zisofs, which is not supported
25-squashfs-cut-short    squashfs_cut_short        5 /live/filesystem\.squashfs: is cut short: has [0-9]+ bytes, and its squashfs has [0-9]+
25-squashfs-of-16-eib    squashfs_of_16_eib        5 /live/filesystem\.squashfs: is cut short: has [0-9]+ bytes, and its squashfs has 18446744073709551615
END
}

# ---- 13, 14: nobody is harmed by a wrong boot catalogue or partition table, for neither is used on the stick: a warning,
# and what is said of the firmware is the same as of the good ISO, because only what is there and sound counts.

warns() {       # ISO WARNING
    livestick inspect "$1" >out
    if [ "$2" = - ]; then
        ! grep -E '^Warning  .*(catalogue|GPT|partition)' out || fail "a warning"
    else
        grep -Eqx "Warning  $2" out || { cat out; fail "no such warning"; }
    fi
    livestick inspect --json "$1" | jq -e --slurpfile good good.json \
        '.plan.firmware == $good[0].plan.firmware and ([.plan.copied[].path] == [$good[0].plan.copied[].path])'
    rm -f new.img && livestick create --quiet --size 120M "$1" new.img && rm new.img
}
warn_rows() {
    cat <<'END'
13-entry-outside         boot_entry_outside        an entry of its boot catalogue points outside the image
13-catalogue-outside     boot_catalogue_outside    its El Torito boot catalogue is damaged
13-checksum              boot_checksum             its El Torito boot catalogue is damaged
13-65535-sectors         boot_65535_sectors        -
13-65535-entries         boot_65535_entries        -
13-platform-lies         boot_platform_lies        -
13-size-0                boot_size_0               -
14-overlapping           partitions_overlap        -
14-behind-end            partition_behind_end      its EFI partition does not lie inside the image
14-gpt-entry-127         gpt_entries_of_127_bytes  its GPT is damaged
14-gpt-entry-4-gib       gpt_entries_of_4_gib      its GPT is damaged
14-gpt-4-billion         gpt_of_4_billion_entries  -
14-gpt-behind-end        gpt_behind_end            its GPT is damaged
END
}

# ---- 3, 4: symlinks lead nowhere but inside the source

links_out() {
    good_tree links && ln -s /etc links/absolute && ln -s ../../../../../../etc/passwd links/odd/relative && ln -s ../.. links/odd/up
    live_iso links
    for source in links links.iso; do
        livestick inspect --json $source >out.json
        jq -e '[.plan.copied[].path | select(test("absolute|relative|up|passwd"))] == []' out.json
        jq -e '[.plan.left_out[] | select(.path == "/absolute" or .path == "/odd/relative" or .path == "/odd/up")] | length == 3' out.json
    done
    ln -sf ../../../../../../etc/passwd links/live/filesystem.squashfs && live_iso links
    refused 5 'links.iso: there is no system image' links.iso
    refused 5 'links: there is no system image' links
}
link_loops() {
    good_tree loops && ln -sf b loops/live/a && ln -sf a loops/live/b && ln -sf a loops/live/vmlinuz && live_iso loops
    refused 5 'loops.iso: has no kernel: its menu names /live/vmlinuz, which is not there' loops.iso
    refused 5 'loops: has no kernel: its menu names /live/vmlinuz, which is not there' loops
}

# ---- 11, 12: what FAT32 cannot hold

names_collide() {
    live_tree clash && echo x >clash/live/README && echo y >clash/live/readme && live_iso clash
    refused 5 'clash.iso: .*README.*readme|clash.iso: .*readme.*README' clash.iso
    rm clash/live/readme && echo z >clash/live/README. && live_iso clash
    refused 5 'clash.iso: .*README\..*README|clash.iso: .*README.*README\.|clash.iso: .*README\.: .* dot' clash.iso
}

# A file that no FAT32 holds: ext4 is taken, unless the user wants FAT32.
file_of_5_gib() {
    live_tree big && truncate -s 5G big/live/filesystem.squashfs
    truncate -s 12G t12.img
    refuses 5 'big: --boot-fs fat32 .*: /live/filesystem.squashfs: has 5368709120 bytes' \
        livestick create --yes --quiet --boot-fs fat32 big t12.img
    [ "$(stat -c %b t12.img)" -eq 0 ] || fail "something was written"
    livestick create --dry-run --json big t12.img >plan.json
    jq -e '[.plan.partitions[] | .role + " " + .fs] == ["ESP fat32", "BOOT ext4", "DATA ext4"]' plan.json
    jq -e '.plan.partitions[1].size > 5368709120 and .plan.bytes_to_write > 5368709120' plan.json
    jq -e '.plan.firmware | .bios and .uefi' plan.json
    [ "$(stat -c %b t12.img)" -eq 0 ] || fail "something was written"
    rm -r big t12.img
}

# ---- 15: two trees. Rock Ridge's is taken, which is the one that the live system sees, and what was written is in the manifest.

trees_disagree() {
    livestick inspect --json joliet_disagrees.iso | jq -e '.plan.copied == $good[0].plan.copied' --slurpfile good good.json
    rm -f new.img && livestick create --quiet --size 120M joliet_disagrees.iso new.img
    mcopy -i new.img@@1M ::/live/vmlinuz - | cmp - good/live/vmlinuz
    mtype -i new.img@@1M ::/livestick/a.manifest | grep -q "^file $(sha256sum <good/live/vmlinuz | cut -d' ' -f1) 70000 /live/vmlinuz"
}

# ---- 17: something else

not_an_iso() {
    printf '<!DOCTYPE html><html><body>404</body></html>' >page.iso
    refused 5 'page.iso: .*HTML' page.iso
    head -c 300000 /dev/urandom | gzip >zipped.iso
    refused 5 'zipped.iso: .*gzip' zipped.iso
    head -c 300000 /dev/urandom | xz >packed.iso
    refused 5 'packed.iso: .*xz' packed.iso
    printf 'PK\3\4%01000d' 0 >archive.iso
    refused 5 'archive.iso: .*zip' archive.iso
    : >empty.iso
    refused 5 'empty.iso: .*empty' empty.iso
    head -c 300000 /dev/urandom >random.iso
    refused 5 'random.iso: ' random.iso
    refused 5 'nowhere.iso: ' nowhere.iso
}
windows_iso() {
    mkdir -p win/sources && echo x >win/bootmgr && echo x >win/sources/boot.wim && echo x >win/sources/install.wim
    xorriso -as mkisofs -quiet -J -o windows.iso win
    refused 5 'windows.iso: .*Windows' windows.iso
}

# ---- 18: the source changes while the user is asked, or is the target

# asks IMAGE COMMAND...: create waits for an answer, COMMAND runs, the answer is given. Leaves the status in $got, stderr in err.
asks() {
    local source=$1 target=$2 pid i
    shift 2
    rm -f answer && mkfifo answer
    "$LIVESTICK" create "$source" "$target" <answer 2>err >out &
    pid=$!
    exec 7>answer
    for i in $(seq 200); do grep -q 'To go on' err && break; sleep 0.05; done
    grep -q 'To go on' err || fail "it did not ask"
    "$@"
    echo "$target" >&7
    exec 7>&-
    got=0
    wait $pid || got=$?
}
source_changes() {
    cp good.iso changing.iso
    asks changing.iso t.img touch -d tomorrow changing.iso
    [ $got -eq 5 ] && grep -q 'livestick: t.img: nothing was written, .*changing.iso: was changed while it was in use' err || { cat err; fail "status $got"; }
    untouched t.img
    cp -r good changing
    asks changing t.img touch -d tomorrow changing/live/filesystem.squashfs
    [ $got -eq 5 ] && grep -q 'livestick: t.img: nothing was written, .*filesystem.squashfs' err || { cat err; fail "status $got"; }
    untouched t.img
}
# While it is written: no table is put on what is not of one piece.
source_changes_later() {
    local pid i
    good_tree later && truncate -s 300M later/live/filesystem.squashfs
    truncate -s 1G l.img && printf x | dd of=l.img conv=notrunc status=none
    "$LIVESTICK" create --yes --progress json later l.img 2>err >/dev/null &
    pid=$!
    for i in $(seq 500); do grep -q '"what":"write"' err && break; sleep 0.01; done
    kill -STOP $pid && touch -d tomorrow later/live/vmlinuz && kill -CONT $pid
    got=0
    wait $pid || got=$?
    [ $got -eq 5 ] && grep -Eq 'livestick: l.img: is not finished and does not boot.*(writing|reading the source): .*vmlinuz: was changed' err ||
        { tail -2 err; fail "status $got"; }
    ! sfdisk -d l.img 2>/dev/null | grep -q start=
    rm -r l.img later
}
source_is_target() {
    cp good.iso same.iso && truncate -s 1G same.iso && cp --sparse=always same.iso same.iso.orig
    refuses 3 'same.iso: ' livestick create --yes --quiet same.iso same.iso
    ln -s same.iso link.img && ln same.iso hard.img
    refuses 3 'link.img: ' livestick create --yes --quiet same.iso link.img
    refuses 3 'hard.img: ' livestick create --yes --quiet same.iso hard.img
    untouched same.iso
}

# ---- 20, 22: lists of checksums, older systems. Upgrade reads them.

# stick_untouched STATUS REGEX SOURCE: upgrade of stick.img is refused, and nothing is written
upgrade_refused() {
    cp --sparse=always stick.img s.img
    refuses "$1" "$2" livestick upgrade --quiet "$3" s.img
    cmp s.img stick.img || fail "something was written"
}
sums_lead_out() {
    rm -rf sums && cp -r good sums && printf 'changed' >>sums/odd/nn
    (cd sums && md5sum live/* >md5sum.txt)
    printf '%032d  ../../../../etc/passwd\n%032d  ./../sums/odd/nn\n' 0 0 >>sums/md5sum.txt
    live_iso sums
    cp --sparse=always stick.img s.img && livestick upgrade --quiet sums.iso s.img
    # Two lines for a file of which neither is right.
    sed -i "s|^.*  live/vmlinuz|$(printf %032d 1)  live/vmlinuz\n$(printf %032d 2)  live/vmlinuz|" sums/md5sum.txt && live_iso sums
    upgrade_refused 5 'sums.iso: /live/vmlinuz: is damaged: its MD5' sums.iso
}
older_system() {
    rm -rf old && cp -r good old && echo more >>old/odd/nn
    SOURCE_DATE_EPOCH=1000000000 xorriso -as mkisofs -quiet -R -iso-level 3 -o old.iso old
    cp --sparse=always stick.img s.img
    livestick upgrade --dry-run old.iso s.img >out
    grep -q 'the new system is older than the one that starts now: made 2001-09-09' out || { cat out; fail "no warning"; }
}

# ---- 23: menus without end, and menus that lead out

menu() {        # NAME TEXT: a tree with this menu of SYSLINUX
    rm -rf "$1" && cp -r good "$1" && printf "$2" >"$1/isolinux/isolinux.cfg"
}
grub_menu() { rm -rf "$1" && cp -r good "$1" && rm -r "$1/isolinux" && mkdir -p "$1/boot/grub" && printf "$2" >"$1/boot/grub/grub.cfg"; }

menus_without_end() {
    menu endless 'include isolinux.cfg\n' && live_iso endless
    refused 5 'endless.iso: boot menu: .*isolinux.cfg includes itself' endless.iso
    menu round 'include a.cfg\n' && echo 'include b.cfg' >round/isolinux/a.cfg && echo 'include a.cfg' >round/isolinux/b.cfg
    refused 5 'round: boot menu: .*[ab].cfg includes itself' round
    menu huge '' && head -c 100M /dev/zero | tr '\0' '#' >huge/isolinux/isolinux.cfg
    refused 5 'huge: boot menu: .*isolinux.cfg: has 104857600 bytes, more than the 1048576 expected' huge && rm -r huge
    menu labels '' && seq 20000 | sed 's/.*/label l&\n linux \/live\/vmlinuz\n/' >labels/isolinux/isolinux.cfg
    refused 5 'labels: boot menu: .*isolinux.cfg:[0-9]+: more than 1000 menu entries' labels
    grub_menu grub 'configfile /boot/grub/grub.cfg\nsource /boot/grub/grub.cfg\n'
    refused 5 'grub: boot menu: /boot/grub/grub.cfg:2: /boot/grub/grub.cfg: included more than 16 deep$' grub
    grub_menu forever 'while true; do x=1$x; done\n'
    refused 5 'forever: has no kernel: the menu /boot/grub/grub.cfg names none' forever
}
menus_lead_out() {
    menu away 'label x\n linux ../../../etc/vmlinuz\n append boot=live\n' && live_iso away
    refused 5 'away.iso: boot menu: .*isolinux.cfg: label x: the path .*/etc/vmlinuz leads out of the tree' away.iso
    grub_menu away 'menuentry x {\n linux /../../etc/vmlinuz\n}\n'
    refused 5 'away: boot menu: /boot/grub/grub.cfg:1: the path .*/etc/vmlinuz leads out of the tree' away
    menu away 'include ../../../../../etc/passwd\n'
    refused 5 'away: boot menu: .*isolinux.cfg:1: .*/etc/passwd' away
    menu away 'label x\n com32 chain.c32\n append hd1 1\n'
    refused 5 'away: has no kernel: the menu /isolinux/isolinux.cfg names none' away
}

# ---- 26 to 29: what is no stick. The rest of it is in tests/fixtures/machines.

# The disk that this machine runs from.
system_disk() {
    local disk
    disk=$(lsblk -rno PATH,TYPE,MOUNTPOINTS | awk '$2 == "disk" && $3 != "" { print $1; exit }')
    [ -b "$disk" ] || return 0
    refuses 3 "$disk: " livestick create --yes --quiet --allow-fixed good.iso "$disk"
}
# By a loop device, which only root has.
mounted() {
    local loop
    [ "$(id -u)" -eq 0 ] && cp --sparse=always stick.img m.img && loop=$(losetup -f --show m.img 2>/dev/null) || { rm -f m.img; return 0; }
    if mkdir -p mnt && mount -o offset=1048576 "$loop" mnt; then
        (refuses 3 "$loop: .*$tmp/mnt" livestick create --yes --quiet --allow-fixed good.iso "$loop") || { umount mnt; losetup -d "$loop"; return 1; }
        umount mnt
    fi
    refuses 3 'm.img: is in use by' livestick create --yes --quiet good.iso m.img
    losetup -d "$loop"
    cmp m.img stick.img
}
no_file() {
    mkdir dir
    refuses 3 'dir: .*directory' livestick create --yes --quiet good.iso dir
    refuses 3 '/dev/null: ' livestick create --yes --quiet good.iso /dev/null
    mkfifo pipe
    refuses 3 'pipe: ' livestick create --yes --quiet good.iso pipe
    ln -s /dev/null null.img
    refuses 3 'null.img: ' livestick create --yes --quiet good.iso null.img
}
a_partition() {
    local part
    part=$(lsblk -rno PATH,TYPE 2>/dev/null | awk '$2 == "part" { print $1; exit }')
    [ -b "$part" ] || return 0
    refuses 3 "$part: is a partition" livestick create --yes --quiet good.iso "$part"
}

# ---- 36: labels and names

hostile_labels() {
    good_tree esc && xorriso -as mkisofs -quiet -R -V $'%n%s\e[31mX$(id)' -o esc.iso esc
    livestick inspect esc.iso >out && livestick inspect --json esc.iso >>out
    livestick create --quiet --size 120M esc.iso esc.img >>out 2>&1
    grep -q '%n%s.*(id)' out
    # And on the stick that is to be wiped: names of partitions, labels of file systems.
    truncate -s 120M named.img
    printf 'label: gpt\nstart=2048, size=120000\n' | sfdisk -q named.img
    sfdisk -q --part-label named.img 1 $'\e[2J%n"; rm $(id)'
    mkfs.ext4 -q -F -E offset=1048576 -L $'\e]0;%n`id`' named.img 50M
    livestick inspect named.img >>out && livestick inspect --json named.img >>out
    refuses 3 'named.img: not wiped: nobody agreed' livestick create good.iso named.img || grep -q 'ALL OF THIS' "$tmp/.stderr"
    cat "$tmp/.stderr" >>out
    ! LC_ALL=C grep -q $'[\e\r\a]' out || fail "a control character came through"
    # 4 KiB where a name is asked for
    refuses 2 'label' livestick create --quiet --size 120M --persist-label "$(printf %04096d 0)" good.iso long.img
    [ ! -e long.img ]
}

# ---- 37: an upgrade needs a sound FAT. A row: test, what bad.py does, status, sentence.

stick_rows() {
    cat <<'END'
37-cycle                 fat_cycle                 3 shares clusters with another file, or its chain leads back
37-cross-link            fat_cross_link            3 shares clusters with another file, or its chain leads back
37-free-in-chain         fat_free_in_chain         3 its chain of clusters leads to one that is free
37-two-that-differ       fat_two_that_differ       3 its chain of clusters leads to one that is free
37-no-reserved-sectors   fat_no_reserved_sectors   3 is damaged: first partition: its boot sector says what no FAT can have
37-clusters-of-0         fat_clusters_of_0         3 is damaged: first partition: its boot sector says what no FAT can have
END
}
bad_stick() {   # NAME STATUS REGEX
    "$root/tests/iso/bad.py" stick stick.img "$1" bad.img && cp --sparse=always bad.img bad.img.orig
    refuses "$2" "$3" livestick upgrade --quiet newer.iso bad.img
    untouched bad.img
    livestick inspect bad.img >out
    # What helps always: a fresh stick.
    livestick create --yes --quiet newer.iso bad.img
}

# ---- 39: two at once

two_writers() {
    second() { refuses 3 't.img: is in use' livestick create --yes --quiet good.iso t.img; }
    asks good.iso t.img second
    [ $got -eq 0 ] || { cat err; fail "status $got"; }
    cp --sparse=always t.img.orig t.img
}

# ---- 40: sizes of targets

sizes() {
    : >zero.img
    refuses 3 'zero.img: is too small by [0-9]+ bytes .*: has 0, needs [0-9]+' livestick create --yes --quiet good.iso zero.img
    truncate -s 1474560 floppy.img
    refuses 3 'floppy.img: is too small by [0-9]+ bytes' livestick create --yes --quiet good.iso floppy.img
    [ "$(stat -c %b zero.img floppy.img | tr '\n' ' ')" = '0 0 ' ]
    truncate -s 419430912 odd.img
    livestick create --dry-run --quiet good.iso odd.img >/dev/null
    refuses 3 'odd.img: is no whole number of sectors of 4096 bytes' livestick create --yes --quiet --sector-size 4096 good.iso odd.img
    [ "$(stat -c %b odd.img)" -eq 0 ]
    truncate -s 2G two.img && livestick create --quiet --sector-size 4096 good.iso two.img
    # As large as the file system allows; MBR ends at 2 TiB, GPT does not.
    truncate -s 15T big.img
    livestick create --dry-run --json good.iso big.img | jq -e '[.plan.partitions[] | .start + .size] | max <= 2199023255552'
    livestick create --dry-run --json --table gpt good.iso big.img | jq -e '[.plan.partitions[] | .start + .size] | max > 16000000000000'
    [ "$(stat -c %b big.img)" -eq 0 ]
}

each() {        # FUNCTION ROWS: "NAME ARGS..." a line; the last argument may have blanks
    local name fixture status regex
    while read -r name fixture status regex; do check "$name" "$1" "$fixture" "$status" "$regex"; done < <($2)
}
bad_iso() { refused "$2" "$1\.iso: $3|$1\.iso$3" "$1.iso"; }
warning() { warns "$1.iso" "$2${3:+ $3}"; }
newer() { cp -r good newer && echo more >>newer/odd/nn && live_iso newer; }

# In the build that is shipped, which has no debugger's rights on itself: all checkers can look at what they are given.
good_stick() {
    "$LIVESTICK" create --yes --quiet --size 600M "$(small_iso)" good.img
    "$LIVESTICK" verify --progress none good.img
}

check fixtures fixtures
each bad_iso iso_rows
each warning warn_rows
check 3-links-out links_out
check 4-link-loops link_loops
check 11-names-collide names_collide
check 12-file-of-5-gib file_of_5_gib
check 15-trees-disagree trees_disagree
check 17-not-an-iso not_an_iso
check 17-windows-iso windows_iso
check 18-source-changes source_changes
check 18-source-changes-later source_changes_later
check 18-source-is-target source_is_target
check 20-sums-lead-out sums_lead_out
check 22-older-system older_system
check 23-menus-without-end menus_without_end
check 23-menus-lead-out menus_lead_out
check 26-system-disk system_disk
check 27-mounted mounted
check 29-no-file no_file
check 29-partition a_partition
check 36-hostile-labels hostile_labels
check newer newer
each bad_stick stick_rows
check 39-two-writers two_writers
check 40-sizes sizes
check 0-a-good-stick good_stick
finish
