# The command line: help, exit codes, JSON, menus, answers. Bad inputs are in bad.sh.
# One thread.
. "$(dirname "$0")/lib.bash"

iso=$(small_iso)
[ -s "$iso" ] || { cat "$tmp/.iso.log"; echo "not ok small-iso"; exit 1; }

help_lists_verbs() {
    "$LIVESTICK" --help >out
    grep -q create out && grep -q inspect out && grep -q list out
    for verb in list inspect create; do
        "$LIVESTICK" "$verb" --help | grep -q "^usage: livestick $verb"
    done
    "$LIVESTICK" create --help | grep -q -- '--dry-run'
    [ "$("$LIVESTICK" --version)" = "livestick 0.1.0" ]
}

usage_errors() {
    refuses 2 'no verb' "$LIVESTICK"
    refuses 2 'no such verb' "$LIVESTICK" creat x y
    refuses 2 'usage: livestick create' "$LIVESTICK" create "$iso"
    refuses 2 'no such option' "$LIVESTICK" create --nonsense "$iso" t
    refuses 2 'needs a value' "$LIVESTICK" create "$iso" t --size
    refuses 2 'is not a size' "$LIVESTICK" create --size 8X "$iso" t
    refuses 2 'is not a size' "$LIVESTICK" create --size -8G "$iso" t
    refuses 2 'neither mbr nor gpt' "$LIVESTICK" create --table dos "$iso" t
    refuses 2 'no such family' "$LIVESTICK" create --family nonsense --size 1G "$iso" t
    refuses 2 'label has' "$LIVESTICK" create --persist-label 'a b' --size 1G "$iso" t
    refuses 2 'does not go with' "$LIVESTICK" create --no-persist --persist-size 1G --size 2G "$iso" t
    refuses 2 'control character' "$LIVESTICK" create --append $'a\nb' --size 1G "$iso" t
    refuses 2 'SOURCE_DATE_EPOCH' env SOURCE_DATE_EPOCH=yesterday "$LIVESTICK" create --size 1G "$iso" t
    [ ! -e t ]
}

no_live_system() {
    mkdir -p plain/docs && echo hello >plain/docs/readme
    xorriso -as mkisofs -quiet -R -o plain.iso plain
    bad_source 5 'plain.iso: no live system' plain.iso
}

no_kernel() {
    live_tree nokernel && rm nokernel/live/vmlinuz && live_iso nokernel
    bad_source 5 'nokernel.iso: has no kernel: its menu names /live/vmlinuz' nokernel.iso
}

no_squashfs() {
    live_tree nosys && rm nosys/live/filesystem.squashfs && live_iso nosys
    bad_source 5 'nosys.iso: there is no system image' nosys.iso
}

# An entry whose initrd is not there is left out with a warning; the others stay.
entry_left_out() {
    live_tree partly
    printf 'label old\n menu label Old one\n linux /live/vmlinuz\n initrd /live/gone.img\n append boot=live\n' \
        >>partly/isolinux/isolinux.cfg
    "$LIVESTICK" inspect partly >out
    grep -q '^Warning  menu entry "Old one" is left out: /live/gone.img is not there$' out
    "$LIVESTICK" inspect --json partly | jq -e '[.source.menu[].title] == ["Live"] and (.plan.menu | length) == 2'
}

# A real distribution's menu (tests/fixtures/menus) with files of the names that it has: only the menu is looked at.
menu_tree() {   # FIXTURE DIRECTORY
    local path
    rm -rf "$2" && cp -r "$root/tests/fixtures/menus/$1" "$2"
    sed -n 's/^  \(kernel\|initrd\): //p' "$root/tests/fixtures/menus/$1.expected" | sort -u | while read -r path; do
        mkdir -p "$2${path%/*}" && head -c 70000 /dev/urandom >"$2$path"
    done
}
left_out() { grep -Fqx "Warning  menu entry \"$1\" is left out: $2" out || fail "no such warning: $1"; }
starts() { jq -e --arg title "$1" '[.plan.menu[] | select(.default).title] == [$title]' out.json; }
titles() { jq -e --argjson titles "$1" '[.plan.menu[].title] == $titles' out.json; }
look_at() { "$LIVESTICK" inspect "$@" >out && "$LIVESTICK" inspect --json "$@" >out.json; }

