#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cuts the power at every write of create, upgrade and rollback, and looks at what is left.

The real jobs run on a recorder (tests/tools/record.c). Of their logs are made: every prefix; every write torn at its
sectors; of the writes between two flushes any that may have arrived before others (all subsets if they are few, else
random ones, each one lost, each one alone). Each state is judged by readers of our own that share nothing with the
program: the sector that decides what starts is whole, everything it leads to is there byte for byte; so are the BIOS
loader, followed from the boot sector on, with all it needs, old or new, and the user's own files; and nothing was
written to DATA. From samples of the states the upgrade is run again, and cut again. And the other way round: with a flush
left out some state must be bad, or the test proves nothing.

    torture.py RECORD fat32|ext4 [--sector 4096] [--full] [--seed N]

With sectors of 4096 bytes no BIOS starts the stick, and it has no BIOS loader.

One line a part, "ok NAME" or "not ok NAME", as tests/run counts them.
"""
import argparse
import hashlib
import itertools
import mmap
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import ext4  # noqa: E402
import fat  # noqa: E402
import loader  # noqa: E402
from fat import Broken  # noqa: E402

SIZE = {("fat32", 512): 160 << 20, ("ext4", 512): 224 << 20, ("fat32", 4096): 800 << 20, ("ext4", 4096): 800 << 20}
PAGE = 65536
END = (1 << 64) - 1
LOADER = "/livestick/stick.manifest"
SWITCH = "/livestick/switch.cfg"
MINE = {"/my notes/Eigene Datei mit langem Namen.txt": b"mine\n" * 700, "/live/put by me.squashfs": b"also mine" * 999,
        "/slot-b/mine too.txt": b"in slot b"}


def run(*command, ok=(0,)):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode not in ok:
        raise SystemExit("%s: exit %d\n%s" % (" ".join(command), done.returncode, done.stdout))
    return done


# ---- sources: three releases of a live system, small, with all that makes an update hard

def stuff(words, size):
    """The same bytes for the same words, that no compressor makes smaller."""
    out, at = [], 0
    while at < size:
        out.append(hashlib.sha512(("%s %d" % (words, at)).encode()).digest())
        at += 64
    return b"".join(out)[:size]


def make_source(path, release):
    files = {
        "live/vmlinuz": stuff("kernel %d" % release, 70000),
        "live/initrd.img": stuff("initrd %d" % release, 90000 + 5000 * release),
        # the same size, and only a part of it is another
        "live/filesystem.squashfs": stuff("a", 150000) + stuff("system %d" % release, 8192) + stuff("b", 90000),
        "live/filesystem with a long name, release %d.manifest" % release: stuff("list", 3000),
        ".disk/info": b"release %d\n" % release,
        "doc/a/b/c/deep.txt": b"deep in release %d\n" % release,
        "empty": b"",
        # on ext4 these are further names of others; of release 3 one is a file of its own, of the same size
        "live/linux": stuff("kernel %d" % release if release < 3 else "another kernel", 70000),
        "live/again.img": stuff("initrd %d" % release, 90000 + 5000 * release),
        "isolinux/isolinux.cfg": b"label live\n menu label Live %d\n linux /live/vmlinuz\n initrd /live/initrd.img\n"
                                 b" append boot=live\n" % release,
    }
    for i in range(release * 7):
        files["doc/many/%03d of release %d" % (i, release)] = stuff("many", 600 + i)
    for name, data in files.items():
        full = os.path.join(path, name)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "wb") as f:
            f.write(data)
        os.utime(full, (1600000000, 1600000000))


# ---- the stick, as it is in memory

class Stick:
    """The bytes before DATA; what lies there is in the file that it was loaded from."""

    def __init__(self, path, kind, sector):
        self.kind, self.path, self.sector, self.undo = kind, path, sector, None
        with open(path, "rb") as f:
            table = f.read(512)
            table = [struct.unpack_from("<B3xB3xII", table, 446 + 16 * i) for i in range(4)]
            parts = [(start * sector, count * sector, active) for active, _, start, count in table if count]
            size = parts[-1][0] if parts else os.fstat(f.fileno()).st_size
            # Our own from the first write to a page on; a hole takes no memory.
            self.data = mmap.mmap(f.fileno(), size, access=mmap.ACCESS_COPY)
        self.boot, self.boot_size = next(((start, size) for start, size, active in parts if active == 0x80), (None, 0))
        self.data_part = parts[-1][:2] if parts else None

    def read(self, offset, length):
        return self.data[offset:offset + length]

    def write(self, offset, data):
        if self.undo is not None:
            self.undo.append((offset, self.data[offset:offset + len(data)]))
        self.data[offset:offset + len(data)] = data

    def rewind(self):
        for offset, data in reversed(self.undo):
            self.data[offset:offset + len(data)] = data
        self.undo = None

    def volume(self):
        return (fat if self.kind == "fat32" else ext4).Volume(self.read, self.boot)

    def same(self, other):
        return all(self.read(at, PAGE) == other.read(at, PAGE) for at in range(0, len(self.data), PAGE))

    def save(self, path):
        copy_image(self.path, path)
        with open(self.path, "rb") as was, open(path, "r+b") as f:
            for at in range(0, len(self.data), PAGE):
                now = self.read(at, PAGE)
                if was.read(PAGE)[:len(now)] != now:
                    f.seek(at)
                    f.write(now)


def copy_image(path, to):
    # A file that somebody has mapped stays as it is.
    run("cp", "--sparse=always", "--remove-destination", path, to)


def manifest(text):
    """path -> digest; checks the manifest's own digest."""
    body, _, end = text.rpartition(b"end ")
    if hashlib.sha256(body).hexdigest() != end.decode().strip():
        raise Broken("a manifest is damaged")
    lines = [line.split(b" ", 3) for line in body.split(b"\n") if line.startswith(b"file ")]
    return {line[3].decode(): line[1].decode() for line in lines}


