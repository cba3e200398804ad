#!/usr/bin/env python3
"""Boots a stick (a raw image) in QEMU and runs commands in the guest over its serial console.

The stick's own menu boots, so its entries must carry console=ttyS0,115200.  A guest may offer a root shell, a login
prompt (--login) or a shell by autologin.  The output of each --cmd goes to stdout; exit 0 when every command
succeeded and every --expect was seen, else 1 with the end of the console on stderr.

    boot.py --image stick.img --login user:live --cmd 'uname -r' --cmd 'sudo touch /root/x' --shutdown
"""
import argparse
import ctypes
import os
import re
import select
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time

OVMF = "/usr/share/OVMF/"
FIRMWARE = {  # machine, code, variables
    "bios": ("pc", None, None),
    "uefi": ("q35", "OVMF_CODE_4M.fd", "OVMF_VARS_4M.fd"),
    "secureboot": ("q35,smm=on", "OVMF_CODE_4M.secboot.fd", "OVMF_VARS_4M.ms.fd"),
}
BUS = {
    "usb": ["-device", "qemu-xhci", "-device", "usb-storage,drive=stick,removable=on,bootindex=0"],
    "virtio": ["-device", "virtio-blk-pci,drive=stick,bootindex=0"],
    "ide": ["-device", "ide-hd,drive=stick,bus=ide.0,bootindex=0"],
}
ESCAPES = re.compile(r"\x1b(\[[0-9;?]*[ -/]*[@-~]|[()][0-9A-Za-z]|[=>78cDEHM])|[\r\0]")
PARTIAL = re.compile(r"\x1b(\[[0-9;?]*|[()])?$")  # an escape sequence cut by the end of a read
LOGIN = re.compile(r"login: *$")
PROMPT = re.compile(r"[^\n]*[#$] *$")
DEAD = re.compile(r"Kernel panic - not syncing|\n\(initramfs\) *$|grub rescue>|Verification failed|No bootable device"
                  r"|Security Violation|Failed to load ldlinux")


class Failed(Exception):
    pass


class Again(Exception):
    """The emulator's clock stood still while the kernel tested its timer, as it may on a busy machine."""


def qemu_args(image, bus="usb", firmware="bios", snapshot=False, mem=1024, smp=2, sector_size=512, scratch=None):
    machine, code, variables = FIRMWARE[firmware]
    # RDRAND, else getrandom() blocks. Not "max": emulated AVX makes every boot twice as long
    cpu = "qemu64,+rdrand"
    # graphics=off: SeaBIOS then shows on the serial console what the BIOS loaders print
    args = ["qemu-system-x86_64", "-accel", "tcg", "-cpu", cpu, "-machine", machine + ",graphics=off", "-smp", str(smp), "-m", str(mem),
            "-nodefaults", "-no-user-config", "-display", "none", "-vga", "std", "-serial", "stdio", "-no-reboot",
            "-drive", "if=none,id=stick,format=raw,file=%s,snapshot=%s"
            % (image.replace(",", ",,"), "on" if snapshot else "off")]
    if code:
        own = os.path.join(scratch, "vars.fd")  # the firmware writes into it
        shutil.copyfile(OVMF + variables, own)
        args += ["-drive", "if=pflash,unit=0,format=raw,readonly=on,file=" + OVMF + code,
                 "-drive", "if=pflash,unit=1,format=raw,file=" + own.replace(",", ",,")]
    if firmware == "secureboot":
        args += ["-global", "driver=cfi.pflash01,property=secure,value=on"]
    device = list(BUS[bus])
    device[-1] += ",logical_block_size=%d,physical_block_size=%d" % (sector_size, max(sector_size, 512))
    return args + device


