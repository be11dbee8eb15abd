"""Trees copied whole, many files at a time: what arrives, what is told, and what an interruption or
a file that resists leaves behind."""
import os
import pty
import resource
import shutil
import signal
import socket
import struct
import subprocess
import time

from backup_tools import Lease, Trees, facts, same
from support import BUILD, PATIENCE, SANITIZED, Skip, call, need_tool, noise, until

STAGING = ".backup-staging"
NOBODY = 65534


def backup(context, *words, **options):
    return call([context.program("backup"), *words], env=context.environment(), **options)


def unavailable(context, unused):
    """Why there is no such backend here, or an empty text."""
    with Trees() as trees:
        status, said = backup(context, trees.source, trees.target)
        return "" if status == 0 else said


def fill(trees, files):
    for i in range(files):
        trees.write("%d/file-%d" % (i % 7, i), noise(i * 37 % 3000, i), 0o600 + i % 8)
    trees.write("large", noise(9_000_000))
    trees.write("empty")
    os.makedirs(trees.source + "/a/b/c")
    os.symlink("../nowhere", trees.source + "/a/link")
    os.utime(trees.source + "/a/link", (1_500_000_000, 1_500_000_000), follow_symlinks=False)
    os.chmod(trees.source + "/a/b", 0o500)
    return files + 2


def test_a_tree(context):
    with Trees() as trees:
        count = fill(trees, 100)
        status, said = backup(context, trees.source, trees.target)
        assert status == 0, said
        assert "%d copied, 0 already there, 0 failed" % count in said, said
        same(trees)


def test_extended_attributes(context):
    """Of files, of directories, and of the folder itself."""
    with Trees() as trees:
        paths = [trees.write("below/file"), trees.source + "/below", trees.source]
        try:
            for path in paths:
                os.setxattr(path, "user.aio", os.path.basename(path).encode())
        except OSError:
            raise Skip("this file system has no such attributes") from None
        status, said = backup(context, trees.source, trees.target)
        assert status == 0, said
        for path in paths:
            copy = trees.target + path[len(trees.source):]
            assert os.getxattr(copy, "user.aio") == os.path.basename(path).encode(), copy


def test_extended_attributes_of_what_may_not_be_written(context):
    """Its owner may not set any; the copy is his as well, and has them all the same."""
    with Trees() as trees:
        path = trees.write("file", b"text", 0o444)
        os.mkdir(trees.source + "/shut", 0o600)
        for owned in (path, trees.source, trees.source + "/shut"):
            os.chown(owned, NOBODY, NOBODY)
        os.mkdir(trees.target)
        os.chown(trees.target, NOBODY, NOBODY)
        try:
            os.setxattr(path, "user.aio", b"value")
        except OSError:
            raise Skip("this file system has no such attributes") from None
        status, said = as_nobody(context, trees, trees.source, trees.target)
        assert status == 0, said
        assert os.getxattr(trees.target + "/file", "user.aio") == b"value"
        assert os.stat(trees.target + "/file").st_mode & 0o7777 == 0o444
        assert os.stat(trees.target + "/shut").st_mode & 0o7777 == 0o600


def test_a_private_tree(context):
    """The folder that is copied keeps others out of the copy as well."""
    with Trees() as trees:
        trees.write("file", b"for the owner")
        os.chmod(trees.source, 0o700)
        os.utime(trees.source, (1_600_000_000, 1_600_000_000))
        status, said = backup(context, trees.source, trees.target)
        assert status == 0, said
        wanted, found = os.stat(trees.source), os.stat(trees.target)
        assert found.st_mode == wanted.st_mode, oct(found.st_mode)
        assert found.st_mtime_ns == wanted.st_mtime_ns