def switch(text):
    """(slot that starts, slot that is shown as the previous system or None)."""
    lines = text.decode("ascii").split("\n")
    words = [line.split() for line in lines if line.strip()]
    if len(text) != 512 or words[0][0] != "DEFAULT" or words[1][0] != "INCLUDE":
        raise Broken("the switch says nothing")
    shown = [w[1] for w in words if w[0] == "INCLUDE"]
    slots = [name[len("/livestick/")] for name in shown]
    if words[0][1][0] != slots[0] or len(slots) > 2 or shown != ["/livestick/%s.cfg" % s for s in slots]:
        raise Broken("the switch contradicts itself")
    return slots[0], slots[1] if len(slots) == 2 else None


class Expected:
    """What must be on the stick, taken from a finished one."""
    earlier = None      # what a run before this one may have left as well

    def __init__(self, stick):
        volume = stick.volume()
        files = volume.files()
        self.sizes = {path: files[path][0] for path in files}
        self.files = {path: hashlib.sha256(volume.load(files, path)).hexdigest() for path in files}
        self.loader = manifest(volume.load(files, LOADER))
        self.bios = bios(stick, volume, files)
        self.start, self.previous = switch(volume.load(files, SWITCH))
        self.slots = {}
        for slot in "ab":
            name = "/livestick/%s.manifest" % slot
            if name in files:
                self.slots[slot] = manifest(volume.load(files, name))
        for listed in [self.loader, *self.slots.values()]:
            for path, digest in listed.items():
                if hashlib.sha256(volume.load(files, path)).hexdigest() != digest:
                    raise SystemExit("the finished stick is not sound: " + path)


def bios(stick, volume, files):
    """(directory, contents) of the BIOS loader that starts; None where no BIOS could."""
    return None if stick.sector != 512 else loader.check(stick.read, volume, files, stick.boot, stick.boot_size)


def as_run_again(after, got):
    """What must be after another run, which has put the BIOS loader where there was room: its core tells of the place."""
    if got.bios != after.bios:
        raise Broken("another run does not give the same BIOS loader")
    again = Expected.__new__(Expected)
    again.__dict__.update(after.__dict__, loader=got.loader, files=dict(after.files), earlier=after)
    for path in LOADER, *got.loader:
        again.files[path] = got.files[path]
    return again


