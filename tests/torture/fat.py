# SPDX-License-Identifier: GPL-3.0-or-later
"""A FAT32 reader for the torture test: as a boot loader reads, by the first FAT and the directory entries alone. Shares
nothing with what writes. Raises Broken on whatever a loader could not follow."""
import array
import struct


class Broken(Exception):
    pass


class Volume:
    def __init__(self, read, start):
        """`read(offset, length)` gives bytes of the device; the volume begins at byte `start`."""
        self.read_device, self.start = read, start
        boot = read(start, 512)
        if boot[510:] != b"\x55\xaa":
            raise Broken("no boot sector")
        self.sector, self.per_cluster, reserved, fats = struct.unpack_from("<HBHB", boot, 11)
        self.fat_size, = struct.unpack_from("<I", boot, 36)
        self.root, = struct.unpack_from("<I", boot, 44)
        total, = struct.unpack_from("<I", boot, 32)
        self.cluster = self.sector * self.per_cluster
        self.fat_start = start + reserved * self.sector
        self.data_start = self.fat_start + fats * self.fat_size * self.sector
        self.n_clusters = (total * self.sector - (self.data_start - start)) // self.cluster
        self.table = array.array("I", read(self.fat_start, (self.n_clusters + 2) * 4))

    def chain(self, cluster):
        found, seen, table, end = [], set(), self.table, self.n_clusters + 2
        while cluster < 0x0ffffff8:
            if not 2 <= cluster < end:
                raise Broken("a chain leads to cluster %#x" % cluster)
            if cluster in seen:
                raise Broken("a chain goes round")
            seen.add(cluster)
            found.append(cluster)
            cluster = table[cluster] & 0x0fffffff
        return found

    def place(self, cluster):
        return self.data_start + (cluster - 2) * self.cluster

    def content(self, chain, size=None):
        if chain and chain[-1] - chain[0] + 1 == len(chain) and chain == list(range(chain[0], chain[-1] + 1)):
            data = self.read_device(self.place(chain[0]), len(chain) * self.cluster)
        else:
            data = b"".join(self.read_device(self.place(c), self.cluster) for c in chain)
        return data if size is None else data[:size]

    def entries(self, chain):
        """(name, attributes, first cluster, size) of a directory."""
        data, units, order = self.content(chain), [], None
        for at in range(0, len(data), 32):
            entry = data[at:at + 32]
            if entry[0] == 0:
                return
            if entry[0] == 0xe5:
                units, order = [], None
                continue
            if entry[11] == 0x0f:
                number = entry[0] & 0x3f
                if entry[0] & 0x40:
                    units, order, total = [], number + 1, entry[13]
                if order is None or number != order - 1 or entry[13] != total:
                    units, order = [], None  # a piece that belongs to nothing: loaders pass over it
                    continue
                order = number
                units.insert(0, entry[1:11] + entry[14:26] + entry[28:32])
                continue
            check = 0
            for byte in entry[:11]:
                check = ((check >> 1) | (check & 1) << 7) + byte & 0xff
            if units and order == 1 and check == total:
                name = b"".join(units).decode("utf-16-le").split("\0")[0]
            else:
                base, ext = entry[:8].decode("latin-1").rstrip(), entry[8:11].decode("latin-1").rstrip()
                base = base.lower() if entry[12] & 0x08 else base
                ext = ext.lower() if entry[12] & 0x10 else ext
                name = base + ("." + ext if ext else "")
            units, order = [], None
            if entry[11] & 0x08:
                continue
            high, = struct.unpack_from("<H", entry, 20)
            low, size = struct.unpack_from("<HI", entry, 26)
            yield name, entry[11], high << 16 | low, size

    def files(self):
        """path -> (size, chain); a cluster of two files or directories is an error."""
        owner, found, names, todo = {}, {}, set(), [("", self.root)]
        while todo:
            path, first = todo.pop()
            chain = self.own(owner, path or "/", first)
            for name, attributes, cluster, size in self.entries(chain):
                if name in (".", ".."):
                    continue
                full = path + "/" + name
                if full.lower() in names:
                    raise Broken("%s is there twice" % full)
                names.add(full.lower())
                if attributes & 0x10:
                    todo.append((full, cluster))
                    continue
                chain_of = self.own(owner, full, cluster) if size else []
                if len(chain_of) != -(-size // self.cluster):
                    raise Broken("%s has %d bytes and %d clusters" % (full, size, len(chain_of)))
                found[full] = (size, chain_of)
        self.used = owner
        return found

    def own(self, owner, path, first):
        chain = self.chain(first)
        for cluster in chain:
            if cluster in owner:
                raise Broken("cluster %d is of %s and of %s" % (cluster, owner[cluster], path))
            owner[cluster] = path
        return chain

    def load(self, found, path):
        size, chain = found[path]
        return self.content(chain, size)

    def stretches(self, found, path):
        """Where a file's bytes are on the device."""
        size, chain = found[path]
        return [self.place(c) for c in chain]
