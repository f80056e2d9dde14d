"""A file has its old or its new content at any moment, and everything else of it stays."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pullwright.sandbox.runner.files import Upload


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / ".git").mkdir()
    (tmp_path / "deep").mkdir()
    return tmp_path


def begun(path: Path, *chunks: bytes) -> Upload:
    upload = Upload(str(path))
    for chunk in chunks:
        upload.add(chunk)
    return upload


def test_an_upload_that_is_cut_short_leaves_the_file_as_it_was(folder: Path) -> None:
    file = folder / "deep" / "a.py"
    file.write_bytes(b"old")
    cut = begun(file, b"ne")
    assert file.read_bytes() == b"old"
    os.close(cut.fd)  # what the kernel does when the container ends
    begun(file, b"ne", b"w").finish()
    assert file.read_bytes() == b"new"
    assert sorted(path.name for path in folder.rglob("*")) == [".git", "a.py", "deep"]


@pytest.mark.parametrize("mode", [0o644, 0o755, 0o600])
def test_a_file_keeps_its_mode(folder: Path, mode: int) -> None:
    file = folder / "tool.sh"
    file.write_bytes(b"old")
    file.chmod(mode)
    begun(file, b"new").finish()
    assert (file.read_bytes(), file.stat().st_mode & 0o777) == (b"new", mode)


def test_a_new_file_does_not_get_the_mode_of_one_that_was_cut_short(folder: Path) -> None:
    staged = folder / ".git" / "agent-upload"
    staged.write_bytes(b"x")
    staged.chmod(0o777)
    begun(folder / "new.txt", b"new").finish()
    assert (folder / "new.txt").stat().st_mode & 0o111 == 0


def test_a_link_stays_a_link_and_both_names_of_a_file_keep_its_content(folder: Path) -> None:
    real, link, other = folder / "real.txt", folder / "link.txt", folder / "deep" / "other.txt"
    real.write_bytes(b"old")
    link.symlink_to("real.txt")
    begun(link, b"by link").finish()
    assert (link.is_symlink(), real.read_bytes()) == (True, b"by link")
    other.hardlink_to(real)
    begun(other, b"by name").finish()
    assert real.read_bytes() == b"by name"


def test_outside_a_repository_a_file_is_written_in_place(tmp_path: Path) -> None:
    begun(tmp_path / "made" / "a.txt", b"one").finish()
    assert (tmp_path / "made" / "a.txt").read_bytes() == b"one"


def test_a_folder_is_refused_and_left_alone(folder: Path) -> None:
    with pytest.raises(OSError, match=r"directory|regular"):
        begun(folder / "deep", b"x").finish()
    assert (folder / "deep").is_dir()