def test_names_of_any_bytes(context):
    with Trees() as trees:
        for name in (b"\n", b"a\nb", b"\xff\xfe", b"-n", b" ", b"\x1b[31m"):
            with open(os.path.join(trees.source.encode(), name), "wb") as file:
                file.write(name)
        status, said = backup(context, "-n", "-j", "2", trees.source, trees.target)
        assert status == 0 and "6 copied" in said, said
        same(trees)


def test_only_what_is_new(context):
    with Trees() as trees:
        count = fill(trees, 20)
        assert backup(context, trees.source, trees.target)[0] == 0
        trees.write("0/file-0", b"changed", modified=1_700_000_000)
        trees.write("new", b"new")
        os.unlink(trees.source + "/a/link")
        os.symlink("elsewhere", trees.source + "/a/link")
        with open(trees.target + "/mine", "w") as file:
            file.write("not in the source")
        status, said = backup(context, "-v", trees.source, trees.target)
        assert status == 0, said
        assert "2 copied, %d already there, 0 failed" % (count - 1) in said, said
        assert sorted(said.split("\n")[:2]) == ["0/file-0", "new"], said
        os.unlink(trees.target + "/mine")
        same(trees)


def test_interrupted_and_continued(context):
    """A run that is killed, and one that is asked to stop, leave no part that passes for a file."""
    with Trees() as trees:
        for i in range(300):
            trees.write("%d/%d" % (i % 10, i), noise(100_000, i))
        words = [context.program("backup"), "-j", "4", trees.source, trees.target]
        for number in (signal.SIGKILL, signal.SIGTERM):
            process = subprocess.Popen(words, env=context.environment(), stdout=subprocess.DEVNULL,
                                       stderr=subprocess.PIPE)
            goal = 50 if number == signal.SIGKILL else 100
            until(lambda: copied(trees) >= goal or process.poll() is not None, "files arrive")
            process.send_signal(number)
            complaint = process.communicate(timeout=PATIENCE)[1]
            wanted = facts(trees.source)
            for path, what in facts(trees.target).items():
                if not path.startswith(STAGING.encode()) and what[2]:
                    assert what[2] == wanted[path][2], "%r is not whole" % path
        if process.returncode == 1:
            assert b"run it again" in complaint, complaint
            assert not os.path.exists(trees.target + "/" + STAGING)
        status, said = backup(context, trees.source, trees.target)
        assert status == 0 and " 0 failed" in said, said
        assert int(said.split()[1]) + int(said.split()[3]) == 300, said
        assert int(said.split()[3]) >= 50, said
        same(trees)


def copied(trees):
    return sum(len(files) for folder, _, files in os.walk(trees.target) if STAGING not in folder)


def test_unreadable_entries(context):
    """What cannot be read or written is told; the rest is copied."""
    with Trees() as trees:
        trees.write("good", b"good")
        trees.write("blocked", b"a directory stands in its place")
        trees.write("folder/inside", b"a file stands in its folder's place")
        os.mkfifo(trees.source + "/fifo")
        os.makedirs(trees.target + "/blocked/x")
        with open(trees.target + "/folder", "w") as file:
            file.write("in the way")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(trees.source + "/socket")
        status, said = backup(context, trees.source, trees.target)
        assert status == 1 and "1 copied, 0 already there, 2 failed" in said, said
        assert "backup: blocked: Is a dir" in said and "backup: folder: Not a dir" in said, said
        assert "backup: fifo: a dev" in said and "backup: socket: a dev" in said, said
        with open(trees.target + "/good") as file:
            assert file.read() == "good"


def as_nobody(context, trees, *words):
    """Runs it as an ordinary user. The program is copied: others may not reach the checkout."""
    if os.geteuid() != 0:
        raise Skip("becoming another user takes root")

    def drop():
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)

    os.chmod(trees.home, 0o755)
    program = shutil.copy(context.program("backup"), trees.home)
    return call([program, *words], env=context.environment(), preexec_fn=drop)


