#!/usr/bin/env python3
"""Writes what the fuzz targets begin with: the seeds of the repository, and inputs made of real files.

    fuzz/corpus.py seeds FOLDER          the hand-made ones (fuzz/seeds is made by this)
    fuzz/corpus.py real FOLDER FILES...  one of each DICOM file for each target that it fits

What the first bytes of an input choose stands with the targets, in the files called fuzzing.rs."""

import pathlib
import struct
import sys
import zlib

SYNTAXES = ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"]
RLE = "1.2.840.10008.1.2.5"
CT = "1.2.840.10008.5.1.4.1.1.2"
UNDEFINED = 0xFFFFFFFF
LONGEST_REAL = 16 << 10


def element(tag, vr, value, length=None, implicit=False, big=False):
    """One element; what VR and length say need not be true."""
    order = ">" if big else "<"
    length = len(value) if length is None else length
    head = struct.pack(order + "HH", tag >> 16, tag & 0xFFFF)
    if tag >> 16 == 0xFFFE or implicit:
        return head + struct.pack(order + "I", length) + value
    if vr in ("OB", "OW", "SQ", "UN", "UT"):
        return head + vr.encode() + b"\0\0" + struct.pack(order + "I", length) + value
    return head + vr.encode() + struct.pack(order + "H", length & 0xFFFF) + value


def data_set(**how):
    """A small one with a sequence of each kind."""
    def of(tag, vr, value, length=None):
        return element(tag, vr, value, length, **how)
    inside = of(0x00081150, "UI", b"1.2.840.10008.5.1.4.1.1.2\0")
    defined = of(0x00081140, "SQ", of(0xFFFEE000, "", inside))
    end, item_end = of(0xFFFEE0DD, "", b""), of(0xFFFEE00D, "", b"")
    undefined = of(0x00081115, "SQ", of(0xFFFEE000, "", inside, UNDEFINED) + item_end + end, UNDEFINED)
    unknown = of(0x00091001, "UN", b"\1\2\3\4")
    us = struct.pack(">H" if how.get("big") else "<H", 2)
    return b"".join([
        of(0x00080005, "CS", b"ISO 2022 IR 13\\ISO 2022 IR 87"), of(0x00080016, "UI", CT.encode() + b"\0"),
        of(0x00080018, "UI", b"1.2.3.4\0"), defined, undefined, unknown,
        of(0x00100010, "PN", b"A^B=\x1b$B;3ED\x1b(J^C"), of(0x0020000D, "UI", b"1.2.3\0"),
        of(0x00280010, "US", us), of(0x00281050, "DS", b"40\\-1.5e3 "), of(0x7FE00010, "OW", b"\1\0\2\0"),
    ])


def nested(depth, delimited):
    if delimited:
        opening = element(0x00081115, "SQ", b"", UNDEFINED) + element(0xFFFEE000, "", b"", UNDEFINED)
        return opening * depth + (element(0xFFFEE00D, "", b"") + element(0xFFFEE0DD, "", b"")) * depth
    value = b""
    for _ in range(depth):
        value = element(0x00081115, "SQ", element(0xFFFEE000, "", value))
    return value


def deflated(data):
    packer = zlib.compressobj(9, wbits=-15)
    return packer.compress(data) + packer.flush()


def fragments(*pieces):
    items = [element(0xFFFEE000, "", piece) for piece in (b"", *pieces)]
    return element(0x7FE00010, "OB", b"".join(items) + element(0xFFFEE0DD, "", b""), UNDEFINED)


def image(pixels, photometric=b"MONOCHROME2 ", samples=1, frames=None, more=()):
    """4 x 4 pixels of 8 bits. `more`: further elements before the pixels, as pairs of tag and bytes."""
    us = [(0x00280002, samples), (0x00280010, 4), (0x00280011, 4), (0x00280100, 8), (0x00280101, 8), (0x00280102, 7),
          (0x00280103, 0)] + [(0x00280006, 0)] * (samples > 1)
    elements = [(tag, element(tag, "US", struct.pack("<H", value))) for tag, value in us]
    elements.append((0x00280004, element(0x00280004, "CS", photometric)))
    if frames:
        elements.append((0x00280008, element(0x00280008, "IS", frames)))
    return b"".join(encoded for _, encoded in sorted([*elements, *more])) + pixels


