"""Live media of any size: the small ISO of the tests, with a system image of bytes that nothing can make smaller."""
import os
import random
import shutil
import subprocess

MIB = 1 << 20
BLOCK = 128 * 1024  # of a squashfs
HERE = os.path.dirname(os.path.abspath(__file__))


class Sources:
    def __init__(self, work):
        self.work = work
        self.base = os.path.join(work, "base")
        iso = subprocess.run([HERE + "/../iso/small.sh"], stdout=subprocess.PIPE, text=True, check=True)
        self.small = iso.stdout.split()[-1]
        extract(self.small, self.base)
        os.unlink(self.base + "/sha256sum.txt")  # it lists the image that is replaced

    def iso(self, name, megabytes, changed=0, version=1):
        """An ISO with an image of so many MB; `changed` of its blocks, in per cent, are of another version."""
        path = os.path.join(self.work, name + ".iso")
        tree = self.tree(name)
        image = tree + "/live/filesystem.squashfs"
        write_noise(image, megabytes * 1000000 // BLOCK, changed, version)
        make_iso(tree, path)
        shutil.rmtree(tree)
        return path

    def sparse(self, name, gigabytes):
        """A directory whose image is one hole: it takes no room here, and all of it on a stick."""
        tree = self.tree(name)
        with open(tree + "/live/filesystem.squashfs", "wb") as f:
            f.truncate(gigabytes * 10**9)
        return tree

    def many(self, name, n):
        tree = self.tree(name)
        for d in range(n // 1000):
            os.makedirs("%s/files/directory-%03d" % (tree, d))
            for i in range(1000):
                with open("%s/files/directory-%03d/file-%04d.txt" % (tree, d, i), "w") as f:
                    f.write("%d %d\n" % (d, i) * 20)
        path = os.path.join(self.work, name + ".iso")
        make_iso(tree, path)
        shutil.rmtree(tree)
        return path

    def tree(self, name):
        tree = os.path.join(self.work, name)
        shutil.copytree(self.base, tree)
        return tree


def extract(iso, tree):
    subprocess.run(["xorriso", "-report_about", "SORRY", "-osirrox", "on", "-indev", iso, "-extract", "/", tree],
                   check=True, stderr=subprocess.DEVNULL)
    subprocess.run(["chmod", "-R", "u+rwX", tree], check=True)


def make_iso(tree, path):
    subprocess.run(["xorriso", "-report_about", "SORRY", "-as", "mkisofs", "-R", "-J", "-iso-level", "3", "-V", "LIVE", "-o",
                    path, tree], check=True, stderr=subprocess.DEVNULL)


def write_noise(path, blocks, changed, version):
    noise = [random.Random(i).randbytes(BLOCK - 16) for i in range(32)]
    differ = set(random.Random(2).sample(range(blocks), blocks * changed // 100)) if changed else ()
    with open(path, "wb") as f:
        for n in range(blocks):
            one = version if n in differ else 0
            f.write(b"%016d" % n + noise[(n + 7 * one) % len(noise)])