# A check that fails on every stick, or finds nothing to check, is left out, and what the CD checked first starts.
media_checks() {
    menu_tree fedora-36 fedora && mkdir fedora/LiveOS && echo hsqs >fedora/LiveOS/squashfs.img
    look_at fedora
    left_out 'Test this media & start Fedora-Workstation-Live 36' 'it checks the image of a CD, which a stick is not'
    starts 'Start Fedora-Workstation-Live 36'
    jq -e '.plan.menu | length == 3 and ([.[].args | test("check")] | any | not)' out.json
    "$LIVESTICK" create --dry-run --size 4G fedora new.img | grep -q 'menu entry "Test this media .* is left out: '

    menu_tree centos-7 centos && mkdir -p centos/LiveOS && echo hsqs >centos/LiveOS/squashfs.img
    look_at centos
    left_out 'Test this media & install CentOS 7' 'it checks the image of a CD, which a stick is not'
    starts 'Install CentOS 7'

    menu_tree grub-mint-22 mint && echo hsqs >mint/casper/filesystem.squashfs
    look_at mint
    left_out 'Integrity check' 'it checks the files of a CD, of which a stick has not all'
    starts 'Start Linux Mint 22 Cinnamon 64-bit'

    # archiso checks its own image by the digest beside it, which is the same on a stick: it stays.
    menu_tree grub-systemrescue rescue && mkdir -p rescue/sysresccd/x86_64
    echo hsqs >rescue/sysresccd/x86_64/airootfs.sfs
    look_at rescue
    ! grep 'is left out' out || fail "archiso's check was left out"
    jq -e '[.plan.menu[].args | test(" checksum ")] | any' out.json
}

# Where the check is all there is, it is the way to start; it starts without checking.
only_a_check() {
    live_tree checks && sed -i 's/boot=live/& verify-checksums/' checks/isolinux/isolinux.cfg
    look_at checks
    ! grep 'is left out' out || fail "the only entry was left out"
    titles '["Live", "Live (without saving)"]'
    jq -e '[.plan.menu[].args | test("verify")] | any | not' out.json
    printf 'label b\n menu label Plain\n linux /live/vmlinuz\n initrd /live/initrd.img\n append boot=live quiet\n' \
        >>checks/isolinux/isolinux.cfg
    look_at checks
    left_out Live 'it checks the files of a CD, of which a stick has not all'
    titles '["Plain", "Plain (without saving)"]'
    starts Plain
}

# kiwi before June 2024 keeps changes in a file, which it makes as large as it is told: nearly all of DATA.
kiwi_file_size() {
    local size mib
    menu_tree grub-opensuse kiwi && mkdir -p kiwi/LiveOS rd/sbin rd/lib && echo hsqs >kiwi/LiveOS/squashfs.img
    touch rd/init rd/sbin/kiwi-live-root rd/sbin/iso-scan
    echo preparePersistentOverlayLoopBoot >rd/lib/kiwi-live-lib.sh
    (cd rd && find . | cpio -o -H newc --quiet) >kiwi/boot/x86_64/loader/initrd
    for size in 512M 8G 100G; do
        "$LIVESTICK" create --dry-run --json --size $size kiwi new.img >out.json
        jq -e '.source.warnings[] | test("live_system.cow")' out.json
        mib=$(jq -r '.plan.menu[0].args' out.json | grep -o 'mbsize=[0-9]*')
        jq -e --argjson mib "${mib#*=}" '.plan.partitions[1].size / 1048576 * 0.96 > $mib and
            .plan.partitions[1].size / 1048576 * 0.9 - 64 < $mib' out.json
    done
    "$LIVESTICK" create --quiet --size 512M kiwi made.img
    mib=$(jq -r '.plan.menu[0].args' <("$LIVESTICK" create --dry-run --json --size 512M kiwi new.img) | grep -o 'mbsize=[0-9]*')
    mtype -i made.img@@1M ::/livestick/a.cfg | grep -q "APPEND .*rd.live.cow.*$mib"
    mtype -i made.img@@1M ::/livestick/a.grub | grep -q "linux.* rd.live.cow.*$mib"
}

