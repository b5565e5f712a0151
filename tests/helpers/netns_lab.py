"""A lab of hosts in network namespaces, with a real sshd on each, on one bridge that no packet leaves.

Hosts, bridge, processes and mounts live inside one outer set of namespaces, whose first process dies with this one. The
kernel then removes all the rest, so nothing can be left behind, and the lab sees no other Ray.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

CHECKOUT = Path(__file__).parents[2]
ISOLATED = ("unshare", "--mount", "--uts", "--pid", "--ipc", "--net", "--fork", "--kill-child", "--mount-proc")
# Bash, because an init must reap the orphans that it is given.
INIT = ("bash", "-c", "while :; do sleep 3600 & wait $!; done")
HOME = "/srv"  # there on every Debian, and empty
SHARED = "/mnt"
SMALL = "48m"
# All that a host needs of the kernel: a bridge, a cable, a disk, and the same again inside.
PROBE = (
    "ip link add lab type bridge; ip link add one type veth peer name two; mount -t tmpfs one /mnt;"
    f" mount --bind /mnt /srv; mount -o remount,bind,ro /srv; {shlex.join(ISOLATED)} true"
)
NEEDED = ("ip", "sshd", "rsync", "unshare", "nsenter", "setpriv", "socat", "faketime")


def why_not() -> str | None:
    """Why hosts cannot be built here, in one sentence; None if they can."""
    missing = [tool for tool in NEEDED if shutil.which(tool, path=os.environ["PATH"] + ":/usr/sbin:/sbin") is None]
    if missing:
        return (
            f"a lab needs {', '.join(missing)}; apt-get install iproute2 openssh-server rsync util-linux socat faketime"
        )
    tried = subprocess.run([*ISOLATED, "sh", "-ec", PROBE], capture_output=True, text=True, env=_plain(), cwd="/")
    if tried.returncode:
        return f"namespaces are not allowed here ({tried.stderr.strip() or 'unshare failed'})"
    masked = [path for path in ("/tmp", HOME, SHARED, "/run") if CHECKOUT.is_relative_to(path)]
    return f"the checkout lies in {masked[0]}, of which every host of the lab has its own" if masked else None


@dataclass
class Host:
    """One machine of the lab: a name, an address, and the process that is its init."""

    name: str
    address: str
    starter: subprocess.Popen[bytes]
    pid: int

    def command(self, line: str) -> list[str]:
        """The command that runs ``line`` in a shell of this host."""
        inside = ("nsenter", f"--target={self.pid}", "--all", "--wd=/", "env", "-i", *ENVIRONMENT)
        return [*inside, "bash", "-c", f"cd; {line}"]

    def run(self, line: str, timeout: float = 300, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run ``line`` on this host and wait for it; fail with its output if it fails and ``check`` is set."""
        done = subprocess.run(
            self.command(line), stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=timeout, errors="replace",
        )  # fmt: skip
        assert done.returncode == 0 or not check, f"{self.name}: {line}\n{done.stdout[-4000:]}\n{done.stderr[-8000:]}"
        return done

    def start(self, line: str) -> subprocess.Popen[str]:
        """Start ``line`` on this host."""
        return subprocess.Popen(
            self.command(line), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def processes(self, words: str) -> list[psutil.Process]:
        """This host's processes, without its init, whose command line contains ``words``."""
        here = _pid_namespace(self.pid)
        found = [p for p in psutil.process_iter() if p.pid != self.pid and _pid_namespace(p.pid) == here]
        return [p for p in found if words in title(p)]


ENVIRONMENT = (
    f"HOME={HOME}",
    "USER=root",
    "LC_ALL=C.UTF-8",
    f"PYTHONPATH={HOME}/dta-bench:{CHECKOUT}",
    f"PATH={Path(sys.executable).parent}:{os.environ['PATH']}:/usr/sbin",
)


def _pid_namespace(pid: int) -> str:
    """The identity of a process's PID namespace; empty once the process is gone."""
    try:
        return str(Path(f"/proc/{pid}/ns/pid").readlink())
    except OSError:
        return ""


def title(process: psutil.Process) -> str:
    """The command line of a process; empty once it is gone."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


@dataclass
class Lab:
    """Hosts by name on 10.77.0.0/24; ``folder`` is what they share as ``/mnt``, and ``/mnt/small`` is a small disk."""

    folder: Path
    names: tuple[str, ...]
    hosts: dict[str, Host] = field(default_factory=dict)

    def __enter__(self) -> Lab:
        (self.folder / "shared").mkdir(parents=True)
        (self.folder / "keys").mkdir()
        _make_keys(self.folder / "keys")
        self._outer = _isolate([])
        self.pid = _first_child(self._outer)
        small = shlex.quote(str(self.folder / "shared" / "small"))
        self._root(f"mkdir {small}; mount -t tmpfs -o size={SMALL} small {small}")
        self._root("ip link add lab type bridge; ip addr add 10.77.0.254/24 dev lab; ip link set lab up")
        for number, name in enumerate(self.names, start=1):
            self.hosts[name] = self._add(name, f"10.77.0.{number}")
        return self

    def __exit__(self, *_: object) -> None:
        for host in self.hosts.values():
            host.starter.kill()
        self._outer.kill()
        self._outer.wait()
        for host in self.hosts.values():
            host.starter.wait()

    def __getitem__(self, name: str) -> Host:
        return self.hosts[name]

    def _root(self, line: str) -> None:
        subprocess.run(["nsenter", f"--target={self.pid}", "--all", "sh", "-ec", line], check=True)

    def _add(self, name: str, address: str) -> Host:
        starter = _isolate(["nsenter", f"--target={self.pid}", "--all"])
        pid = _first_child(starter, depth=2)
        host = Host(name, address, starter, pid)
        here = int(
            next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if "NSpid" in line).split()[2]
        )
        self._root(f"ip link add {name} type veth peer name eth0 netns {here}; ip link set {name} master lab up")
        setup = SETUP.format(name=name, address=address, folder=shlex.quote(str(self.folder)), prefix=sys.prefix)
        subprocess.run(["nsenter", f"--target={pid}", "--all", "bash", "-ec", setup], check=True, cwd="/")
        return host


SETUP = f"""
hostname {{name}}
ip link set lo up; ip addr add {{address}}/24 dev eth0; ip link set eth0 up; ip route add default via 10.77.0.254
mount --make-rprivate /
mount --bind {{prefix}} {{prefix}}; mount -o remount,bind,ro {{prefix}}  # no installation here may change it
mount --rbind {{folder}}/shared {SHARED}
mount -t tmpfs -o mode=755 home {HOME}
mkdir -m 700 {HOME}/.ssh; cp {{folder}}/keys/* {HOME}/.ssh/; cp {HOME}/.ssh/id_ed25519.pub {HOME}/.ssh/authorized_keys
sed "s|^root:[^:]*:0:0:[^:]*:[^:]*:|root:x:0:0:root:{HOME}:|" /etc/passwd > {HOME}/.passwd
mount --bind {HOME}/.passwd /etc/passwd
printf '127.0.0.1 localhost\\n{{address}} {{name}}\\n' > {HOME}/.hosts; mount --bind {HOME}/.hosts /etc/hosts
mount -t tmpfs -o mode=1777 tmp /tmp
mount -t tmpfs -o mode=1777,size=512m shm /dev/shm
mount -t tmpfs run /run; mkdir -m 755 /run/sshd
/usr/sbin/sshd -f /dev/null -h {HOME}/.ssh/host_key -o UsePAM=no -o PermitRootLogin=yes -o PidFile=none \\
  -o StrictModes=no -o 'SetEnv=PYTHONPATH={HOME}/dta-bench' -o 'Subsystem=sftp internal-sftp' -E /tmp/sshd.log
"""


def _make_keys(folder: Path) -> None:
    for name in ("id_ed25519", "host_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)


def _isolate(prefix: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", *prefix, *ISOLATED, *INIT], stdin=subprocess.DEVNULL, cwd="/", env=_plain()
    )


def _plain() -> dict[str, str]:
    return {"PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"}


def _first_child(starter: subprocess.Popen[bytes], depth: int = 1) -> int:
    """The init that ``starter`` forks; under nsenter one process lies between."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        found: Any = psutil.Process(starter.pid)
        for _ in range(depth):
            children = found.children() if found else []
            found = children[0] if children else None
        if found is not None and title(found).startswith("bash"):
            return int(found.pid)
        time.sleep(0.05)
    raise AssertionError("a host did not start")
