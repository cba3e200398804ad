"""What live-USB scripts do as root: partitions, mkfs, mount, cp, extlinux; inside QEMU, with the distribution's kernel, so that it
is the kernel's page cache and file systems that write. QEMU emulates the processor: its time says nothing, its writes do."""
import os
import re
import shutil
import subprocess

from sources import extract

PROGRAMS = ["sfdisk", "mkfs.vfat", "mke2fs", "extlinux"]
MODULES = "virtio_pci virtio_blk xhci_pci usb_storage sd_mod isofs vfat nls_cp437 nls_ascii nls_iso8859_1 nls_utf8 ext4 crc32c_generic"
INIT = r"""#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mkdir -p /proc /sys /dev
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev
for m in @MODULES@; do modprobe $m 2>/dev/null; done
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do [ -b /dev/sda ] && [ -b /dev/vda ] && break; sleep 1; done
sleep 2
run() { /bench/ld --library-path /bench/lib "/bench/$@" >/said 2>&1 || { echo "BENCH-FAILED $1"; cat /said; } }
set -e
mkdir -p /iso /boot-fs /data-fs
mount -t iso9660 -o ro /dev/vda /iso
run sfdisk -q /dev/sda <<'END'
start=1MiB,size=@BOOT@MiB,type=c,bootable
start=@DATA@MiB,type=83
END
sleep 2
run mkfs.vfat -F 32 -n LIVE /dev/sda1
run mke2fs -q -F -t ext4 -L persistence /dev/sda2
mount -t vfat /dev/sda1 /boot-fs
cp -r /iso/. /boot-fs/
mkdir -p /boot-fs/syslinux
run extlinux --install /boot-fs/syslinux
umount /boot-fs
mount -t ext4 /dev/sda2 /data-fs
echo '/ union' >/data-fs/persistence.conf
umount /data-fs
dd if=/bench/mbr.bin of=/dev/sda bs=440 count=1 conv=notrunc 2>/dev/null
sync
echo BENCH-DONE
sleep 1
poweroff -f
"""


def library_files(program):
    listed = subprocess.run(["ldd", program], stdout=subprocess.PIPE, text=True, check=True).stdout
    return re.findall(r"(/\S+) \(0x", listed)


def make_initrd(initrd, boot, path, work):
    """What is ours, then the medium's own initrd for its shell and modules: the kernel unpacks one after the other."""
    tree = os.path.join(work, "initrd-over")
    os.makedirs(tree + "/bench/lib")
    for name in PROGRAMS:
        program = shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin")
        shutil.copy(program, tree + "/bench/" + name)
        for library in library_files(program):
            shutil.copy(library, tree + "/bench/ld" if "/ld-linux" in library else tree + "/bench/lib")
    shutil.copy("/usr/lib/syslinux/mbr/mbr.bin", tree + "/bench/mbr.bin")
    with open(tree + "/bench/init", "w") as f:
        f.write(INIT.replace("@MODULES@", MODULES).replace("@BOOT@", str(boot)).replace("@DATA@", str(boot + 1)))
    os.chmod(tree + "/bench/init", 0o755)
    names = subprocess.run(["find", "."], cwd=tree, stdout=subprocess.PIPE, check=True).stdout
    over = subprocess.run(["cpio", "-o", "-H", "newc", "--quiet", "-R", "0:0"], cwd=tree, input=names, stdout=subprocess.PIPE,
                          check=True).stdout
    with open(path, "wb") as out, open(initrd, "rb") as own:
        out.write(over + b"\0" * (-len(over) % 512))
        shutil.copyfileobj(own, out)
    shutil.rmtree(tree)


def scripts(iso, stick, work, boot):
    """Needs the stick's socket, not its file."""
    tree = os.path.join(work, "guest")
    extract(iso, tree)
    make_initrd(tree + "/live/initrd.img", boot, work + "/guest.initrd", work)
    qemu = subprocess.Popen(
        ["qemu-system-x86_64", "-accel", "tcg", "-cpu", "qemu64,+rdrand", "-m", "1024", "-smp", "2", "-nodefaults",
         "-no-user-config", "-display", "none", "-serial", "stdio", "-no-reboot", "-kernel", tree + "/live/vmlinuz",
         "-initrd", work + "/guest.initrd", "-append", "console=ttyS0 quiet panic=-1 rdinit=/bench/init",
         "-drive", "if=none,id=iso,format=raw,readonly=on,file=" + iso, "-device", "virtio-blk-pci,drive=iso",
         "-drive", "if=none,id=stick,format=raw,file=nbd+unix:///?socket=" + stick.socket,
         "-device", "qemu-xhci", "-device", "usb-storage,drive=stick,removable=on"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        said = qemu.communicate(timeout=1500)[0].decode("utf-8", "replace")
    finally:
        qemu.kill()
        qemu.wait()
        shutil.rmtree(tree)
        os.unlink(work + "/guest.initrd")
    if "BENCH-DONE" not in said or "BENCH-FAILED" in said:
        raise SystemExit("the guest has not made a stick:\n" + said[-3000:])
    return None, None