def sequence(tag, *items):
    return element(tag, "SQ", b"".join(element(0xFFFEE000, "", item) for item in items))


def enhanced():
    """Two frames of a CT: what they share, and where each of them lies."""
    shared = b"".join([
        sequence(0x00209116, element(0x00200037, "DS", b"1\\0\\0\\0\\1\\0 ")),
        sequence(0x00289110, element(0x00180050, "DS", b"2 ") + element(0x00280030, "DS", b"1\\1 ")),
        sequence(0x00289145, b"".join(element(tag, vr, value) for tag, vr, value in [
            (0x00281052, "DS", b"0 "), (0x00281053, "DS", b"1 "), (0x00281054, "LO", b"HU")])),
    ])
    frames = [
        sequence(0x00209111, element(0x00209056, "SH", b"1 ") + element(0x00209157, "UL", struct.pack("<2I", 1, at)))
        + sequence(0x00209113, element(0x00200032, "DS", b"0\\0\\%d " % (2 * at))) for at in (1, 2)]
    named = [(0x00080016, "UI", CT.encode() + b"\0"), (0x00080018, "UI", b"1.2.3.4\0"), (0x00080060, "CS", b"CT")]
    more = [(tag, element(tag, vr, value)) for tag, vr, value in named]
    dimension = element(0x00209165, "AT", struct.pack("<2H", 0x20, 0x9057))
    more += [(0x00209222, sequence(0x00209222, dimension)), (0x52009229, sequence(0x52009229, shared)),
             (0x52009230, sequence(0x52009230, *frames))]
    return image(element(0x7FE00010, "OW", bytes(range(32))), frames=b"2 ", more=more)


def palette():
    more = []
    for at in range(3):
        more.append((0x00281101 + at, element(0x00281101 + at, "US", struct.pack("<3H", 16, 0, 8))))
        more.append((0x00281201 + at, element(0x00281201 + at, "OW", bytes(range(at, at + 16)))))
    return image(element(0x7FE00010, "OW", bytes(range(16))), b"PALETTE COLOR ", more=more)


def part10(syntax, data, preamble=bytes(128), group_length=True):
    padded = syntax.encode() + b"\0" * (len(syntax) % 2)
    group = element(0x00020001, "OB", b"\0\1") + (element(0x00020010, "UI", padded) if syntax else b"")
    length = element(0x00020000, "UL", struct.pack("<I", len(group))) if group_length else b""
    return preamble + b"DICM" + length + group + data


def item(kind, value):
    return struct.pack(">BBH", kind, 0, len(value)) + value


def associate(kind, contexts, user):
    fixed = b"\0\1\0\0" + b"GANTRY".ljust(16) + b"CT1".ljust(16) + bytes(32)
    body = fixed + item(0x10, b"1.2.840.10008.3.1.1.1") + b"".join(contexts) + item(0x50, user)
    return bytes([kind]) + body


def pdu(kind, body):
    return struct.pack(">BBI", kind, 0, len(body)) + body


def value(context, control, data):
    return struct.pack(">IBB", len(data) + 2, context, control) + data


def command(*elements):
    return b"".join(element(tag, "", data, implicit=True) for tag, data in elements)


def us(number):
    return struct.pack("<H", number)


def requests():
    """A-ASSOCIATE-RQ with and without what may be left out; behind the type, without its header."""
    syntaxes = b"".join(item(0x40, syntax.encode()) for syntax in SYNTAXES)
    context = item(0x20, b"\1\0\0\0" + item(0x30, CT.encode()) + syntaxes)
    echo = item(0x20, b"\3\0\0\0" + item(0x30, b"1.2.840.10008.1.1") + item(0x40, b"1.2.840.10008.1.2"))
    longest = item(0x51, struct.pack(">I", 16384))
    class_field = struct.pack(">H", len(CT)) + CT.encode()
    user = b"".join([
        longest, item(0x52, b"1.2.3"), item(0x53, b"\0\1\0\1"), item(0x54, class_field + b"\1\1"), item(0x55, b"X_1"),
        item(0x56, class_field + b"\2\0\0\0\0\0"), item(0x57, class_field + b"\0\x111.2.840.10008.4.2" + b"\0\0"),
        item(0x58, b"\2\1\0\3joe\0\6secret"), item(0x77, b"private"),
    ])
    return associate(1, [context, echo], user), associate(1, [context], longest)


