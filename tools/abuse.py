#!/usr/bin/env python3
"""Runs the abuse table against a node: what a peer sends that breaks PS3.8, and what it must hear.

    tools/abuse.py HOST PORT --called GANTRY --calling CT1 [--artim 30] [--pid PID]

Prints row, expected, got and whether that is right; exit status 1 when one is wrong. With --pid (the
node's, on this machine) it also looks for sockets and memory that were not given back. The calling
title must be one that may call. Python's standard library only; nothing is stored at the node.
"""

import argparse
import os
import socket
import struct
import sys
import time

CT = "1.2.840.10008.5.1.4.1.1.2"
VERIFICATION = "1.2.840.10008.1.1"
IMPLICIT, EXPLICIT, BIG_ENDIAN = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
DICOM = "1.2.840.10008.3.1.1.1"
PATIENCE = 5.0  # seconds for what must come at once
ROUNDS, FIRST = 550, 350  # how often all of it is done; in the first of these a node may settle
MEMORY = 4 << 20  # what a node may keep after those, in bytes
LONG = 40000  # bytes that a C-ECHO has repeated: more than one PDU of a peer that names no length


# What is on the wire (PS3.8 9.3, PS3.7 annex E).


def pdu(kind, body):
    return struct.pack(">BxI", kind, len(body)) + body


def item(kind, body):
    return struct.pack(">BxH", kind, len(body)) + body


def context(number, abstract, syntaxes):
    names = [item(0x30, abstract.encode())] + [item(0x40, name.encode()) for name in syntaxes]
    return item(0x20, bytes([number, 0, 0, 0]) + b"".join(names))


def user_information(maximum):
    return item(0x50, item(0x51, struct.pack(">I", maximum)) + item(0x52, b"1.2.3.4"))


def value(number, control, data):
    return struct.pack(">IBB", len(data) + 2, number, control) + data


def element(number, data):
    return struct.pack("<HHI", 0, number, len(data)) + data


def echo_command(further=b""):
    uid = VERIFICATION.encode() + b"\0" * (len(VERIFICATION) % 2)
    body = element(2, uid) + element(0x100, b"\x30\0") + element(0x110, b"\1\0") + element(0x800, b"\1\1")
    body += further
    return element(0, struct.pack("<I", len(body))) + body


ECHO = pdu(4, value(1, 3, echo_command()))
# An instance, which no C-ECHO has: a node that repeats it has a long answer to give.
LONG_COMMAND = echo_command(element(0x1000, b"1" * LONG))
LONG_ECHO = b"".join(
    pdu(4, value(1, 1 if at + 16000 < len(LONG_COMMAND) else 3, LONG_COMMAND[at : at + 16000]))
    for at in range(0, len(LONG_COMMAND), 16000)
)
RELEASE = pdu(5, bytes(4))


