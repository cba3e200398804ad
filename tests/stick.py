#!/usr/bin/env python3
"""A stick that lies, dawdles or dies, as a block device: an NBD server of our own behind nbdfuse and a loop device.

    tests/stick.py DIR --size BYTES [what is wrong with it]

Prints the name of the device, then waits for the end of its standard input and takes all down. DIR/medium keeps the
bytes and DIR/log the writes and flushes, a line each, with the seconds since the start. Writes are counted from 1, as the
device gets them.

    --wraps REAL  --loses REAL  --last REAL  --fails REAL    a fake: modulo, lost, at the last block, EIO
    --rate BYTES        a second, written
    --stall N:SECONDS   at write N
    --eio N[:COUNT]     write N fails (and COUNT - 1 more)
    --read-only N       from write N on each one fails, reading works
    --vanish N          at write N the stick is pulled: nothing answers any more
    --discards BYTE     takes discards (a line each in the log), and is full of that byte there afterwards
    --discard-eio N     takes them, and fails at the N-th
    --plain             no loop device: prints the name of a file
"""
import argparse
import os
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time

SECTOR = 512
EIO, EPERM = 5, 1
NBD_READ, NBD_WRITE, NBD_CLOSE, NBD_FLUSH, NBD_TRIM = 0, 1, 2, 3, 4


class Pulled(Exception):
    pass


class Stick:
    def __init__(self, path, log, args):
        self.args = args
        self.size = args.size
        self.real = args.wraps or args.loses or args.last or args.fails or args.size
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        os.ftruncate(self.fd, args.size)
        self.log = open(log, "w", buffering=1)
        self.began = time.monotonic()
        self.writes, self.discards = 0, 0
        self.due = 0.0

    def note(self, what):
        self.log.write("%.3f %s\n" % (time.monotonic() - self.began, what))

    def pieces(self, off, length):
        """Where a range is in the flash: (place or None, length)."""
        while length:
            n = length
            if off < self.real:
                n, place = min(length, self.real - off), off
            elif self.args.wraps:
                place = off % self.real
                n = min(length, self.real - place)
            elif self.args.last:
                place, n = self.real - SECTOR, min(length, SECTOR)
            else:
                place = None
            yield place, n
            off, length = off + n, length - n

    def fails(self, off, length):
        return self.args.fails and off + length > self.real

    def read(self, off, length):
        if self.fails(off, length):
            return EIO, b""
        out = b"".join(bytes(n) if place is None else os.pread(self.fd, n, place) for place, n in self.pieces(off, length))
        return 0, out

    def misbehave(self):
        a, n = self.args, self.writes
        if a.vanish and n >= a.vanish:
            self.note("pulled")
            raise Pulled
        if a.stall and n == a.stall[0]:
            self.note("stalls")
            time.sleep(a.stall[1])
        if a.eio and a.eio[0] <= n < a.eio[0] + (a.eio[1] if len(a.eio) > 1 else 1):
            return EIO
        return EPERM if a.read_only and n >= a.read_only else 0

    def write(self, off, data):
        self.writes += 1
        self.note("write %d %d %d" % (self.writes, off, len(data)))
        error = self.misbehave()
        if error or self.fails(off, len(data)):
            return error or EIO
        if self.args.rate:
            self.due = max(self.due, time.monotonic()) + len(data) / self.args.rate
            time.sleep(max(0.0, self.due - time.monotonic()))
        at = 0
        for place, n in self.pieces(off, len(data)):
            if place is not None:
                os.pwrite(self.fd, data[at:at + n], place)
            at += n
        return 0

    def discard(self, off, length):
        self.discards += 1
        self.note("discard %d %d %d" % (self.discards, off, length))
        if self.discards == self.args.discard_eio:
            return EIO
        for at in range(off, off + length, 1 << 20):
            os.pwrite(self.fd, bytes([self.args.discards or 0]) * min(1 << 20, off + length - at), at)
        return 0

    def flush(self):
        self.note("flush")
        return EIO if self.args.read_only and self.writes >= self.args.read_only else 0


# ---- the protocol: github.com/NetworkBlockDevice/nbd, doc/proto.md; fixed newstyle, simple replies

