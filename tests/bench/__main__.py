#!/usr/bin/env python3
"""The project's figures: livestick beside what people use, on the same inputs in the same run, on an emulated stick whose every
request is written down, and on a plain file.

    make bench [BENCH="--full --guest --write"]

    --full     also sources of 3 GB and 30 GB (the last one on a plain file only; 31 GB of /var/tmp)
    --guest    also mount, cp and extlinux in QEMU
    --only A,B parts: create, file, upgrade, verify, several, many, guest
    --size MB  of the source, 300           --rate MB/s  of the stick, 20; 0: no limit
    --repeat N for a plain file, 3; the middle time counts
    --write    puts the tables into docs/benchmarks.md and draws docs/benchmarks.svg
"""
import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import guest
import tools
from report import Table, into_document, plot
from sources import Sources
from stick import PlainFile, Stick

GIB = 1 << 30
DOCS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs")
PARTS = ["create", "file", "upgrade", "verify", "several", "many"]


def timed(job, *arguments):
    began = time.monotonic()
    memory, cpu = job(*arguments)
    return {"seconds": time.monotonic() - began, "memory": memory, "cpu": cpu}


class Bench:
    def __init__(self, opt, work):
        self.opt, self.work = opt, work
        self.sources = Sources(work)
        self.name = "%g MB" % opt.size
        self.iso = self.sources.iso("v1", opt.size)
        self.tables = []

    def table(self, title, base=None):
        self.tables.append(Table(title, base))
        return self.tables[-1]

    def stick(self, **options):
        return Stick(self.work, 8 * GIB, self.opt.rate, **options)

    def once(self, target, job):
        with target:
            figures = timed(job, target.path)
            figures.update(target.figures())
        return figures

    def livestick(self, iso):
        return lambda path: tools.livestick(self.opt.build, "create", "--yes", "--quiet", iso, path)

    def same_bytes(self, iso, count):
        """A file that has them."""
        if os.path.isdir(iso):
            iso = os.path.join(iso, "live/filesystem.squashfs")
        if os.path.getsize(iso) >= count:
            return iso
        longer = os.path.join(self.work, "same-bytes")
        subprocess.run(["cp", "--sparse=always", iso, longer], check=True)
        os.truncate(longer, count)
        return longer

    def contenders(self, iso):
        return [("mtools pipeline", lambda path: tools.mtools(iso, path, self.work)),
                ("genimage, then dd", lambda path: tools.genimage(iso, path, self.work))]

    # ---- the parts

    def create(self, iso, name, all_of_them=True):
        t = self.table("**create**, a source of %s onto an emulated stick of %d MB/s:" % (name, self.opt.rate),
                       "dd of as many bytes")
        ours = self.once(self.stick(), self.livestick(iso))
        t.add("livestick", ours)
        same = self.same_bytes(iso, ours["bytes"])
        t.add("dd of as many bytes", self.once(self.stick(), lambda path: tools.dd(same, path, ours["bytes"])))
        for who, job in self.contenders(iso) if all_of_them else []:
            t.add(who, self.once(self.stick(), job))
        return t, ours["bytes"]

    def in_guest(self, table):
        """Beside the others of `create`, but for the time."""
        with Stick(self.work, 8 * GIB, 0, mount=False) as stick:
            guest.scripts(self.iso, stick, self.work, self.opt.size + 300)
            table.add("mount, cp, extlinux", stick.figures())

    def file(self, iso, name, size, count, repeat, all_of_them=True):
        t = self.table("**create**, a source of %s onto a plain file:" % name, "dd of as many bytes")
        same = self.same_bytes(iso, count)
        jobs = [("livestick", self.livestick(iso)), ("dd of as many bytes", lambda path: tools.dd(same, path, count))]
        runs = {who: [] for who, _ in jobs + (self.contenders(iso) if all_of_them else [])}
        for _ in range(repeat):  # in turns, so that what else the machine does hits all alike
            for who, job in jobs + (self.contenders(iso) if all_of_them else []):
                runs[who].append(self.once(PlainFile(self.work, size), job))
        for who, results in runs.items():
            middle = dict(results[-1], seconds=statistics.median(r["seconds"] for r in results))
            t.add(who, middle)

    def upgrade(self):
        t = self.table("**upgrade** of a system of %s on the stick, into the slot that holds the one before; so many of the "
                       "system's blocks differ from that:" % self.name)
        other = self.sources.iso("other", self.opt.size, 100, version=2)
        for changed in 1, 30, 100:
            new = self.sources.iso("new", self.opt.size, changed)
            with PlainFile(self.work, 8 * GIB) as medium:
                tools.livestick(self.opt.build, "create", "--yes", "--quiet", self.iso, medium.path)
                tools.livestick(self.opt.build, "upgrade", "--quiet", other, medium.path)
                figures = self.once(self.stick(backing=medium.path), lambda path: tools.livestick(
                    self.opt.build, "upgrade", "--quiet", new, path))
            t.add("%d %% changed" % changed, figures)
            os.unlink(new)
        os.unlink(other)

    def verify(self):
        t = self.table("**verify** on the stick, and dd reading as many bytes:", "dd iflag=direct")
        with PlainFile(self.work, 8 * GIB) as medium:
            tools.livestick(self.opt.build, "create", "--yes", "--quiet", self.iso, medium.path)
            ours = self.once(self.stick(backing=medium.path),
                             lambda path: tools.livestick(self.opt.build, "verify", "--progress", "none", path))
            t.add("livestick verify", ours)
            t.add("dd iflag=direct", self.once(self.stick(backing=medium.path),
                                               lambda path: tools.dd_read(path, ours["read"])))

    def several(self):
        t = self.table("**Several sticks** at once, each of %d MB/s:" % self.opt.rate, "1 stick")
        for n in 1, 3:
            sticks = [self.stick() for _ in range(n)]
            try:
                figures = timed(tools.livestick, self.opt.build, "create", "--yes", "--quiet", self.iso,
                                *[s.path for s in sticks])
                figures["bytes"] = sum(s.figures()["bytes"] for s in sticks)
            finally:
                for s in sticks:
                    s.__exit__()
            t.add("%d stick%s" % (n, "s" if n > 1 else ""), figures)

    def many(self):
        t = self.table("**100,000 small files**, planned (`--dry-run`) and written to a plain file:")
        iso = self.sources.many("many", 100000)
        t.add("create --dry-run", {k: v for k, v in self.once(PlainFile(self.work, 8 * GIB), lambda path: tools.livestick(
            self.opt.build, "create", "--dry-run", iso, path)).items() if k != "bytes"})
        t.add("create", self.once(PlainFile(self.work, 8 * GIB), self.livestick(iso)))
        os.unlink(iso)

    def run(self):
        parts = self.opt.only.split(",") if self.opt.only else PARTS
        first, count = None, None
        if "create" in parts or "guest" in parts:
            first, count = self.create(self.iso, self.name)
        if self.opt.guest or "guest" in parts:
            self.in_guest(first)
        if "file" in parts:
            self.file(self.iso, self.name, 8 * GIB, count or os.path.getsize(self.iso), self.opt.repeat)
        for part in "upgrade", "verify", "several", "many":
            if part in parts:
                getattr(self, part)()
        if self.opt.full:
            iso = self.sources.iso("3gb", 3000)
            _, count = self.create(iso, "3 GB", all_of_them=False)
            self.file(iso, "3 GB", 8 * GIB, count, self.opt.repeat)
            os.unlink(iso)
            tree = self.sources.sparse("30gb", 30)
            self.file(tree, "30 GB (a directory with one file, all hole)", 64 * GIB, 30 * 10**9, 1, all_of_them=False)
        return first


