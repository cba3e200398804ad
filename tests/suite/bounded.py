#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a command and fails when it took too much.   usage: bounded.py SECONDS MIB COMMAND...

SECONDS are of the processor, which other programs do not use up; of the clock it may take ten times as long, and is then
killed. MIB is the peak of the resident memory; 0: any. Exit status 97 and a line on stderr, or the command's own."""
import os
import signal
import sys

seconds, mib, command = float(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
pid = os.spawnvp(os.P_NOWAIT, command[0], command)
signal.signal(signal.SIGALRM, lambda *_: os.kill(pid, signal.SIGKILL))
signal.alarm(int(seconds * 10))
_, status, used = os.wait4(pid, 0)
took, peak = used.ru_utime + used.ru_stime, used.ru_maxrss / 1024
if took > seconds or (mib and peak > mib) or os.WIFSIGNALED(status):
    print("bounded: %.2f s and %.0f MiB, status %#x" % (took, peak, status), file=sys.stderr)
    sys.exit(97)
sys.exit(os.waitstatus_to_exitcode(status))
