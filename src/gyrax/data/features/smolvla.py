"""The backbone `smolvla`: hidden states of SmolVLA's action expert, for every single frame."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np

from gyrax._errors import InputError
from gyrax.data.features.smolvla_cameras import match_cameras, parse_pair
from gyrax.data.features.smolvla_weights import DEFAULT_WEIGHTS, load_policy
from gyrax.data.features.state import statistics
from gyrax.data.lerobot.folder import LeRobotFolder
from gyrax.data.lerobot.proprioception import STATE, state_keys
from gyrax.data.lerobot.video import Camera

DEFAULT_BATCH = 16
NOISE_SEED = 0


class SmolVLABackbone:
    """Features are hidden states after the action expert's final norm, averaged over its tokens.

    SmolVLA makes a chunk of actions out of noise in several denoising steps, each a pass of the expert with
    one token an action; the features are those of the last step. The noise is the same for every frame,
    drawn once from a recorded seed: so features are a function of the frame alone, and every frame is
    computed (`select_action` would run the network only where its queue of actions is empty).

    Inputs: the cameras as `--camera NAME=KEY` says, each resized with padding to the network's size and
    scaled to [−1, 1]; `observation.state` standardised by the statistics of the whole data set and padded
    with zeros; the frame's task, ended by a newline. `description` names weights, device and cameras.
    """

    name = "smolvla"
    reads_video = True

    def __init__(
        self,
        folder: LeRobotFolder,
        weights: str | None,
        cameras: Sequence[str],
        device: str,
        batch_size: int | None,
    ):
        """Raises `InputError` for whatever does not fit: weights, cameras, states, or missing packages."""
        state_keys(folder)
        weights = weights or DEFAULT_WEIGHTS
        pairs = [parse_pair(text) for text in cameras]
        self._policy, weights_hash = load_policy(weights, device)
        self._config = self._policy.config
        self._folder, self._batch = folder, batch_size or DEFAULT_BATCH
        chosen = match_cameras(folder, list(self._config.image_features), pairs)
        self._cameras = {name: Camera(folder, key) for name, key in chosen.items()}
        width = folder.features[STATE].width
        if width > self._config.max_state_dim:
            raise InputError(
                f"{folder.path}: {STATE} has {width} values, SmolVLA takes at most "
                f"{self._config.max_state_dim}; choose other weights."
            )
        listed = ", ".join(f"{name} = {key}" for name, key in chosen.items())
        self.description = f"{weights} on {self._config.device}, cameras {listed}"
        self._center, self._spread = statistics(folder, [STATE])
        self._noise = self._draw_noise()
        self._passes: list[Any] = []
        expert = self._policy.model.vlm_with_expert
        expert.lm_expert.norm.register_forward_hook(lambda *call: self._passes.append(call[-1]))
        self._tokenizer = expert.processor.tokenizer
        self.columns = tuple(f"smolvla.{i}" for i in range(expert.expert_hidden_size))
        self.mean = self.scale = np.zeros(0)
        self.settings: dict[str, Any] = {
            "weights": weights_hash,
            "cameras": chosen,
            "noise_seed": NOISE_SEED,
            "denoise_step": self._config.num_steps - 1,
            "denoise_steps": self._config.num_steps,
            "pooling": "mean over tokens",
            "dtype": "float32",
        }
        named = [word for pair in chosen.items() for word in ("--camera", "=".join(pair))]
        self.arguments: tuple[str, ...] = ("--backbone", "smolvla", "--weights", weights, *named)

    def blocks(self, episode: int) -> Iterator[np.ndarray]:
        """The features of one episode, float32 (frames, width), a batch of frames at a time."""
        columns = self._folder.read(episode, [STATE, "task_index"])
        states, tasks = columns[STATE], columns["task_index"][:, 0]
        known = len(self._folder.tasks)
        if tasks.min() < 0 or tasks.max() >= known:
            raise InputError(
                f"{self._folder.path}: episode {episode} has the task_index {tasks.min()} or "
                f"{tasks.max()}, expected 0 to {known - 1}; write the folder again with lerobot."
            )
        streams = {name: camera.frames(episode) for name, camera in self._cameras.items()}
        for begin in range(0, len(states), self._batch):
            rows = slice(begin, begin + self._batch)
            count = len(states[rows])
            images = {name: np.stack(list(islice(s, count))) for name, s in streams.items()}
            yield self._features(images, states[rows], [self._folder.tasks[i] for i in tasks[rows]])

    def _features(
        self, images: dict[str, np.ndarray], states: np.ndarray, tasks: list[str]
    ) -> np.ndarray:
        """(frames, height, width, 3) images by camera, (frames, width) states: (frames, features)."""
        import torch  # pyright: ignore[reportMissingImports]

        put = lambda array: torch.from_numpy(array).to(self._config.device)
        words = self._tokenizer(
            [task if task.endswith("\n") else task + "\n" for task in tasks],
            max_length=self._config.tokenizer_max_length,
            padding=self._config.pad_language_to,
            padding_side="right",
            truncation=True,
            return_tensors="pt",
        ).to(self._config.device)
        batch = {
            **{name: put(image).permute(0, 3, 1, 2) / 255.0 for name, image in images.items()},
            STATE: put(((states - self._center) / self._spread).astype(np.float32)),
            "observation.language.tokens": words["input_ids"],
            "observation.language.attention_mask": words["attention_mask"].bool(),
        }
        self._passes.clear()
        # Resizing, padding and scaling to [-1, 1] are the policy's own.
        self._policy.predict_action_chunk(batch, noise=self._noise.expand(len(states), -1, -1))
        if len(self._passes) != self._config.num_steps:
            raise InputError(
                f"SmolVLA's action expert ran {len(self._passes)} times instead of "
                f"{self._config.num_steps}; this version of lerobot is not supported: use 0.4.4."
            )
        return self._passes[-1].mean(dim=1).cpu().numpy()

    def _draw_noise(self) -> Any:
        import torch  # pyright: ignore[reportMissingImports]

        shape = (1, self._config.chunk_size, self._config.max_action_dim)
        noise = torch.randn(shape, generator=torch.Generator().manual_seed(NOISE_SEED))
        return noise.to(self._config.device)
