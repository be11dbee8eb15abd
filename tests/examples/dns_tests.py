"""The DNS forwarder between clients and a server that is slow, wrong or silent: answers are kept
for as long as they may be, asked for once, and believed only when they are what was asked for."""
import itertools
import random
import re
import socket
import struct
import tempfile

from dns_tools import A, AAAA, ANY, FORMERR, NOTIMP, NXDOMAIN, QR, RA, RD, REFUSED, SERVFAIL, TC
from dns_tools import TXT, Message, Upstream, header, option, query, record, wait_asked, wire_name
from support import HOST, MEMORY_SLACK, PATIENCE, Server, call, need_tool, receive, receive_all
from support import stop, until


class Forwarder:
    """A forwarder, its upstream server, and a client. attempt_ms is the time for an answer: long
    where it is counted how often the server is asked, short where it is silent."""

    def __init__(self, context, entries=1000, attempt_ms=3000):
        self.context = context
        self.upstream = Upstream(context)
        self.server = context.start("dns_forward", self.upstream.address, str(entries),
                                    str(attempt_ms))
        self.client = self.another()

    def another(self):
        client = self.context.keep(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        client.connect((HOST, self.server.port))
        return client

    def ask(self, name, number=7, **more):
        """The answer by UDP."""
        self.client.send(query(name, number, **more))
        return self.hear(number)

    def hear(self, number=7):
        answer = Message(self.client.recv(65536))
        assert answer.number == number and answer.flags & QR and answer.flags & RA
        return answer

    def ask_tcp(self, *queries):
        connection = self.context.connect(self.server.port)
        connection.sendall(b"".join(struct.pack("!H", len(each)) + each for each in queries))
        return [hear_tcp(connection) for _ in queries]

    def still_serves(self):
        """A client may have to ask again: under load queries are lost on the way."""
        client = self.another()
        client.settimeout(0.5)

        def answered():
            client.send(query("plain-alive", 99))
            try:
                return Message(client.recv(512)).answers
            except socket.timeout:
                return False

        until(answered, "it answers")

    def crowd(self):
        """More questions at once than it takes. They are open until the server may answer."""
        client = self.another()
        for number in range(600):
            client.send(query("slow-%d" % number, number))
            if number % 50 == 0:
                self.still_serves()  # so that none is lost on the way, nor from there on
                wait_asked(self.upstream, "slow", min(number, 350))
        while Message(client.recv(512)).code != REFUSED:
            continue

    def disperse(self):
        """All of them are answered, and it asks again."""
        self.upstream.held.set()
        until(lambda: self.ask("plain-new").answers, "it asks again")


def hear_tcp(connection):
    return Message(receive(connection, struct.unpack("!H", receive(connection, 2))[0]))


def test_answers_are_kept(context):
    forwarder = Forwarder(context)
    for number in range(1, 6):
        answer = forwarder.ask("plain-kept", number)
        assert answer.code == 0 and answer.answers[0][0] == A
        assert answer.answers[0][3] == bytes([10, 0, 0, 1]) and 295 <= answer.answers[0][2] <= 300
    assert forwarder.ask_tcp(query("plain-kept", 5))[0].answers
    assert forwarder.upstream.count("plain-kept") == 1
    stop(forwarder.server)


def test_time_to_live(context):
    """It shrinks, ends, and one of 0 is not kept at all."""
    forwarder = Forwarder(context)
    forwarder.ask("plain-old")
    forwarder.ask("brief")
    until(lambda: forwarder.ask("plain-old").answers[0][2] < 300, "its time to live shrinks")
    assert forwarder.upstream.count("plain-old") == 1
    until(lambda: forwarder.ask("brief").answers and forwarder.upstream.count("brief") > 1,
          "it is asked for again")
    for _ in range(3):
        assert forwarder.ask("zero").answers[0][2] == 0
    assert forwarder.upstream.count("zero") == 3
    stop(forwarder.server)


def test_negative_answers(context):
    """Kept by the minimum of the SOA record, and without one not at all."""
    forwarder = Forwarder(context)
    for _ in range(3):
        assert forwarder.ask("nothing").code == NXDOMAIN
        assert not forwarder.ask("nodata").answers
        assert forwarder.ask("bare").code == NXDOMAIN
        assert forwarder.ask("broken").code == SERVFAIL
    counts = [forwarder.upstream.count(name) for name in ("nothing", "nodata", "bare", "broken")]
    assert counts == [1, 1, 3, 3], counts
    forwarder.ask("gone")
    until(lambda: forwarder.ask("gone").code and forwarder.upstream.count("gone") > 1,
          "it is asked for again")
    stop(forwarder.server)


def test_ids_and_ports_are_random(context):
    forwarder = Forwarder(context)
    for number in range(40):
        forwarder.ask("plain-%d" % number)
    ids = [each[0].number for each in forwarder.upstream.asked]
    ports = [each[1] for each in forwarder.upstream.asked]
    assert len(set(ids)) > 35 and len(set(ports)) > 35, (ids, ports)
    steps = [after - before for before, after in zip(ports, ports[1:])]
    assert len(set(steps)) > 30, "the ports follow a rule: %s" % steps
    stop(forwarder.server)


def test_equal_questions_are_asked_once(context):
    forwarder = Forwarder(context)
    clients = [forwarder.another() for _ in range(50)]
    for number, client in enumerate(clients):
        client.send(query("slow-once" if number % 2 else "SLOW-once", number))
    wait_asked(forwarder.upstream, "slow-once", 1)
    forwarder.still_serves()
    forwarder.upstream.held.set()
    for number, client in enumerate(clients):
        answer = Message(client.recv(4096))
        assert answer.number == number and answer.answers, number
        assert answer.text() == ("slow-once" if number % 2 else "SLOW-once")
    assert forwarder.upstream.count("slow-once") == 1
    stop(forwarder.server)


def test_case_is_kept(context):
    forwarder = Forwarder(context)
    for name in ("PlAiN-CaSe", "plain-case", "PLAIN-CASE"):
        assert forwarder.ask(name).text() == name
    assert [each[0].text() for each in forwarder.upstream.asked] == ["PlAiN-CaSe"]
    stop(forwarder.server)


def test_what_tells_questions_apart(context):
    """Type, recursion, DO and CD, and EDNS at all: its record is only for who has sent one."""
    forwarder = Forwarder(context)
    forms = [{}, {"kind": AAAA}, {"flags": 0}, {"flags": 0x0110}, {"edns": 1232},
             {"edns": 1232, "dnssec": True}]
    for turn in range(2):
        for form in forms:
            answer = forwarder.ask("plain-apart", **form)
            assert (answer.option() is not None) == ("edns" in form), form
            assert answer.flags & 0x0110 == form.get("flags", 0x0100), form
        assert forwarder.upstream.count("plain-apart") == len(forms), turn
    sent = [each[0].option() for each in forwarder.upstream.asked]
    assert [each is not None for each in sent] == ["edns" in form for form in forms]
    assert sent[5][2] & 0x8000 and not sent[4][2] & 0x8000
    cookie = struct.pack("!HH8s", 10, 8, b"mycookie")
    assert forwarder.ask("plain-cookie", edns=1232, data=cookie).answers
    assert forwarder.upstream.asked[-1][0].option()[3] == b""
    stop(forwarder.server)


def test_large_answers(context):
    """Fetched by TCP; cut off for clients who take less, and whole for all others."""
    forwarder = Forwarder(context)
    for form in ({}, {"edns": 512}, {"edns": 1232}):
        answer = forwarder.ask("big", kind=TXT, **form)
        assert answer.flags & TC and not answer.answers and answer.text() == "big"
        assert (answer.option() is not None) == ("edns" in form)
    assert len(forwarder.ask("big", kind=TXT, edns=4096).answers) == 12
    assert len(forwarder.ask_tcp(query("big", kind=TXT))[0].answers) == 12
    ways = [each[2] for each in forwarder.upstream.asked]
    assert ways == ["udp", "tcp"] * 2, ways  # with EDNS and without
    stop(forwarder.server)


def test_silent_upstream(context):
    """Asked again, from another port each time; then the client is told. Others are served."""
    forwarder = Forwarder(context, attempt_ms=200)
    other = forwarder.another()
    other.send(query("never", 3))
    forwarder.still_serves()
    answer = Message(other.recv(512))
    assert answer.code == SERVFAIL and answer.number == 3 and answer.text() == "never"
    wait_asked(forwarder.upstream, "never", 3)  # its thread may be behind
    asked = [each for each in forwarder.upstream.asked if each[0].text() == "never"]
    assert len(asked) == 3 and len({each[1] for each in asked}) > 1  # two may be the same by chance
    numbers = itertools.count()  # the answer to the second attempt is too late at times
    until(lambda: forwarder.ask("second-%d" % next(numbers)).answers,
          "the second attempt is answered")
    stop(forwarder.server)


def test_absent_upstream(context):
    absent = context.bind(kind=socket.SOCK_DGRAM).getsockname()
    server = context.start("dns_forward", "%s:%d" % absent)
    client = context.keep(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    client.connect((HOST, server.port))
    client.send(query("anything"))
    assert Message(client.recv(512)).code == SERVFAIL
    stop(server)


def test_forged_answers(context):
    forwarder = Forwarder(context)
    assert forwarder.ask("forged").answers[0][3] == bytes([10, 0, 0, 1])
    assert forwarder.ask("other").answers[0][3] == bytes([10, 0, 0, 1])
    stop(forwarder.server)


def test_malformed_answers(context):
    """None of them is believed, loops of names and lengths beyond the end above all."""
    forwarder = Forwarder(context, attempt_ms=200)
    clients = {name: forwarder.another() for name in ("loop", "long")}
    for name, client in clients.items():
        client.send(query(name))
    for client in clients.values():
        assert Message(client.recv(512)).code == SERVFAIL
    forwarder.still_serves()
    stop(forwarder.server)


def test_malformed_queries(context):
    """Dropped, or told what is wrong."""
    forwarder = Forwarder(context)
    good = query("plain")
    two = header(7, 0x0100, 2, 0, 0, 0) + good[12:] * 2
    pointer = header(7, 0x0100, 1, 0, 0, 0) + b"\xc0\x0c\0\1\0\1"
    endless = header(7, 0x0100, 1, 0, 0, 0) + b"\x3f" * 300
    label = header(7, 0x0100, 1, 0, 0, 0) + b"\x40" + b"a" * 64 + b"\0\0\1\0\1"
    long_name = header(7, 0x0100, 1, 0, 0, 0) + (b"\x3f" + b"a" * 63) * 4 + b"\0\0\1\0\1"
    options = query("plain", 7, edns=512)[:10] + b"\0\2" + query("plain", edns=512)[12:] + option()
    wrong = [two, pointer, endless, label, long_name, options, query("plain", 7) + b"x",
             query("plain", 7)[:-1], header(7, 0x0100, 0, 0, 0, 0)]
    for message in wrong:
        forwarder.client.send(message)
        assert forwarder.hear().code == FORMERR, message
    forwarder.client.send(query("plain", 7, flags=0x2800))
    assert forwarder.hear().code == NOTIMP
    version = forwarder.ask("plain", edns=1232, version=1)
    assert version.code == 0 and version.option()[2] >> 24 == 1  # BADVERS
    for message in (b"", b"x", good[:11], header(7, QR, 1, 0, 0, 0) + good[12:]):
        forwarder.client.send(message)  # nothing comes back
    forwarder.still_serves()
    assert not forwarder.upstream.count("\x05plain\0")
    stop(forwarder.server)


def test_noise(context):
    """Queries with bytes changed, cut and added. As many open questions as there may be at once
    have had their memory before."""
    forwarder = Forwarder(context, attempt_ms=20000)
    forwarder.crowd()
    forwarder.disperse()
    dice = random.Random(11)
    base = [query("nothing", edns=1232), query("plain-noise", kind=ANY), query("big", edns=4096)]
    memory = None
    for turn in range(3000):
        message = bytearray(dice.choice(base))
        for _ in range(dice.randrange(1, 5)):
            message[dice.randrange(len(message))] = dice.choice((0, 1, 0x3F, 0xC0, 0xFF, 0x61))
        cut = dice.randrange(len(message) + 1) if turn % 3 else len(message)
        forwarder.client.send(bytes(message[:cut]))
        if turn % 50 == 0:
            forwarder.another().send(bytes(message))
        if turn == 1000:
            forwarder.still_serves()  # what was sent so far has been taken
            memory = forwarder.server.memory()
    forwarder.still_serves()
    assert forwarder.server.memory() < memory + 4 * MEMORY_SLACK
    stop(forwarder.server)


def test_tcp_clients(context):
    """Many queries on a connection; clients that send half of one, or what is none."""
    forwarder = Forwarder(context)
    answers = forwarder.ask_tcp(*[query("plain-%d" % (each % 3), each) for each in range(20)])
    assert [each.number for each in answers] == list(range(20))
    half = context.connect(forwarder.server.port)
    half.sendall(b"\0\x20half")
    large = context.connect(forwarder.server.port)
    large.sendall(b"\xff\xff" + bytes(65535))
    assert hear_tcp(large).code == FORMERR
    for words in (b"\0\0", b"\0\3abc", b"\0\14" + b"\xff" * 12):
        connection = context.connect(forwarder.server.port)
        connection.sendall(words)
        until(lambda: gone(connection), "it is sent away")
    half.close()
    forwarder.still_serves()
    stop(forwarder.server)


def pointers(count):
    """A query with a record that holds so many pointers in a chain, and 3000 named by its end."""
    start = 12 + len(wire_name("plain")) + 4 + 11
    chain = b"\0" + b"".join(struct.pack("!H", 0xC000 | (start + max(0, 2 * each - 1)))
                             for each in range(count))
    end = struct.pack("!H", 0xC000 | (start + 2 * count - 1))
    records = [record(TXT, 1, chain, b"\0")] + [record(A, 1, b"\1\2\3\4", end)] * 3000
    return header(7, RD, 1, 0, 0, len(records)) + query("plain")[12:] + b"".join(records)


def test_chains_of_pointers(context):
    """No name has that many, and each costs time."""
    forwarder = Forwarder(context)
    short, long = forwarder.ask_tcp(pointers(100), pointers(5000))
    assert short.code == 0 and long.code == FORMERR
    stop(forwarder.server)


def gone(connection):
    try:
        receive_all(connection)
    except ConnectionError:
        pass
    return True


def test_too_much_at_once(context):
    """Beyond its limit it refuses, and serves what it knows; afterwards it is as before."""
    forwarder = Forwarder(context, attempt_ms=20000)
    forwarder.ask("plain-known")
    forwarder.crowd()
    assert forwarder.ask("plain-known").answers
    forwarder.disperse()
    stop(forwarder.server)


def test_cache_is_bounded(context):
    """What was used longest ago goes first."""
    forwarder = Forwarder(context, 10)
    for number in range(10):
        forwarder.ask("plain-n%d" % number)
    forwarder.ask("plain-n0")
    forwarder.ask("plain-more")
    forwarder.ask("plain-n0")
    forwarder.ask("plain-n2")
    assert forwarder.upstream.count("plain-n0") == 1 and forwarder.upstream.count("plain-n2") == 1
    forwarder.ask("plain-n1")
    assert forwarder.upstream.count("plain-n1") == 2
    stop(forwarder.server)


def test_stops_while_queries_wait(context):
    forwarder = Forwarder(context, attempt_ms=300)
    for number in range(20):
        forwarder.client.send(query("slow-%d" % number, number))
    connection = context.connect(forwarder.server.port)
    message = query("slow-tcp")
    connection.sendall(struct.pack("!H", len(message)) + message)
    wait_asked(forwarder.upstream, "slow", 21)
    stop(forwarder.server)
    forwarder.upstream.held.set()


def test_one_port_for_both(context):
    """Also where the kernel chooses it, which nobody could know otherwise."""
    upstream = Upstream(context)
    words = [context.program("dns_forward"), HOST + ":0", upstream.address]
    server = Server(words, context.environment())
    context.servers.append(server)
    line = server.process.stdout.readline().decode()
    server.port = int(re.search(r"listening on %s:(\d+) for" % HOST, line).group(1))
    client = context.keep(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    client.connect((HOST, server.port))
    client.send(query("plain-udp"))
    assert Message(client.recv(512)).answers
    connection, message = context.connect(server.port), query("plain-tcp")
    connection.sendall(struct.pack("!H", len(message)) + message)
    assert hear_tcp(connection).answers
    stop(server)


def test_bad_arguments(context):
    for words in (["%s:0" % HOST, "nowhere"], ["%s:0" % HOST, "%s:0" % HOST], ["nowhere"],
                  ["%s:0" % HOST, "%s:53" % HOST, "many"],
                  ["%s:0" % HOST, "%s:53" % HOST, "1", "-5"],
                  ["%s:0" % HOST, "%s:53" % HOST, "1", "99999999999999"]):
        status, said = call([context.program("dns_forward"), *words], env=context.environment())
        assert status == 1 and words[-1] in said and said.count("\n") == 1, said


def dig(forwarder, *words):
    status, said = call([need_tool("dig", "bind9-dnsutils"), "@" + HOST, "-p",
                         str(forwarder.server.port), "+tries=1", "+time=%d" % PATIENCE, *words])
    assert status == 0, said
    assert "WARNING" not in said and "mismatch" not in said and "malformed" not in said, said
    return said


def test_dig(context):
    need_tool("dig", "bind9-dnsutils")
    forwarder = Forwarder(context)
    for words in ((), ("+tcp",), ("+dnssec",), ("+noedns",), ("+cookie", "+nsid"), ("+norecurse",)):
        said = dig(forwarder, "plain.dig", "A", *words)
        assert "status: NOERROR" in said and "10.0.0.1" in said, said
    assert "status: NXDOMAIN" in dig(forwarder, "nothing.dig")
    said = dig(forwarder, "big", "TXT")  # cut off, so it asks again by TCP
    assert said.count("AAAA") and len(re.findall(r"\bTXT\b", said)) >= 12, said
    stop(forwarder.server)
    forwarder = Forwarder(context, attempt_ms=200)
    assert "status: SERVFAIL" in dig(forwarder, "never.dig")
    stop(forwarder.server)


def dnsperf(forwarder, *words):
    tool = need_tool("dnsperf")
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as names:
        for number in range(200):
            names.write("plain-%d.perf A\n" % number)
        names.flush()
        status, said = call([tool, "-s", HOST, "-p", str(forwarder.server.port), "-d", names.name,
                             "-n", "25", *words])
    assert status == 0, said
    assert re.search(r"Queries completed: +5000 \(100.00%\)", said), said
    assert re.search(r"NOERROR 5000 \(100.00%\)", said), said


def test_dnsperf(context):
    """Thousands of queries by each way, every one of them answered."""
    forwarder = Forwarder(context)
    dnsperf(forwarder, "-c", "8")
    dnsperf(forwarder, "-c", "8", "-e", "-D")
    dnsperf(forwarder, "-c", "4", "-m", "tcp")
    assert forwarder.upstream.count("perf") <= 2 * 200 + 50
    stop(forwarder.server)