def test_as_an_ordinary_user(context):
    """Permissions that are missing."""
    with Trees() as trees:
        trees.write("good", b"good")
        trees.write("secret", b"secret", 0)
        trees.write("closed/file", b"x")
        os.chmod(trees.source + "/closed", 0)
        os.mkdir(trees.target)
        os.chown(trees.target, NOBODY, NOBODY)
        status, said = as_nobody(context, trees, trees.source, trees.target)
        assert status == 1 and "1 copied, 0 already there, 2 failed" in said, said
        assert "backup: secret: Permission" in said and "backup: closed: Permission" in said, said
        assert sorted(os.listdir(trees.target)) == ["good"], os.listdir(trees.target)


def test_a_closed_folder_of_ours(context):
    """A run that was killed may have left it, or somebody has closed it: it is ours to open."""
    with Trees() as trees:
        trees.write("below/file", b"good")
        os.makedirs(trees.target + "/below")
        for path in (trees.target, trees.target + "/below"):
            os.chown(path, NOBODY, NOBODY)
        os.chmod(trees.target + "/below", 0)
        status, said = as_nobody(context, trees, trees.source, trees.target)
        assert status == 0 and "1 copied" in said, said
        assert os.stat(trees.target + "/below").st_mode & 0o7777 == 0o755


def test_owners_without_a_number(context):
    """In a user namespace that does not know the owner, the copy is ours, and no error."""
    if os.geteuid() != 0:
        raise Skip("giving files to others takes root")
    with Trees() as trees:
        os.chmod(trees.home, 0o755)
        trees.write("below/file", b"x", 0o640 | 0o4)
        os.symlink("nowhere", trees.source + "/link")
        os.chmod(trees.source, 0o755)
        for name in ("", "/below", "/below/file", "/link"):
            os.lchown(trees.source + name, 12345, 12345)
        enter = [need_tool("unshare", "util-linux"), "--user", "--map-root-user"]
        if call([*enter, "true"])[0] != 0:
            raise Skip("there are no user namespaces")
        words = [*enter, context.program("backup"), trees.source, trees.target]
        for wanted in ("1 copied, 0 already", "0 copied, 1 already"):
            status, said = call(words, env=context.environment())
            assert status == 0 and wanted in said, said
        same(trees)


def test_a_deep_tree(context):
    with Trees() as trees:
        path = "/".join(["d"] * 500)
        trees.write(path + "/file", b"deep")
        status, said = backup(context, trees.source, trees.target)
        assert status == 0 and "1 copied" in said, said
        with open("%s/%s/file" % (trees.target, path)) as file:
            assert file.read() == "deep"


def test_a_path_beyond_the_limit(context):
    """Longer than what the kernel takes in one call: then it goes name by name."""
    with Trees() as trees:
        names = ["%02d" % i + "x" * 198 for i in range(25)]

        def into(top, make):
            folder = os.open(top, os.O_RDONLY)
            for name in names:
                if make:
                    os.mkdir(name, dir_fd=folder)
                below = os.open(name, os.O_RDONLY, dir_fd=folder)
                os.close(folder)
                folder = below
            return folder

        for make in (True, False):
            folder = into(trees.source if make else trees.target, make)
            if make:  # in two folders of the last one: the second is come to from above
                for name in ("a", "b"):
                    os.mkdir(name, 0o750, dir_fd=folder)
                    os.close(os.open(name + "/file", os.O_CREAT | os.O_WRONLY, dir_fd=folder))
                status, said = backup(context, trees.source, trees.target)
                assert status == 0 and "2 copied" in said, said
            else:
                for name in ("a", "b"):
                    assert os.stat(name, dir_fd=folder).st_mode & 0o777 == 0o750
                    os.stat(name + "/file", dir_fd=folder)
            os.close(folder)


