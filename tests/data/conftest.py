"""Fixtures of the data tests: copies of the two folders that the lerobot package wrote."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

FIXTURES = Path(__file__).parent / "fixtures"


@pytest.fixture
def copy_of(tmp_path: Path) -> Callable[[str], Path]:
    """A writable copy of `so100_tiny_v30` or `so100_tiny_v21`, without the videos."""

    def copy(version: str) -> Path:
        target = tmp_path / version
        source = FIXTURES / f"so100_tiny_{version}"
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("videos"))
        return target

    return copy


@pytest.fixture(params=["v30", "v21"])
def tiny(request: pytest.FixtureRequest) -> Path:
    """One of the two folders, not to be changed."""
    return FIXTURES / f"so100_tiny_{request.param}"
