"""Programs of other systems, built here by their own builders (build.sh beside their source)."""
import functools
import os
import subprocess

FOLDERS = {"tokio": "release/", "go": ""}  # where the builder puts the programs


@functools.lru_cache(maxsize=None)
def built(root, build, folder, program):
    """(path, None), or (None, why not)."""
    target = os.path.join(build, "bench", folder)
    path = os.path.join(target, FOLDERS[folder] + program)
    script = os.path.join(root, "bench", "baselines", folder, "build.sh")
    done = subprocess.run(["sh", script, target], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return None, ([""] + done.stderr.strip().splitlines())[-1]
    return (path, None) if os.path.exists(path) else (None, "%s is not built" % path)
