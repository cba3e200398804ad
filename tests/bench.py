#!/usr/bin/env python3
"""Measures livestick beside what people use, on an emulated stick: nbdkit's log filter behind nbdfuse writes down every
request that reaches the medium. Same ISO, same run; times are wall clock with the last flush.

    tests/bench.py BUILD_DIR [--iso FILE] [--size GIB] [--repeat N] [--rate MBIT]
"""
import argparse
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

MIB = 1 << 20
REQUEST = re.compile(r" (Write|Zero|Flush|Read) id=\d+(?: offset=(0x[0-9a-f]+) count=(0x[0-9a-f]+))?.*\.\.\.$")


class Stick:
    """A plain file that behaves like a stick and keeps a log."""

    def __init__(self, directory, size, rate):
        self.dir = directory
        self.mount = os.path.join(directory, "mnt")
        self.path = os.path.join(self.mount, "stick")
        self.log = os.path.join(directory, "log")
        socket = os.path.join(directory, "socket")
        os.makedirs(self.mount)
        filters = ["--filter=log"] + (["--filter=rate"] if rate else [])
        limits = ["rate=%dM" % rate] if rate else []
        # nozero: a stick has no command that zeroes; what is to be zero is written.
        backing = os.path.join(directory, "medium")
        with open(backing, "w") as f:
            f.truncate(size)
        self.nbdkit = subprocess.Popen(["nbdkit", "-f", "-U", socket] + filters + ["--filter=nozero", "file", backing,
                                        "logfile=" + self.log] + limits)
        for _ in range(100):
            if os.path.exists(socket):
                break
            time.sleep(0.05)
        self.fuse = subprocess.Popen(["nbdfuse", self.path, "--unix", socket])
        for _ in range(100):
            if os.path.ismount(self.mount):
                return
            time.sleep(0.05)
        raise SystemExit("nbdfuse does not mount: is /dev/fuse there?")

    def close(self):
        subprocess.run(["fusermount3" if shutil.which("fusermount3") else "fusermount", "-u", self.mount], check=False)
        self.fuse.wait()
        self.nbdkit.send_signal(signal.SIGTERM)
        self.nbdkit.wait()

    def figures(self):
        writes, reads, flushes = [], 0, 0
        for line in open(self.log):
            m = REQUEST.search(line)
            if not m:
                continue
            if m[1] == "Flush":
                flushes += 1
            elif m[1] == "Read":
                reads += int(m[3], 16)
            else:
                writes.append((int(m[2], 16), int(m[3], 16)))
        total, jumps, at = 0, 0, None
        for off, length in writes:
            total += length
            jumps += off != at
            at = off + length
        distinct, end = 0, 0
        for off, length in sorted(writes):
            distinct += max(0, off + length - max(off, end))
            end = max(end, off + length)
        return {"bytes": total, "distinct": distinct, "jumps": jumps, "flushes": flushes, "read": reads}


def run(argv, env=None):
    """Runs one command; its peak memory in MiB and CPU seconds."""
    pid = os.posix_spawnp(argv[0], argv, env or os.environ,
                          file_actions=[(os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)])
    _, status, usage = os.wait4(pid, 0)
    if status:
        raise SystemExit("%s: failed" % " ".join(argv))
    return usage.ru_maxrss / 1024, usage.ru_utime + usage.ru_stime


def livestick(build, iso, stick, work):
    return run([build + "/livestick", "create", "--yes", "--quiet", iso, stick.path])


def dd(source):
    def go(build, iso, stick, work):
        return run(["dd", "if=" + source, "of=" + stick.path, "bs=4M", "oflag=direct", "conv=notrunc,fsync",
                    "status=none"])
    return go