def test_few_descriptors(context):
    """A folder is open while something in it is copied: no more are than the limit allows."""
    with Trees() as trees:
        for i in range(300):
            trees.write("%d/below/file" % i, noise(1000, i))
        limit = (lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)))
        for words in ((), ("-n",)):
            status, said = backup(context, "-j", "256", *words, trees.source, trees.target,
                                  preexec_fn=limit)
            assert status == 0 and "300 copied" in said, said
            same(trees)
            shutil.rmtree(trees.target)


def run_and_replace(context, trees, words, folder, below):
    """Has a symlink to "outside" put in the place of a folder while a file in it is copied. One
    with a folder below is opened again at the end, and then it is told."""
    trees.write("d/held", b"held")
    trees.write("d/other", b"other")
    outside = trees.home + "/outside"
    os.mkdir(outside)
    os.chmod(outside, 0o711)
    if below:
        os.mkdir(trees.source + "/d/below")
    with Lease(trees.source + "/d/held"):
        process = subprocess.Popen([context.program("backup"), *words, trees.source, trees.target],
                                   env=context.environment(), stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True)
        until(lambda: os.path.exists(trees.target + "/d/other"), "another file is there")
        os.rename(folder + "/d", folder + "/moved")
        os.symlink(outside, folder + "/d")
        with open(outside + "/held", "w") as file:
            file.write("not theirs")
        os.utime(outside, (1_500_000_000, 1_500_000_000))
    said = process.communicate(timeout=PATIENCE)[0]
    assert "2 copied, 0 already there, %d failed" % below in said, said
    assert process.returncode == below and ("backup: d: " in said) == below, said
    status = os.stat(outside)
    assert status.st_mode & 0o7777 == 0o711 and status.st_mtime == 1_500_000_000, status
    assert os.listdir(outside) == ["held"], os.listdir(outside)
    with open(outside + "/held") as file:
        assert file.read() == "not theirs"


REPLACING = (((), False), ((), True), (("-n",), False), (("-n",), True))


def test_a_symlink_put_into_the_target(context):
    """Nothing is written where it leads, and no attributes are set there."""
    for words, below in REPLACING:
        with Trees() as trees:
            run_and_replace(context, trees, words, trees.target, below)
            with open(trees.target + "/moved/held") as file:
                assert file.read() == "held"


def test_a_symlink_put_into_the_source(context):
    """Nothing is read where it leads."""
    for words, below in REPLACING:
        with Trees() as trees:
            run_and_replace(context, trees, words, trees.source, below)
            with open(trees.target + "/d/held") as file:
                assert file.read() == "held"
            assert os.stat(trees.target + "/d").st_mode & 0o7777 == 0o755


def test_a_symlink_in_the_target(context):
    """One that is there from the start, in the place of a folder and of a file."""
    with Trees() as trees:
        trees.write("folder/inside", b"new")
        trees.write("file", b"new")
        outside = trees.home + "/outside"
        os.mkdir(outside)
        os.mkdir(trees.target)
        os.symlink(outside, trees.target + "/folder")
        os.symlink(outside + "/made", trees.target + "/file")
        status, said = backup(context, trees.source, trees.target)
        assert status == 1 and "1 copied, 0 already there, 1 failed" in said, said
        assert "backup: folder: " in said, said
        assert os.listdir(outside) == [] and not os.path.islink(trees.target + "/file")


def test_coarse_times(context):
    """The target's file system may keep less of a time: parts of a second, seconds, even ones."""
    source = 1_600_000_001_123_456_789
    kept = (source, 1_600_000_001_123_456_700, 1_600_000_001_120_000_000,
            1_600_000_001_000_000_000, 1_600_000_000_000_000_000)
    others = (source - 1, source + 1, 1_600_000_000_123_456_789, 1_600_000_000_100_000_000,
              1_600_000_002_000_000_000, 1_599_999_999_000_000_000)
    with Trees() as trees:
        for number, found in enumerate(kept + others):
            path = trees.write(str(number), b"data")
            os.utime(path, ns=(source, source))
        os.utime(trees.write("whole", b"data"), (1_600_000_001, 1_600_000_001))
        assert backup(context, trees.source, trees.target)[0] == 0
        for number, found in enumerate(kept + others):
            os.utime(trees.target + "/%d" % number, ns=(found, found))
        os.utime(trees.target + "/whole", (1_600_000_000, 1_600_000_000))
        status, said = backup(context, "-v", trees.source, trees.target)
        assert status == 0, said
        wanted = [str(number) for number in range(len(kept), len(kept + others))] + ["whole"]
        assert sorted(said.split("\n")[:len(wanted)]) == sorted(wanted), said
        assert "%d copied, %d already there" % (len(wanted), len(kept)) in said, said


