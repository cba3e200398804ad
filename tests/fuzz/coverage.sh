#!/bin/bash
# Line coverage of the parsers by their tests and by the corpora of the fuzz targets (build/corpus; made if missing), as
# a table. `make fuzz-coverage` builds first.   usage: tests/fuzz/coverage.sh TEST...
set -uo pipefail
cd "$(dirname "$0")/../.."
. tests/fuzz/corpus.bash
out=build/coverage
raw=$out/raw
rm -rf $raw && mkdir -p $raw
export LIVESTICK=$PWD/$out/livestick LIVESTICK_BUILD=$PWD/$out

# What reads that which others made. Not here: what only writes, and what asks libraries alone.
files=(src/source/{dir,initrd,initrd_cpio,initrd_rootfs,initrd_unpack,iso,iso_boot,iso_dir,iso_name,iso_susp,kind,listed,source,sums,sums_image,sums_line,tree,unpack}.c
       src/fs/{fat_read,fat_name,fat_update_check,fat_update_open,ext4_read,ext4_update_scan,reader}.c
       bootinst/{efi_image,efi_image_config,efi_image_grub,efi_image_pe,efi_image_sign,menu,menu_draft}.c
       bootinst/{menu_grub_command,menu_grub_lex,menu_grub_script,menu_grub_test,menu_grub_var,menu_read_bls,menu_read_grub,menu_read_syslinux,menu_syslinux_label,menu_write}.c
       persist/{image,image_ext,image_kind,image_squashfs,kernel,kernel_find,modinfo,own_extra,own_modules,shelf,shelf_ask,look,inside}.c
       src/media/{drives,mounts,sysfs}.c src/base/{args,ini,utf8}.c src/manifest.c src/{facts_menu,open}.c)

run() {         # NAME COMMAND...
    local name=$1
    shift
    LLVM_PROFILE_FILE=$raw/$name.profraw timeout 900 "$@" >$out/$name.log 2>&1 || echo "# $name failed: $out/$name.log"
}
targets=$(fuzz_targets)
running=0
for name in $targets; do
    corpus "$name" || { echo "no corpus: $name"; exit 1; }
    if [ $running -eq "$(nproc)" ]; then wait -n; running=$((running - 1)); fi
    find "build/corpus/$name" -type f -print0 | xargs -0 -r -n 2000 >/dev/null true
    run "fuzz_$name" bash -c 'find "$1" -type f -print0 | xargs -0 -r "$2"' - "build/corpus/$name" "$out/fuzz/fuzz_$name" &
    running=$((running + 1))
done
for test in "$@"; do
    if [ $running -eq "$(nproc)" ]; then wait -n; running=$((running - 1)); fi
    run "$test" "$out/tests/$test" &
    running=$((running + 1))
done
wait
objects=()
for name in $targets; do objects+=(-object "$out/fuzz/fuzz_$name"); done
for test in "$@"; do objects+=(-object "$out/tests/$test"); done
llvm-profdata merge -sparse $raw/*.profraw -o $out/all.profdata || exit 1
llvm-cov export -summary-only -instr-profile=$out/all.profdata "${objects[@]:1}" "${files[@]}" >$out/all.json || exit 1
jq -r --arg root "$PWD/" '.data[0] | (.files[] | [.filename[($root | length):], .summary.lines.covered, .summary.lines.count, .summary.lines.percent]),
    ["all", .totals.lines.covered, .totals.lines.count, .totals.lines.percent] | "| \(.[0]) | \(.[1]) of \(.[2]) | \(.[3] * 10 | floor / 10) % |"' $out/all.json