def usual_tools(build, iso, stick, work):
    """What scripts do without root: extract, mkfs.fat, mcopy, syslinux, mke2fs."""
    tree = os.path.join(work, "tree")
    shutil.rmtree(tree, ignore_errors=True)
    os.makedirs(tree)
    used = [run(["xorriso", "-report_about", "SORRY", "-osirrox", "on", "-indev", iso, "-extract", "/", tree])]
    run(["chmod", "-R", "u+rwX", tree])
    boot = 2 * os.path.getsize(iso) // MIB + 64
    table = "start=1MiB,size=%dMiB,type=c,bootable\nstart=%dMiB,type=83\n" % (boot, boot + 1)
    subprocess.run(["sfdisk", "-q", "--no-reread", "--no-tell-kernel", stick.path], input=table, text=True, check=True)
    at = stick.path + "@@1M"
    used.append(run(["mkfs.fat", "-F", "32", "--offset", "2048", "-h", "2048", stick.path, str(boot * 1024)]))
    names = [os.path.join(tree, n) for n in os.listdir(tree)]
    used.append(run(["mcopy", "-s", "-Q", "-i", at] + names + ["::/"]))
    used.append(run(["syslinux", "--install", "--offset", str(MIB), stick.path]))
    size = os.path.getsize(stick.path) - (boot + 1) * MIB
    used.append(run(["mke2fs", "-q", "-F", "-t", "ext4", "-L", "persistence", "-E", "offset=%d,nodiscard" %
                     ((boot + 1) * MIB), stick.path, str(size // 1024) + "k"]))
    with open(stick.path, "rb+") as f:
        os.fsync(f.fileno())
    return max(u[0] for u in used), sum(u[1] for u in used)


def measure(name, job, args, iso, work):
    times, last = [], None
    for _ in range(args.repeat):
        stick = Stick(tempfile.mkdtemp(dir=work), args.size << 30, args.rate)
        try:
            began = time.monotonic()
            memory, cpu = job(args.build, iso, stick, work)
            times.append(time.monotonic() - began)
        finally:
            stick.close()
        last = dict(stick.figures(), memory=memory, cpu=cpu)
        shutil.rmtree(stick.dir)
    last["seconds"] = statistics.median(times)
    return name, last


def main():
    p = argparse.ArgumentParser()
    p.add_argument("build")
    p.add_argument("--iso")
    p.add_argument("--size", type=int, default=8, help="of the stick, GiB")
    p.add_argument("--repeat", type=int, default=3)
    p.add_argument("--rate", type=int, default=800, help="limit of the stick in Mbit/s, 0: none; 800 is a good stick")
    args = p.parse_args()
    here = os.path.dirname(os.path.abspath(__file__))
    iso = args.iso or subprocess.run([here + "/iso/debian.sh"], stdout=subprocess.PIPE, text=True,
                                     check=True).stdout.split()[-1]
    work = tempfile.mkdtemp(prefix="livestick-bench.", dir="/var/tmp")
    try:
        rows = [measure("livestick create", livestick, args, iso, work)]
        same = os.path.join(work, "same-bytes")
        with open(same, "wb") as out, open(iso, "rb") as source:
            left = rows[0][1]["bytes"]
            while left > 0:
                piece = source.read(min(left, MIB)) or source.seek(0) or source.read(min(left, MIB))
                out.write(piece)
                left -= len(piece)
        rows.append(measure("dd of as many bytes", dd(same), args, iso, work))
        rows.append(measure("dd of the ISO", dd(iso), args, iso, work))
        rows.append(measure("sfdisk mkfs.fat mcopy syslinux mke2fs", usual_tools, args, iso, work))
    finally:
        shutil.rmtree(work)
    report(rows, iso, args)


def report(rows, iso, args):
    base = rows[1][1]["seconds"]
    print("\n%s (%.1f MiB) onto a stick of %d GiB%s, median of %d\n" %
          (os.path.basename(iso), os.path.getsize(iso) / MIB, args.size,
           ", %d Mbit/s" % args.rate if args.rate else "", args.repeat))
    print("| | time / dd | written | distinct | jumps | flushes | read back | memory | CPU |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name, r in rows:
        print("| %s | %.2f | %.1f MiB | %.1f MiB | %d | %d | %.1f MiB | %.0f MiB | %.1f s |" %
              (name, r["seconds"] / base, r["bytes"] / MIB, r["distinct"] / MIB, r["jumps"], r["flushes"],
               r["read"] / MIB, r["memory"], r["cpu"]))


if __name__ == "__main__":
    sys.exit(main())
