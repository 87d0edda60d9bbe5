#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Counts the system calls in programs, and those that the kit can rewrite (guestkit/patch.c).

usage: call-sites.py [-v] PROGRAM...     (-v shows those it cannot)
"""

import re
import subprocess
import sys

JUMP_SIZE = 5
LINE = re.compile(r"^\s*[0-9a-f]+:\t([0-9a-f ]+?)\s*\t(.*)$")
ENDS = re.compile(r"^(ret\b|jmp +[0-9a-f])")
FILLS = re.compile(r"^((data16 )*(cs )?nop|xchg +%ax,%ax|int3)")
KNOWN = re.compile(
    r"^(add|adc|and|cl?t[dq]|cltq|cqto|cdqe|cmov|cmp|dec|div|idiv|imul|inc|j[a-z]+ +[0-9a-f]|lea|leave|mov[a-z]*|mul|"
    r"neg|not|or|pop|push|sar|sbb|set|shl|shr|sub|test|xor)"
)
VECTOR = re.compile(r"%[xyz]mm|\*")
CANCELLABLE = "4c 89 5c 24 08"


def can_rewrite(lines, at):
    """Is every instruction that the jump would cover one that instruction.c knows?"""
    size = 2
    has_ended = False
    while size < JUMP_SIZE:
        at += 1
        if at >= len(lines):
            return False
        code, text = lines[at]
        is_after_cancellable = lines[at - 3][0] == CANCELLABLE and text.startswith("jmp")
        if has_ended and not FILLS.match(text) and not is_after_cancellable:
            return False
        if VECTOR.search(text) or not (KNOWN.match(text) or FILLS.match(text) or ENDS.match(text)):
            return False
        has_ended = has_ended or bool(ENDS.match(text))
        size += len(code.split())
    return True


def main():
    is_verbose = sys.argv[1:2] == ["-v"]
    for program in sys.argv[1 + is_verbose :]:
        listing = subprocess.run(["objdump", "-dw", program], stdout=subprocess.PIPE, check=True, text=True).stdout
        lines = [match.groups() for match in map(LINE.match, listing.splitlines()) if match]
        sites = [at for at, line in enumerate(lines) if line[1].strip() == "syscall"]
        bad = [at for at in sites if not can_rewrite(lines, at)]
        print(f"{program}: {len(sites) - len(bad)} of {len(sites)}")
        if is_verbose:
            for at in bad:
                print("  ", " | ".join(re.sub(r"\s+", " ", text) for _, text in lines[at - 1 : at + 3]))


if __name__ == "__main__":
    main()
