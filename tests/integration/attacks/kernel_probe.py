"""Run inside a container: what the kernel answers to each call, as one JSON object. Standard library only."""

from __future__ import annotations

import ctypes
import errno
import json
import mmap
import os
import platform
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from functools import partial

libc = ctypes.CDLL(None, use_errno=True)
X86 = platform.machine() == "x86_64"
NUMBERS = {  # x86_64, aarch64
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "move_mount": (429, 429),
    "open_tree": (428, 428),
    "fsopen": (430, 430),
    "mount_setattr": (442, 442),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "clone": (56, 220),
    "clone3": (435, 435),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "kexec_load": (246, 104),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "adjtimex": (159, 171),
    "syslog": (103, 116),
    "mbind": (237, 235),
    "fanotify_init": (300, 262),
    "landlock_create_ruleset": (444, 444),
    "get_mempolicy": (239, 236),
    "memfd_create": (319, 279),
    "socketpair": (53, 199),
}
NEW_USER, NEW_NET, NEW_NS = 0x10000000, 0x40000000, 0x00020000
READ_IMPLIES_EXEC, NO_RANDOMIZE = 0x0400000, 0x0040000


def outcome(result: int) -> str:
    return "ok" if result >= 0 else errno.errorcode[ctypes.get_errno()]


def call(name: str, *arguments: int) -> str:
    number = NUMBERS[name][0 if X86 else 1]
    return outcome(libc.syscall(ctypes.c_long(number), *(ctypes.c_long(value) for value in arguments)))


def opened(family: int, kind: int, protocol: int = 0) -> str:
    try:
        socket.socket(family, kind, protocol).close()
    except OSError as exc:
        return errno.errorcode[exc.errno or 0]
    return "ok"


def in_child(code: bytes) -> str:
    """Run x86 machine code in a child and return how that ended."""
    if not X86:
        return "SIGSYS"
    pid = os.fork()
    if not pid:
        memory = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        memory.write(code)
        address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        result = ctypes.CFUNCTYPE(ctypes.c_int)(address)()
        os._exit(0 if result >= 0 else 1)
    status = os.waitpid(pid, 0)[1]
    return signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else f"exit {os.WEXITSTATUS(status)}"


# The two other ways into an x86 kernel, each asking for a socket.
OLD_CALL = b"\xb8\x66\x00\x00\x00\x31\xdb\xff\xc3\x31\xc9\xcd\x80\xc3"  # eax=102 (socketcall), ebx=1, ecx=0, int 0x80
X32_CALL = b"\xb8\x29\x00\x00\x40\xbf\x28\x00\x00\x00\xbe\x01\x00\x00\x00\x31\xd2\x0f\x05\xc3"


ALLOWED = ("landlock_create_ruleset", "get_mempolicy", "memfd_create", "clone", "socketpair", "unshare")
SOCKETS: dict[str, tuple[int, ...]] = {  # family, type, protocol
    "vsock": (40, socket.SOCK_STREAM),
    "vsock:dgram": (40, socket.SOCK_DGRAM),
    "alg": (38, socket.SOCK_RAW),
    "packet": (17, socket.SOCK_RAW),
    "bluetooth": (31, socket.SOCK_RAW),
    "tipc": (30, socket.SOCK_RAW),
    "xdp": (44, socket.SOCK_RAW),
    "can": (29, socket.SOCK_RAW),
    "key": (15, socket.SOCK_RAW),
    "raw": (socket.AF_INET, socket.SOCK_RAW, 1),
    "ping": (socket.AF_INET, socket.SOCK_DGRAM, 1),
    "sctp": (socket.AF_INET, socket.SOCK_STREAM, 132),
    "sctp:seqpacket": (socket.AF_INET, socket.SOCK_SEQPACKET),
    "mptcp": (socket.AF_INET6, socket.SOCK_STREAM, 262),
    "netfilter": (16, socket.SOCK_RAW, 12),
    "generic": (16, socket.SOCK_RAW, 16),
    "audit": (16, socket.SOCK_RAW, 9),
}
ATTEMPTS: dict[str, Callable[[], str]] = {
    **{name: partial(call, name, 0, 0, 0, 0, 0, 0) for name in NUMBERS if name not in ALLOWED},
    "unshare:user": partial(call, "unshare", NEW_USER),
    "unshare:net": partial(call, "unshare", NEW_NET),
    "clone:user": partial(call, "clone", NEW_USER | signal.SIGCHLD, 0, 0, 0, 0),
    "clone:net": partial(call, "clone", NEW_NET | signal.SIGCHLD, 0, 0, 0, 0),
    "clone:mount": partial(call, "clone", NEW_NS | signal.SIGCHLD, 0, 0, 0, 0),
    "personality:exec": lambda: outcome(libc.personality(READ_IMPLIES_EXEC)),
    **{f"socket:{name}": partial(opened, *what) for name, what in SOCKETS.items()},
    "socketpair:vsock": partial(call, "socketpair", 40, 1, 0, 0),
    "i386": lambda: in_child(OLD_CALL),
    "x32": lambda: in_child(X32_CALL),
}
"""What a container asks of the kernel and may not have, by name."""


