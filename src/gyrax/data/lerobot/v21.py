"""The metadata of a LeRobotDataset v2.1 folder: JSON lines, and one parquet file an episode."""

from collections.abc import Sequence
from pathlib import Path

from gyrax.data.lerobot.checks import (
    expect_count,
    expect_index,
    expect_object,
    expect_text,
    expect_texts,
)
from gyrax.data.lerobot.files import read_json_lines
from gyrax.data.lerobot.paths import fill_template
from gyrax.data.lerobot.schema import Clip, Episode, Info


def read_tasks(folder: Path) -> tuple[str, ...]:
    """The task texts of `meta/tasks.jsonl`, in the order of their index."""
    file, tasks = folder / "meta/tasks.jsonl", []
    for where, raw in read_json_lines(file):
        fields = expect_object(file, where, raw)
        expect_index(file, f"task_index in {where}", fields.get("task_index"), len(tasks))
        tasks.append(expect_text(file, f"task in {where}", fields.get("task")))
    return tuple(tasks)


def read_episodes(folder: Path, info: Info) -> tuple[Episode, ...]:
    """The episodes of `meta/episodes.jsonl`, which must be numbered 0, 1, ..."""
    file, episodes = folder / "meta/episodes.jsonl", []
    for where, raw in read_json_lines(file):
        fields = expect_object(file, where, raw)
        index = len(episodes)
        expect_index(file, f"episode_index in {where}", fields.get("episode_index"), index)
        path = fill_template(info, "data_path", **_place(info, index))
        episodes.append(
            Episode(
                index=index,
                length=expect_count(file, f"length in {where}", fields.get("length"), least=1),
                tasks=expect_texts(file, f"tasks in {where}", fields.get("tasks")),
                _file=path,
                _row=0,
            )
        )
    return tuple(episodes)


def read_clips(info: Info, key: str, episodes: Sequence[Episode]) -> tuple[Clip, ...]:
    """Where the frames of camera `key` are, for each episode: a video file of its own."""
    return tuple(
        Clip(fill_template(info, "video_path", video_key=key, **_place(info, episode.index)), 0)
        for episode in episodes
    )


def _place(info: Info, index: int) -> dict[str, int]:
    return {"episode_chunk": index // info.chunk_size, "episode_index": index}
