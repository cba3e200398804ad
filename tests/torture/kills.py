#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kills real upgrades of a real system in the middle, and boots each stick that is left in QEMU: the old system or the
new one must start, with the file that was saved; and the upgrade, run again, must end well.

When, is told in writes: of those that an upgrade does each one is a moment, and COUNT of them are spread over all. The
program is killed by strace as it begins the write, so that all before it have been done.

    kills.py BUILD OLD.iso NEW.iso COUNT [--seed N]

The stick has another BIOS loader than this machine, so that the upgrade renews that, too. Every second one is started by
UEFI. A stick of which the emulator cannot tell, on a machine that is too busy, is counted apart. The last line is "ok kills"
or "not ok kills".
"""
import argparse
import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
BOOT = os.path.join(HERE, "..", "boot.py")
ASK = "cat /etc/livestick-release /root/kept"


WRITE = re.compile(r"\bpwrite64\(.* = (\d+)$")


class Bad(Exception):
    pass


class Unclear(Exception):
    """Nothing was found out."""


def run(*command, ok=(0,)):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)
    if done.returncode not in ok:
        raise Bad("%s: exit %d: %s" % (" ".join(command), done.returncode, done.stderr[-2000:]))
    return done.stdout


class Kills:
    def __init__(self, build, old, new, directory, rng):
        self.livestick, self.record = os.path.join(build, "livestick"), os.path.join(build, "tools", "record")
        self.old, self.new, self.dir, self.rng = old, new, directory, rng
        self.base, self.image = os.path.join(directory, "base.img"), os.path.join(directory, "cut.img")
        self.log = os.path.join(directory, "trace")

    def copy(self):
        run("cp", "--sparse=always", self.base, self.image)

    def upgrade(self):
        return [self.livestick, "upgrade", "--quiet", self.new, self.image]

    def inspect(self):
        return json.loads(run(self.livestick, "inspect", "--json", self.image))

    def data(self):
        """A digest of DATA, the last partition."""
        table = json.loads(run("sfdisk", "-J", self.image))["partitiontable"]["partitions"][-1]
        digest = hashlib.sha256()
        with open(self.image, "rb") as f:
            f.seek(table["start"] * 512)
            for _ in range(table["size"] // 2048):
                digest.update(f.read(1 << 20))
        return digest.hexdigest()

    def prepare(self):
        with open(self.base, "wb") as f:
            f.truncate(1 << 30)
        run(self.record, os.path.join(self.dir, "log"), "create", self.old, self.base, "serial", "older-loader")
        run(BOOT, "--image", self.base, "--timeout", "400", "--cmd", "echo kept >/root/kept", "--shutdown")
        self.copy()
        self.before = self.data()
        self.traced()
        self.writes = self.written()
        done = self.inspect()
        if done["default_entry"] != "b1" or done["bios_loader"]["directory"] != "/livestick/loader":
            raise Bad("an upgrade that nobody kills does not end well")

    def traced(self, *options):
        """Runs the upgrade; what it writes to the stick is in self.log. All writing is done by one thread; and
        strace counts for each. LeakSanitizer does not work under strace."""
        command = ["strace", "-f", "-qq", "-o", self.log, "-s", "0", "-e", "trace=pwrite64", "-P", self.image, *options]
        return subprocess.run(command + self.upgrade(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0"))

    def written(self):
        """The lengths of all that it has written."""
        with open(self.log) as f:
            found = [WRITE.search(line.rstrip()) for line in f]
        return [int(m.group(1)) for m in found if m]

    def kill(self, number):
        """At the start of this write, from 1."""
        self.copy()
        done = self.traced("-e", "inject=pwrite64:signal=KILL:when=%d" % number)
        written = self.written()
        if done.returncode not in (-9, 137) or len(written) != number - 1:
            raise Bad("at write %d it ends with %d after %d writes: %s" % (
                number, done.returncode, len(written), done.stderr.decode()[-500:]))
        return sum(written)

    def boot(self, firmware):
        """What the system says. On a machine that is too busy the emulator's clock stands still, which says nothing."""
        for last in False, False, True:
            try:
                return run(BOOT, "--image", self.image, "--snapshot", "--firmware", firmware, "--timeout", "400",
                           "--cmd", ASK).split()
            except Bad as problem:
                if not str(problem).endswith("the emulator's timer stood still, once more\n"):
                    raise
                if last:
                    raise Unclear(problem)

    def one(self, number, moment):
        written = self.kill(moment)
        left = self.inspect()
        firmware = "uefi" if number % 2 else "bios"
        note = "before write %d of %d, %d bytes written, by %s: " % (moment, len(self.writes), written, firmware)
        try:
            said = self.boot(firmware)
        except Unclear as problem:
            raise Unclear(note + str(problem))
        which = {"1": "old", "2": "new"}.get(said[0] if said else None)
        note += "the %s system%s" % (which, ", to be finished" if left["unfinished"] or left["leftover"] or
                                     left["bios_loader"]["unfinished"] else "")
        if which is None or said[1:] != ["kept"]:
            raise Bad(note + "; it says %s" % said)
        if left["default_entry"] != {"old": "a1", "new": "b1"}[which]:
            raise Bad(note + ", and not what the switch says")
        run(*self.upgrade())
        done = self.inspect()
        if done["default_entry"] != "b1" or done["unfinished"] or done["leftover"] or done["bios_loader"] != {
                "version": "6.04", "directory": "/livestick/loader", "unfinished": False}:
            raise Bad(note + "; run again it does not end well: %s" % done)
        if self.data() != self.before:
            raise Bad(note + "; DATA was written")
        return which, note

    def moments(self, count):
        """One of each part of all writes, if they are parted in so many; the first and the last among them."""
        n = len(self.writes)
        found = [self.rng.randint(i * n // count + 1, max(i * n // count + 1, (i + 1) * n // count))
                 for i in range(count)]
        return [1, *found[1:-1], n] if count > 2 else found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("old")
    parser.add_argument("new")
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=1)
    opt = parser.parse_args()
    directory = tempfile.mkdtemp(prefix="livestick-kills.", dir=os.environ.get("TMPDIR", "/var/tmp"))
    seen, bad, unclear = {"old": 0, "new": 0}, 0, 0
    try:
        k = Kills(opt.build, opt.old, opt.new, directory, random.Random(opt.seed))
        k.prepare()
        for number, moment in enumerate(k.moments(opt.count)):
            try:
                which, note = k.one(number, moment)
                seen[which] += 1
                print("# kill %d %s" % (number + 1, note), flush=True)
            except Unclear as problem:
                unclear += 1
                print("# kill %d not judged: %s" % (number + 1, problem), flush=True)
            except Bad as problem:
                bad += 1
                print("# kill %d BAD: %s" % (number + 1, problem), flush=True)
    except (Bad, Unclear) as problem:
        bad += 1
        print("# BAD: %s" % problem)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    print("# %d kills: the old system started %d times, the new one %d times, %d not judged, %d bad" % (
        opt.count, seen["old"], seen["new"], unclear, bad))
    # A machine on which nothing can be judged has shown nothing.
    bad += not sum(seen.values())
    print("not ok kills" if bad else "ok kills")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