# ---- answers for installers

# The validator's stand-in: says what pykickstart 3.74 says, on the same streams and with its exit status, the number of
# errors. The file names its errors itself.
stand_in() {
    rm -rf bin && mkdir bin
    cat >bin/ksvalidator <<'END'
#!/bin/bash
here=$(dirname "$0")
if [ "$1" = -l ]; then printf '%s\n' DEVEL F39 F40 RHEL10 RHEL8 RHEL9; exit 0; fi
[ "$1" = -v ] && shift 2
[ -e "$here/broken" ] && { printf 'Traceback (most recent call last):\n  File "x", line 1\nModuleNotFoundError: no\n' >&2; exit 1; }
[ -e "$here/dead" ] && kill -9 $$
IFS= files=($1)
[ -e "${files[0]}" ] || { echo "No files match the patterns."; exit 1; }
printf '\nChecking kickstart file %s\n\n' "${files[0]}"
errors=0
while IFS=$' \t' read -r number word; do
    case $word in
    deprecated) echo "Ignoring deprecated command on line $number:  The $word command has been deprecated." >&2 ;;
    wrong) printf 'The following problem occurred on line %s of the kickstart file:\n\nUnknown command: %s\n\n' "$number" "$word" >&2 ;;
    *) continue ;;
    esac
    errors=$((errors + 1))
done < <(cat -n "${files[0]}")
exit $errors
END
    chmod 755 bin/ksvalidator
}
called() { [ "$(cat bin/calls)" = "$(printf '%s\n' "$@")" ] || { cat bin/calls; fail "not called so: $*"; }; rm bin/calls; }
# How it was called is in bin/calls afterwards: itself it can write nothing. LeakSanitizer does not work under strace.
with_validator() {
    local status=0
    PATH=$tmp/bin:$PATH ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0 \
        strace -f -qq -s 4096 -e trace=execve -o calls.trace "$LIVESTICK" create "$@" || status=$?
    [ -d bin ] || return $status
    grep ' = 0$' calls.trace | sed -n 's|^[0-9]* *execve("[^"]*/ksvalidator", \["[^"]*"\(.*\)\], 0x.*|\1|p' |
        sed 's/", "/ /g; s/^, "//; s/"$//' >bin/calls
    [ -s bin/calls ] || rm bin/calls
    return $status
}
kickstart() { with_validator --kickstart "$@"; }

# installer RELEASE: the tree of an Anaconda medium; the version of the format comes before that of the release.
installer() {
    menu_tree centos-7 inst && mkdir inst/images && echo hsqs >inst/images/install.img
    printf '[header]\ntype = productmd.treeinfo\nversion = 1.2\n\n[general]\nfamily = %s\nversion = %s\n' \
        "${1% *}" "${1##* }" >inst/.treeinfo
}

good_kickstart() {
    stand_in && installer 'Rocky Linux 9.4' && printf 'text\nreboot\n' >good.ks
    kickstart good.ks --quiet --seed x --size 600M inst k.img
    called -l "-v RHEL9 $tmp/good.ks"
    mcopy -i k.img@@1M ::/livestick/ks.cfg - | cmp - good.ks
    mtype -i k.img@@1M ::/livestick/a.manifest | grep -q '^file [0-9a-f]* 12 /livestick/ks.cfg$'
    mtype -i k.img@@1M ::/livestick/a.cfg | tr -d '\r' >a.cfg
    uuid=$(blkid -p -O 1M -s UUID -o value k.img)
    grep -A 3 'MENU LABEL Unattended installation' a.cfg | grep -q " inst.ks=hd:UUID=$uuid:/livestick/ks.cfg\( \|\$\)"
    [ "$(grep -c 'inst.ks=' a.cfg)" -eq 1 ]
    # Not by itself, unless that is asked for.
    id=$(sed -n 's/^LABEL //p' a.cfg | tail -1)
    ! mtype -i k.img@@1M ::/livestick/switch.cfg | grep -qx "DEFAULT $id *" || fail "it would start by itself"
    kickstart good.ks --quiet --seed x --size 600M --unattended inst u.img
    mtype -i u.img@@1M ::/livestick/switch.cfg | grep -q "^DEFAULT $id\>"
    kickstart good.ks --dry-run --json --size 600M inst new.img >out.json
    jq -e '.answers_note == "" and .plan.menu[-1].title == "Unattended installation" and (.plan.menu[-1].default | not)' out.json
    jq -e '[.plan.menu[] | select(.default).title] == ["Install CentOS 7"]' out.json
    kickstart good.ks --dry-run --json --size 600M --unattended inst new.img >out.json
    jq -e '[.plan.menu[] | select(.default).title] == ["Unattended installation"]' out.json
}

