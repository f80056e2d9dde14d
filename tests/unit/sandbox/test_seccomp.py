from __future__ import annotations

import json
from typing import Any

from pullwright.sandbox import seccomp


def rules(name: str) -> list[dict[str, Any]]:
    found = json.loads(seccomp.profile_json())["syscalls"]
    return [rule for rule in found if name in rule["names"]]


def test_what_is_not_named_is_refused() -> None:
    profile = json.loads(seccomp.profile_json())
    assert profile["defaultAction"] == "SCMP_ACT_ERRNO"
    assert {rule["action"] for rule in profile["syscalls"]} == {"SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO"}
    assert all(entry["subArchitectures"] == [] for entry in profile["archMap"])


def test_no_name_is_in_two_groups() -> None:
    names = [name for group in seccomp.GROUPS for name in group.split()]
    assert len(names) == len(set(names))
    assert not {"clone", "clone3", "socket", "socketpair", "personality"} & set(names)


def test_nothing_that_reaches_for_the_host_is_allowed() -> None:
    never = """
        io_uring_setup io_uring_enter io_uring_register bpf perf_event_open userfaultfd keyctl add_key request_key mount
        umount2 move_mount open_tree fsopen fsmount fspick fsconfig mount_setattr pivot_root setns unshare kexec_load
        kexec_file_load init_module finit_module delete_module reboot swapon swapoff acct quotactl name_to_handle_at
        open_by_handle_at lookup_dcookie iopl ioperm clock_settime clock_adjtime adjtimex settimeofday vm86 nfsservctl
        uselib ustat sysfs syslog vhangup mbind set_mempolicy move_pages migrate_pages fanotify_init chroot socketcall
    """
    assert [name for name in never.split() if rules(name)] == []


def test_namespaces_need_flags_that_the_filter_can_see() -> None:
    (clone,) = rules("clone")
    everything = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000
    assert clone["args"] == [{"index": 0, "value": everything, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}]
    (clone3,) = rules("clone3")
    assert (clone3["action"], clone3["errnoRet"]) == ("SCMP_ACT_ERRNO", 38)


def test_sockets_are_allowed_by_family_only() -> None:
    for name in ("socket", "socketpair"):
        allowed = [rule for rule in rules(name) if rule["action"] == "SCMP_ACT_ALLOW"]
        assert all(rule["args"][0]["index"] == 0 and rule["args"][0]["op"] == "SCMP_CMP_EQ" for rule in allowed)
        families = {rule["args"][0]["value"] for rule in allowed}
        assert families == ({1, 2, 10, 16} if name == "socket" else {1})
