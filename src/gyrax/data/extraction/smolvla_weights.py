"""SmolVLA's network from a local folder or the Hugging Face hub, by the lerobot package (extra `vla`)."""

import contextlib
import hashlib
import io
import re
from pathlib import Path
from typing import Any

from gyrax._errors import InputError
from gyrax.data.lerobot_files import is_there, one_line, read_json
from gyrax.data.schema import show, show_all

DEFAULT_WEIGHTS = "lerobot/smolvla_base"
FILES = ("config.json", "model.safetensors")
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
        config.device = device if device != "auto" else _best(torch)
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
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # it tells of every step
            return policy(config)
    except OSError as error:
        raise InputError(
            f"{folder}/config.json: vlm_model_name is {show(config.vlm_model_name)}, of which "
            "configuration and tokenizer are neither in a local folder nor on a hub that answers "
            f"({one_line(error)}); put the path of a copy there."
        ) from None
    except Exception as error:  # settings that contradict each other
        raise InputError(
            f"{folder}/config.json: no SmolVLA can be built of it ({one_line(error)}); {REMEDY}."
        ) from None


def _best(torch: Any) -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def _folder(weights: str) -> Path:
    """The local folder of the weights: given, or downloaded by the hub's client into its cache."""
    given = Path(weights)
    if is_there(given, folder=True):
        for name in FILES:
            if not is_there(given / name, folder=False):
                raise InputError(f"{given}: holds no {name}; {REMEDY}.")
        return given
    if not _HUB_ID.fullmatch(weights):
        raise InputError(f"{weights}: no such folder; {REMEDY}.")
    from huggingface_hub import hf_hub_download  # pyright: ignore[reportMissingImports]

    try:
        files = [hf_hub_download(weights, name, etag_timeout=SECONDS) for name in FILES]
    except (OSError, ValueError) as error:  # all of the client's errors are one of these
        raise InputError(
            f"--weights {weights}: there is no such folder, and the Hugging Face hub did not give it "
            f"({one_line(error)}); {REMEDY}."
        ) from None
    return Path(files[0]).parent


def _hash(folder: Path) -> str:
    digest = hashlib.sha256()
    for name in FILES:
        with (folder / name).open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()
