from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pullwright.agents.egress import EgressMode, EgressPolicy
from pullwright.agents.environment import Environment
from pullwright.agents.ports.sandbox import Base
from pullwright.sandbox.container_spec import LABEL_OWNER, labels
from pullwright.sandbox.environment_store import cache_volume, environment_key
from pullwright.sandbox.environments import limited
from pullwright.sandbox.workspace_volume import overlay_options

ENVIRONMENT = Environment(source="x", setup="make", variables=(("A", "1"), ("B", "2")))
TRACKED = {b"uv.lock": b"1", b"web/package.json": b"2", b"a": b"3"}


def test_the_same_is_known_by_the_same_key() -> None:
    same = replace(ENVIRONMENT, source="y", checks=("x",), caches=("~/x",), egress=EgressPolicy(mode=EgressMode.NONE))
    backwards = dict(reversed(TRACKED.items()))
    assert environment_key("image", ENVIRONMENT, TRACKED) == environment_key("image", same, {**backwards, b"a": b"9"})


def test_what_decides_the_result_is_in_the_key() -> None:
    keys = {
        environment_key("image", ENVIRONMENT, TRACKED),
        environment_key("other", ENVIRONMENT, TRACKED),
        environment_key("image", replace(ENVIRONMENT, setup="make all"), TRACKED),
        environment_key("image", replace(ENVIRONMENT, variables=(("A", "1"),)), TRACKED),
        environment_key("image", replace(ENVIRONMENT, variables=(("A", "1\0B=2"),)), TRACKED),
        environment_key("image", ENVIRONMENT, {**TRACKED, b"uv.lock": b"9"}),
        environment_key("image", ENVIRONMENT, {**TRACKED, b"web/package.json": b"9"}),
        environment_key("image", ENVIRONMENT, {**TRACKED, b"requirements-dev.txt": b"9"}),
        environment_key("image", replace(ENVIRONMENT, lockfiles=("a",)), TRACKED),
        environment_key("image", replace(ENVIRONMENT, lockfiles=("web",)), TRACKED),
    }
    assert len(keys) == 10


def test_an_overlay_over_two_folders() -> None:
    options = overlay_options(["/prepared", "/base"], "/layer")
    assert options is not None
    assert options["o"] == "lowerdir=/prepared:/base,upperdir=/layer/upper,workdir=/layer/work,nodev,nosuid"


@pytest.mark.parametrize("path", ["/a:b", "/a,b", "/a\\b"])
def test_a_path_that_would_be_read_as_options_is_refused(path: str) -> None:
    assert overlay_options(["/a", path], "/layer") is None
    assert overlay_options(["/a"], path) is None


def test_a_cache_belongs_to_one_repository_and_to_no_process() -> None:
    one, other = (Base(mirror=Path(name), ref="main", sha="0" * 40) for name in ("/one", "/other"))
    own = labels(instance="i", kind="cache")
    name, kept = cache_volume(one, "~/.cache", own)
    assert len({name, cache_volume(other, "~/.cache", own)[0], cache_volume(one, "~/.npm", own)[0]}) == 3
    assert own.keys() - kept.keys() == {LABEL_OWNER}


def test_open_egress_is_what_the_instance_allows() -> None:
    policy = EgressPolicy(mode=EgressMode.OPEN, max_bytes=5)
    assert limited(policy, True, "x") == (policy, ())
    lowered, notices = limited(policy, False, "the sandbox")
    assert lowered == EgressPolicy(mode=EgressMode.PACKAGES, max_bytes=5)
    assert len(notices) == 1
    assert limited(EgressPolicy(), False, "x") == (EgressPolicy(), ())
