"""Which system calls a container may make: our own list, so that an old engine's list does not decide. Pure, no I/O.

Everything that is not named here answers EPERM. What compilers, interpreters, debuggers, databases and test suites
need is allowed; what reaches for the host's kernel beyond that (vsock, io_uring, bpf, keys, mounts, namespaces,
modules, clocks) is not, whatever capabilities a container has. See syscalls(2), seccomp(2), clone(2), socket(2).

A name that the engine's libseccomp does not know yet is skipped by runc, and the call then answers ENOSYS, which is
what programs expect of an older kernel.
"""

from __future__ import annotations

import errno
import json
from functools import cache
from typing import Final

FILES = """
    read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 lseek open openat openat2 creat close
    close_range sendfile copy_file_range splice tee vmsplice truncate ftruncate fallocate fsync fdatasync sync syncfs
    sync_file_range readahead fadvise64 cachestat
"""

DESCRIPTORS = "dup dup2 dup3 fcntl flock ioctl pipe pipe2 eventfd eventfd2"

# Ownership and device nodes are refused by the kernel for want of a capability, not here: set-up as root needs chown,
# and everybody needs mknod for named pipes.
METADATA = """
    stat fstat lstat newfstatat statx statfs fstatfs access faccessat faccessat2 umask readlink readlinkat
    chmod fchmod fchmodat fchmodat2 chown fchown lchown fchownat utime utimes futimesat utimensat
    getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr setxattr lsetxattr fsetxattr removexattr
    lremovexattr fremovexattr getxattrat listxattrat setxattrat removexattrat
"""

FOLDERS = """
    getcwd chdir fchdir getdents getdents64 mkdir mkdirat rmdir unlink unlinkat rename renameat renameat2 link linkat
    symlink symlinkat mknod mknodat
"""

# Not fanotify: it answers questions about files of a whole file system.
WATCHES = "inotify_init inotify_init1 inotify_add_watch inotify_rm_watch"

WAITING = """
    select pselect6 poll ppoll epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2
    futex futex_waitv futex_wait futex_wake futex_requeue restart_syscall
"""

# The old asynchronous I/O, which MySQL and its kin start with. Its successor io_uring stays out.
ASYNCHRONOUS = "io_setup io_submit io_cancel io_destroy io_getevents io_pgetevents"

# get_mempolicy is what numa libraries ask at their start. Setting a policy (mbind, set_mempolicy, move_pages) has no
# use in a container that owns no node.
MEMORY = """
    brk mmap munmap mremap mprotect madvise mincore msync mlock mlock2 munlock mlockall munlockall mseal
    pkey_alloc pkey_free pkey_mprotect memfd_create memfd_secret membarrier map_shadow_stack get_mempolicy
"""

PROCESSES = """
    fork vfork execve execveat exit exit_group wait4 waitid kill tkill tgkill pidfd_open pidfd_send_signal
    getpid getppid gettid getpgid setpgid getpgrp getsid setsid prctl arch_prctl set_tid_address set_robust_list
    get_robust_list rseq
"""

# Debuggers. The kernel lets a process trace only its own user's processes, and shows it none outside of the container.
TRACING = "ptrace process_vm_readv process_vm_writev pidfd_getfd kcmp process_madvise"

# Without the capability these change nothing; set-up as root becomes other users by them.
IDENTITY = """
    getuid geteuid getgid getegid getresuid getresgid getgroups setuid setgid setreuid setregid setresuid setresgid
    setgroups setfsuid setfsgid capget capset
"""

# A program may take more away from itself.
SELF_RESTRICTION = "seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self lsm_get_self_attr"

SCHEDULING = """
    sched_yield sched_getaffinity sched_setaffinity sched_getparam sched_setparam sched_getscheduler
    sched_setscheduler sched_getattr sched_setattr sched_get_priority_max sched_get_priority_min
    sched_rr_get_interval getpriority setpriority ioprio_get ioprio_set getrlimit setrlimit prlimit64 getrusage
    times getcpu sysinfo uname
"""

SIGNALS = """
    rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigsuspend rt_sigtimedwait rt_sigqueueinfo
    rt_tgsigqueueinfo sigaltstack signalfd signalfd4 pause alarm
"""

# Reading clocks and waiting for them; setting one would set the host's.
TIME = """
    clock_gettime clock_getres clock_nanosleep nanosleep gettimeofday time getitimer setitimer timer_create
    timer_settime timer_gettime timer_getoverrun timer_delete timerfd_create timerfd_settime timerfd_gettime
"""

# What is done with a socket that one of the rules below let come into being.
SOCKETS = """
    bind connect listen accept accept4 getsockname getpeername getsockopt setsockopt sendto recvfrom sendmsg recvmsg
    sendmmsg recvmmsg shutdown
"""