def threads() -> bool:
    seen: list[int] = []
    workers = [threading.Thread(target=seen.append, args=(number,)) for number in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sorted(seen) == list(range(8))


def traced() -> bool:
    pid = os.fork()
    if not pid:
        libc.ptrace(0, 0, 0, 0)  # PTRACE_TRACEME
        os.kill(os.getpid(), signal.SIGSTOP)
        os._exit(7)
    stopped = os.WIFSTOPPED(os.waitpid(pid, 0)[1])
    libc.ptrace(7, pid, 0, 0)  # PTRACE_CONT
    return stopped and os.WEXITSTATUS(os.waitpid(pid, 0)[1]) == 7


def watched() -> bool:
    fd = libc.inotify_init1(0)
    with tempfile.TemporaryDirectory() as folder:
        libc.inotify_add_watch(fd, folder.encode(), 0x100)  # IN_CREATE
        os.mkfifo(folder + "/pipe")
        return b"pipe" in os.read(fd, 4096)


def looped(family: int, host: str) -> bool:
    with socket.socket(family) as server:
        server.bind((host, 0))
        server.listen()
        with socket.create_connection(server.getsockname()[:2]) as client, server.accept()[0] as peer:
            client.sendall(b"hello")
            return peer.recv(5) == b"hello"


def shell(command: str) -> bool:
    return subprocess.run(["sh", "-c", command], capture_output=True, check=False).returncode == 0


def allowed() -> dict[str, object]:
    left, right = socket.socketpair()
    left.close()
    right.close()
    return {
        "threads": threads(),
        "pipes": shell("seq 1000 | sort -n | tail -n 1 | grep -q 1000"),
        "git": shell("cd $(mktemp -d) && git init -q && echo 1 > a && git add a && git status --short"),
        "inotify": watched(),
        "ptrace": traced(),
        "memfd": call("memfd_create", ctypes.addressof(ctypes.c_char_p(b"x")), 0) == "ok",
        "landlock": call("landlock_create_ruleset", 0, 0, 1) in ("ok", "ENOSYS", "EOPNOTSUPP"),
        "mempolicy": call("get_mempolicy", 0, 0, 0, 0, 0) == "ok",
        "interfaces": bool(socket.if_nameindex()),
        "loopback": looped(socket.AF_INET, "127.0.0.1"),
        "udp": opened(socket.AF_INET, socket.SOCK_DGRAM) == "ok",
        "stream with flags": opened(socket.AF_INET6, socket.SOCK_STREAM | socket.SOCK_CLOEXEC, 6) in ("ok", ERROR6),
        "no randomisation": outcome(libc.personality(NO_RANDOMIZE)) == "ok",
    }


ERROR6 = "EAFNOSUPPORT"  # a kernel without IPv6

if __name__ == "__main__":
    refused = {name: attempt() for name, attempt in ATTEMPTS.items()}
    json.dump({"refused": refused, "allowed": allowed()}, sys.stdout)
