"""The state graphs of specs/dump as TLC prints them: streamed, or kept once they have been seen."""

import gzip
import hashlib
import os
import re
import shutil
import subprocess
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
SPECS = os.path.join(ROOT, "specs")
DUMPS = os.path.join(SPECS, "dump")
MODULES = ["Locks", "Rights", "Shares", "Grace", "DirRights", "Sessions", "Lockstep"]


def tlc_jar():
    """Where specs/check, a script without the ending of a module, has TLC."""
    import importlib.machinery
    import importlib.util
    loader = importlib.machinery.SourceFileLoader("specs_check", os.path.join(SPECS, "check"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("specs_check", loader))
    loader.exec_module(module)
    return module.tlc_jar()


def dumps():
    return sorted(f[:-4] for f in os.listdir(DUMPS) if f.endswith(".cfg"))


def level(dump):
    with open(os.path.join(DUMPS, dump + ".cfg")) as file:
        found = re.search(r"^\\\* level: (\w+)", file.read(), re.M)
    return found.group(1) if found else "quick"


def module_of(dump):
    return max((m for m in MODULES if dump.startswith("Dump" + m)), key=len)


def explore(dump, jar, meta, specs=SPECS):
    """TLC at work on a configuration: its transitions come out of stdout; meta is a folder for it."""
    folder = os.path.join(specs, "dump")
    return subprocess.Popen(
        ["java", "-XX:+UseSerialGC", "-Xmx" + os.environ.get("TLC_MEMORY", "2g"),
         f"-Djava.io.tmpdir={meta}", f"-DTLA-Library={specs}:{os.path.join(specs, 'mc')}", "-cp", jar,
         "tlc2.TLC", "-nowarning", "-metadir", meta, "-workers", "1",
         "-config", os.path.join(folder, dump + ".cfg"),
         os.path.join(folder, "Dump" + module_of(dump) + ".tla")],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def stamp(dump):
    """Of all that a graph is made from."""
    digest = hashlib.sha256()
    for folder in (SPECS, os.path.join(SPECS, "mc"), DUMPS):
        for name in sorted(os.listdir(folder)):
            if name.endswith(".tla") or name == dump + ".cfg":
                with open(os.path.join(folder, name), "rb") as file:
                    digest.update(name.encode() + file.read())
    return digest.hexdigest()[:16]


def kept(dump, folder):
    """The graph as a gzipped file in this folder; TLC makes it when it is not there."""
    path = os.path.join(folder, f"{dump}-{stamp(dump)}.gz")
    if os.path.exists(path):
        return path
    os.makedirs(folder, exist_ok=True)
    for name in os.listdir(folder):
        if name.startswith(dump + "-"):
            os.remove(os.path.join(folder, name))
    with tempfile.TemporaryDirectory(prefix="dump") as meta:
        unfinished = os.path.join(meta, "graph")
        tlc = explore(dump, tlc_jar(), meta)
        with gzip.open(unfinished, "wb", compresslevel=1) as out:
            shutil.copyfileobj(tlc.stdout, out, 1 << 20)
        if tlc.wait():
            raise RuntimeError(f"TLC ended with status {tlc.returncode} for {dump}")
        shutil.move(unfinished, path)
    return path