def check_wholeness(digests_of, files, before, after):
    """Whatever has an entry is whole: as it was, as it will be, or, if it keeps its place, on the way between them."""
    manifests = {after.files.get("/livestick/%s.manifest" % slot) for slot in "ab"}
    new = False
    for path in files:
        if not files[path][0]:
            continue    # a file that comes or goes may be there without its bytes (ext4)
        known = {e.files.get(path) for e in (before, after, after.earlier) if e} - {None}
        if path.endswith(".next"):
            known |= manifests
        if path in before.files and path in after.files and path not in before.loader and path not in after.loader and before.files[path] != \
                after.files[path] and before.sizes[path] == after.sizes[path] and not path.endswith(".manifest"):
            continue
        if not known:
            raise Broken("%s: nobody made it" % path)
        if digests_of(path) not in known:
            raise Broken("%s: is in pieces" % path)
        new = new or path not in before.files
    slot = after.start
    if new and "/livestick/%s.next" % slot not in files and "/livestick/%s.manifest" % slot not in files:
        raise Broken("files of the new system are there, and nothing says whose they are")


def judge(stick, before, after, mine, in_place=False):
    """Which system starts: "old" or "new". Raises Broken."""
    volume = stick.volume()
    files = volume.files()
    digests = {}

    def digest_of(path):
        if path not in digests:
            digests[path] = hashlib.sha256(volume.load(files, path)).hexdigest()
        return digests[path]

    def check(path, digest, why):
        if path not in files:
            raise Broken("%s: %s is not there" % (why, path))
        if digest_of(path) != digest:
            raise Broken("%s: %s is not what it was" % (why, path))

    now = bios(stick, volume, files)
    if now not in (before.bios, after.bios):
        raise Broken("a BIOS loader starts that is neither the old nor the new one")
    listed = manifest(volume.load(files, LOADER))
    if listed not in (before.loader, after.loader):
        raise Broken("the stick's manifest is neither the old nor the new one")
    for path, digest in listed.items():
        check(path, digest, "loader")
    for path, data in mine.items():
        check(path, hashlib.sha256(data).hexdigest(), "user's file")
    check_wholeness(digest_of, files, before, after)
    slot, previous = switch(volume.load(files, SWITCH))
    if in_place:
        return "unfinished"
    which = "old" if slot == before.start else "new"
    want = before if which == "old" else after
    if slot != want.start:
        raise Broken("slot %s starts" % slot)
    for path, digest in want.slots[slot].items():
        check(path, digest, which + " system")
    name = "/livestick/%s.manifest" % slot
    check(name, want.files[name], which + " system")
    if previous:
        # What the menu offers as the previous system is whole, too.
        offered = (before if which == "old" else after).slots[previous]
        for path, digest in offered.items():
            check(path, digest, "previous system")
    if now != before.bios:
        if which == "old":
            raise Broken("the loader is new before the system is")
        return "new by the new loader"
    return which


# ---- logs and what may be left of them

def read_log(path):
    """[[(offset, bytes), ...], ...]: the writes between flushes."""
    epochs, now = [], []
    with open(path, "rb") as f:
        while True:
            head = f.read(16)
            if not head:
                break
            offset, length = struct.unpack("<QQ", head)
            if offset == END:
                epochs.append(now)
                now = []
            else:
                now.append((offset, f.read(length)))
    epochs.append(now)
    return [e for e in epochs if e]


def sectors(write, sector):
    offset, data = write
    return [(offset + at, data[at:at + sector]) for at in range(0, len(data), sector)]


def pieces(writes, most=4096):
    """Writes cut into what a drive may store apart from each other."""
    return [(o + at, d[at:at + most]) for o, d in writes for at in range(0, len(d), most)]


