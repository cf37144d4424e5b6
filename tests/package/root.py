# SPDX-License-Identifier: Apache-2.0
"""A clean Debian 12 in a folder, booted by systemd-nspawn without a network.

What debootstrap fetched is kept below build/, with the packages that Spillway depends on in apt's own
cache: so `apt install` resolves and unpacks them as on a host, but for the download."""

import fcntl
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BASE = ROOT / "build/package-root"
DEPENDENCIES = """adduser ca-certificates libcap2 libcjson1 libcurl3-gnutls libgnutls30 libisal2 libmicrohttpd12
libncursesw6 libpcre2-8-0 libseccomp2 libsystemd0 libyaml-0-2 libzstd1 zlib1g""".split()
CAP_SYSLOG = 34
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def may_read_kernel_log():
    """Only what we have ourselves can be given to a root."""
    held = re.search(r"^CapEff:\s+(\w+)$", pathlib.Path("/proc/self/status").read_text(), re.MULTILINE)[1]
    return os.access("/dev/kmsg", os.R_OK) and int(held, 16) >> CAP_SYSLOG & 1 == 1


def why_not():
    """Why no root can be booted here; "": one can."""
    if os.geteuid() != 0:
        return "a clean root takes root's rights"
    for program in ("debootstrap", "systemd-nspawn", "nsenter"):
        if shutil.which(program) is None:
            return f"{program} is not there: packages_package_test in packaging/debian-packages.sh"
    return ""


def call(*words, **options):
    done = subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL, **options)
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def remove(folder):
    """Never into what is mounted there."""
    call("rm", "-rf", "--one-file-system", folder)


def make_base(folder):
    mirror = os.environ.get("SPILLWAY_MIRROR", "http://deb.debian.org/debian")
    call("debootstrap", "--variant=minbase", "--include=systemd,systemd-sysv,dbus", "bookworm", folder, mirror,
         timeout=600)
    call("chroot", folder, "apt-get", "-q", "update", timeout=300)
    call("chroot", folder, "apt-get", "-q", "-y", "--download-only", "install", *DEPENDENCIES, timeout=300)


