from __future__ import annotations

from pullwright.sandbox.container_spec import ContainerLimits, ContainerSpec, Mount, labels, overlay_options


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
    assert config["SecurityOpt"] == ["no-new-privileges"]
    assert (config["Privileged"], config["ReadonlyRootfs"], config["Init"]) == (False, True, True)
    assert (config["IpcMode"], config["LogConfig"]) == ("private", {"Type": "none"})
    assert config["Memory"] == config["MemorySwap"] == 100 << 20
    assert (config["NanoCpus"], config["PidsLimit"]) == (1_500_000_000, 7)


def test_nothing_is_shared_with_the_host() -> None:
    config = host_config()
    assert not {"Binds", "Devices", "CapAdd", "VolumesFrom", "PidMode", "UsernsMode", "ExtraHosts"} & set(config)
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


def test_paths_that_would_change_the_meaning_of_the_options_are_not_used() -> None:
    options = overlay_options("/v/base/_data", "/v/layer/_data")
    assert options is not None
    assert options["o"] == (
        "lowerdir=/v/base/_data,upperdir=/v/layer/_data/upper,workdir=/v/layer/_data/work,nodev,nosuid"
    )
    assert overlay_options("/v/a,b", "/v/l") is None
    assert overlay_options("/v/a", "/v/l:m") is None
