# SPDX-License-Identifier: GPL-3.0-or-later
"""What a BIOS starts, followed as it does: from the boot sector to the core's first sector, from there by the map of
sectors that the core has of itself to all of it, and to the directory where it looks for its modules. Shares nothing
with what writes; the offsets are those of the code of SYSLINUX 6.04. Raises Broken on whatever would not start."""
import re
import struct

from fat import Broken

SECTOR = 512
MAGIC = 0x3eb202fe
# mov eax, low; mov edx, high; mov bx, 0x8000: where the boot sector's code has the core's first sector
POINTER = re.compile(rb"\x66\xb8(....)\x66\xba(....)\xbb\x00\x80", re.S)
FILES = ("ldlinux.sys", "ldlinux.c32", "menu.c32", "libutil.c32", "syslinux.cfg")


def pointer(boot):
    found = POINTER.findall(boot)
    if len(found) != 1 or boot[510:] != b"\x55\xaa":
        raise Broken("the boot sector has no code of SYSLINUX")
    low, high = (struct.unpack("<I", word)[0] for word in found[0])
    return low | high << 32


def start(read, volume_start, size):
    """(directory, the core, the core without what tells of its place) of the loader that starts; `read` gives bytes of
    the device."""
    def sectors(at, n=1):
        if (at + n) * SECTOR > size:
            raise Broken("the loader's map leads out of the partition")
        return read(volume_start + at * SECTOR, n * SECTOR)

    first = pointer(sectors(0))
    core = sectors(first)
    area = next((at for at in range(0, SECTOR, 4) if core[at:at + 4] == struct.pack("<I", MAGIC)), None)
    if core[:11] != b"\r\nSYSLINUX " or area is None:
        raise Broken("the boot sector does not lead to a core")
    n_sectors, n_adv, n_words = struct.unpack_from("<HHI", core, area + 8)
    extended, = struct.unpack_from("<H", core, area + 22)
    at = None
    # The map's first lines are in the first sector, and lead to where the next ones are.
    for i in range(10000):
        if len(core) == n_sectors * SECTOR:
            break
        at = at or find_map(core)
        if at + 10 * i + 10 > len(core):
            raise Broken("the core's map goes on where it has not been read")
        extent, n = struct.unpack_from("<QH", core, at + 10 * i)
        if not 0 < n <= 127:
            raise Broken("the core's map ends before the core does")
        core += sectors(extent, n)
    if len(core) != n_sectors * SECTOR or n_words * 4 != len(core):
        raise Broken("the core is not as long as it says")
    if sum(struct.unpack("<%dI" % n_words, core)) & 0xffffffff != MAGIC:
        raise Broken("the checksum of the core is wrong")
    adv, directory, length, _, _, told = struct.unpack_from("<6H", core, extended)
    if told != at:
        raise Broken("the core's map is not where the core says")
    # Two sectors in which menus may keep something follow the core.
    if n_adv != 2 or struct.unpack_from("<2Q", core, adv) != (first + n_sectors, first + n_sectors + 1):
        raise Broken("the core's own two sectors are elsewhere")
    rest = sectors(first + n_sectors, 2)
    anywhere = bytearray(core + rest)
    for begin, end in (area + 16, area + 20), (at, at + 10 * i), (adv, adv + 16):
        anywhere[begin:end] = bytes(end - begin)
    return core[directory:directory + length].split(b"\0")[0].decode(), core + rest, bytes(anywhere)


def find_map(core):
    """Where the code of the first sector takes its map from: mov esi (32 bits), then the number of sectors in ecx."""
    found = re.findall(rb"\x66\x8d\x36(..)\x8b\x0e..\x49", core, re.S)
    if len(found) != 1:
        raise Broken("the core's first sector is not of SYSLINUX")
    return struct.unpack("<H", found[0])[0] - 0x8000


def check(read, volume, found, volume_start, size):
    """The loader that starts, and all that it needs in its directory: (directory, {name: bytes}), the same wherever the
    core lies."""
    directory, core, anywhere = start(read, volume_start, size)
    files = {}
    for name in FILES:
        path = "%s/%s" % (directory, name)
        if path not in found:
            raise Broken("the loader that starts has no %s" % path)
        files[name] = volume.load(found, path)
    if files["ldlinux.sys"] != core:
        raise Broken("the core that starts is not the file %s/ldlinux.sys" % directory)
    files["ldlinux.sys"] = anywhere
    return directory, files
