"""A SmolVLA small enough to build in a moment, made of configurations alone."""

import importlib.util
from pathlib import Path

import pytest
from torchvision_operators import declare_operators


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as the lerobot package saves it, with random weights."""
    if importlib.util.find_spec("lerobot") is None:
        pytest.skip("needs the lerobot package (extra vla)")
    declare_operators()
    import torch

    torch.set_num_threads(
        1
    )  # so small a network only waits for its threads, the longer the busier the machine
    from tiny_smolvla import save_tiny

    return save_tiny(tmp_path_factory.mktemp("smolvla"))