# System V and POSIX queues live in the container's own ipc namespace.
MESSAGES = """
    shmget shmat shmdt shmctl semget semop semtimedop semctl msgget msgsnd msgrcv msgctl
    mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr
"""

RANDOM = "getrandom"

GROUPS: Final = (
    *(FILES, DESCRIPTORS, METADATA, FOLDERS, WATCHES, WAITING, ASYNCHRONOUS, MEMORY, PROCESSES, TRACING),
    *(IDENTITY, SELF_RESTRICTION, SCHEDULING, SIGNALS, TIME, SOCKETS, MESSAGES, RANDOM),
)

AF_UNIX, AF_INET, AF_INET6, AF_NETLINK = 1, 2, 10, 16
SOCK_STREAM, SOCK_DGRAM, SOCK_TYPE_MASK = 1, 2, 0xF
IPPROTO_TCP, IPPROTO_UDP = 6, 17
NETLINK_ROUTE, NETLINK_AUDIT, NETLINK_KOBJECT_UEVENT = 0, 9, 15

CLONE_NAMESPACES = 0x7E020000
"""Every CLONE_NEW* flag that clone(2) takes: mount, cgroup, uts, ipc, user, pid and network namespace."""

PERSONALITIES = (0x0, 0x8, 0x20000, 0x20008, 0x40000, 0xFFFFFFFF)
"""Plain Linux, its 32-bit and its old-version-number forms, no address randomisation (debuggers and sanitizers set
that for themselves), and the question which one is set."""

Rule = dict[str, object]


@cache
def profile_json() -> str:
    """Return the profile as the text that the engine takes in ``SecurityOpt`` after ``seccomp=``."""
    return json.dumps(profile(), separators=(",", ":"))


def profile() -> dict[str, object]:
    """Return the profile in the engine's own form.

    Only the machine's own architecture is let in. The 32-bit mode of x86 calls ``socketcall`` with its arguments
    behind a pointer, where no filter can see which kind of socket is asked for, so vsock could not be refused there;
    a 32-bit program is killed by SIGSYS instead.
    """
    return {
        "defaultAction": "SCMP_ACT_ERRNO",
        "archMap": [
            {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": []},
            {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": []},
        ],
        "syscalls": [
            *(_allow(*group.split()) for group in GROUPS),
            *_clone_rules(),
            *(_allow("personality", _equal(0, value)) for value in PERSONALITIES),
            *_socket_rules(),
        ],
    }


def _clone_rules() -> list[Rule]:
    # clone3 has its flags behind a pointer; ENOSYS makes every libc fall back to clone, whose flags can be looked at.
    return [_allow("clone", _masked(0, CLONE_NAMESPACES, 0)), _refuse("clone3", errno.ENOSYS)]


def _socket_rules() -> list[Rule]:
    """Return the kinds of sockets that may be made.

    Family, type and protocol are all looked at, because the kernel loads a module for each combination it is asked
    for: SCTP, DCCP, ping and raw sockets are as far away as vsock and AF_ALG.
    """
    internet = [
        _allow("socket", _equal(0, family), _masked(1, SOCK_TYPE_MASK, kind), _equal(2, protocol))
        for family in (AF_INET, AF_INET6)
        for kind, own in ((SOCK_STREAM, IPPROTO_TCP), (SOCK_DGRAM, IPPROTO_UDP))
        for protocol in (0, own)
    ]
    netlink = [
        _allow("socket", _equal(0, AF_NETLINK), _equal(2, protocol))
        for protocol in (NETLINK_ROUTE, NETLINK_KOBJECT_UEVENT)
    ]
    # PAM, useradd and the like give up when they may not audit, and go on when the kernel can not.
    audit = _refuse("socket", errno.EPROTONOSUPPORT, _equal(0, AF_NETLINK), _equal(2, NETLINK_AUDIT))
    # socketpair makes the sockets of any family before it finds that the family has no pairs.
    return [*(_allow(name, _equal(0, AF_UNIX)) for name in ("socket", "socketpair")), *internet, *netlink, audit]


def _allow(*what: str | Rule) -> Rule:
    return _rule("SCMP_ACT_ALLOW", *what)


def _refuse(name: str, number: int, *arguments: Rule) -> Rule:
    return {**_rule("SCMP_ACT_ERRNO", name, *arguments), "errnoRet": number}


def _rule(action: str, *what: str | Rule) -> Rule:
    names = [item for item in what if isinstance(item, str)]
    return {"names": names, "action": action, "args": [item for item in what if not isinstance(item, str)]}


def _equal(index: int, value: int) -> Rule:
    return {"index": index, "value": value, "valueTwo": 0, "op": "SCMP_CMP_EQ"}


def _masked(index: int, mask: int, value: int) -> Rule:
    return {"index": index, "value": mask, "valueTwo": value, "op": "SCMP_CMP_MASKED_EQ"}