def seeds():
    explicit, implicit, big = data_set(), data_set(implicit=True), data_set(big=True)
    store = command((0x2, CT.encode() + b"\0"), (0x100, us(1)), (0x110, us(7)), (0x700, us(0)), (0x800, us(1)),
                    (0x1000, b"1.2.3.4\0"), (0x1030, b"MOVER "), (0x1031, us(3)))
    echo = command((0x2, b"1.2.840.10008.1.1\0"), (0x100, us(0x30)), (0x110, us(1)), (0x800, us(0x101)))
    cancel = command((0x100, us(0xFFF)), (0x120, us(7)), (0x800, us(0x101)))
    whole, plain = requests()
    context = item(0x21, b"\1\0\0\0" + item(0x40, SYNTAXES[0].encode()))
    accepted = associate(2, [context], item(0x51, bytes(4)))

    yield from (("data_set", name, bytes([choice]) + data) for name, choice, data in [
        ("explicit", 0, explicit), ("implicit", 1, implicit), ("big", 2, big), ("raw-deflated", 3, deflated(explicit)),
        ("encapsulated", 4, data_set()[:-16] + fragments(b"abcd")), ("deflated", 0x80, explicit),
        ("nested-delimited", 0, explicit[:-16] + nested(40, True)), ("nested", 0, explicit[:-16] + nested(40, False)),
        ("undefined-value", 1, element(0x00280010, "", us(2), UNDEFINED, implicit=True)),
        ("undefined-unknown", 0, element(0x00091001, "UN", nested(1, True)[12:], UNDEFINED)),
        ("undefined-item", 0, element(0x00081115, "SQ", element(0xFFFEE000, "", b"", UNDEFINED), 8)),
        ("longest-value", 0, element(0x00091001, "UN", b"", UNDEFINED - 1)),
        ("bomb", 3, deflated(explicit[:-16] + element(0x7FE00010, "OW", bytes(1 << 20)))),
        ("many-values", 3, deflated(element(0x00080008, "CS", b"\\" * 1024) * 150)),
        ("many-items", 3, deflated(element(0x00081115, "SQ", element(0xFFFEE000, "", b"") * 256) * 40)),
    ])
    yield from (("file_meta", name, data) for name, data in [
        ("plain", part10(SYNTAXES[0], explicit)), ("no-group-length", part10(SYNTAXES[0], b"", group_length=False)),
        ("no-syntax", part10("", explicit)),
        ("tiff", part10(SYNTAXES[0], b"", b"II*\0\x08\0\0\0" + bytes(120))),
        ("script", part10(SYNTAXES[0], b"", b"#!/bin/sh\nexit\n".ljust(128, b"#"))),
        ("longest-value", bytes(128) + b"DICM" + element(0x00020001, "OB", b"", UNDEFINED)),
        ("head-in-data-set", element(0x00020010, "UI", b"1.2.3\0") + explicit),
    ])
    yield from (("record", name, damage.ljust(64, b"\0") + b"abc" * 20) for name, damage in [
        ("whole", b""), ("head", b"\x08\0\xff\1"), ("middle", b"\x80\2\1\1\x90\2\x80\1"), ("meta", b"\x48\0\x20\1"),
    ])
    yield from (("pdu", name, data) for name, data in [
        ("request", whole), ("request-plain", plain), ("acceptance", accepted), ("abort", b"\7\0\0\2\1"),
        ("values", b"\4" + value(1, 3, echo) + value(1, 2, b"ab")), ("no-room", b"\4" + struct.pack(">I", UNDEFINED)),
    ])
    yield from (("command", name, data) for name, data in [
        ("store", command((0, struct.pack("<I", len(store)))) + store), ("echo", echo), ("cancel", cancel),
        ("longest-value", element(0x100, "", us(1), UNDEFINED, implicit=True)),
    ])
    opened, release = pdu(1, plain[1:]), pdu(5, bytes(4))
    framed = b"".join(bytes([len(data), control]) + data for data, control in
                      [(echo, 7), (store, 3), (explicit[:200], 0), (b"", 2), (cancel, 3), (store[:-20], 3)])
    yield from (("association", name, data) for name, data in [
        ("framed", b"\x80" + framed), ("release", b"\0" + pdu(1, whole[1:]) + release),
        ("store", b"\0" + opened + pdu(4, value(1, 3, store)) + pdu(4, value(1, 2, explicit)) + release),
        ("twice", b"\0" + opened + opened), ("longest", b"\0" + opened + b"\4\0" + b"\xff" * 4),
        ("abort", b"\0" + opened + pdu(7, bytes(4))), ("http", b"\0GET / HTTP/1.1\r\n\r\n"),
    ])
    yield from (("walk", name, bytes([choice, piece]) + data) for name, choice, piece, data in [
        ("explicit", 0, 6, explicit), ("implicit", 1, 0, implicit), ("big", 2, 90, big),
        ("nested", 0, 16, nested(70, True)), ("encapsulated", 4, 3, data_set()[:-16] + fragments(b"abcd")),
    ])
    rle = struct.pack("<16I", 1, 64, *[0] * 14) + b"\xf1\x07"
    yield from (("decode", name, data) for name, data in [
        ("native", part10(SYNTAXES[0], image(element(0x7FE00010, "OW", bytes(range(16)))))),
        ("deflated", part10(SYNTAXES[3], deflated(image(element(0x7FE00010, "OW", bytes(16)))))),
        ("rle", part10(RLE, image(fragments(rle)))),
        ("enhanced", part10(SYNTAXES[0], enhanced())), ("palette", part10(SYNTAXES[0], palette())),
        ("rgb", part10(SYNTAXES[0], image(element(0x7FE00010, "OW", bytes(range(48))), b"RGB ", 3))),
        ("ybr-422", part10(SYNTAXES[0], image(element(0x7FE00010, "OW", bytes(range(32))), b"YBR_FULL_422", 3))),
        ("rle-frames", part10(RLE, image(fragments(rle, rle), frames=b"2 "))),
        ("jpeg-lossless", part10("1.2.840.10008.1.2.4.70", image(fragments(JPEG_LOSSLESS)))),
    ])


