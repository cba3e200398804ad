#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cuts the power at every write of `upgrade --repair`, on sticks whose BOOT is damaged in this way and that.

Each state that torture.py makes of the log goes before two judges: readers of our own, as lenient as a boot loader, and
mtools or debugfs, of which the latter looks at all checksums as the kernel does. All files that could be read before
and are not the damage itself can be read, whatever arrived: the systems, what starts them, the user's. From samples of
the states the repair is run again: it ends well, and so do the systems. And the other way round: what is written in the
order of the disk, or with one byte else, must be found bad.

    repair.py RECORD fat32|ext4 [--sector 4096] [--full] [--seed N]

One line a part, "ok NAME" or "not ok NAME", as tests/run counts them.
"""
import hashlib
import os
import shutil
import struct
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import loader  # noqa: E402
from fat import Broken  # noqa: E402
from torture import LOADER, MINE, SWITCH, Enumeration, Expected, Torture, arguments, copy_image, run, sectors, stuff  # noqa: E402

FREE, END = 0, 0x0fffffff
VICTIMS = ["/victims/%s.bin" % name for name in ("short", "tofree", "sharer", "shared", "gone", "lost", "turned")]


# ---- readers of what is damaged

def fat_chain(volume, cluster):
    """As far as it goes, and whether it ends as it should."""
    found, seen = [], set()
    while cluster < 0x0ffffff8:
        if not 2 <= cluster < volume.n_clusters + 2 or cluster in seen:
            return found, False
        seen.add(cluster)
        found.append(cluster)
        cluster = volume.table[cluster] & END
    return found, True


def fat_files(volume):
    """({path: (size, chain)} of all that can be read, directories whose chain is none)."""
    found, broken, todo, seen = {}, set(), [("", volume.root)], set()
    while todo:
        path, first = todo.pop()
        chain, good = fat_chain(volume, first)
        if not good:
            broken.add(path)
        seen.add(first)
        for name, attributes, cluster, size in volume.entries(chain):
            if name in (".", ".."):
                continue
            if attributes & 0x10:
                if cluster not in seen:
                    todo.append((path + "/" + name, cluster))
                continue
            n = -(-size // volume.cluster)
            got = fat_chain(volume, cluster)[0][:n] if size else []
            if len(got) == n:
                found[path + "/" + name] = (size, got)
    return found, broken


def ext4_files(volume):
    found, broken, todo, seen = {}, set(), [("", 2)], set()
    while todo:
        path, number = todo.pop()
        if number in seen:
            continue
        seen.add(number)
        try:
            entries = list(volume.entries(volume.chain(volume.inode(number))))
        except Broken:
            broken.add(path)
            continue
        for name, inode_number in entries:
            if name in (".", "..") or (path == "" and name == "lost+found"):
                continue
            try:
                inode = volume.inode(inode_number)
                mode, = struct.unpack_from("<H", inode, 0)
                size = struct.unpack_from("<I", inode, 4)[0] | struct.unpack_from("<I", inode, 108)[0] << 32
                if mode & 0xf000 == 0x4000:
                    todo.append((path + "/" + name, inode_number))
                elif mode & 0xf000 == 0x8000 and struct.unpack_from("<H", inode, 26)[0]:
                    chain = volume.chain(inode)
                    if len(chain) >= -(-size // volume.block):
                        found[path + "/" + name] = (size, chain)
            except Broken:
                pass
    return found, broken


class Look:
    """What can be read of a stick."""
    def __init__(self, stick):
        volume = stick.volume()
        found, self.broken = (fat_files if stick.kind == "fat32" else ext4_files)(volume)
        self.files = {path: hashlib.sha256(volume.load(found, path)).hexdigest() for path in found}
        self.bios = None
        if stick.sector == 512:
            self.bios = loader.check(stick.read, volume, found, stick.boot, stick.boot_size)


CRC32C = []
for byte in range(256):
    for _ in range(8):
        byte = byte >> 1 ^ (0x82f63b78 if byte & 1 else 0)
    CRC32C.append(byte)


def check_superblock(stick):
    """Of ext4: debugfs goes on with one whose checksum is wrong, and then looks at no other one."""
    data, crc = stick.read(stick.boot + 1024, 1024), 0xffffffff
    for byte in data[:1020]:
        crc = crc >> 8 ^ CRC32C[(crc ^ byte) & 255]
    if struct.unpack_from("<I", data, 1020)[0] != crc:
        raise Broken("the superblock's checksum is wrong")


# ---- damage

class FatEditor:
    def __init__(self, path, stick):
        self.f, self.stick, self.volume = open(path, "r+b"), stick, stick.volume()
        self.files = self.volume.files()
        self.sector = self.volume.sector

    def write(self, at, data):
        self.f.seek(at)
        self.f.write(data)

    def entry(self, cluster, value, tables=(0, 1)):
        for n in tables:
            at = self.volume.fat_start + n * self.volume.fat_size * self.sector + 4 * cluster
            self.write(at, struct.pack("<I", value))

    def chain(self, path):
        return self.files[path][1]

    def place(self, path):
        """Where the entry of 8.3 is."""
        name = os.path.basename(path).upper().split(".")
        short = (name[0].ljust(8) + name[1].ljust(3)).encode()
        chain = fat_chain(self.volume, self.volume.root)[0]
        for name, _, cluster, _ in self.volume.entries(chain):
            if name == "victims":
                chain = self.volume.chain(cluster)
        for cluster in chain:
            at = self.volume.content([cluster]).find(short)
            if at >= 0:
                return self.volume.place(cluster) + at
        raise SystemExit("no entry of " + path)

    def marks(self):
        """Not unmounted; a count that is wrong."""
        self.write(self.stick.boot + 65, b"\1")
        self.write(self.stick.boot + self.sector + 488, struct.pack("<I", 12345))

    def fill_root(self):
        """No room for what is found, to the end of its last cluster; whose entry is the last one of a sector."""
        chain, n = self.volume.chain(self.volume.root), 0
        per_sector = self.sector // 4
        far = self.volume.n_clusters // per_sector * per_sector - 1
        self.entry(chain[-1], far)
        self.entry(far, END)
        self.write(self.volume.place(far), bytes(self.volume.cluster))
        chain.append(far)
        for cluster in chain:
            data = self.volume.content([cluster])
            for at in range(0, len(data), 32):
                if data[at] in (0, 0xe5):
                    self.write(self.volume.place(cluster) + at, b"FILL%04d   \x20" % n + bytes(20))
                    n += 1


def tables_differ(e, rng):
    e.marks()
    at = e.volume.fat_start + e.volume.fat_size * e.sector
    for sector in 1, 2, 5:
        e.write(at + sector * e.sector, rng.randbytes(e.sector))


def first_table_lost(e, rng):
    """It says that it is bad, and where the systems' largest files are it is."""
    e.marks()
    e.entry(0, 0, (0,))
    e.entry(1, 0, (0,))
    for path in e.files:
        if path.endswith("filesystem.squashfs"):
            chain = e.chain(path)
            for cluster in chain[:: max(1, len(chain) // 6)]:
                e.entry(cluster, rng.randrange(1 << 28), (0,))


def chains(e, rng):
    e.marks()
    # Shorter than its size; into what is free; into another one; one that nothing names.
    e.entry(e.chain(VICTIMS[0])[1], END)
    e.entry(e.chain(VICTIMS[1])[1], e.volume.n_clusters - 5)
    e.entry(e.chain(VICTIMS[2])[0], e.chain(VICTIMS[3])[1])
    e.write(e.place(VICTIMS[4]), b"\xe5")
    e.fill_root()


def directory_turns(e, rng):
    e.write(e.stick.boot + 65, b"\1")
    for name, attributes, cluster, _ in e.volume.entries(e.volume.chain(e.volume.root)):
        if name == "my notes" and attributes & 0x10:
            e.entry(cluster, cluster)
    e.write(e.place(VICTIMS[5]) + 28, struct.pack("<I", 1))


class Ext4Editor:
    def __init__(self, path, stick):
        self.at = "%s?offset=%d" % (path, stick.boot)
        self.volume = stick.volume()
        self.files = self.volume.files()

    def run(self, *commands):
        done = subprocess.run(["debugfs", "-w", "-f", "-", self.at], input="\n".join(commands) + "\n", text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if done.returncode or len(done.stderr.split("\n")) > 2:
            raise SystemExit("debugfs: " + done.stderr)

    def first(self, path):
        return self.files[path][1][0]


def wrong_counts(e, rng):
    e.run("ssv free_blocks_count 11", "ssv free_inodes_count 3", "set_bg 0 free_blocks_count 9",
          "freeb %d 2" % e.first(VICTIMS[0]), "setb %d 3" % (e.volume.n_blocks - 9), "ssv state 0")


def names_and_inodes(e, rng):
    # A directory of more than one sector, of which some change.
    e.run("mkdir /many", "cd /many", *("write /dev/null file-%03d" % i for i in range(150)))
    e.run(*("clri /many/file-%03d" % i for i in (10, 50, 90, 130)), *("unlink /many/file-%03d" % i for i in (20, 51)))
    e.run("clri %s" % VICTIMS[4], "unlink %s" % VICTIMS[5], "sif %s links_count 4" % VICTIMS[0],
          "clri /in-root.bin", "ssv state 0")


def shared_blocks(e, rng):
    e.run("sif %s block[5] %d" % (VICTIMS[2], e.first(VICTIMS[3])), "sif %s block[0] 0x1234" % VICTIMS[6],
          "sif %s block[4] 300" % VICTIMS[1], "ssv state 0")


# name, what it does, files that it costs or changes
DAMAGE = {
    "fat32": [("tables-differ", tables_differ, []), ("first-table-lost", first_table_lost, []),
              ("chains", chains, VICTIMS[:5]), ("directory-turns", directory_turns, [VICTIMS[5]])],
    "ext4": [("wrong-counts", wrong_counts, []), ("names-and-inodes", names_and_inodes, [VICTIMS[4], VICTIMS[5], "/in-root.bin"]),
             ("shared-blocks", shared_blocks, [VICTIMS[1], VICTIMS[2], VICTIMS[3], VICTIMS[6]])],
}


# ---- the judge from outside

class Outside:
    """mtools, debugfs: on a copy of BOOT that follows the stick."""
    def __init__(self, t, epochs, paths):
        self.t, self.path, self.paths, self.runs = t, t.path("outside.part"), sorted(paths), 0
        self.ranges = sorted({(o, len(d)) for writes in epochs for o, d in writes})
        self.out = t.path("outside.d")
        self.is_new = True

    def follow(self, stick):
        if self.is_new:
            self.is_new = False
            with open(self.path, "wb") as f:
                f.truncate(stick.boot_size)
                for at in range(0, stick.boot_size, 65536):
                    data = stick.read(stick.boot + at, min(65536, stick.boot_size - at))
                    if any(data):
                        f.seek(at)
                        f.write(data)
        with open(self.path, "r+b") as f:
            for offset, length in self.ranges:
                f.seek(offset - stick.boot)
                f.write(stick.read(offset, length))

    def check(self, stick, expected):
        self.follow(stick)
        self.runs += 1
        shutil.rmtree(self.out, ignore_errors=True)
        os.mkdir(self.out)
        if stick.kind == "fat32":
            for i, path in enumerate(self.paths):
                subprocess.run(["mcopy", "-n", "-i", self.path, "::" + path, "%s/%d" % (self.out, i)],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60,
                               env=dict(os.environ, MTOOLS_SKIP_CHECK="1"))
        else:
            # Not the bitmaps, which nobody reads who only reads.
            script = "".join('dump "%s" %s/%d\n' % (path, self.out, i) for i, path in enumerate(self.paths))
            subprocess.run(["debugfs", "-c", "-f", "-", self.path], input=script, text=True, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL, timeout=60)
        for i, path in enumerate(self.paths):
            try:
                with open("%s/%d" % (self.out, i), "rb") as f:
                    digest = hashlib.sha256(f.read()).hexdigest()
            except OSError:
                raise Broken("%s cannot be read from outside" % path)
            if digest != expected[path]:
                raise Broken("%s is read from outside as something else" % path)


class Repair(Torture):
    def make(self):
        """Two systems, and files of the user's."""
        self.make_first()
        base = self.path("one.img")
        self.job("one.img", "upgrade", self.path("release-2"), "STICK")
        stick = self.load("one.img")
        for path in VICTIMS + ["/in-root.bin"]:
            with open(self.path("mine"), "wb") as f:
                f.write(stuff(path, 40000 if self.sector == 512 else 140000))
            self.put(base, stick.boot, path)
        self.sound = Look(self.load("one.img"))
        self.finished = Expected(self.load("one.img"))
        self.verb = ("upgrade", self.path("release-2"), "STICK", "repair")

    def systems(self):
        f = self.finished
        names = {LOADER, SWITCH, *f.loader} | {"/livestick/%s.manifest" % slot for slot in f.slots}
        return names | {path for listed in f.slots.values() for path in listed}

    def damage(self, name, do):
        image = name + ".img"
        copy_image(self.path("one.img"), self.path(image))
        e = (FatEditor if self.kind == "fat32" else Ext4Editor)(self.path(image), self.load(image))
        do(e, self.rng(name))
        if self.kind == "fat32":
            e.f.close()
        if not self.fsck(image):
            raise SystemExit("%s: nothing is wrong" % name)
        return image

    def one(self, name, do, victims):
        damaged = self.damage(name, do)
        done = name + "-done.img"
        copy_image(self.path(damaged), self.path(done))
        epochs, _ = self.job(done, *self.verb)
        start, end = Look(self.load(damaged)), Look(self.load(done))
        keep = {path: digest for path, digest in start.files.items() if path not in victims}
        outside = Outside(self, epochs, keep)
        count = 0

        def judge(stick, always=False):
            nonlocal count
            now = Look(stick)
            for path, digest in keep.items():
                if now.files.get(path) != digest:
                    raise Broken("%s is not what it was" % path)
            if not now.broken <= start.broken:
                raise Broken("the directory %s has no end" % sorted(now.broken - start.broken))
            if now.bios not in (start.bios, end.bios):
                raise Broken("another BIOS loader starts")
            if stick.kind == "ext4":
                check_superblock(stick)
            count += 1
            if always or self.full or count % (8 if self.kind == "fat32" else 2) == 0:
                outside.check(stick, keep)
            return "readable"

        e = Enumeration(self.load(damaged), judge, self.rng(name + " cuts"), self.full)
        e.share = 1
        e.run(epochs)
        e.bad += self.after(done, victims, name)
        low, size = e.stick.data_part
        if any(o + len(d) > low and o < low + size for writes in epochs for o, d in writes):
            e.bad.append("a write to DATA")
        if not epochs or not e.stick.same(self.load(done)):
            e.bad.append("the log does not give the finished stick")
        must = self.systems() | set(MINE)
        if name != "first-table-lost" and not must <= set(keep):
            e.bad.append("the damage is larger than it should be: %s" % sorted(must - set(keep))[:3])
        self.tell("repair-" + name, e.bad, "%d flushes, %d writes, %d states, %d of them looked at by %s, %d files" % (
            len(epochs), sum(map(len, epochs)), e.states, outside.runs,
            "mtools" if self.kind == "fat32" else "debugfs", len(keep)))
        self.again(name, e, victims)
        self.red(name, epochs, damaged, victims, judge)

    def after(self, image, victims, what):
        """Of a repair that has ended."""
        said = self.fsck(image)
        if said:
            return ["%s: fsck says %s" % (what, said)]
        try:
            now = Look(self.load(image))
            Expected(self.load(image))
        except (Broken, KeyError, SystemExit) as problem:
            return ["%s: %s" % (what, problem)]
        lost = [path for path, digest in self.sound.files.items()
                if path not in victims and now.files.get(path) != digest]
        return ["%s: %s is not what it was" % (what, lost[0])] if lost else []

    def run_again(self, stick, what, victims):
        stick.save(self.path("cut.img"))
        _, done = self.job("cut.img", *self.verb, ok=(0, 1, 3))
        if done.returncode:
            return ["%s: refused: %s" % (what, done.stdout)]
        return self.after("cut.img", victims, what)

    def again(self, name, e, victims):
        bad = []
        rng = self.rng(name + " again")
        chosen = rng.sample(e.samples, min(len(e.samples), 60 if self.full else 8))
        for what, writes in chosen:
            bad += self.run_again(e.sample(writes), what, victims)
        self.tell("repair-%s-again" % name, bad, "%d states mended again" % len(chosen))

    def red(self, name, epochs, damaged, victims, judge):
        """Bad states must be found: else nothing was proven."""
        bad, tried = [], 0
        if name == "first-table-lost":
            # The tables as they lie on the disk, the marks last: the first sector of the first table comes first.
            stick, found = self.load(damaged), []
            last = {o: d for writes in epochs for o, d in writes}
            table = stick.volume().fat_start
            for offset in sorted(last, key=lambda o: (o < table, o)):
                stick.write(offset, last[offset])
                tried += 1
                found += self.run_again(stick, "in the order of the disk", victims)
                if found:
                    break
            if not found:
                bad.append("in the order of the disk nothing is lost")
        if self.kind == "ext4":
            # A byte else in the superblock: its checksum is wrong then.
            stick = self.load(damaged)
            stick.write(stick.boot + 1024 + 0x178, bytes([stick.read(stick.boot + 1024 + 0x178, 1)[0] ^ 1]))
            tried += 1
            try:
                judge(stick, always=True)
                bad.append("a wrong superblock is not seen")
            except Broken:
                pass
        if name == "chains":
            # Each sector of the tables alone, as it will be: what leads to a new cluster without the cluster's entry.
            found = False
            parts = (part for writes in epochs for write in writes for part in sectors(write, self.sector))
            for offset, data in dict(parts).items():
                stick = self.load(damaged)
                stick.write(offset, data)
                tried += 1
                try:
                    judge(stick)
                except Broken:
                    found = True
            if not found:
                bad.append("the root directory may lead to nothing")
        if tried:
            self.tell("repair-%s-red" % name, bad, "%d states that must not be" % tried)


def main():
    opt = arguments(__doc__)
    t = Repair(opt.record, opt.kind, opt.sector, opt.full, opt.seed)
    try:
        t.make()
        for case in DAMAGE[opt.kind]:
            t.one(*case)
    finally:
        shutil.rmtree(t.dir, ignore_errors=True)
    return 1 if t.failed else 0


if __name__ == "__main__":
    sys.exit(main())