bad_kickstart() {
    stand_in && installer 'Fedora 40' && printf 'text\nwrong\ndeprecated\nwrong\n' >bad.ks && make_target t.img
    refuses 2 "kickstart bad.ks: ksvalidator finds errors: .*line 2 .*Unknown command: wrong.*line 4 .*wrong\$" \
        kickstart bad.ks --yes --quiet inst t.img
    untouched t.img
    called -l "-v F40 $tmp/bad.ks"
    refuses 2 'kickstart nowhere.ks: No such file' kickstart nowhere.ks --yes --quiet inst t.img
    refuses 2 'kickstart bin: is not a file' kickstart bin --yes --quiet inst t.img
    printf 'text\0' >nul.ks
    refuses 2 'kickstart nul.ks: is not a text' kickstart nul.ks --yes --quiet inst t.img
    head -c 1100000 /dev/zero | tr '\0' '#' >large.ks
    refuses 2 'kickstart large.ks: .* 1 MiB' kickstart large.ks --yes --quiet inst t.img
    untouched t.img
    [ ! -e bin/calls ] || fail "the validator was asked of what is no kickstart"
}

kickstart_notes() {
    local name
    note() { kickstart "$1" --dry-run --json --size 600M inst new.img | jq -r .answers_note; }
    stand_in && installer 'AlmaLinux 8.10' && printf 'deprecated\ntext\n' >old.ks && printf 'wrong\n' >bad.ks
    note old.ks | grep -qx 'ksvalidator says of the kickstart: Ignoring deprecated command on line 1: .*'
    called -l "-v RHEL8 $tmp/old.ks"
    kickstart old.ks --dry-run --size 600M inst new.img | grep -q '^Note     ksvalidator says of the kickstart: Ignoring'
    rm bin/calls
    # A release that it does not know, and one that is not said: by its newest syntax, which may be another.
    installer 'Rocky Linux 11.0'
    note bad.ks | grep -qx 'ksvalidator does not know RHEL11, so .* newest syntax; .* Unknown command: wrong'
    called -l "$tmp/bad.ks"
    rm inst/.treeinfo
    note bad.ks | grep -q '^ksvalidator does not know which release the source is, '
    called "$tmp/bad.ks"
    printf '[release]\nname = Fedora\nversion = 39\n' >inst/.treeinfo
    printf 'text\n' >good.ks
    [ -z "$(note good.ks)" ]
    called -l "-v F39 $tmp/good.ks"
    # Its argument is a glob to it.
    for name in 'a[1].ks' 'b*.ks' 'c d?.ks'; do cp good.ks "$name" && [ -z "$(note "$name")" ]; done
    touch bin/broken
    note good.ks | grep -qx 'the kickstart was not checked: ksvalidator does not work: ModuleNotFoundError: no'
    rm bin/broken && touch bin/dead
    note good.ks | grep -q '^the kickstart was not checked: .*was killed by signal 9'
    rm -r bin
    note good.ks | grep -qx 'the kickstart was not checked: ksvalidator (package pykickstart) is not installed'
    kickstart good.ks --size 600M inst noted.img 2>err | grep -q '^Note     the kickstart was not checked'
    mcopy -i noted.img@@1M ::/livestick/ks.cfg - | cmp - good.ks
}

