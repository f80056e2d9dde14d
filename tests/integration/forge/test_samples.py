from __future__ import annotations

import io
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from pullwright.agents.errors import ConfigError
from pullwright.integrations.testing.bare_repository import BareRepository
from pullwright.integrations.testing.forge import AGENT_TOKEN, RehearsalForge
from pullwright.integrations.testing.sample_invoice import invoice
from pullwright.integrations.testing.sample_repositories import SAMPLES, SUBMODULE_COMMIT
from tests.integration.forge.conftest import GitClient

WITH_COMMITS = sorted(set(SAMPLES) - {"empty"})


@pytest.fixture
def bare(tmp_path: Path) -> BareRepository:
    return BareRepository.create(tmp_path / "sample.git")


@pytest.mark.parametrize("name", WITH_COMMITS)
def test_a_sample_is_sound_and_the_same_everywhere(bare: BareRepository, tmp_path: Path, name: str) -> None:
    sample = SAMPLES[name]()
    assert sample.name == name
    base = sample.build(bare)
    bare.git("fsck", "--strict", "--no-dangling")
    listed = bare.git("ls-tree", "-r", "-z", "--name-only", base).split(b"\0")[:-1]
    assert sorted(listed) == sorted(file.path for file in sample.files)
    assert sample.build(BareRepository.create(tmp_path / "again.git")) == base


@pytest.mark.parametrize("name", WITH_COMMITS)
def test_the_intended_edits_make_a_small_patch_that_applies(bare: BareRepository, tmp_path: Path, name: str) -> None:
    sample = SAMPLES[name]()
    base = sample.build(bare)
    patch = sample.intended_patch(bare, base)
    assert patch.count(b"diff --git") == len(sample.edits)
    index = tmp_path / "index"
    bare.git("read-tree", base, index=index)
    bare.git("apply", "--cached", "--whitespace=nowarn", stdin=patch, index=index)
    assert bare.git("write-tree", index=index).decode().strip() == bare.tree_with(base, sample.edited())
    assert set(bare.branches()) == {"main"}


def test_an_empty_sample_has_no_commit(bare: BareRepository) -> None:
    assert SAMPLES["empty"]().build(bare) == ""
    assert bare.branches() == {}


def test_an_edit_that_does_not_fit_is_noticed() -> None:
    sample = invoice()
    wrong = replace(sample, edits=(replace(sample.edits[0], old=b"nowhere"),))
    with pytest.raises(ConfigError, match="invoice"):
        wrong.edited()


def test_the_invoice_fails_before_and_passes_after(bare: BareRepository, tmp_path: Path) -> None:
    sample = invoice()
    base = sample.build(bare)
    results = {}
    for tree in (base, bare.tree_with(base, sample.edited())):
        folder = tmp_path / tree
        with tarfile.open(fileobj=io.BytesIO(bare.git("archive", tree))) as archive:
            archive.extractall(folder, filter="data")
        done = subprocess.run([sys.executable, "-m", "unittest"], cwd=folder, capture_output=True, check=False)
        results[tree] = (done.returncode == 0, b"Ran 10 tests" in done.stderr)
    assert list(results.values()) == [(False, True), (True, True)]


def test_special_entries_are_what_they_say(bare: BareRepository) -> None:
    base = SAMPLES["submodule"]().build(bare)
    assert bare.git("ls-tree", base, "vendor/parser").split()[:3] == [b"160000", b"commit", SUBMODULE_COMMIT]
    assert BareRepository(bare.path).read(base, b".gitmodules").startswith(b'[submodule "vendor/parser"]')


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_a_sample_can_be_cloned_and_has_its_issue(
    forge: RehearsalForge, git: GitClient, tmp_path: Path, name: str
) -> None:
    sample = SAMPLES[name]()
    forge.create_sample("acme", sample)
    done = git("clone", "--quiet", "--bare", forge.clone_url("acme", name), str(tmp_path / "x"), token=AGENT_TOKEN)
    assert done.returncode == 0, done.stderr
    assert forge.repository("acme", name).issues[sample.issue.number].title == sample.issue.title


def test_a_repository_on_disk_becomes_one_of_the_forge(forge: RehearsalForge, bare: BareRepository) -> None:
    head = SAMPLES["javascript"]().build(bare)
    repository = forge.create_repository("acme", "copy", from_path=bare.path)
    assert repository.bare.branches() == {"main": head}