class Enumeration:
    share = 0.02        # of the states, noted in `samples`

    def __init__(self, stick, judge_state, rng, full):
        self.stick, self.judge_state, self.rng, self.full = stick, judge_state, rng, full
        self.states, self.seen, self.bad, self.samples = 0, {}, [], []
        self.arrived = []   # for sure, since the beginning

    def sample(self, writes):
        """A stick of its own in a state that was noted in `samples`."""
        stick = Stick(self.stick.path, self.stick.kind, self.stick.sector)
        for write in writes:
            stick.write(*write)
        return stick

    def try_state(self, writes, what):
        self.stick.undo = []
        for offset, data in writes:
            self.stick.write(offset, data)
        self.states += 1
        try:
            verdict = self.judge_state(self.stick)
            self.seen[verdict] = self.seen.get(verdict, 0) + 1
        except (Broken, KeyError, UnicodeDecodeError, struct.error, IndexError) as problem:
            self.bad.append("%s: %s" % (what, problem))
        if self.rng.random() < self.share:
            self.samples.append((what, self.arrived + list(writes)))
        self.stick.rewind()

    def epoch(self, writes, what):
        """All that may be of these writes while none of the next was begun."""
        for n in range(len(writes)):
            self.try_state(writes[:n], "%s, prefix %d" % (what, n))
            torn = sectors(writes[n], self.stick.sector)
            cuts = range(1, len(torn)) if len(torn) <= 64 or self.full else \
                sorted(self.rng.sample(range(1, len(torn)), 12))
            for cut in cuts:
                self.try_state(writes[:n] + torn[:cut], "%s, write %d torn at %d" % (what, n, cut))
        small = self.stick.sector
        units = pieces(writes, small if sum(len(d) for _, d in writes) <= 10 * small else 4096)
        few = 10 if self.full else 8
        if len(units) <= few:
            chosen = [c for n in range(len(units) + 1) for c in itertools.combinations(units, n)]
        else:
            chosen = [units[:i] + units[i + 1:] for i in range(len(units))] + [[u] for u in units]
            if not self.full and len(chosen) > 120:
                chosen = self.rng.sample(chosen, 120)
            for _ in range(1000 if self.full else 60):
                chosen.append([u for u in units if self.rng.random() < 0.5])
        for i, subset in enumerate(chosen):
            self.try_state(list(subset), "%s, reordering %d" % (what, i))
        for offset, data in writes:
            self.stick.write(offset, data)
        self.arrived += writes

    def run(self, epochs):
        for i, writes in enumerate(epochs):
            self.epoch(writes, "epoch %d" % i)
        self.try_state([], "the end")


def scratch():
    """In memory, if there is room: what is synced there is synced at once."""
    memory = "/dev/shm"
    if os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 2 << 30:
        return memory
    return os.environ.get("TMPDIR", "/var/tmp")