def machine():
    with open("/proc/cpuinfo") as f:
        info = f.read()
    return "%s, %d processors%s, Linux %s, load %.1f at the start" % (
        time.strftime("%Y-%m-%d", time.gmtime()), os.cpu_count(), " with SHA instructions" if " sha_ni" in info else "",
        platform.release(), os.getloadavg()[0])


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("build")
    p.add_argument("--full", action="store_true")
    p.add_argument("--guest", action="store_true")
    p.add_argument("--only")
    p.add_argument("--size", type=int, default=300)
    p.add_argument("--rate", type=int, default=20)
    p.add_argument("--repeat", type=int, default=3)
    p.add_argument("--write", action="store_true")
    opt = p.parse_args()
    opt.build = os.path.abspath(opt.build)
    where = machine()
    began = time.monotonic()
    work = tempfile.mkdtemp(prefix="livestick-bench.", dir="/var/tmp")
    try:
        bench = Bench(opt, work)
        first = bench.run()
    finally:
        shutil.rmtree(work)
    text = "\n".join(t.text() for t in bench.tables)
    text += "\nMeasured on %s, %.1f at the end; the run took %d minutes.\n" % (where, os.getloadavg()[0],
                                                                           (time.monotonic() - began) / 60)
    print("\n" + text)
    if opt.write:
        into_document(os.path.join(DOCS, "benchmarks.md"), text)
        if first:
            plot(first, os.path.join(DOCS, "benchmarks.svg"))


if __name__ == "__main__":
    sys.exit(main())
