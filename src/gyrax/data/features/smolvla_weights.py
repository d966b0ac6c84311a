"""SmolVLA's network from a local folder or the Hugging Face hub, by the lerobot package (extra `vla`)."""

import contextlib
import hashlib
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gyrax._errors import InputError
from gyrax.data.lerobot.checks import one_line, show, show_all
from gyrax.data.lerobot.files import is_there, read_json

DEFAULT_WEIGHTS = "lerobot/smolvla_base"
FILES = ("config.json", "model.safetensors")
VLM_FILES = ("*.json", "*.txt", "*.jinja")
REMEDY = "give the folder of a SmolVLA that the lerobot package saved with --weights"
SECONDS = 10
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


def load_policy(weights: str, device: str) -> tuple[Any, str]:
    """The policy, in float32 on `device` (`auto`, `cpu` or `cuda`), and a hash of its two files.

    Only the checkpoint's own weights are read: it holds those of the vision-language model too, of which
    just configuration and tokenizer are looked up. Raises `InputError` where the lerobot package is
    missing, the weights are neither here nor on a hub that answers, or they do not fit.
    """
    try:
        import torch  # pyright: ignore[reportMissingImports]
        from lerobot.configs.policies import (  # pyright: ignore[reportMissingImports]
            PreTrainedConfig,
        )
        from lerobot.policies.smolvla.modeling_smolvla import (  # pyright: ignore[reportMissingImports]
            SmolVLAPolicy,
        )
        from safetensors.torch import load_model  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise InputError(
            f"--backbone smolvla needs the lerobot package ({one_line(error)}); install it in an "
            "environment of its own with python -m pip install -e '.[vla]'."
        ) from None
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("--device cuda: PyTorch finds no CUDA device; use --device cpu.")
    folder = _folder(weights)
    kind = read_json(folder / "config.json", REMEDY)
    kind = kind.get("type") if isinstance(kind, dict) else None
    if kind != "smolvla":
        raise InputError(
            f"{folder}/config.json: type is {show(kind)}, expected 'smolvla'; {REMEDY}."
        )
    try:
        config = PreTrainedConfig.from_pretrained(folder)
        best = "cuda" if torch.cuda.is_available() else "cpu"
        config.device = best if device == "auto" else device
        config.load_vlm_weights = config.compile_model = False
        config.rtc_config = None
    except Exception as error:  # whatever its parser raises on a broken file
        raise InputError(
            f"{folder}/config.json: cannot be used ({one_line(error)}); {REMEDY}."
        ) from None
    policy = _build(SmolVLAPolicy, config, folder)
    try:
        missing, _ = load_model(policy, folder / "model.safetensors", strict=False)
    except Exception as error:  # safetensors and torch have errors of their own
        raise InputError(
            f"{folder}/model.safetensors: truncated, broken or of another architecture "
            f"({one_line(error)}); {REMEDY}."
        ) from None
    if missing:
        raise InputError(
            f"{folder}/model.safetensors: lacks {len(missing)} tensors of SmolVLA: "
            f"{show_all(sorted(missing)[:2])}; {REMEDY}."
        )
    return policy.to(config.device).float().eval(), _hash(folder)


def _build(policy: Any, config: Any, folder: Path) -> Any:
    what = f"{folder}/config.json: vlm_model_name"
    if not is_there(Path(config.vlm_model_name), folder=True):
        remedy = "put the path of a copy of its configuration and tokenizer there"
        config.vlm_model_name = str(_download(config.vlm_model_name, VLM_FILES, what, remedy))
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # it reports every step
            return policy(config)
    except Exception as error:  # settings that contradict each other, or a broken copy
        raise InputError(
            f"{folder}/config.json: no SmolVLA can be built of it and of {config.vlm_model_name} "
            f"({one_line(error)}); {REMEDY}."
        ) from None


def _folder(weights: str) -> Path:
    """The local folder of the weights: given, or downloaded by the hub's client into its cache."""
    folder = Path(weights)
    if not is_there(folder, folder=True):
        folder = _download(weights, FILES, f"--weights {weights}", REMEDY)
    for name in FILES:
        if not is_there(folder / name, folder=False):
            raise InputError(f"{folder}: holds no {name}; {REMEDY}.")
    return folder


def _download(name: str, files: Sequence[str], what: str, remedy: str) -> Path:
    """The folder in which the hub's client keeps these files, which it downloads if the hub answers."""
    if not _HUB_ID.fullmatch(name):
        raise InputError(f"{what}: {name} is no folder; {remedy}.")
    from huggingface_hub import (  # pyright: ignore[reportMissingImports]
        constants,
        snapshot_download,
    )
    from huggingface_hub.utils import get_session  # pyright: ignore[reportMissingImports]

    try:  # once, since the client would try for minutes
        get_session().head(constants.ENDPOINT, timeout=SECONDS)
        answers = True
    except OSError:
        answers = False
    try:
        folder = snapshot_download(name, allow_patterns=list(files), local_files_only=not answers)
    except (OSError, ValueError) as error:  # all of the client's errors are one of these
        why = one_line(error) if answers else "it does not answer, and its local cache lacks it"
        raise InputError(
            f"{what}: {name} is no folder here, and the Hugging Face hub did not give it ({why}); "
            f"{remedy}."
        ) from None
    return Path(folder)


def _hash(folder: Path) -> str:
    digest = hashlib.sha256()
    for name in FILES:
        with (folder / name).open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()