class Torture:
    def __init__(self, record, kind, sector, full, seed):
        self.record, self.kind, self.sector, self.full, self.seed = record, kind, sector, full, seed
        self.what = kind if sector == 512 else "%s-%d" % (kind, sector)
        self.dir = tempfile.mkdtemp(prefix="livestick-torture.", dir=scratch())
        self.failed = False
        self.mine = dict(MINE)
        if kind == "ext4":
            self.mine["/my kernel"] = stuff("kernel 1", 70000)  # a third name of release 1's
        for release in 1, 2, 3:
            make_source(self.path("release-%d" % release), release)

    def path(self, name):
        return os.path.join(self.dir, name)

    def rng(self, what):
        return random.Random("%s %s %d" % (what, self.what, self.seed))

    def load(self, name):
        return Stick(self.path(name), self.kind, self.sector)

    def tell(self, name, bad, note):
        print("# %s %s: %s" % (self.what, name, note))
        for line in bad[:5]:
            print("#   BAD %s" % line)
        print("%s %s-%s" % ("not ok" if bad else "ok", self.what, name), flush=True)
        self.failed = self.failed or bool(bad)

    def job(self, stick, *verb, ok=(0,), options=()):
        """Runs the recorder; (log, output). The stick's file is changed."""
        log = self.path("log")
        done = run(self.record, log, *options, verb[0], *(v if v != "STICK" else self.path(stick) for v in verb[1:]),
                   ok=ok)
        return read_log(log), done

    def fsck(self, name):
        """What the file system's own checker says of BOOT: "" if it is clean."""
        stick = self.load(name)
        boot = self.path("boot.part")
        with open(boot, "wb") as f:
            f.truncate(stick.boot_size)
            for at in range(0, stick.boot_size, PAGE):
                data = stick.read(stick.boot + at, min(PAGE, stick.boot_size - at))
                if any(data):
                    f.seek(at)
                    f.write(data)
        if self.kind == "fat32":
            done = run("fsck.fat", "-n", boot, ok=(0, 1))
        else:
            done = run("e2fsck", "-fn", boot, ok=(0, 4))
        return done.stdout if done.returncode else ""

    # ---- parts

    def make_first(self):
        """A stick with release 1, and files of the user's."""
        base = self.path("one.img")
        with open(base, "wb") as f:
            f.truncate(SIZE[self.kind, self.sector])
        self.create_log, _ = self.job("one.img", "create", self.path("release-1"), "STICK",
                                      *(["ext4"] if self.kind == "ext4" else []),
                                      *(["4096"] if self.sector == 4096 else []))
        stick = self.load("one.img")
        for name, data in MINE.items():
            with open(self.path("mine"), "wb") as f:
                f.write(data)
            self.put(base, stick.boot, name)
        if self.kind == "ext4":
            with open(self.path("script"), "w") as f:
                f.write('ln /live/vmlinuz "/my kernel"\nsif /live/vmlinuz links_count 3\n')
            run("debugfs", "-w", "-f", self.path("script"), "%s?offset=%d" % (base, stick.boot))
            if self.fsck("one.img"):
                raise SystemExit("one.img: the first stick's names are not three: " + self.fsck("one.img"))

    def put(self, image, boot, name):
        if self.kind == "fat32":
            at, made = "%s@@%d" % (image, boot), ""
            for part in name.split("/")[1:-1]:
                made += "/" + part
                run("mmd", "-D", "s", "-i", at, "::" + made, ok=(0, 1))
            run("mcopy", "-i", at, self.path("mine"), "::" + name)
            return
        script, made = [], ""
        for part in name.split("/")[1:-1]:
            made += "/" + part
            script.append('mkdir "%s"' % made)
        script.append('write %s "%s"' % (self.path("mine"), name))
        with open(self.path("script"), "w") as f:
            f.write("\n".join(script) + "\n")
        run("debugfs", "-w", "-f", self.path("script"), "%s?offset=%d" % (image, boot))

    def cut_create(self):
        """No prefix of create has a table, but the whole."""
        with open(self.path("empty.img"), "wb") as f:
            f.truncate(SIZE[self.kind, self.sector])
        bad, stick, states = [], self.load("empty.img"), 0
        for i, writes in enumerate(self.create_log):
            for write in writes:
                if i + 1 < len(self.create_log) or write[0] != 0:
                    stick.write(*write)
                    states += 1
                    if stick.read(510, 2) == b"\x55\xaa":
                        bad.append("a table is there before the end, in epoch %d" % i)
        last = self.create_log[-1]
        if [o for o, _ in last] != [0] or len(last[0][1]) != self.sector:
            bad.append("the last write is not sector 0 alone")
        self.tell("create", bad, "%d prefixes" % states)

    def enumerate(self, name, before_img, verb, mine, in_place=False):
        """Runs `verb` on a copy of the image, and looks at all that its writes can leave. Returns the finished one."""
        after_img = name + ".img"
        copy_image(self.path(before_img), self.path(after_img))
        epochs, _ = self.job(after_img, *verb)
        start, done = self.load(before_img), self.load(after_img)
        before, after = Expected(start), Expected(done)
        e = Enumeration(self.load(before_img),
                        lambda s: judge(s, before, after, mine, in_place), self.rng(name), self.full)
        e.run(epochs)
        low, size = start.data_part
        for offset, data in (w for writes in epochs for w in writes):
            if offset + len(data) > low and offset < low + size:
                e.bad.append("a write to DATA, at %d" % offset)
        if not e.stick.same(done):
            e.bad.append("the log does not give the finished stick")
        said = self.fsck(after_img)
        if said:
            e.bad.append("after it, fsck says: " + said)
        want = {"old", "new"} | ({"new by the new loader"} if before.bios != after.bios else set())
        if not in_place and set(e.seen) != want:
            e.bad.append("only seen: %s" % sorted(e.seen))
        self.tell(name, e.bad, "%d flushes, %d writes, %d states: %s" % (
            len(epochs), sum(map(len, epochs)), e.states, e.seen))
        return e, epochs, before, after

    def again(self, name, e, verb, before, after, mine, in_place=False):
        """From states that a cut has left, the same is run again: it ends well, and nothing is lost. Cut again, too."""
        bad, count, states = [], 0, 0
        rng = self.rng(name + " again")
        samples = e.samples if self.full else rng.sample(e.samples, min(len(e.samples), 10))
        want = Expected(self.load(name + ".img"))
        free = self.free_blocks(self.load(name + ".img"))
        for what, writes in samples:
            start = e.sample(writes)
            start.save(self.path("cut.img"))
            epochs, done = self.job("cut.img", *verb, ok=(0, 3))
            if done.returncode:
                bad.append("%s: refused: %s" % (what, done.stdout))
                continue
            finished = self.load("cut.img")
            count += 1
            try:
                got = Expected(finished)
                if got.slots.get(want.start) != want.slots[want.start] or got.start != want.start:
                    bad.append("%s: another run does not give the same" % what)
                now = as_run_again(want, got)
                judge(finished, now, now, mine)
            except (Broken, KeyError) as problem:
                bad.append("%s: after another run: %s" % (what, problem))
                continue
            said = self.fsck("cut.img")
            if said:
                bad.append("%s: after another run fsck says: %s" % (what, said))
            elif self.free_blocks(finished) != free:
                bad.append("%s: after another run there are %d blocks in use, not %d" % (
                    what, self.free_blocks(finished), free))
            if in_place:
                continue
            second = Enumeration(start, lambda s: judge(s, before, now, mine), rng, False)
            for i, writes in enumerate(epochs):
                for n in range(len(writes)):
                    second.try_state(writes[:n], "%s; cut again in epoch %d, prefix %d" % (what, i, n))
                for offset, piece in writes:
                    start.write(offset, piece)
            states += second.states
            bad += second.bad
        self.tell(name + "-again", bad, "%d states run again, %d states of a second cut" % (count, states))

    def another(self, name, e, verb, mine):
        """From such states another release is put onto the stick: nothing of the one that was cut off stays."""
        bad, rng = [], self.rng(name)
        chosen = rng.sample(e.samples, min(len(e.samples), 30 if self.full else 8))
        for what, writes in chosen:
            e.sample(writes).save(self.path("cut.img"))
            self.job("cut.img", *verb)
            finished = self.load("cut.img")
            try:
                got = Expected(finished)
                judge(finished, got, got, mine)
            except (Broken, KeyError) as problem:
                bad.append("%s: %s" % (what, problem))
                continue
            known = {SWITCH, LOADER, *mine, *got.loader} | {"/livestick/%s.manifest" % s for s in got.slots}
            known |= {path for listed in got.slots.values() for path in listed}
            left = sorted(set(got.files) - known)
            if left:
                bad.append("%s: %s is there, and nobody's" % (what, left[0]))
            said = self.fsck("cut.img")
            if said:
                bad.append("%s: fsck says: %s" % (what, said))
        self.tell(name, bad, "%d states" % len(chosen))

    def free_blocks(self, stick):
        volume = stick.volume()
        volume.files()
        return len(volume.used)

    def without_flush(self, name, epochs, before_img, before, after, mine):
        """Without a flush, what comes after it may arrive first. Where that does harm it must be seen to, or the
        enumeration proves nothing: around the sector that switches, and between entries and what they lead to."""
        harm, rng = [], self.rng(name + " flushes")
        stick = self.load(before_img)
        volume = stick.volume()
        place = volume.stretches(volume.files(), SWITCH)[0]
        switches = [i for i, writes in enumerate(epochs) if any(o <= place < o + len(d) for o, d in writes)]
        for i in range(len(epochs) - 1):
            e = Enumeration(stick, lambda s: judge(s, before, after, mine), rng, False)
            first, second = pieces(epochs[i], self.sector), pieces(epochs[i + 1], self.sector)
            e.try_state(second, "all of the second")
            for _ in range(150):
                if e.bad:
                    break
                p = rng.random()
                e.try_state([u for u in first if rng.random() < p] + [u for u in second if rng.random() < 1 - p], "")
            if e.bad:
                harm.append(i)
            for offset, data in epochs[i]:
                stick.write(offset, data)
        # The last switch makes the new system start, an earlier one takes the spare slot out of the menu.
        last, bad = switches[-1], []
        # A drive that does not flush at all: the switch has arrived, of the new system this or that has not.
        e, stick = Enumeration(None, lambda s: judge(s, before, after, mine), rng, False), \
            self.load(before_img)
        e.stick = stick
        for _ in range(50):
            e.try_state([u for writes in epochs[:last] for u in pieces(writes) if rng.random() < 0.9] + epochs[last],
                        "no flush at all")
        if len(e.bad) < 40:
            bad.append("without any flush only %d of 50 states are bad" % len(e.bad))
        moved = {"the switch first": [epochs[last]] + epochs[:last] + epochs[last + 1:]}
        if len(switches) > 1:
            moved["the spare slot stays in the menu"] = epochs[:switches[0]] + epochs[switches[0] + 1:]
        boot = [i for i, writes in enumerate(epochs) if any(o == stick.boot for o, _ in writes)]
        if before.bios != after.bios:
            # Nothing but the boot sector (and on FAT its backup) may lead to the new loader.
            moved["the boot sector before the loader"] = epochs[:last + 1] + [epochs[boot[0]]] + [
                writes for i, writes in enumerate(epochs) if i > last and i != boot[0]]
        for what, order in moved.items():
            e = Enumeration(self.load(before_img), lambda s: judge(s, before, after, mine), rng,
                            False)
            for writes in order[:-1]:
                for write in writes:
                    e.stick.write(*write)
                e.try_state([], what)
            if not e.bad:
                bad.append("%s: no harm is seen" % what)
        if len(harm) < len(epochs) // 5:
            bad.append("only %s do harm when they are left out" % harm)
        self.tell(name + "-flushes", bad, "left out one by one, of %d flushes %d do harm: after %s" % (
            len(epochs) - 1, len(harm), harm))

    def faults(self, name, before_img, verb, before, after, mine):
        """A write or a flush fails: the exit status is 1, the sentence says what starts, and that is true."""
        bad, count, n = [], 0, 1
        while True:
            for kind in "w", "f":
                if kind == "f" and n > self.n_flushes:
                    continue
                copy_image(self.path(before_img), self.path("fault.img"))
                error, dies = self.rng("%s %d" % (kind, n)).choice([(5, []), (28, []), (5, ["-d"]), (30, ["-d"])])
                _, done = self.job("fault.img", *verb, ok=(0, 1), options=["-" + kind, str(n), "-e", str(error), "-t", str(self.sector), *dies])
                if done.returncode == 0:
                    if kind == "w":
                        self.tell(name + "-faults", bad, "%d runs" % count)
                        return
                    continue
                count += 1
                try:
                    which = judge(self.load("fault.img"), before, after, mine).split()[0]
                except (Broken, KeyError) as problem:
                    bad.append("%s %d: %s" % (kind, n, problem))
                    continue
                says = {"old": "still starts the system that it had", "new": "the new system is on it and starts"}
                other = {"old": says["new"], "new": says["old"]}[which]
                if other in done.stdout and not (which == "new" and "switching" in done.stdout):
                    bad.append("%s %d: %s starts, but it says: %s" % (kind, n, which, done.stdout))
            n += 1 if self.full or n < 40 else 5


