"""The chat under people who talk, come, go and break off, and under one who does not listen: every
message reaches everybody else once and in order, or its loss is told; nobody waits for the slow."""
import signal
import socket

from support import HOST, MEMORY_SLACK, call, ended, in_background, reset, stop, until

LINE_BYTES = 1000
QUESTION = "* your name?"


class Person:
    """A client; hear() is the next line that the server has sent."""

    def __init__(self, context, server, name=None, small_buffer=False):
        if small_buffer:  # before connecting, or the window is agreed on already
            self.connection = context.keep(socket.socket())
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            self.connection.connect((HOST, server.port))
        else:
            self.connection = context.connect(server.port)
        self.rest, self.name = b"", name
        assert self.hear() == QUESTION
        if name:
            self.say(name)
            assert self.hear().startswith("* welcome; others here: ")

    def say(self, *lines):
        self.connection.sendall("".join(line + "\n" for line in lines).encode())

    def hear(self):
        while b"\n" not in self.rest:
            piece = self.connection.recv(1 << 16)
            assert piece, "the connection ended behind %r" % self.rest
            self.rest += piece
        line, _, self.rest = self.rest.partition(b"\n")
        return line.decode()

    def hears(self, *lines):
        for line in lines:
            heard = self.hear()
            assert heard == line, "%s heard %r instead of %r" % (self.name, heard, line)


def gather(context, server, *names):
    """People who have all heard each other come in."""
    people = []
    for name in names:
        newcomer = Person(context, server, name)
        for person in people:
            person.hears("* %s joined" % name)
        people.append(newcomer)
    return people


def test_everybody_hears_everybody(context):
    server = context.start("chat")
    people = gather(context, server, *["p%d" % number for number in range(30)])
    for person in people:
        person.say(*["%s says %d" % (person.name, turn) for turn in range(20)])
    for person in people:
        heard = {}
        for _ in range(20 * (len(people) - 1)):
            name, said = person.hear().split(": ")
            heard.setdefault(name, []).append(said)
        assert person.name not in heard
        for name, lines in heard.items():
            assert lines == ["%s says %d" % (name, turn) for turn in range(20)], (name, lines)
    stop(server)


def test_joins_and_leaves(context):
    server = context.start("chat")
    ann, bob, carl = gather(context, server, "ann", "bob", "carl")
    bob.connection.close()
    ann.hears("* bob left")
    carl.hears("* bob left")
    carl.say("where is bob?")
    ann.hears("carl: where is bob?")
    gather(context, server, "bob")
    ann.hears("* bob joined")
    stop(server)


def test_names(context):
    server = context.start("chat")
    (ann,) = gather(context, server, "ann")
    guest = Person(context, server)
    for bad in ("", "a b", "*", "x" * 21, "x" * 3000, "caf\u00e9", "a:b"):
        guest.say(bad)
        if len(bad) > LINE_BYTES:
            guest.hears("* your line was too long and was cut")
        guest.hears("* a name is 1 to 20 letters, digits, '-' or '_'; your name?")
    guest.say("ann")
    guest.hears("* ann is here already; your name?")
    guest.say("x" * 20)
    guest.hears("* welcome; others here: 1")
    ann.hears("* %s joined" % ("x" * 20))
    Person(context, server).connection.close()  # nobody hears of those who had no name
    ann.connection.close()
    guest.hears("* ann left")
    gather(context, server, "ann")
    guest.hears("* ann joined")
    stop(server)


def test_bytes_and_line_ends(context):
    """However the bytes come: a line is a line, and none of them controls a terminal."""
    server = context.start("chat")
    ann, bob = gather(context, server, "ann", "bob")
    for byte in b"one\r\n\n\r\n":
        bob.connection.sendall(bytes([byte]))
    bob.connection.sendall(b"two\nthr")
    bob.connection.sendall(b"ee\n\x1b[2Jbell\x07\x00\x7f\ttab \xc3\xa9\nend\n")
    ann.hears("bob: one", "bob: two", "bob: three", "bob: ?[2Jbell???\ttab \u00e9", "bob: end")
    stop(server)


def test_long_lines(context):
    server = context.start("chat")
    ann, bob = gather(context, server, "ann", "bob")
    before = server.memory()
    for length in (LINE_BYTES - 1, LINE_BYTES, LINE_BYTES + 1, LINE_BYTES + 2, LINE_BYTES + 3,
                   2 * LINE_BYTES, 2 * LINE_BYTES + 4, 1 << 20):
        for end in ("\n", "\r\n"):
            bob.connection.sendall(("x" * length + end).encode())
            ann.hears("bob: " + "x" * min(length, LINE_BYTES))
            if length > LINE_BYTES:
                bob.hears("* your line was too long and was cut")
    bob.say("short")
    ann.hears("bob: short")
    assert server.memory() - before < 2 * MEMORY_SLACK
    stop(server)


