# SPDX-License-Identifier: GPL-3.0-or-later
"""An ext4 reader for the torture test: as a boot loader reads, by inodes and directories, without a look at bitmaps or
checksums. Shares nothing with what writes. Raises Broken on whatever a loader could not follow."""
import struct

from fat import Broken


class Volume:
    def __init__(self, read, start):
        self.read_device, self.start = read, start
        sb = read(start + 1024, 1024)
        if sb[56:58] != b"\x53\xef":
            raise Broken("no superblock")
        self.block = 1024 << struct.unpack_from("<I", sb, 24)[0]
        self.n_blocks, = struct.unpack_from("<I", sb, 4)
        self.per_group, = struct.unpack_from("<I", sb, 40)
        self.inode_size, = struct.unpack_from("<H", sb, 88)
        incompat, = struct.unpack_from("<I", sb, 96)
        self.desc_size = struct.unpack_from("<H", sb, 254)[0] if incompat & 0x80 else 32
        self.first_data, = struct.unpack_from("<I", sb, 20)
        self.tables = {}

    def blocks(self, at, n=1):
        return self.read_device(self.start + at * self.block, n * self.block)

    def inode(self, number):
        group, index = divmod(number - 1, self.per_group)
        if group not in self.tables:
            at = self.start + (self.first_data + 1) * self.block + group * self.desc_size
            self.tables[group], = struct.unpack_from("<I", self.read_device(at, 32), 8)
        at = self.start + self.tables[group] * self.block + index * self.inode_size
        return self.read_device(at, 128)

    def extents(self, node, depth=None):
        magic, n, _, level = struct.unpack_from("<HHHH", node, 0)
        if magic != 0xf30a or (depth is not None and level != depth - 1):
            raise Broken("no extent tree")
        for i in range(n):
            if level:
                _, low, high = struct.unpack_from("<IIH", node, 12 + 12 * i)
                yield from self.extents(self.blocks(low | high << 32), level)
            else:
                logical, count, high, low = struct.unpack_from("<IHHI", node, 12 + 12 * i)
                yield logical, count & 0x7fff if count > 0x8000 else count, low | high << 32

    def chain(self, inode):
        flags, = struct.unpack_from("<I", inode, 32)
        if not flags & 0x80000:
            raise Broken("an inode without extents")
        found = []
        for logical, count, physical in self.extents(inode[40:100]):
            if logical != len(found) or physical + count > self.n_blocks:
                raise Broken("an extent out of place")
            found.extend(range(physical, physical + count))
        return found

    def entries(self, chain):
        for block in chain:
            data, at = self.blocks(block), 0
            while at < self.block:
                inode, length, name_len, kind = struct.unpack_from("<IHBB", data, at)
                if length < 8 or length % 4 or at + length > self.block:
                    raise Broken("a directory entry out of place")
                if inode and name_len:
                    yield data[at + 8:at + 8 + name_len].decode(), inode
                at += length

    def files(self):
        owner, found, todo, names = {}, {}, [("", 2)], {}
        while todo:
            path, number = todo.pop()
            chain = self.own(owner, path or "/", self.inode(number))
            for name, inode_number in self.entries(chain):
                if name in (".", "..") or (path == "" and name == "lost+found"):
                    continue
                full = path + "/" + name
                if full in found:
                    raise Broken("%s is there twice" % full)
                inode = self.inode(inode_number)
                mode, = struct.unpack_from("<H", inode, 0)
                links, = struct.unpack_from("<H", inode, 26)
                if mode & 0xf000 == 0x4000:
                    todo.append((full, inode_number))
                    continue
                if mode & 0xf000 != 0x8000 or not links:
                    raise Broken("%s leads to no file" % full)
                size = struct.unpack_from("<I", inode, 4)[0] | struct.unpack_from("<I", inode, 108)[0] << 32
                if inode_number not in names:
                    names[inode_number] = [links, self.own(owner, full, inode)]
                left, chain_of = names[inode_number]
                if not left:
                    raise Broken("%s: its inode counts fewer names than it has" % full)
                names[inode_number][0] -= 1
                if len(chain_of) < -(-size // self.block):
                    raise Broken("%s has %d bytes and %d blocks" % (full, size, len(chain_of)))
                found[full] = (size, chain_of)
        self.used = owner
        return found

    def own(self, owner, path, inode):
        chain = self.chain(inode)
        for block in chain:
            if block in owner:
                raise Broken("block %d is of %s and of %s" % (block, owner[block], path))
            owner[block] = path
        return chain

    def load(self, found, path):
        size, chain = found[path]
        parts, i = [], 0
        while i < len(chain):
            n = 1
            while i + n < len(chain) and chain[i + n] == chain[i] + n:
                n += 1
            parts.append(self.blocks(chain[i], n))
            i += n
        return b"".join(parts)[:size]

    def stretches(self, found, path):
        """Where a file's bytes are on the device."""
        size, chain = found[path]
        return [self.start + block * self.block for block in chain]