def test_permissions_that_changed(context):
    """Of files that are there already; the bytes are not copied again."""
    with Trees() as trees:
        paths = [trees.write(name, b"data", 0o644) for name in ("a", "b", "c")]
        assert backup(context, trees.source, trees.target)[0] == 0
        before = os.stat(trees.target + "/a").st_ino
        os.chmod(paths[0], 0o600)
        os.chmod(paths[1], 0o4711)
        if os.geteuid() == 0:
            os.chown(paths[1], 12345, 54321)
            os.chmod(paths[1], 0o4711)
        for words in ((), ("-n",)):
            status, said = backup(context, *words, trees.source, trees.target)
            assert status == 0 and "0 copied, 3 already there, 0 failed" in said, said
            same(trees)
            found = os.stat(trees.target + "/b")
            wanted = os.stat(paths[1])
            assert (found.st_uid, found.st_gid) == (wanted.st_uid, wanted.st_gid), found
            assert os.stat(trees.target + "/a").st_ino == before


def test_permissions_of_linked_files(context):
    """A copy with another name may be somebody else's file: that one stays as it is."""
    with Trees() as trees:
        path = trees.write("file", b"data", 0o644)
        assert backup(context, trees.source, trees.target)[0] == 0
        os.link(trees.target + "/file", trees.home + "/other")
        os.chmod(path, 0o666)
        status, said = backup(context, trees.source, trees.target)
        assert status == 0 and "1 copied, 0 already there" in said, said
        assert os.stat(trees.home + "/other").st_mode & 0o7777 == 0o644
        same(trees)


def test_access_lists_that_changed(context):
    """The mode tells a part of these; so it is not what is set alone."""
    entries = ((1, 6, -1), (2, 4, NOBODY), (4, 0, -1), (16, 4, -1), (32, 0, -1))
    lists = struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *entry) for entry in entries)
    with Trees() as trees:
        path = trees.write("file", b"data", 0o600)
        assert backup(context, trees.source, trees.target)[0] == 0
        try:
            os.setxattr(path, "system.posix_acl_access", lists)
        except OSError:
            raise Skip("this file system has no access lists") from None
        assert backup(context, trees.source, trees.target)[0] == 0
        assert os.getxattr(trees.target + "/file", "system.posix_acl_access") == lists
        same(trees)


def test_attributes_that_cannot_be_kept(context):
    """The data are, and it is said of which files that is all."""
    program = os.path.join(BUILD, "tests", "steps_fs")
    if os.geteuid() != 0 or not os.access("/dev/fuse", os.R_OK | os.W_OK):
        raise Skip("it needs root and /dev/fuse")
    if not os.access(program, os.X_OK):
        raise Skip("steps_fs was not built: it needs libfuse 3")
    with Trees() as trees:
        trees.write("mode", b"its mode and times", 0o600)
        trees.write("time", b"its times", 0o644)
        os.mkdir(trees.target)
        server = subprocess.Popen([program, trees.target])
        try:
            until(lambda: os.path.ismount(trees.target) or server.poll() is not None, "it stands")
            if server.poll() is not None:
                raise Skip("FUSE cannot be mounted")
            status, said = backup(context, "-n", trees.source, trees.target + "/bare")
            assert status == 1 and "2 copied, 0 already there, 0 failed" in said, said
            assert "; 2 without all attributes" in said, said
            for name in ("mode", "time"):
                assert said.count("backup: %s: its owner, permissions or times" % name) == 1, said
                with open(trees.target + "/bare/" + name, "rb") as file:
                    assert file.read().startswith(b"its "), name
        finally:
            server.terminate()
            server.wait(timeout=PATIENCE)


