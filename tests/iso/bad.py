#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad images out of good ones.   usage: bad.py iso GOOD.iso DIRECTORY | bad.py stick GOOD.img NAME OUT.img

Each function with @iso changes one thing of an ISO that tests/suite/bad.sh made with xorriso, each with @stick one of a
stick that livestick made. What the images must have is what that script puts there."""
import os
import shutil
import struct
import sys

BLOCK = 2048
ISO, STICK = {}, {}


def iso(function):
    ISO[function.__name__] = function
    return function


def stick(function):
    STICK[function.__name__] = function
    return function


class Image:
    """An ISO image in memory, with Rock Ridge."""

    def __init__(self, data):
        self.data = bytearray(data)
        self.size = None  # of the file; None: what is in memory

    def u32(self, at):
        return struct.unpack_from("<I", self.data, at)[0]

    def both(self, at, value):
        struct.pack_into("<I", self.data, at, value)
        struct.pack_into(">I", self.data, at + 4, value)

    def records(self, block, length):
        """Where the records of a directory are."""
        at, end = block * BLOCK, block * BLOCK + length
        while at < end:
            if self.data[at] == 0:
                at = (at // BLOCK + 1) * BLOCK
                continue
            yield at
            at += self.data[at]

    def fields(self, record):
        """(letters, where) of the System Use fields; none of the tests' images has a continuation."""
        name = self.data[record + 32]
        at, end = record + 33 + name + (name % 2 == 0), record + self.data[record]
        while end - at >= 4 and self.data[at + 2] >= 4:
            yield bytes(self.data[at:at + 2]), at
            at += self.data[at + 2]

    def field(self, record, letters):
        return next(at for found, at in self.fields(record) if found == letters)

    def name(self, record):
        parts = [self.data[at + 5:at + self.data[at + 2]] for letters, at in self.fields(record) if letters == b"NM"]
        return b"".join(bytes(p) for p in parts).decode()

    def root(self):
        return 16 * BLOCK + 156

    def record(self, path):
        record = self.root()
        for want in path.strip("/").split("/"):
            record = next(r for r in self.records(self.u32(record + 2), self.u32(record + 10)) if self.name(r) == want)
        return record

    def rename(self, path, name):
        self.replace_field(path, b"NM", struct.pack("<2sBBB", b"NM", 5 + len(name), 1, 0) + name)

    def replace_field(self, path, old, new):
        """`new` is whole; what it leaves of the old field's room becomes one that says nothing."""
        at = self.field(self.record(path), old)
        rest = self.data[at + 2] - len(new)
        assert rest == 0 or rest >= 4, path
        padding = b"PD" + bytes([rest, 1]) + bytes(rest - 4) if rest else b""
        self.data[at:at + len(new) + rest] = new + padding

    def append(self, data):
        """Blocks behind the image, which becomes as much longer; the number of the first."""
        first = len(self.data) // BLOCK
        self.data += data + bytes(-len(data) % BLOCK)
        self.both(16 * BLOCK + 80, len(self.data) // BLOCK)
        return first

    def new_root(self, entries, fields=b""):
        """A root directory in place of the old one, with plain names unless `fields` announce Rock Ridge; no Joliet."""
        block = len(self.data) // BLOCK
        data = directory(block, block, entries, fields)
        assert self.append(data) == block
        self.both(self.root() + 2, block)
        self.both(self.root() + 10, len(data))
        self.data[self.joliet()] = 3  # a kind of descriptor that says nothing to us

    def joliet(self):
        return next(b * BLOCK for b in range(16, 32) if self.data[b * BLOCK] == 2)

    def catalogue(self):
        return self.u32(17 * BLOCK + 71) * BLOCK

    def write(self, path):
        with open(path, "wb") as f:
            f.write(self.data)
            if self.size is not None:
                f.truncate(self.size)


def number(value):
    return struct.pack("<I", value) + struct.pack(">I", value)


def plain_record(name, block, size, flags=0, fields=b""):
    name += bytes(len(name) % 2 == 0)
    length = 33 + len(name) + len(fields)
    return (struct.pack("<BB", length + length % 2, 0) + number(block) + number(size) +
            bytes([126, 11, 21, 5, 17, 0, 0, flags, 0, 0]) + b"\1\0\0\1" + bytes([len(name.rstrip(b"\0")) or 1]) + name +
            fields + bytes(length % 2))


def packed(entries):
    """Records, which do not cross blocks, in whole blocks."""
    data = b""
    for entry in entries:
        record = plain_record(*entry)
        if len(data) % BLOCK + len(record) > BLOCK:
            data += bytes(-len(data) % BLOCK)
        data += record
    return data + bytes(-len(data) % BLOCK)


def directory(block, parent, entries, fields=b""):
    """Entries: name, block, size, flags, System Use fields."""
    return packed([(b"\0", block, BLOCK, 2, fields), (b"\1", parent, BLOCK, 2)] + entries)


def attributes(mode):
    return b"PX\x24\1" + number(mode) + number(1) + number(0) + number(0)


def continuation(block, offset, length):
    return b"CE\x1c\1" + number(block) + number(offset) + number(length)


# ---- 1, 2: names

@iso
def name_with_dots(m):
    m.rename("/odd/a-name-that-has-thirty-letters", b"../../etc/cron.d/forty")


@iso
def name_dot_dot(m):
    m.rename("/odd/nn", b"..")


@iso
def name_absolute(m):
    m.rename("/odd/a-name-that-has-thirty-letters", b"/etc/cron.d/forty")


@iso
def name_with_nul(m):
    m.rename("/odd/a-name-that-has-thirty-letters", b"name\0name")


@iso
def name_with_escapes(m):
    m.rename("/odd/a-name-that-has-thirty-letters", b"\x1b[2J\x1b]0;forty\x07%n%s%s")


@iso
def name_with_newline(m):
    m.rename("/odd/a-name-that-has-thirty-letters", b"name\nWarning all is well")


@iso
def name_right_to_left(m):
    m.rename("/odd/a-name-that-has-thirty-letters", b"name-\xe2\x80\xaeosi.exe")


@iso
def name_no_utf8(m):
    m.rename("/odd/a-name-that-has-thirty-letters", b"name-\xff\xfe")


# ---- 3: the same name is a symlink first, and a directory with a file then

@iso
def file_through_link(m):
    m.rename("/odd/dirx", b"link")


# ---- 5: Rock Ridge fields that are continued without end

@iso
def continued_by_itself(m):
    block = m.append(continuation(len(m.data) // BLOCK, 0, 28))
    m.replace_field("/odd/a-name-that-has-thirty-letters", b"PX", continuation(block, 0, 28))


@iso
def continued_backwards(m):
    block = len(m.data) // BLOCK
    m.append(continuation(block, 28, 28) + continuation(block, 0, 28))
    m.replace_field("/odd/a-name-that-has-thirty-letters", b"PX", continuation(block, 0, 28))


@iso
def continued_outside(m):
    m.replace_field("/odd/a-name-that-has-thirty-letters", b"PX", continuation(0xfffffff0, 0xffffffff, 0xffffffff))


# ---- 6: directories that hold themselves

@iso
def relocated_to_parent(m):
    m.replace_field("/odd/sub", b"TF", b"CL\x0c\1" + number(m.u32(m.record("/odd") + 2)))


@iso
def directory_in_itself(m):
    m.both(m.record("/odd/sub") + 2, m.u32(m.record("/odd") + 2))


@iso
def directory_is_root(m):
    m.both(m.record("/odd/sub") + 2, m.u32(m.root() + 2))


# ---- 7, 8: numbers that are too large

@iso
def directory_of_4_gib(m):
    m.both(m.record("/odd/sub") + 10, 0xffffffff)


@iso
def directory_behind_end(m):
    m.both(m.record("/odd/sub") + 2, 0xfffffff0)


@iso
def cut_short(m):
    m.size = len(m.data) // 2 // BLOCK * BLOCK


@iso
def cut_by_a_byte(m):
    m.size = (len(m.data) // BLOCK) * BLOCK - 1


@iso
def file_behind_end(m):
    m.both(m.record("/live/vmlinuz") + 2, 0xfffffff0)


# ---- 9: a megabyte that holds a terabyte

@iso
def files_that_overlap(m):
    blocks = len(m.data) // BLOCK
    m.new_root([(b"F%06d.;1" % i, 0, blocks * BLOCK, 0) for i in range(5000)])


# ---- 10: more than there is time for

def overlapping(m, n, data):
    """Directories, each of which begins a block later than the one before and goes to the same end."""
    first = m.append(data)
    m.new_root([(b"D%03d" % i, first + i, len(data) - i * BLOCK, 2) for i in range(n)])


@iso
def ten_million_entries(m):
    overlapping(m, 640, packed([(b"E%02d.;1" % i, 0, 0) for i in range(50)]) * 640)


@iso
def hundred_thousand_levels(m):
    """As many as there is room for; the first 64 would do."""
    first, n = len(m.data) // BLOCK, 1000
    m.append(b"".join(directory(first + i, first + max(i - 1, 0), [(b"D", first + i + 1, BLOCK, 2)]) for i in range(n)))
    m.new_root([(b"D", first, BLOCK, 2)])


@iso
def directories_of_60_mib(m):
    """Read in full they would be some gigabytes; the file is a hole behind the first megabyte."""
    first = len(m.data) // BLOCK
    m.new_root([(b"D%03d" % i, first + 10 + i, 60 << 20, 2) for i in range(100)])
    m.size = 80 << 20


@iso
def names_of_200_letters(m):
    overlapping(m, 100, packed([(b"N%0199d" % i, 0, 1) for i in range(1000)]))


@iso
def symlinks_of_4_kib(m):
    target = b"".join(b"SL\xcd\1\0\0\xc6" + b"t" * 198 for _ in range(20))
    more = continuation(m.append(target), 0, len(target))
    m.new_root([(b"L%04d" % i, 0, 0, 0, attributes(0o120777) + more) for i in range(2500)],
               b"SP\7\1\xbe\xef\0" + attributes(0o40755))


@iso
def files_in_pieces(m):
    """Each of 4096, which is as many as one may have."""
    pieces = [(b"F%d.;1" % i, 0, 1, 0x80 if j < 4095 else 0) for i in range(8) for j in range(4096)]
    overlapping(m, 16, packed(pieces))


# ---- 13: El Torito

def resum(m):
    at = m.catalogue()
    struct.pack_into("<H", m.data, at + 28, 0)
    total = sum(struct.unpack_from("<16H", m.data, at)) & 0xffff
    struct.pack_into("<H", m.data, at + 28, -total & 0xffff)


@iso
def boot_entry_outside(m):
    struct.pack_into("<I", m.data, m.catalogue() + 40, 0xfffffff0)


@iso
def boot_catalogue_outside(m):
    struct.pack_into("<I", m.data, 17 * BLOCK + 71, 0xfffffff0)


@iso
def boot_checksum(m):
    m.data[m.catalogue() + 28] ^= 1


@iso
def boot_65535_sectors(m):
    for at in (38, 102):
        struct.pack_into("<H", m.data, m.catalogue() + at, 65535)


@iso
def boot_65535_entries(m):
    at = m.catalogue()
    struct.pack_into("<H", m.data, at + 66, 65535)
    m.data[at + 64] = 0x90
    for entry in range(at + 96, at + BLOCK, 32):
        m.data[entry:entry + 32] = m.data[at + 96:at + 128]


@iso
def boot_platform_lies(m):
    """The BIOS image is said to be UEFI's, and the other way round."""
    at = m.catalogue()
    m.data[at + 1], m.data[at + 65] = 0xef, 0
    resum(m)


@iso
def boot_size_0(m):
    for at in (38, 102):
        struct.pack_into("<H", m.data, m.catalogue() + at, 0)


# ---- 14: the partition tables of a hybrid

def partition(m, i, kind, first, count):
    m.data[446 + 16 * i:462 + 16 * i] = struct.pack("<B3sB3sII", 0, bytes(3), kind, bytes(3), first, count)
    m.data[510:512] = b"\x55\xaa"


@iso
def partitions_overlap(m):
    for i in range(4):
        partition(m, i, 0x83, i * 4, len(m.data) // 512 - i * 4)


@iso
def partition_behind_end(m):
    partition(m, 1, 0xef, 0xffffff00, 0xffffffff)


def gpt(m, count, size, first=2):
    m.data[512:1024] = bytes(512)
    m.data[512:520] = b"EFI PART"
    struct.pack_into("<QII", m.data, 512 + 72, first, count, size)


@iso
def gpt_entries_of_127_bytes(m):
    gpt(m, 128, 127)


@iso
def gpt_entries_of_4_gib(m):
    gpt(m, 128, 0xffffffff)


@iso
def gpt_of_4_billion_entries(m):
    gpt(m, 0xffffffff, 128)


@iso
def gpt_behind_end(m):
    gpt(m, 128, 128, 1 << 60)


# ---- 15, 16

@iso
def joliet_disagrees(m):
    """Joliet's root directory is Rock Ridge's /odd/sub."""
    m.both(m.joliet() + 156 + 2, m.u32(m.record("/odd/sub") + 2))


@iso
def zisofs(m):
    m.replace_field("/live/vmlinuz", b"TF", b"ZF\x10\1pz\x04\x0f" + number(0xffffffff))


# ---- 25: a system image that says it is larger than it is

def super_says(m, size):
    at = m.u32(m.record("/live/filesystem.squashfs") + 2) * BLOCK
    struct.pack_into("<Q", m.data, at + 40, size)


@iso
def squashfs_cut_short(m):
    super_says(m, m.u32(m.record("/live/filesystem.squashfs") + 10) + 1)


@iso
def squashfs_of_16_eib(m):
    super_says(m, 0xffffffffffffffff)


# ---- 37: the FAT32 of a stick; its partition begins at 1 MiB

class Fat:
    def __init__(self, f):
        self.f, self.start = f, 1 << 20
        boot = self.read(0, 512)
        self.sector, self.per_cluster, self.reserved, self.fats = struct.unpack_from("<HBHB", boot, 11)
        self.fat_sectors, = struct.unpack_from("<I", boot, 36)

    def read(self, at, length):
        self.f.seek(self.start + at)
        return self.f.read(length)

    def write(self, at, data):
        self.f.seek(self.start + at)
        self.f.write(data)

    def link(self, cluster, value, fats=(0, 1)):
        for fat in fats:
            self.write((self.reserved + fat * self.fat_sectors) * self.sector + 4 * cluster, struct.pack("<I", value))

    def next(self, cluster):
        return struct.unpack("<I", self.read(self.reserved * self.sector + 4 * cluster, 4))[0] & 0x0fffffff

    def long_chains(self):
        """First clusters of the chains that go on for two clusters at least."""
        last = 0
        for c in range(3, 4000):
            if self.next(c) == c + 1 and self.next(last) != c:
                yield c
            last = c

    def boot(self, at, data):
        for sector in (0, 6):
            self.write(sector * self.sector + at, data)


@stick
def fat_cycle(fat):
    first = next(fat.long_chains())
    fat.link(first + 1, first)


@stick
def fat_cross_link(fat):
    chains = fat.long_chains()
    first, second = next(chains), next(chains)
    fat.link(first, second)


@stick
def fat_free_in_chain(fat):
    fat.link(next(fat.long_chains()) + 1, 0)


@stick
def fat_two_that_differ(fat):
    chains = fat.long_chains()
    first, second = next(chains), next(chains)
    fat.link(first, 0, (0,))
    fat.link(second, 0, (1,))


@stick
def fat_no_reserved_sectors(fat):
    fat.boot(14, b"\0\0")


@stick
def fat_clusters_of_0(fat):
    fat.boot(13, b"\0")


def main():
    if len(sys.argv) == 4 and sys.argv[1] == "iso":
        with open(sys.argv[2], "rb") as f:
            good = f.read()
        for name, change in ISO.items():
            m = Image(good)
            change(m)
            m.write(os.path.join(sys.argv[3], name + ".iso"))
    elif len(sys.argv) == 5 and sys.argv[1] == "stick":
        shutil.copyfile(sys.argv[2], sys.argv[4])
        with open(sys.argv[4], "r+b") as f:
            STICK[sys.argv[3]](Fat(f))
    else:
        sys.exit(__doc__)


main()
