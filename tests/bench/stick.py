"""A plain file that behaves like a stick: nbdfuse over nbdkit, whose rate filter makes it slow and whose log filter writes
down every request that reaches the medium."""
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

MIB = 1 << 20
REQUEST = re.compile(r" (Write|Zero|Flush|Read) id=\d+(?: offset=(0x[0-9a-f]+) count=(0x[0-9a-f]+))?.*\.\.\.$")


def wait_for(condition, what):
    for _ in range(200):
        if condition():
            return
        time.sleep(0.05)
    raise SystemExit(what)


class Stick:
    """`rate` in MB/s, 0: none. `backing`: a file that is the medium already. `mount` False: only the socket is there."""

    def __init__(self, work, size, rate, backing=None, mount=True):
        self.dir = tempfile.mkdtemp(dir=work)
        self.log = os.path.join(self.dir, "log")
        self.socket = os.path.join(self.dir, "socket")
        self.path = os.path.join(self.dir, "mnt", "stick")
        self.backing = backing or os.path.join(self.dir, "medium")
        if not backing:
            with open(self.backing, "w") as f:
                f.truncate(size)
        filters, limits = ["--filter=log"], ["logfile=" + self.log]
        if rate:
            filters.append("--filter=rate")
            limits.append("rate=%d" % (rate * 8000000))
        # nozero: a stick has no command that zeroes; what is to be zero is written.
        self.nbdkit = subprocess.Popen(["nbdkit", "-f", "-U", self.socket] + filters +
                                       ["--filter=nozero", "file", self.backing] + limits)
        wait_for(lambda: os.path.exists(self.socket), "nbdkit does not start")
        self.fuse = None
        if mount:
            os.mkdir(os.path.dirname(self.path))
            self.fuse = subprocess.Popen(["nbdfuse", self.path, "--unix", self.socket])
            wait_for(lambda: os.path.ismount(os.path.dirname(self.path)),
                     "nbdfuse does not mount: is /dev/fuse there?")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.dir)

    def stop(self):
        """The log is whole only now."""
        if self.fuse:
            subprocess.run(["fusermount3" if shutil.which("fusermount3") else "fusermount", "-u",
                            os.path.dirname(self.path)], check=False)
            self.fuse.wait()
            self.fuse = None
        if self.nbdkit:
            self.nbdkit.send_signal(signal.SIGTERM)
            self.nbdkit.wait()
            self.nbdkit = None

    def figures(self):
        self.stop()
        writes, reads, flushes = [], 0, 0
        with open(self.log) as log:
            for line in log:
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


class PlainFile:
    """The same to its users, but an image file on the disk: nobody logs what reaches that."""

    def __init__(self, work, size):
        self.dir = tempfile.mkdtemp(dir=work)
        self.path = os.path.join(self.dir, "stick.img")
        with open(self.path, "w") as f:
            f.truncate(size)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.dir)

    def figures(self):
        return {"bytes": os.stat(self.path).st_blocks * 512}