def arguments(doc):
    """What this and repair.py take."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("record")
    parser.add_argument("kind", choices=("fat32", "ext4"))
    parser.add_argument("--sector", type=int, choices=(512, 4096), default=512)
    parser.add_argument("--full", action="store_true", help="all states before all judges, not samples of them")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def main():
    opt = arguments(__doc__)
    t = Torture(opt.record, opt.kind, opt.sector, opt.full, opt.seed)
    try:
        t.make_first()
        t.cut_create()
        # The first upgrade brings another BIOS loader, into the second directory; the next one the host's, into the first.
        to_two = ("upgrade", t.path("release-2"), "STICK", "older-loader")
        to_three = ("upgrade", t.path("release-3"), "STICK")

        e, epochs, before, after = t.enumerate("upgrade", "one.img", to_two, t.mine)
        t.n_flushes = len(epochs)
        t.again("upgrade", e, to_two, before, after, t.mine)
        t.another("upgrade-to-another", e, to_three, t.mine)
        t.without_flush("upgrade", epochs, "one.img", before, after, t.mine)
        t.faults("upgrade", "one.img", to_two, before, after, t.mine)

        # Slot a again, in which release 1 is: files that stay, change in part, grow, go.
        e, epochs, before, after = t.enumerate("second", "upgrade.img", to_three, t.mine)
        t.again("second", e, to_three, before, after, t.mine)
        t.without_flush("second", epochs, "upgrade.img", before, after, t.mine)

        t.enumerate("rollback", "second.img", ("rollback", "STICK"), t.mine)

        e, epochs, before, after = t.enumerate("in-place", "one.img", (*to_two, "in-place"), t.mine, in_place=True)
        t.again("in-place", e, (*to_two, "in-place"), before, after, t.mine, in_place=True)
    finally:
        shutil.rmtree(t.dir, ignore_errors=True)
    return 1 if t.failed else 0


if __name__ == "__main__":
    sys.exit(main())
