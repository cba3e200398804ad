#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a program on a terminal and answers its question: answer.py REGEX ANSWER COMMAND...  Its output goes to stdout."""
import os
import pty
import re
import sys

regex, answer = re.compile(sys.argv[1].encode()), sys.argv[2].encode() + b"\n"
seen, answered = b"", False


def read(fd):
    global seen, answered
    data = os.read(fd, 4096)
    seen += data
    if not answered and regex.search(seen):
        answered = True
        os.write(fd, answer)
    return data


sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[3:], read)))
