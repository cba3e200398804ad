"""Who is measured: each makes a stick of an ISO, and returns its peak memory in MiB and its CPU seconds."""
import os
import shutil
import subprocess
import tempfile

MIB = 1 << 20


def run(argv, quiet=False, cwd=None):
    """One command and what it started. By time(1): of a child of ours the kernel would count our own memory."""
    with tempfile.NamedTemporaryFile("r") as said:
        done = subprocess.run(["/usr/bin/time", "-q", "-o", said.name, "-f", "%M %U %S"] + argv, cwd=cwd,
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL if quiet else None)
        if done.returncode:
            raise SystemExit("%s: failed" % " ".join(argv))
        memory, user, system = said.read().split()
    return int(memory) / 1024, float(user) + float(system)


def total(used):
    return max(u[0] for u in used), sum(u[1] for u in used)


def livestick(build, verb, *arguments):
    return run([build + "/livestick", verb] + list(arguments))


def dd(source, target, count):
    """As many bytes as livestick wrote, of a file that has them."""
    return run(["dd", "if=" + source, "of=" + target, "bs=4M", "count=%d" % count, "iflag=count_bytes", "oflag=direct",
                "conv=notrunc,fsync", "status=none"])


def dd_read(target, count):
    return run(["dd", "if=" + target, "of=/dev/null", "bs=1M", "count=%d" % count, "iflag=direct,count_bytes", "status=none"])


def fsync(path):
    with open(path, "rb+") as f:
        os.fsync(f.fileno())


def boot_size(tree):
    """What scripts allow: a tenth and some more."""
    used = sum(os.lstat(os.path.join(d, f)).st_size for d, _, files in os.walk(tree) for f in files)
    return max(used * 11 // 10 // MIB + 64, 300)  # with less it is no FAT32


def mtools(iso, target, work):
    """What scripts do without root: extract, mkfs.fat, mcopy, syslinux, mke2fs."""
    tree = os.path.join(work, "tree")
    used = [run(["xorriso", "-report_about", "SORRY", "-osirrox", "on", "-indev", iso, "-extract", "/", tree], quiet=True),
            run(["chmod", "-R", "u+rwX", tree])]
    boot = boot_size(tree)
    table = "start=1MiB,size=%dMiB,type=c,bootable\nstart=%dMiB,type=83\n" % (boot, boot + 1)
    subprocess.run(["sfdisk", "-q", "--no-reread", "--no-tell-kernel", target], input=table, text=True, check=True)
    used.append(run(["mkfs.fat", "-F", "32", "-s", "8", "--offset", "2048", "-h", "2048", target, str(boot * 1024)]))
    names = [os.path.join(tree, n) for n in os.listdir(tree)]
    used.append(run(["mcopy", "-s", "-Q", "-i", target + "@@1M"] + names + ["::/"]))
    used.append(run(["syslinux", "--install", "--offset", str(MIB), target]))
    rest = os.path.getsize(target) - (boot + 1) * MIB
    used.append(run(["mke2fs", "-q", "-F", "-t", "ext4", "-L", "persistence", "-E", "offset=%d,nodiscard" %
                     ((boot + 1) * MIB), target, str(rest // 1024) + "k"]))
    fsync(target)
    shutil.rmtree(tree)
    return total(used)


GENIMAGE = """
image boot.vfat {
	vfat { extraargs = "-F 32 -s 8" }
	size = %dM
}
image data.ext4 {
	ext4 { label = "persistence" }
	empty = true
	size = 64M
}
image stick.img {
	hdimage { }
	partition boot { partition-type = 0xC bootable = "true" image = "boot.vfat" }
	partition data { partition-type = 0x83 image = "data.ext4" }
}
"""


def genimage(iso, target, work):
    """An image beside it, then dd; the DATA of that image has 64 MiB."""
    tree, out = os.path.join(work, "tree"), os.path.join(work, "genimage")
    used = [run(["xorriso", "-report_about", "SORRY", "-osirrox", "on", "-indev", iso, "-extract", "/", tree], quiet=True),
            run(["chmod", "-R", "u+rwX", tree])]
    os.makedirs(out + "/input")
    with open(out + "/genimage.cfg", "w") as f:
        f.write(GENIMAGE % boot_size(tree))
    used.append(run(["genimage", "--config", out + "/genimage.cfg", "--rootpath", tree, "--tmppath", out + "/tmp",
                     "--inputpath", out + "/input", "--outputpath", out + "/output"], quiet=True, cwd=out))
    image = out + "/output/stick.img"
    used.append(run(["syslinux", "--install", "--offset", str(partition_offset(image)), image]))
    used.append(run(["dd", "if=" + image, "of=" + target, "bs=4M", "oflag=direct", "conv=notrunc,fsync", "status=none"]))
    shutil.rmtree(out)
    shutil.rmtree(tree)
    return total(used)


def partition_offset(image):
    with open(image, "rb") as f:
        sector = f.read(512)
    return int.from_bytes(sector[446 + 8:446 + 12], "little") * 512