class Guest:
    """A running QEMU; as a context manager it is killed however the block ends."""

    def __init__(self, image, timeout=180, log=None, **options):
        self.deadline = time.monotonic() + timeout
        self.timeout, self.started = timeout, time.monotonic()
        self.text, self.rest, self.serial = "", "", 0
        self.scratch = tempfile.mkdtemp(prefix="livestick-boot.")
        self.log = open(log or os.devnull, "wb", buffering=0)
        self.qemu = None
        self.command = qemu_args(image, scratch=self.scratch, **options)

    def __enter__(self):
        libc = ctypes.CDLL(None)
        self.errors = open(os.path.join(self.scratch, "stderr"), "w+b")
        # Even when we are killed by SIGKILL, QEMU must not stay: PR_SET_PDEATHSIG.
        self.qemu = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors,
                                     bufsize=0, preexec_fn=lambda: libc.prctl(1, signal.SIGKILL))
        return self

    def __exit__(self, *_):
        if self.qemu:
            self.qemu.kill()
            self.qemu.wait()
        self.log.close()
        shutil.rmtree(self.scratch, ignore_errors=True)

    def elapsed(self):
        return time.monotonic() - self.started

    def read(self, seconds):
        """Takes what the console says within the given time; False when QEMU has ended."""
        if not select.select([self.qemu.stdout], [], [], max(0, seconds))[0]:
            return True
        data = os.read(self.qemu.stdout.fileno(), 65536)
        self.log.write(data)
        text = self.rest + data.decode("utf-8", "replace")
        cut = PARTIAL.search(text)
        self.rest = text[cut.start():] if cut else ""
        self.text += ESCAPES.sub("", text[:cut.start()] if cut else text)
        return bool(data)

    def send(self, line):
        try:
            self.qemu.stdin.write(line.encode() + b"\n")
        except BrokenPipeError:
            raise Failed("QEMU has ended")

    def wait(self, *patterns, since=0, seconds=None, dead=True):
        """Waits until one of the patterns matches in the console text from `since` on; returns (index, match).
        After `seconds` returns (None, None); at the deadline of the whole run it fails."""
        until = min(self.deadline, time.monotonic() + (seconds or self.timeout))
        look = since
        while True:
            tail = self.text[look:]
            for index, pattern in enumerate(patterns):
                match = re.search(pattern, tail)
                if match:
                    return index, match
            match = dead and DEAD.search(tail)
            if match and "IO-APIC + timer doesn't work" in tail:
                raise Again()
            if match:
                raise Failed("the guest is dead: " + match.group().strip())
            look = max(since, len(self.text) - 4096)  # a pattern is never longer than that
            if time.monotonic() >= until:
                if time.monotonic() >= self.deadline:
                    raise Failed("timeout after %d s waiting for %s" % (self.timeout, [
                        getattr(p, "pattern", p) for p in patterns]))
                return None, None
            if not self.read(until - time.monotonic()):
                self.errors.seek(0)
                raise Failed("QEMU has ended: " + self.errors.read().decode("utf-8", "replace").strip())

    def shell(self, login=None):
        """Gets to a shell prompt that answers, whatever the console offers."""
        since = 0
        while True:
            index, _ = self.wait(LOGIN, PROMPT, r"LIVESTICK-TEST-READY", since=since)
            if index == 0:
                if not login:
                    raise Failed("the guest wants a login: use --login USER:PASSWORD")
                user, _, password = login.partition(":")
                since = len(self.text)
                self.send(user)
                index, _ = self.wait(r"[Pp]assword: *$", PROMPT, LOGIN, since=since, seconds=60)
                if index == 0:
                    since = len(self.text)
                    self.send(password)
                    if self.wait(PROMPT, r"Login incorrect", since=since)[0] == 1:
                        raise Failed("login refused")
                elif index != 1:
                    continue
            # Does it answer?  No echo and no prompts from now on, and no history written to the stick.
            since = len(self.text)
            self.serial += 1
            self.send("stty -echo; PS1= PS2=; unset HISTFILE PROMPT_COMMAND; printf '\\n%%s%%s\\n' @@ UP%d@" % self.serial)
            if self.wait(r"\n@@UP%d@\n" % self.serial, since=since, seconds=15)[0] == 0:
                return

    def run(self, command):
        """Runs a command in the guest's shell; returns (output, exit status).  State such as cd is kept."""
        self.serial += 1
        since = len(self.text)
        # The markers are put together by the guest, so an echoed command line can never be taken for them.
        self.send("printf '\\n%%s%%s\\n' @@ B%d@; eval %s </dev/null; printf '\\n%%s%%s%%d@\\n' @@ E%d: $?"
                  % (self.serial, shlex.quote(command), self.serial))
        _, match = self.wait(r"\n@@E%d:(\d+)@\n" % self.serial, since=since, dead=False)
        output = self.text[self.text.index("\n@@B%d@\n" % self.serial, since):]
        output = output[output.index("@\n") + 2:output.rindex("\n@@E%d:" % self.serial)] \
            if "@\n@@E" not in output else ""
        return output, int(match.group(1))

    def shutdown(self):
        """Clean power off by the guest itself."""
        self.send("[ $(id -u) = 0 ] && poweroff || sudo -n poweroff")
        while self.read(self.deadline - time.monotonic()):
            if time.monotonic() >= self.deadline:
                raise Failed("the guest did not power off")
        self.qemu.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image", required=True, help="raw image of the stick")
    parser.add_argument("--bus", choices=BUS, default="usb")
    parser.add_argument("--firmware", choices=FIRMWARE, default="bios")
    parser.add_argument("--snapshot", action=argparse.BooleanOptionalAction, default=False,
                        help="discard what the guest writes (default: the image is written)")
    parser.add_argument("--sector-size", type=int, choices=(512, 4096), default=512, help="of the emulated drive")
    parser.add_argument("--mem", type=int, default=1024, help="MiB")
    parser.add_argument("--timeout", type=int, default=180, help="seconds for the whole run")
    parser.add_argument("--log", help="file for the raw console")
    parser.add_argument("--login", metavar="USER:PASSWORD")
    parser.add_argument("--cmd", action="append", default=[], help="shell command for the guest; repeatable, in order")
    parser.add_argument("--answer", nargs=2, metavar=("REGEX", "TEXT"), action="append", default=[],
                        help="when the console says REGEX, type TEXT and Enter; repeatable, in order, before all else")
    parser.add_argument("--expect", action="append", default=[], metavar="REGEX", help="must appear on the console")
    parser.add_argument("--shutdown", action="store_true", help="clean power off (default: sync and pull the plug)")
    opt = parser.parse_args()
    for number in signal.SIGTERM, signal.SIGHUP, signal.SIGINT:
        signal.signal(number, lambda *_: sys.exit(1))

    for _ in range(3):
        try:
            return attempt(opt)
        except Again:
            print("boot.py: the emulator's timer stood still, once more", file=sys.stderr)
    return 1


def attempt(opt):
    guest = Guest(opt.image, opt.timeout, opt.log, bus=opt.bus, firmware=opt.firmware, snapshot=opt.snapshot,
                  mem=opt.mem, sector_size=opt.sector_size)
    try:
        with guest:
            since = 0
            for pattern, text in opt.answer:
                guest.wait(pattern, since=since)
                since = len(guest.text)
                guest.send(text)
            if opt.cmd or opt.shutdown or not opt.expect:
                guest.shell(opt.login)
                print("boot.py: shell after %.1f s" % guest.elapsed(), file=sys.stderr)
            for command in opt.cmd:
                output, status = guest.run(command)
                print(output, flush=True, end="" if output.endswith("\n") or not output else "\n")
                if status:
                    raise Failed("exit status %d: %s" % (status, command))
            for pattern in opt.expect:
                guest.wait(re.compile(pattern, re.M), dead=False)
            if opt.shutdown:
                guest.shutdown()
            elif opt.cmd:
                guest.run("sync")
            print("boot.py: passed after %.1f s" % guest.elapsed(), file=sys.stderr)
    except (Failed, OSError) as problem:
        sys.stderr.write("\n".join(guest.text.splitlines()[-40:]) + "\nboot.py: %s\n" % problem)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
