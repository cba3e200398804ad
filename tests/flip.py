#!/usr/bin/env python3
"""Changes one byte of an image: at an offset, or in the middle of where the contents of a file lie in it.

    flip.py IMAGE OFFSET        flip.py IMAGE --file FILE
"""
import mmap
import sys


def main():
    with open(sys.argv[1], "r+b") as f, mmap.mmap(f.fileno(), 0) as image:
        if sys.argv[2] == "--file":
            with open(sys.argv[3], "rb") as content:
                data = content.read()
            # A file begins at a block of its file system; small ones may hold what others hold too.
            at = image.find(data)
            while at >= 0 and at % 512:
                at = image.find(data, at + 1)
            if at < 0 or not data:
                sys.exit("flip.py: %s: is not in %s" % (sys.argv[3], sys.argv[1]))
            at += len(data) // 2
        else:
            at = int(sys.argv[2])
        image[at] ^= 0x20
        print(at)


main()
