from __future__ import annotations

from dataclasses import replace

from pullwright.sandbox.container_spec import ContainerLimits, ContainerSpec, Mount, labels
from pullwright.sandbox.seccomp import profile_json

PLAIN = ContainerSpec(image="x", kind="agent", mounts=(), labels=labels(instance="i", kind="agent", task="t"))


def host_config(**limits: float) -> dict[str, object]:
    spec = ContainerSpec(
        image="sha256:1",
        kind="agent",
        mounts=(Mount(volume="v", target="/workspace"), Mount(volume="b", target="/pristine", read_only=True)),
        labels=labels(instance="i", kind="agent", task="t"),
        limits=ContainerLimits(**limits),  # type: ignore[arg-type]
    )
    found = spec.config()["HostConfig"]
    assert isinstance(found, dict)
    return found


def test_every_flag_that_holds_the_agent_is_set() -> None:
    config = host_config(memory_mib=100, cpus=1.5, pids=7)
    assert config["NetworkMode"] == "none"
    assert config["CapDrop"] == ["ALL"]
    assert config["SecurityOpt"] == ["no-new-privileges", f"seccomp={profile_json()}"]
    assert (config["CapAdd"], config["Devices"], config["PublishAllPorts"]) == ([], [], False)
    assert (config["Privileged"], config["ReadonlyRootfs"], config["Init"]) == (False, True, True)
    assert (config["IpcMode"], config["LogConfig"]) == ("private", {"Type": "none"})
    assert config["Memory"] == config["MemorySwap"] == 100 << 20
    assert (config["NanoCpus"], config["PidsLimit"]) == (1_500_000_000, 7)


def test_nothing_is_shared_with_the_host() -> None:
    config = host_config()
    assert not {"Binds", "VolumesFrom", "PidMode", "UsernsMode", "ExtraHosts", "MaskedPaths", "Runtime"} & set(config)
    assert config["Mounts"] == [
        {"Type": "volume", "Source": "v", "Target": "/workspace", "ReadOnly": False},
        {"Type": "volume", "Source": "b", "Target": "/pristine", "ReadOnly": True},
    ]


def test_the_container_says_whose_it_is_and_nothing_of_the_host() -> None:
    spec = ContainerSpec(image="x", kind="agent", mounts=(), labels=labels(instance="i", kind="agent", task="t"))
    config = spec.config()
    assert (config["User"], config["Hostname"], config["Entrypoint"]) == ("10001:10001", "sandbox", [])
    assert "Env" not in config
    assert {"pullwright.instance", "pullwright.task", "pullwright.kind", "pullwright.created"} <= set(spec.labels)


def test_root_for_set_up_keeps_every_wall_but_its_own() -> None:
    config, own = replace(PLAIN, root=True).config(), PLAIN.config()
    host, own_host = config["HostConfig"], own["HostConfig"]
    assert isinstance(host, dict)
    assert isinstance(own_host, dict)
    changed = {name for name in host if host[name] != own_host[name]}
    assert changed == {"CapAdd", "ReadonlyRootfs", "Tmpfs"}
    assert host["CapAdd"] == ["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID"]
    assert list(host["Tmpfs"]) == ["/tmp"]
    assert {name for name in config if config[name] != own[name]} == {"User", "HostConfig"}


def test_a_runtime_and_a_first_process_of_ones_own() -> None:
    config = replace(PLAIN, runtime="runsc", command=("sh", "-c", "wait"), init=False).config()
    host = config["HostConfig"]
    assert isinstance(host, dict)
    assert (host["Runtime"], host["Init"]) == ("runsc", False)
    assert config["Cmd"] == ["sh", "-c", "wait"]
