# SPDX-License-Identifier: Apache-2.0
# Writes tar archives that attack whoever unpacks them, one a file, into the folder $1.
import io
import os
import sys
import tarfile

folder = sys.argv[1]


def entry(name, kind=tarfile.REGTYPE, link="", data=b""):
    info = tarfile.TarInfo(name)
    info.type = kind
    info.linkname = link
    info.size = len(data)
    return info, data


# The target of all that tries to leave: a file beside the archives, which must not change.
outside = os.path.abspath("outside")
up = "../" * 40 + outside.lstrip("/")
archives = {
    "absolute": [entry(outside, data=b"x")],
    "upwards": [entry(up, data=b"x")],
    "upwards-inside": [entry("a/../../b", data=b"x")],
    "upwards-last": [entry("a/..", tarfile.DIRTYPE)],
    "through-absolute-link": [entry("l", tarfile.SYMTYPE, os.path.dirname(outside)), entry("l/outside", data=b"x")],
    "through-relative-link": [entry("l", tarfile.SYMTYPE, os.path.dirname(up)), entry("l/outside", data=b"x")],
    "through-chain": [
        entry("d", tarfile.DIRTYPE),
        entry("d/up", tarfile.SYMTYPE, ".."),
        entry("e", tarfile.SYMTYPE, "d/up/.."),
        entry("e/escaped", data=b"x"),
    ],
    "directory-through-link": [entry("l", tarfile.SYMTYPE, "/tmp"), entry("l", tarfile.DIRTYPE)],
    "hard-link-outside": [entry("h", tarfile.LNKTYPE, outside)],
    "hard-link-upwards": [entry("h", tarfile.LNKTYPE, up)],
    "hard-link-through-link": [
        entry("l", tarfile.SYMTYPE, os.path.dirname(outside)),
        entry("h", tarfile.LNKTYPE, "l/outside"),
        entry("h", data=b"x"),
    ],
    "hard-link-to-nothing": [entry("h", tarfile.LNKTYPE, "missing")],
    "hard-link-to-directory": [entry("d", tarfile.DIRTYPE), entry("h", tarfile.LNKTYPE, "d")],
    "character-device": [entry("null", tarfile.CHRTYPE)],
    "block-device": [entry("disk", tarfile.BLKTYPE)],
    "file-as-root": [entry(".", data=b"x")],
    "link-as-root": [entry("./", tarfile.SYMTYPE, "/")],
    "file-over-directory": [entry("d", tarfile.DIRTYPE), entry("d/f", data=b"x"), entry("d", data=b"x")],
    "below-a-file": [entry("f", data=b"x"), entry("f/g", data=b"x")],
    "deep": [entry("n/" * 256 + "n", data=b"x")],
    "long-name": [entry("n/" * 2100 + "n", data=b"x")],
}
for name, entries in archives.items():
    with tarfile.open(os.path.join(folder, name), "w", format=tarfile.GNU_FORMAT) as tar:
        for info, data in entries:
            tar.addfile(info, io.BytesIO(data))

# A file of 2^40 bytes, of which the archive has none.
info = tarfile.TarInfo("huge")
info.size = 1 << 40
with open(os.path.join(folder, "huge"), "wb") as out:
    out.write(info.tobuf(tarfile.GNU_FORMAT))

# A sparse file that says it is as large, in a few bytes.
info = tarfile.TarInfo("sparse")
info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "sparse",
                    "GNU.sparse.realsize": str(1 << 40)}
data = b"0\n".ljust(512, b"\0")
info.size = len(data)
with tarfile.open(os.path.join(folder, "sparse"), "w", format=tarfile.PAX_FORMAT) as tar:
    tar.addfile(info, io.BytesIO(data))

# Cut within a file, and within a header.
with tarfile.open(os.path.join(folder, "whole"), "w") as tar:
    tar.addfile(*[entry("f", data=bytes(5000))[0], io.BytesIO(bytes(5000))])
whole = open(os.path.join(folder, "whole"), "rb").read()
os.unlink(os.path.join(folder, "whole"))
open(os.path.join(folder, "cut-file"), "wb").write(whole[:3000])
open(os.path.join(folder, "cut-header"), "wb").write(whole[:300])
broken = bytearray(whole)
broken[150] ^= 1
open(os.path.join(folder, "broken-header"), "wb").write(broken)
open(os.path.join(folder, "empty"), "wb").close()