# 4 x 4 pixels of 8 bits, all of one value: one Huffman code of one bit for "no difference".
JPEG_LOSSLESS = bytes.fromhex(
    "ffd8" "ffc3000b080004000401011100" "ffc40014000100000000000000000000000000000000" "ffda0008010100010000" "0000" "ffd9")


def data_sets(file):
    """The data set of a file and what chooses its transfer syntax, if it has a head."""
    if file[128:132] != b"DICM":
        return 1, file
    at, syntax = 132, ""
    while file[at:at + 2] == b"\2\0" and at + 12 <= len(file):
        long = file[at + 4:at + 6] in (b"OB", b"OW", b"UN", b"UT", b"SQ")
        begin = at + (12 if long else 8)
        length = struct.unpack_from("<I" if long else "<H", file, begin - (4 if long else 2))[0]
        if file[at + 2:at + 4] == b"\x10\0":
            syntax = file[begin:begin + length].rstrip(b"\0 ").decode("ascii", "replace")
        at = begin + length
    return SYNTAXES.index(syntax) if syntax in SYNTAXES else 4, file[at:]


def real(paths):
    for path in paths:
        file = pathlib.Path(path).read_bytes()[:LONGEST_REAL]
        name = pathlib.Path(path).stem
        choice, data = data_sets(file)
        yield "file_meta", name, file
        yield "decode", name, file
        yield "data_set", name, bytes([choice]) + data
        yield "walk", name, bytes([choice, 100]) + data
        yield "record", name, bytes(64) + data[:4096]


def main():
    match sys.argv[1:]:
        case ["seeds", folder]:
            inputs = seeds()
        case ["real", folder, *paths]:
            inputs = real(paths)
        case _:
            sys.exit(__doc__)
    for target, name, data in inputs:
        path = pathlib.Path(folder) / target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


main()
