#!/bin/bash
# `make try`: the main job, shown on a real live system. usage: tests/try.sh BUILD_DIR
set -euo pipefail
cd "$(dirname "$0")/.."
build=$1

echo "== a small live ISO from Debian's packages (kernel, live-boot, squashfs)"
iso=$(tests/iso/small.sh | tail -n 1)
echo "$iso"

echo "== livestick create: $build/stick.img"
rm -f "$build/stick.img"
"$build/livestick" create --size 2G --append "console=ttyS0,115200" "$iso" "$build/stick.img"
"$build/livestick" inspect "$build/stick.img"

echo "== first boot in QEMU: save a file"
tests/boot.py --image "$build/stick.img" --timeout 180 \
    --cmd 'grep " / " /proc/mounts' \
    --cmd 'echo "saved in the first boot" > /root/try.txt' --shutdown

echo "== second boot: is it there?"
tests/boot.py --image "$build/stick.img" --timeout 180 --cmd 'cat /root/try.txt' --shutdown | tee "$build/try.out"
grep -q "saved in the first boot" "$build/try.out" || { echo "NOT KEPT" >&2; exit 1; }
echo "== kept. The stick is $build/stick.img; on a real one: livestick list, livestick create $iso /dev/sdX"