def get(conn, n):
    out = b""
    while len(out) < n:
        more = conn.recv(n - len(out))
        if not more:
            raise EOFError
        out += more
    return out


def negotiate(conn, size, discards):
    flags = 1 | 4 | (32 if discards else 0)  # has flags, can flush, can trim
    conn.sendall(b"NBDMAGIC" + b"IHAVEOPT" + struct.pack(">H", 3))
    get(conn, 4)
    while True:
        _, option, length = struct.unpack(">QII", get(conn, 16))
        data = get(conn, length)

        def reply(kind, body=b""):
            conn.sendall(struct.pack(">QIII", 0x3e889045565a9, option, kind, len(body)) + body)
        if option == 1:  # EXPORT_NAME
            conn.sendall(struct.pack(">QH", size, flags) + bytes(124))
            return
        if option in (6, 7):  # INFO, GO
            reply(3, struct.pack(">HQH", 0, size, flags))
            reply(1)
            if option == 7:
                return
        elif option == 2:  # ABORT
            reply(1)
            raise EOFError
        else:
            reply(0x80000001)  # not supported
        del data


def serve(conn, stick):
    try:
        negotiate(conn, stick.size, stick.args.discards is not None or stick.args.discard_eio)
        while True:
            _, _, kind, handle, off, length = struct.unpack(">IHHQQI", get(conn, 28))
            out, error = b"", 0
            if kind == NBD_READ:
                error, out = stick.read(off, length)
            elif kind == NBD_WRITE:
                error = stick.write(off, get(conn, length))
            elif kind == NBD_TRIM:
                error = stick.discard(off, length)
            elif kind == NBD_FLUSH:
                error = stick.flush()
            elif kind == NBD_CLOSE:
                return
            conn.sendall(struct.pack(">IIQ", 0x67446698, error, handle) + (b"" if error else out))
    except (EOFError, ConnectionError, Pulled):
        pass
    finally:
        conn.close()


# ---- up and down

def wait_for(condition, what):
    for _ in range(200):
        if condition():
            return
        time.sleep(0.05)
    sys.exit("stick.py: %s" % what)


def pair(text):
    return [float(x) if i and "." in x else int(x) for i, x in enumerate(text.split(":"))]


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("dir")
    for name in ("size", "wraps", "loses", "last", "fails", "rate", "read-only", "vanish"):
        p.add_argument("--" + name, type=int, default=0)
    p.add_argument("--discards", type=int)
    p.add_argument("--discard-eio", type=int, default=0)
    p.add_argument("--stall", type=pair)
    p.add_argument("--eio", type=pair)
    p.add_argument("--plain", action="store_true")
    return p.parse_args()


def main():
    args = arguments()
    mount = os.path.join(args.dir, "mnt")
    path = os.path.join(mount, "stick")
    name = os.path.join(args.dir, "socket")
    os.makedirs(mount, exist_ok=True)
    if os.path.exists(name):
        os.unlink(name)
    stick = Stick(os.path.join(args.dir, "medium"), os.path.join(args.dir, "log"), args)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(name)
    listener.listen()
    threading.Thread(target=lambda: serve(listener.accept()[0], stick), daemon=True).start()
    fuse = subprocess.Popen(["nbdfuse", path, "--unix", name], stdin=subprocess.DEVNULL)
    wait_for(lambda: os.path.ismount(mount), "nbdfuse does not mount: is /dev/fuse there?")
    loop = None
    try:
        if not args.plain:
            loop = subprocess.run(["losetup", "--find", "--show", "--direct-io=on", path], stdout=subprocess.PIPE,
                                  text=True, check=True).stdout.strip()
        print(loop or path, flush=True)
        sys.stdin.read()
    finally:
        if loop:
            subprocess.run(["losetup", "-d", loop], check=False)
        unmount = "fusermount3" if shutil.which("fusermount3") else "fusermount"
        for _ in range(50):
            if subprocess.run([unmount, "-u", mount], stderr=subprocess.DEVNULL, check=False).returncode == 0:
                break
            time.sleep(0.1)
        fuse.wait(timeout=30)


if __name__ == "__main__":
    sys.exit(main())