class Peer:
    """One connection to the node."""

    def __init__(self, node):
        self.node = node
        self.socket = socket.create_connection((node.host, node.port), timeout=PATIENCE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        try:
            self.socket.sendall(data)
        except OSError:
            pass  # the node may have closed already: what it said is read
        return self

    def read(self, length):
        data = b""
        while len(data) < length:
            piece = self.socket.recv(length - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data

    def pdu(self):
        kind, length = struct.unpack(">BxI", self.read(6))
        return kind, self.read(length)

    def hear(self):
        """The next PDU in a few words: AC, RJ 1/1/7, ABORT 2/6, 0000 (a status), RP, closed, silence."""
        try:
            kind, body = self.pdu()
        except TimeoutError:
            return "silence"
        except (EOFError, OSError):
            return "closed"
        if kind == 3:
            return "RJ %d/%d/%d" % tuple(body[1:4])
        if kind == 7:
            return "ABORT %d/%d" % tuple(body[2:4])
        if kind == 4:
            at = body.find(b"\0\0\0\x09\x02\0\0\0")
            return "%04X" % struct.unpack_from("<H", body, at + 8) if at >= 0 else "P-DATA"
        return {2: "AC", 6: "RP"}.get(kind, "type %02X" % kind)

    def results(self):
        """Result and syntax of each context of an A-ASSOCIATE-AC, or what came instead."""
        kind, body = self.pdu()
        if kind != 2:
            return "type %02X" % kind
        found, at = [], 68
        while at + 4 <= len(body):
            number, length = struct.unpack_from(">BxH", body, at)
            if number == 0x21:
                inside = body[at + 4 : at + 4 + length]
                found.append((inside[2], inside[8:].rstrip(b"\0").decode()))
            at += 4 + length
        return found


class Node:
    def __init__(self, arguments):
        self.host, self.port = arguments.host, arguments.port
        self.called, self.calling = arguments.called, arguments.calling
        self.artim, self.pid = arguments.artim, arguments.pid

    def request(self, contexts=None, called=None, application=DICOM, version=1, user=None):
        title = lambda text: text.encode().ljust(16)[:16]
        contexts = [context(1, VERIFICATION, [IMPLICIT])] if contexts is None else contexts
        body = struct.pack(">HH", version, 0)
        body += title(self.called if called is None else called) + title(self.calling) + bytes(32)
        body += item(0x10, application.encode()) + b"".join(contexts)
        return pdu(1, body + (user_information(16384) if user is None else user))

    def answer(self, *sent):
        """What is heard after the last of what is sent; before it everything must be accepted."""
        with Peer(self) as peer:
            for data in sent[:-1]:
                heard = peer.send(data).hear()
                if heard != "AC":
                    return heard + " too early"
            return peer.send(sent[-1]).hear()

    def echo(self):
        """Whether C-ECHO is answered and the association released."""
        with Peer(self) as peer:
            return " ".join(peer.send(data).hear() for data in (self.request(), ECHO, RELEASE))


# The rows: what is done, what must be heard, and a function that hears it.


def rows(node):
    def chosen(contexts):
        with Peer(node) as peer:
            results = peer.send(node.request(contexts)).results()
            return results if isinstance(results, str) else " ".join(str(result) for result, _ in results)

    def syntax(offered):
        with Peer(node) as peer:
            results = peer.send(node.request([context(1, CT, offered)])).results()
            names = {IMPLICIT: "implicit", EXPLICIT: "explicit", BIG_ENDIAN: "big endian"}
            return results if isinstance(results, str) else names.get(results[0][1], results[0][1])

    def pieces(user):
        """The lengths of the PDUs in which a long answer comes."""
        with Peer(node) as peer:
            heard = peer.send(node.request(user=user)).hear()
            if heard != "AC":
                return heard
            peer.send(LONG_ECHO)
            lengths, last = [], False
            while not last:
                kind, body = peer.pdu()
                if kind != 4:
                    return "type %02X" % kind
                lengths.append(len(body))
                last = bool(body[5] & 2)
            if sum(lengths) < LONG:
                return "not repeated"
            return "%d of at most %d KiB" % (len(lengths), -(-max(lengths) // 1024))

    def closed_or_aborted(data):
        heard = node.answer(data)
        return "ABORT or closed" if heard == "closed" or heard.startswith("ABORT") else heard

    def at_artim():
        with Peer(node) as peer:
            begun = time.monotonic()
            peer.send(node.request()[:40])
            peer.socket.settimeout(node.artim + PATIENCE)
            heard, waited = peer.hear(), time.monotonic() - begun
            early = waited < node.artim * 0.9
            return "%s after %.1f s" % (heard, waited) if early or heard != "closed" else "closed at ARTIM"

    ask, answer = node.request, node.answer
    tls = b"\x16\x03\x01\x00\x2e\x01\x00\x00\x2a\x03\x03" + bytes(40)
    echoed = "AC 0000 RP"
    return [
        ("wrong called AE", "RJ 1/1/7", lambda: answer(ask(called="NOT-THIS-ONE"))),
        ("unknown application context", "RJ 1/1/2", lambda: answer(ask(application="1.2.3.4"))),
        ("version 2 only", "RJ 1/2/2", lambda: answer(ask(version=2))),
        ("versions 1 and 2", "AC", lambda: answer(ask(version=3))),
        ("unknown abstract syntax", "3", lambda: chosen([context(1, "1.2.3.4.5", [IMPLICIT])])),
        ("unknown transfer syntax", "4", lambda: chosen([context(1, CT, ["1.2.3.4.5"])])),
        ("implicit, explicit and big endian offered", "explicit",
         lambda: syntax([IMPLICIT, EXPLICIT, BIG_ENDIAN])),
        ("even context id", "ABORT 2/6", lambda: answer(ask([context(2, VERIFICATION, [IMPLICIT])]))),
        ("no context", "RJ 1/1/1", lambda: answer(ask([]))),
        ("no user information: 40 KB in 16 KiB each", "3 of at most 16 KiB", lambda: pieces(b"")),
        ("maximum 0: 40 KB at once", "1 of at most 40 KiB", lambda: pieces(user_information(0))),
        ("P-DATA first", "ABORT 0/0", lambda: answer(ECHO)),
        ("second request", "ABORT 2/2", lambda: answer(ask(), ask())),
        ("request of length FFFFFFFF", "ABORT 2/6", lambda: answer(b"\1\0\xff\xff\xff\xff")),
        ("data of length FFFFFFFF", "ABORT 2/6", lambda: answer(ask(), b"\4\0\xff\xff\xff\xff")),
        ("data of 512 MiB", "ABORT 2/6", lambda: answer(ask(), b"\4\0\x20\0\0\0" + bytes(1000))),
        ("value longer than its PDU", "ABORT 2/6",
         lambda: answer(ask(), pdu(4, struct.pack(">IBB", 5000, 1, 3) + bytes(10)))),
        ("foreign context id", "ABORT 2/6", lambda: answer(ask(), pdu(4, value(99, 3, echo_command())))),
        ("half a request, then silence", "closed at ARTIM", at_artim),
        ("HTTP on the plain port", "ABORT or closed",
         lambda: closed_or_aborted(b"GET / HTTP/1.1\r\nHost: node\r\n\r\n")),
        ("TLS hello on the plain port", "ABORT or closed", lambda: closed_or_aborted(tls)),
        ("after all of it: echo", echoed, lambda: node.echo()),
    ]


def sockets(pid):
    folder = "/proc/%d/fd" % pid
    links = []
    for name in os.listdir(folder):
        try:
            links.append(os.readlink(os.path.join(folder, name)))
        except OSError:
            pass  # closed meanwhile
    return sum(link.startswith("socket:") for link in links)


def memory(pid):
    with open("/proc/%d/status" % pid) as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmRSS:"))


def left_behind(node, before):
    """Sockets that are still open, once the node has had the time to close them."""
    until = time.monotonic() + node.artim + PATIENCE
    while sockets(node.pid) > before and time.monotonic() < until:
        time.sleep(0.1)
    return max(0, sockets(node.pid) - before)


def run(node):
    wrong = 0

    def judge(row, expected, got):
        nonlocal wrong
        wrong += got != expected
        print("%-46s %-18s %-18s %s" % (row, expected, got, "ok" if got == expected else "WRONG"))

    print("%-46s %-18s %-18s" % ("row", "expected", "got"))
    node.echo()
    before = sockets(node.pid) if node.pid else 0
    for row, expected, hear in rows(node):
        try:
            got = hear()
        except (OSError, EOFError, struct.error, IndexError) as error:
            got = type(error).__name__
        judge(row, expected, got)
    if node.pid:
        judge("after all of it: sockets left open", "0", str(left_behind(node, before)))
        # The first rounds are for what a node allocates once, and for what waits to be written down.
        for number in range(ROUNDS):
            if number == FIRST:
                held = memory(node.pid)
            for row, _, hear in rows(node):
                if "silence" not in row:
                    hear()
        grown = memory(node.pid) - held
        got = "no leak" if grown <= MEMORY else "%d MiB more" % (grown >> 20)
        judge("after %d rounds: memory" % ROUNDS, "no leak", got)
        judge("after %d rounds: sockets left open" % ROUNDS, "0", str(left_behind(node, before)))
        judge("after %d rounds: echo" % ROUNDS, "AC 0000 RP", node.echo())
    print("%d wrong" % wrong)
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--called", required=True, help="the node's AE title")
    parser.add_argument("--calling", required=True, help="an AE title that may call")
    parser.add_argument("--artim", type=float, default=30.0, help="the node's ARTIM, in seconds")
    parser.add_argument("--pid", type=int, help="the node's process, to look for leaks")
    sys.exit(1 if run(Node(parser.parse_args())) else 0)


if __name__ == "__main__":
    main()
