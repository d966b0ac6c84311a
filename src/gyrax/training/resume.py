"""What a run that goes on from a checkpoint, or shares its encoder, must have in common with it."""

from gyrax._errors import InputError
from gyrax.data.store import FrameStore
from gyrax.training.checkpoint import Checkpoint
from gyrax.training.presets import differences
from gyrax.training.settings import Settings

ENCODER = ("data", "encoder")
"""The owners whose settings encoded latents depend on."""
SYSTEM = (*ENCODER, "world_model")
"""The owners whose settings the arrays of a checkpoint depend on."""
STEP = ".step"
"""An array of the state of training, which a checkpoint has and an exported model has not."""


def check_shared(checkpoint: Checkpoint, settings: Settings, owners: tuple[str, ...]) -> None:
    """Raise `InputError` where a setting of one of these owners is another than the checkpoint's."""
    for leaf, (have, want) in differences(checkpoint.meta.settings, settings).items():
        if leaf.path[0] in owners:
            raise InputError(
                f"{checkpoint.path}: was trained with {leaf.name} {have}, not {want}; leave the flag "
                "out, or train a new run."
            )


def check_resumed(
    checkpoint: Checkpoint, settings: Settings, frames: FrameStore, *, same_phase: bool
) -> None:
    """Raise `InputError` where a training must not go on from a checkpoint.

    Its system is of the settings of `SYSTEM`, and its training episodes are those of its data set and
    split: with others it would be measured on what it was trained on. In the middle of a phase, order
    and noise follow from the seed and the size of a batch.
    """
    check_shared(checkpoint, settings, SYSTEM)
    check_data(checkpoint, frames)
    if not same_phase:
        return
    if STEP not in checkpoint.arrays:
        raise InputError(
            f"{checkpoint.path}: is an exported model, without the optimiser's state to finish its phase "
            "with; begin the next one with --phase, or go on from the run that it is of."
        )
    for leaf, (have, want) in differences(checkpoint.meta.settings, settings).items():
        if leaf.key in ("seed", "batch_size", "sequence_length", "wm_context"):
            raise InputError(
                f"{checkpoint.path}: is in the middle of a phase begun with {leaf.name} {have}, not "
                f"{want}; leave the flag out, or begin the phase anew from the one before."
            )


def check_data(checkpoint: Checkpoint, frames: FrameStore) -> None:
    """Raise `InputError` where a data set is another than the one that a checkpoint was trained on."""
    if frames.digest != checkpoint.meta.data:
        raise InputError(
            f"{checkpoint.path}: was trained on {checkpoint.meta.source}, whose frames are not those of "
            f"{frames.source}; give that data set with --data, or train a new run."
        )