def listen_for(person, count, last):
    """What of count numbered messages is heard up to the last, and how many were missed."""
    numbers, missed = [], 0
    while not numbers or numbers[-1] != last:
        line = person.hear()
        if line.startswith("* you missed "):
            missed += int(line.split()[3])
        else:
            numbers.append(int(line.split()[1]))
    assert numbers == sorted(set(numbers)) and len(numbers) <= count
    return numbers, missed


def test_slow_reader(context):
    """One does not read. The others lose nothing and need not wait; the server does not grow; and
    the slow one is told how many messages it missed, exactly."""
    server = context.start("chat")
    ann, bob = gather(context, server, "ann", "bob")
    slow = Person(context, server, "slow", small_buffer=True)
    for person in (ann, bob):
        person.hears("* slow joined")
    before, count, batch = server.memory(), 4000, 100
    for start in range(0, count, batch):  # ann never falls behind
        numbers = range(start, start + batch)
        bob.say(*["%d %s" % (number, "x" * 900) for number in numbers])
        assert listen_for(ann, batch, numbers[-1]) == (list(numbers), 0)
    grown = server.memory() - before
    assert grown < 2 * MEMORY_SLACK, "it grew by %d bytes" % grown
    server.rests(0.1, 0.5)
    heard, missed = listen_for(slow, count, count - 1)
    assert missed > 0 and len(heard) + missed == count, (len(heard), missed)
    slow.say("here I am")
    ann.hears("slow: here I am")
    stop(server)


def test_drops_who_takes_nothing(context):
    """The others have time enough, and listen all the while."""
    server = context.start("chat", "3")
    ann, bob = gather(context, server, "ann", "bob")
    slow = Person(context, server, "slow", small_buffer=True)
    for person in (ann, bob):
        person.hears("* slow joined")
    heard = in_background(lambda: [ann.hear() for _ in range(401)])
    bob.say(*["x" * LINE_BYTES] * 400)
    assert sorted(heard()) == ["* slow left"] + ["bob: " + "x" * LINE_BYTES] * 400
    assert ended(slow.connection)
    bob.hears("* slow left")
    stop(server)


def test_people_who_break_off(context):
    server = context.start("chat")
    (ann,) = gather(context, server, "ann")
    before = server.descriptors()
    for number in range(30):
        other = Person(context, server, "other%d" % number)
        other.connection.sendall(b"in the middle of")
        reset(other.connection)
        ann.hears("* other%d joined" % number, "* other%d left" % number)
        reset(Person(context, server).connection)
    until(lambda: server.descriptors() == before, "all descriptors are closed")
    ann.say("hello?")
    bob = Person(context, server, "bob")
    bob.say("yes")
    ann.hears("* bob joined", "bob: yes")
    stop(server)


def test_half_close(context):
    """Who has said all leaves, and gets what was said before."""
    server = context.start("chat")
    ann, bob = gather(context, server, "ann", "bob")
    bob.say("bye", "all")
    ann.hears("bob: bye", "bob: all")
    ann.say("so long")
    bob.hears("ann: so long")
    bob.connection.shutdown(socket.SHUT_WR)
    ann.hears("* bob left")
    assert ended(bob.connection)
    stop(server)


def test_200_people(context):
    server = context.start("chat")
    before = server.descriptors()
    people = [Person(context, server, "p%d" % number) for number in range(200)]
    people[0].say("hello, all")
    for person in people[1:]:
        while person.hear() != "p0: hello, all":
            continue
    for person in people:
        person.connection.close()
    until(lambda: server.descriptors() == before, "all descriptors are closed")
    stop(server)


def stops_on(context, number):
    """With people who talk, one who has no name, and one who does not read."""
    server = context.start("chat")
    ann, bob = gather(context, server, "ann", "bob")
    nobody = Person(context, server)
    slow = Person(context, server, "slow", small_buffer=True)
    bob.say(*["x" * LINE_BYTES] * 400)
    ann.hears("* slow joined", *["bob: " + "x" * LINE_BYTES] * 400)
    bob.say("the last word")
    ann.hears("bob: the last word")
    waiting = [in_background(ended, person.connection) for person in (ann, bob, nobody)]
    stop(server, number)
    assert all(join() for join in waiting) and ended(slow.connection)


def test_stops_on_sigint(context):
    stops_on(context, signal.SIGINT)


def test_stops_on_sigterm(context):
    stops_on(context, signal.SIGTERM)


def test_stops_when_idle(context):
    stop(context.start("chat"))


def test_refuses(context):
    for seconds in ("0", "-1", "x", "999999"):
        status, text = call([context.program("chat"), HOST + ":0", seconds])
        assert status == 2 and "usage: chat" in text, text
    server = context.start("chat")
    address = "%s:%d" % (HOST, server.port)
    status, text = call([context.program("chat"), address], env=context.environment())
    assert status == 1 and "EADDRINUSE" in text, text
    status, text = call([context.program("chat"), "nonsense"], env=context.environment())
    assert status == 1 and "EINVAL" in text, text
    stop(server)