# debian-installer's. Nothing checks it.
preseed() {
    rm -rf di && mkdir -p di/.disk di/dists/bookworm di/pool di/install.amd di/isolinux
    echo 'Debian GNU/Linux 12' >di/.disk/info
    head -c 9000 /dev/urandom | tee di/install.amd/vmlinuz >di/install.amd/initrd.gz
    printf 'label install\n kernel /install.amd/vmlinuz\n append vga=788 initrd=/install.amd/initrd.gz --- quiet\n' \
        >di/isolinux/isolinux.cfg
    printf 'd-i debian-installer/locale string en_US\n' >p.cfg
    stand_in
    with_validator --preseed p.cfg --quiet --seed x --size 600M di d.img
    [ ! -e bin/calls ]
    mcopy -i d.img@@1M ::/livestick/preseed.cfg - | cmp - p.cfg
    mtype -i d.img@@1M ::/livestick/a.cfg | tr -d '\r' >a.cfg
    grep -A 3 'MENU LABEL Unattended installation' a.cfg |
        grep -q 'auto=true priority=critical file=/cdrom/livestick/preseed.cfg'
    [ "$(grep -c 'preseed.cfg' a.cfg)" -eq 1 ]
    mtype -i d.img@@1M ::/livestick/switch.cfg | grep -q '^DEFAULT a1\>'
    "$LIVESTICK" create --preseed p.cfg --quiet --seed x --size 600M --unattended di du.img
    mtype -i du.img@@1M ::/livestick/switch.cfg | grep -q "^DEFAULT $(sed -n 's/^LABEL //p' a.cfg | tail -1)\>"
}

answers_that_cannot_be() {
    installer 'Fedora 40' && echo text >a.ks
    refuses 2 'preseed: anaconda does not take one' "$LIVESTICK" create --preseed a.ks --size 600M inst new.img
    refuses 2 'kickstart: live-boot does not take one' "$LIVESTICK" create --kickstart a.ks --size 1G "$iso" new.img
    refuses 2 'unattended needs --kickstart or --preseed' "$LIVESTICK" create --unattended --size 1G inst new.img
    refuses 2 'kickstart does not go with --preseed' "$LIVESTICK" create --kickstart a.ks --preseed a.ks --size 1G inst new.img
    [ ! -e new.img ]
}

# No menu but systemd-boot's.
bls_menu() {
    live_tree bls && rm -r bls/isolinux && mkdir -p bls/loader/entries
    printf 'timeout 3\ndefault two*\n' >bls/loader/loader.conf
    printf 'title One\nlinux /live/vmlinuz\ninitrd /live/initrd.img\noptions boot=live one\n' >bls/loader/entries/one.conf
    printf 'title Two\nlinux /live/vmlinuz\ninitrd /live/initrd.img\noptions boot=live two\n' >bls/loader/entries/two.conf
    "$LIVESTICK" inspect --json bls >out.json
    jq -e '[.source.menu[] | .title + (if .default then "*" else "" end)] == ["Two*", "One"]' out.json
    jq -e '.plan.menu | map(select(.default)) | .[0].args | test("two .*persistence")' out.json
}

target_too_small() {
    truncate -s 100M small.img
    refuses 3 'small.img: .*too small.*[0-9]' "$LIVESTICK" create --yes --quiet "$iso" small.img
    [ "$(stat -c %b small.img)" -eq 0 ]
    refuses 3 'too small' "$LIVESTICK" create --quiet --size 50M "$iso" new.img
    [ ! -e new.img ] || fail "new.img was left behind"
}

target_missing() {
    refuses 3 '/dev/sdxyz: ' "$LIVESTICK" create --yes --quiet "$iso" /dev/sdxyz
    refuses 3 '/dev/sdxyz: ' "$LIVESTICK" create --yes --quiet --size 1G "$iso" /dev/sdxyz
    [ ! -e /dev/sdxyz ] || fail "a file was made in /dev"
    refuses 3 'nothere.img: ' "$LIVESTICK" create --yes --quiet "$iso" nothere.img
    [ ! -e nothere.img ]
}

