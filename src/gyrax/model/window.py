"""Windows of latents: what every forecast starts from, and what it is held against."""

from typing import Any

import equinox as eqx
from jaxtyping import Float, Int

from gyrax._types import AnyArray


class Window(eqx.Module):
    """One window, or a batch of them, on the device or the host.

    **Fields:**

    - `context`: the known points, the newest last, shape `(context, D)`.
    - `weights`: chart weights of the last known frame, `(K,)`.
    - `actions`: from that frame on, `(H, A)`.
    - `target`: the points that follow, `(H, D)`.
    - `chart`: of the last known frame and of all that follow, `(H + 1,)`.
    - `mask`: one where a frame that follows is data, and zero where the window is padded past the end of its
        episode, `(H,)`.

    In a batch, its axes come first.
    """

    context: Float[AnyArray, "*batch context D"]
    weights: Float[AnyArray, "*batch K"]
    actions: Float[AnyArray, "*batch H A"]
    target: Float[AnyArray, "*batch H D"]
    chart: Int[AnyArray, "*batch frames"]
    mask: Float[AnyArray, "*batch H"]

    @property
    def horizon(self) -> int:
        """How many frames are forecast."""
        return self.mask.shape[-1]


def cut_window(z: Any, weights: Any, chart: Any, actions: Any, mask: Any) -> Window:
    """A window of the frames that it covers, context and horizon.

    **Arguments:** `z` `(*batch, frames, D)`, `chart` `(*batch, frames)`, `actions` `(*batch, frames, A)`;
    `weights` `(*batch, K)`, of the last known frame; `mask` `(*batch, H)`. What is not forecast is
    context: frames − H of them. An action moves its frame to the next, so the last one has no part.
    """
    known = z.shape[-2] - mask.shape[-1]
    return Window(
        z[..., :known, :],
        weights,
        actions[..., known - 1 : -1, :],
        z[..., known:, :],
        chart[..., known - 1 :],
        mask,
    )


def gather_windows(z: Any, weights: Any, chart: Any, actions: Any, index: Any, mask: Any) -> Window:
    """The windows of frames numbered `index` `(M, frames)`, of arrays with one entry a frame."""
    last = index[:, index.shape[1] - mask.shape[1] - 1]
    return cut_window(z[index], weights[last], chart[index], actions[index], mask)