def base():
    """The folder to copy; made once, by whoever comes first."""
    wanted = "with what they recommend: " + " ".join(DEPENDENCIES)
    stamp = BASE / "made-of"
    BASE.parent.mkdir(exist_ok=True)
    with open(BASE.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != wanted:
            new = BASE.with_suffix(".new")
            remove(new)
            make_base(new)
            remove(BASE)
            (new / "made-of").write_text(wanted)
            new.rename(BASE)
    return BASE


class Groups:
    """Control groups of one root's own: two that run at a time would share /system.slice/spillway.service,
    and each would see the other's processes in it."""

    def __init__(self, name):
        self.folders = []
        of = dict(line.rstrip("\n").split(":", 2)[1:] for line in open("/proc/self/cgroup"))
        for line in open("/proc/self/mounts"):
            _, place, kind, options = line.split()[:4]
            controller = "name=systemd" if "name=systemd" in options.split(",") else ""
            if kind == "cgroup2" or (kind == "cgroup" and controller):
                folder = pathlib.Path(f"{place}{of[controller]}/{name}")
                try:
                    folder.mkdir(exist_ok=True)
                    self.folders.append(folder)
                except OSError:
                    pass  # not ours to make: then one root at a time

    def command(self, words):
        """nspawn goes by the group that it is in itself."""
        enter = 'for group in "$@"; do shift; [ "$group" = -- ] && break; echo $$ >"$group/cgroup.procs"; done; ' \
                'exec "$@"'
        return ["sh", "-ec", enter, "sh", *map(str, self.folders), "--", *map(str, words)]

    def remove(self):
        for top in self.folders:
            for folder, _, _ in os.walk(top, topdown=False):
                try:
                    os.rmdir(folder)
                except OSError:
                    pass  # what is left of it ends with the machine


class Answer:
    def __init__(self, done):
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr

    @property
    def text(self):
        return self.out + self.err


class Root:
    def __init__(self, folder):
        self.folder = folder
        self.leader = 0  # its first process, as the host numbers it
        self._nspawn = None
        self._groups = None
        call("cp", "-a", base(), folder, timeout=300)

    # ---- life ----

    def boot(self):
        """Without resource controllers: where the host has them in version 1, they stay there. With
        Landlock, which nspawn's own filter keeps from what it boots, and with the right to the kernel's log."""
        self._console = open(self.folder.with_suffix(".console"), "ab")
        self._groups = Groups(f"{self.folder.name}-{os.getpid()}")
        self._nspawn = subprocess.Popen(self._groups.command(
            ["systemd-nspawn", "-q", "-D", self.folder, "--private-network", "--register=no", "--keep-unit",
             "--system-call-filter=landlock_create_ruleset landlock_add_rule landlock_restrict_self",
             *(["--capability=CAP_SYSLOG"] if may_read_kernel_log() else []),
             f"--machine={self.folder.name}", "--boot"]),
            stdin=subprocess.DEVNULL, stdout=self._console, stderr=self._console,
            env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"})
        self.wait(self._find_leader, "the first process")
        self.wait(lambda: self.run("systemctl is-system-running", check=False).out.strip() in
                  ("running", "degraded"), "the system", 300)
        return self

    def _find_leader(self):
        assert self._nspawn.poll() is None, self.folder.with_suffix(".console").read_text(errors="replace")
        path = f"/proc/{self._nspawn.pid}/task/{self._nspawn.pid}/children"
        children = pathlib.Path(path).read_text().split()
        self.leader = int(children[0]) if children else 0
        return self.leader and os.readlink(f"/proc/{self.leader}/ns/pid") != os.readlink("/proc/self/ns/pid")

    def shut_down(self):
        if self._nspawn is None:
            return
        if self._nspawn.poll() is None:
            os.kill(self.leader, signal.SIGRTMIN + 4)  # systemd: power off
        try:
            self._nspawn.wait(60)
        except subprocess.TimeoutExpired:
            self._nspawn.kill()
            self._nspawn.wait()
        self._nspawn = None
        self._groups.remove()
        self._console.close()

    # ---- inside ----

    def command(self, script):
        where = (["nsenter", "-a", "-t", str(self.leader), "--"] if self.leader else
                 ["chroot", str(self.folder)])
        return [*where, "env", "-i", f"PATH={PATH}", "HOME=/root", "LANG=C.UTF-8", "TERM=dumb", "sh", "-c",
                f"cd; {script}"]

    def run(self, script, check=True, stdin="", timeout=120):
        done = subprocess.run(self.command(script), capture_output=True, text=True, input=stdin,
                              timeout=timeout, errors="replace", start_new_session=True)
        assert not check or done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
        return Answer(done)

    def path(self, inside):
        return self.folder / inside.lstrip("/")

    def write(self, inside, text):
        self.path(inside).parent.mkdir(parents=True, exist_ok=True)
        self.path(inside).write_text(text)

    def wait(self, look, what, timeout=120):
        deadline = time.monotonic() + timeout
        while True:
            found = look()
            if found:
                return found
            assert time.monotonic() < deadline, f"not within {timeout} s: {what() if callable(what) else what}"
            time.sleep(0.05)

    def unit(self, *names):
        """Properties of the service."""
        lines = self.run("systemctl show spillway.service -p " + ",".join(names)).out.splitlines()
        values = dict(line.split("=", 1) for line in lines)
        return values[names[0]] if len(names) == 1 else values

    def journal(self, more=""):
        return self.run(f"journalctl -u spillway.service -o cat --no-pager {more}").out

    # ---- what is where ----

    def files(self):
        """path → kind, mode and owner, of all that a package could have left."""
        found = {}
        skipped = ("proc", "sys", "dev", "tmp", "run", "root", "srv", "var/cache", "var/log", "var/lib/apt",
                   "var/lib/dpkg", "var/lib/systemd", "var/tmp")
        for folder, names, others in os.walk(self.folder):
            inside = os.path.relpath(folder, self.folder)
            names[:] = [name for name in names if os.path.normpath(f"{inside}/{name}") not in skipped]
            for name in names + others:
                status = os.lstat(f"{folder}/{name}")
                found[os.path.normpath(f"{inside}/{name}")] = (oct(status.st_mode), status.st_uid, status.st_gid)
        return found
