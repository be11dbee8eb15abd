"""Backups to file systems of their own: full ones, and those that are mounted within the target."""
import os

from backup_tests import STAGING, backup
from backup_tests import unavailable  # noqa: F401  (run.py asks it)
from backup_tools import Trees, facts, same
from support import Skip, call, need_tool, noise

LEFT, OTHER = STAGING + "-unverified-aB3dE6", STAGING + "-report"  # of a killed run, and not
# Mounts, and copies what is mounted, as it is gone afterwards.
SCRIPT = """set -e
mount -t tmpfs aio-test "$1/target/memory"
mount --bind "$1/elsewhere" "$1/target/below/bound"
mkdir "$1/target/memory/deep"
echo part > "$1/target/memory/deep/$3"
echo mine > "$1/target/memory/deep/$4"
"$2" "$1/source" "$1/target"
"$2" "$1/source" "$1/target"
rm "$1/target/memory/deep/$4"
"$2" "$1/source" "$1/target"
cp -a "$1/target" "$1/result"
"""


def test_mounts_within_the_target(context):
    """Other file systems, and another mount of the same one: copies are verified there as well, and
    nothing else is left of them."""
    with Trees() as trees:
        count = 0
        for folder in ("", "below/", "below/bound/", "below/bound/more/", "memory/",
                       "memory/deep/", "memory/new/", "memory/new/deeper/"):
            for i in range(5):
                count += 1
                trees.write(folder + "file-%d" % i, noise(10_000, count))
        for folder in ("/target/below/bound", "/target/memory", "/elsewhere"):
            os.makedirs(trees.home + folder)
        enter = [need_tool("unshare", "util-linux"), "--mount"]
        if call([*enter, "mount", "-t", "tmpfs", "aio-test", trees.target])[0] != 0:
            raise Skip("mounting a file system takes root")
        status, said = call([*enter, "sh", "-c", SCRIPT, "sh", trees.home,
                             context.program("backup"), LEFT, OTHER], env=context.environment())
        assert status == 0, said
        assert "%d copied, 0 already there, 0 failed" % count in said, said
        assert said.count("0 copied, %d already there, 0 failed" % count) == 2, said
        assert b"more" in facts(trees.home + "/elsewhere"), "it is not a mount"
        trees.target = trees.home + "/result"
        same(trees)


def test_left_in_a_source(context):
    """What looks as if a run that was killed had left it is a file like any other there."""
    with Trees() as trees:
        trees.write("below/" + LEFT, b"part")
        trees.write("below/" + OTHER, b"mine")
        status, said = backup(context, trees.source, trees.target)
        assert status == 0 and "2 copied" in said, said
        same(trees)


def test_full_target(context):
    """What does not fit is told and leaves nothing; what fits is there, and the rest when there is
    room."""
    with Trees() as trees:
        for i in range(8):
            trees.write("%d" % i, noise(300_000, i))
        os.mkdir(trees.target)
        mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "aio-test", trees.target]
        if os.geteuid() != 0 or call(mount)[0] != 0:
            raise Skip("mounting a file system takes root")
        try:
            status, said = backup(context, "-j", "3", trees.source, trees.target)
            assert status == 1 and "No space left" in said, said
            names = sorted(os.listdir(trees.target))
            assert len(names) == int(said.split(" copied")[0].split()[-1]) > 0, said
            for name in names:
                with open(trees.target + "/" + name, "rb") as file:
                    assert file.read() == noise(300_000, int(name)), name
            assert call(["mount", "-o", "remount,size=9m", trees.target])[0] == 0
            status, said = backup(context, trees.source, trees.target)
            assert status == 0 and "%d already there" % len(names) in said, said
            same(trees)
        finally:
            assert call(["umount", trees.target])[0] == 0