target_exists_with_size() {
    make_target t.img
    refuses 3 't.img: exists already' "$LIVESTICK" create --yes --quiet --size 2G "$iso" t.img
    untouched t.img
}

asks_before_wiping() {
    make_target t.img
    refuses 3 'nobody agreed' "$LIVESTICK" create --quiet "$iso" t.img
    untouched t.img
    ! echo yes | "$LIVESTICK" create --quiet "$iso" t.img 2>err || fail "any answer was taken"
    grep -q 'the answer is not its name' err
    grep -q 'ALL OF THIS WILL BE LOST' err
    untouched t.img
    echo t.img | "$LIVESTICK" create --quiet "$iso" t.img 2>err || fail "its name was not taken"
    ! cmp -s t.img t.img.orig
}

dry_run_writes_nothing() {
    make_target t.img
    "$LIVESTICK" create --dry-run "$iso" t.img >out
    untouched t.img
    grep -q 'Left out' out && grep -q '/live/filesystem.squashfs' out
    grep -q '/live/vmlinuz: a kernel or initrd that no menu entry names' out
    "$LIVESTICK" create --dry-run --size 4G "$iso" new.img >out
    [ ! -e new.img ]
}

json_is_json() {
    "$LIVESTICK" create --dry-run --json --size 4G "$iso" new.img >out.json
    jq -e '.format == 1 and .written == false and .plan.table == "mbr" and (.plan.partitions | length) == 2' out.json
    jq -e '[.plan.copied[].size] | add == $total' --argjson total "$(jq .plan.copied_bytes out.json)" out.json
    jq -e '.plan.left_out[] | select(.path == "/isolinux") | .files > 3' out.json
    "$LIVESTICK" inspect --json "$iso" | jq -e '.what == "source" and .source.family == "live-boot"'
    "$LIVESTICK" list --json | jq -e '.format == 1 and (.drives | type) == "array"'
}

progress_json() {
    "$LIVESTICK" create --progress json --size 1G "$iso" p.img 2>err >/dev/null
    jq -es 'length >= 2 and all(.format == 1 and .done <= .total) and (.[-1] | .done == .total)' err
}

# Large enough not to be done before the signal comes: a file of holes, in a directory as the source.
ctrl_c() {
    live_tree slow && truncate -s 3G slow/live/filesystem.squashfs
    truncate -s 8G t.img && printf x | dd of=t.img conv=notrunc status=none
    "$LIVESTICK" create --yes --progress json slow t.img 2>err >/dev/null &
    local pid=$! began got=0 i
    for i in $(seq 500); do grep -q '"done"' err && break; sleep 0.01; done
    began=$(date +%s%N)
    kill -INT $pid
    wait $pid || got=$?
    [ $(($(date +%s%N) - began)) -lt 2000000000 ] || fail "took more than 2 s to stop"
    if [ "$got" -eq 0 ]; then echo "it was done before the signal came"; return 1; fi
    [ "$got" -eq 1 ]
    grep -q 'interrupted' err && grep -q 'does not boot' err
    ! sfdisk -d t.img 2>/dev/null | grep -q start=
    rm -f t.img
}

check help help_lists_verbs
check usage-errors usage_errors
check no-live-system no_live_system
check no-kernel no_kernel
check no-squashfs no_squashfs
check entry-left-out entry_left_out
check media-checks media_checks
check only-a-check only_a_check
check kiwi-file-size kiwi_file_size
check good-kickstart good_kickstart
check bad-kickstart bad_kickstart
check kickstart-notes kickstart_notes
check preseed preseed
check answers-that-cannot-be answers_that_cannot_be
check bls-menu bls_menu
check target-too-small target_too_small
check target-missing target_missing
check target-exists-with-size target_exists_with_size
check asks-before-wiping asks_before_wiping
check dry-run-writes-nothing dry_run_writes_nothing
check json-is-json json_is_json
check progress-json progress_json
check ctrl-c ctrl_c
finish