def test_target_within_source(context):
    with Trees() as trees:
        trees.write("file", b"x")
        inside = trees.source + "/inside/target"
        status, said = backup(context, trees.source, inside)
        assert status == 0 and "1 copied" in said, said
        assert sorted(os.listdir(inside)) == ["file", "inside"], os.listdir(inside)
        assert os.listdir(inside + "/inside") == []


def test_usage(context):
    with Trees() as trees:
        for words in ((), (trees.source,), ("-j", "0", "a", "b"), ("-j", "x", "a", "b"),
                      ("-j", "257", "a", "b"), ("-z", "a", "b"), ("a", "b", "c")):
            status, said = backup(context, *words)
            assert status == 2 and "usage: backup" in said, said
        status, said = backup(context, trees.home + "/absent", trees.target)
        assert status == 1 and "absent: No such file" in said, said
        assert not os.path.exists(trees.target)
        plain = trees.write("file")
        status, said = backup(context, plain, trees.target)
        assert status == 1 and "file: Not a directory" in said, said
        status, said = backup(context, trees.source, plain)
        assert status == 1 and "File exists" in said, said
        status, said = backup(context, trees.source, trees.source + "/.")
        assert status == 1 and "this is the source" in said, said


def test_copies_that_differ(context):
    """A source that reads otherwise each time gets no name in the target, unless nobody looks."""
    source = "/proc/sys/kernel/random"
    if not os.access(source + "/uuid", os.R_OK):
        raise Skip("there is no %s/uuid" % source)
    with Trees() as trees:
        status, said = backup(context, source, trees.target)
        assert status == 1 and "uuid: the copy differs" in said, said
        assert sorted(os.listdir(trees.target)) == sorted(set(os.listdir(source)) - {"uuid"})
        status, said = backup(context, "-n", source, trees.target)
        assert status == 0 and os.path.exists(trees.target + "/uuid"), said


def test_progress(context):
    """A bar on a terminal; no control characters elsewhere."""
    with Trees() as trees:
        fill(trees, 50)
        near, far = pty.openpty()
        process = subprocess.Popen([context.program("backup"), trees.source, trees.target],
                                   env=context.environment(), stdin=subprocess.DEVNULL, stdout=far,
                                   stderr=far)
        os.close(far)
        pieces, end = [], time.monotonic() + PATIENCE
        while time.monotonic() < end:
            try:
                pieces.append(os.read(near, 4096))
            except OSError:  # the other end is closed
                break
        os.close(near)
        said = b"".join(pieces)
        assert process.wait(timeout=PATIENCE) == 0, said
        assert b"\r[" + b"#" * 30 + b"] 100%" in said, said
        status, said = backup(context, trees.source, trees.target)
        assert status == 0 and "\r" not in said and "\x1b" not in said, said


def test_changed_meanwhile(context):
    """Many small files while their tree is removed: it ends, and tells what it missed."""
    if SANITIZED:
        raise Skip("the tree is gone before it begins")
    with Trees() as trees:
        for i in range(200):
            trees.write("%d/%d" % (i % 10, i), b"x")
        process = subprocess.Popen([context.program("backup"), trees.source, trees.target],
                                   env=context.environment(), stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT)
        shutil.rmtree(trees.source)
        said = process.communicate(timeout=PATIENCE)[0]
        assert process.returncode in (0, 1), said
        assert b" failed" in said or b"No such" in said, said
        assert not os.path.exists(trees.target + "/" + STAGING)
