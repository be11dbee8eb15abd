"""DNS messages for the tests of dns_forward, and a server for it to ask that does as their names
say."""
import socket
import struct
import threading

from support import HOST, PATIENCE, until

A, CNAME, SOA, TXT, AAAA, OPT, ANY = 1, 5, 6, 16, 28, 41, 255
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED = range(6)
QR, TC, RD, RA, CD = 0x8000, 0x0200, 0x0100, 0x0080, 0x0010


def wire_name(text):
    labels = [label.encode() for label in text.rstrip(".").split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def header(number, flags, *counts):
    return struct.pack("!HH4H", number, flags, *counts)


def option(size=1232, dnssec=False, version=0, data=b""):
    return b"\0" + struct.pack("!HHBBHH", OPT, size, 0, version, dnssec << 15, len(data)) + data


def query(name, number=1, kind=A, flags=RD, edns=None, **more):
    """A query; edns is the size of answers that it says."""
    extra = option(edns, **more) if edns else b""
    return header(number, flags, 1, 0, 0, bool(extra)) + wire_name(name) + struct.pack(
        "!HH", kind, 1) + extra


def record(kind, ttl, data, name=b"\xc0\x0c"):
    return name + struct.pack("!HHIH", kind, 1, ttl, len(data)) + data


def soa(ttl, minimum):
    names = wire_name("ns.test") + wire_name("me.test")
    return record(SOA, ttl, names + struct.pack("!5I", 1, 2, 3, 4, minimum), wire_name("test"))


class Message:
    """What a message says; raises where it says nothing that makes sense."""

    def __init__(self, data):
        self.data, self.at = data, 12
        self.number, self.flags, questions, *counts = struct.unpack("!HH4H", data[:12])
        self.code = self.flags & 15
        self.name = self.kind = None
        if questions:
            start = self.at
            self.skip_name()
            self.name = data[start : self.at]
            self.kind, _ = self.take("!HH")
        self.answers, self.authority, self.extra = [self.records(count) for count in counts]
        assert self.at == len(data), "bytes behind the end"

    def take(self, form):
        values = struct.unpack_from(form, self.data, self.at)
        self.at += struct.calcsize(form)
        return values

    def skip_name(self):
        while self.data[self.at]:
            if self.data[self.at] >= 0xC0:
                self.at += 2
                return
            self.at += 1 + self.data[self.at]
        self.at += 1

    def records(self, count):
        """Each as (type, class, ttl, data)."""
        found = []
        for _ in range(count):
            self.skip_name()
            kind, group, ttl, size = self.take("!HHIH")
            found.append((kind, group, ttl, self.data[self.at : self.at + size]))
            self.at += size
        return found

    def option(self):
        return next((each for each in self.extra if each[0] == OPT), None)

    def text(self):
        return self.name[1:-1].decode()  # of one label


class Upstream:
    """Answers by the first letters of a name; asked is what came: (message, port, transport)."""

    def __init__(self, context):
        self.asked, self.held = [], threading.Event()
        for _ in range(20):
            self.listener = context.listen(64)
            self.port = self.listener.getsockname()[1]
            self.socket = context.keep(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            self.socket.settimeout(None)
            self.listener.settimeout(None)
            try:
                self.socket.bind((HOST, self.port))
                break
            except OSError:
                continue
        self.address = "%s:%d" % (HOST, self.port)
        for work in (self.serve_udp, self.serve_tcp):
            threading.Thread(target=work, daemon=True).start()

    def count(self, text):
        return sum(text.lower() in each[0].name.decode("latin-1").lower() for each in self.asked)

    def serve_udp(self):
        while True:
            try:
                data, peer = self.socket.recvfrom(65536)
            except OSError:
                return
            message = Message(data)
            self.asked.append((message, peer[1], "udp"))
            if message.name[1:5].lower() == b"slow":
                threading.Thread(target=self.answer_late, args=(message, peer)).start()
                continue
            self.send(message, peer)

    def send(self, message, peer):
        for answer in self.answers(message, False):
            try:
                self.socket.sendto(answer, peer)
            except OSError:  # the test is over
                return

    def answer_late(self, message, peer):
        self.held.wait(PATIENCE)
        self.send(message, peer)

    def serve_tcp(self):
        while True:
            try:
                connection, peer = self.listener.accept()
            except OSError:
                return
            with connection:
                size = connection.recv(2, socket.MSG_WAITALL)
                if len(size) < 2:  # who has asked waits no more
                    continue
                size = struct.unpack("!H", size)[0]
                message = Message(connection.recv(size, socket.MSG_WAITALL))
                self.asked.append((message, peer[1], "tcp"))
                for answer in self.answers(message, True):
                    connection.sendall(struct.pack("!H", len(answer)) + answer)

    def answers(self, message, tcp):
        """The messages to send back."""
        word = message.name[1 : 1 + message.name[0]].decode("latin-1").lower().split("-")[0]
        make = getattr(self, "answer_" + word, self.answer_plain)
        return make(message, tcp)

    def make(self, message, answers=(), authority=(), code=NOERROR, more=0, number=None):
        question = message.name + struct.pack("!HH", message.kind, 1)
        extra = [option(4096)] if message.option() else []
        flags = QR | RA | (message.flags & (RD | CD)) | code | more
        number = message.number if number is None else number
        counts = (1, len(answers), len(authority), len(extra))
        return header(number, flags, *counts) + question + b"".join([*answers, *authority, *extra])

    def answer_plain(self, message, _, ttl=300):
        kind, data = (AAAA, bytes(16)) if message.kind == AAAA else (A, bytes([10, 0, 0, 1]))
        return [self.make(message, [record(kind, ttl, data)])]

    def answer_brief(self, message, tcp):
        return self.answer_plain(message, tcp, 1)

    def answer_zero(self, message, tcp):
        return self.answer_plain(message, tcp, 0)

    def answer_nothing(self, message, _):
        return [self.make(message, authority=[soa(300, 60)], code=NXDOMAIN)]

    def answer_nodata(self, message, _):
        return [self.make(message, authority=[soa(300, 60)])]

    def answer_bare(self, message, _):
        return [self.make(message, code=NXDOMAIN)]

    def answer_gone(self, message, _):
        return [self.make(message, authority=[soa(300, 1)], code=NXDOMAIN)]

    def answer_broken(self, message, _):
        return [self.make(message, code=SERVFAIL)]

    def answer_never(self, *_):
        return []

    def answer_second(self, message, tcp):
        return self.answer_plain(message, tcp) if self.count(message.text()) > 1 else []

    def answer_big(self, message, tcp):
        texts = [record(TXT, 300, b"\xc8" + bytes([65 + each]) * 200) for each in range(12)]
        return [self.make(message, texts)] if tcp else [self.make(message, more=TC)]

    def answer_forged(self, message, tcp):
        """Wrong id, wrong question, a query, noise; then the truth."""
        other = Message(query("other", message.number))
        good = self.answer_plain(message, tcp)
        wrong = [record(A, 300, bytes([6, 6, 6, 6]))]
        return [self.make(message, wrong, number=message.number ^ 1), self.make(other, wrong),
                query("forged", message.number), b"", b"x" * 11, good[0][:-3], *good]

    def answer_loop(self, message, _):
        """Names that point at themselves, at each other, ahead, and beyond the end."""
        base = 12 + len(message.name) + 4
        ends = [base, base + 2, 0x3FFF, 3]
        return [self.make(message, [record(A, 300, b"\1\2\3\4", struct.pack("!H", 0xC000 | end))])
                for end in ends] + [self.make(message, [record(CNAME, 300, struct.pack(
                    "!H", 0xC000 | (base + 12)))])]

    def answer_long(self, message, _):
        """Records that are said to be there and are not; lengths beyond the end."""
        good = self.make(message, [record(A, 300, b"\1\2\3\4")])
        return [good[:6] + b"\xff\xff" + good[8:], good[:-6] + b"\xff\xff" + good[-4:],
                good + b"behind", good[: 12 + len(message.name)]]


def wait_asked(upstream, text, count):
    until(lambda: upstream.count(text) >= count, "%s was asked for %d times" % (text, count))
