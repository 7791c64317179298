"""Reads the event files of a run with TensorBoard's own package, and holds every scalar to the run's logs.

    regard train configs/copy.toml --run /tmp/run --set train.tensorboard=true
    python scripts/parity/events.py /tmp/run

Exits with 1 if a number of `log.jsonl`, `timing.jsonl` or `validation.jsonl` is missing, differs beyond single precision (which
is all the format holds), or stands twice.
"""

import json
import pathlib
import sys

import numpy
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

GROUPS = {"train": "log", "timing": "timing", "validation": "validation"}


def logged(run):
    """{tag: [(step, value)]} of the logs."""
    scalars = {}
    for group, name in GROUPS.items():
        for line in (run / f"{name}.jsonl").read_text().splitlines():
            numbers = json.loads(line)
            step = numbers.pop("step")
            for key, value in numbers.items():
                if isinstance(value, (int, float)):
                    scalars.setdefault(f"{group}/{key}", []).append((step, float(numpy.float32(value))))
    return scalars


def main():
    run = pathlib.Path(sys.argv[1])
    # 0 keeps every event; the default would keep a sample.
    events = EventAccumulator(str(run / "tensorboard"), size_guidance={"scalars": 0, "tensors": 0})
    events.Reload()
    read = {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
    expected = logged(run)
    for tag in sorted(expected.keys() | read.keys()):
        if expected.get(tag) != read.get(tag):
            sys.exit(f"{tag}: the logs say {expected.get(tag)}, TensorBoard reads {read.get(tag)}")
    points = sum(map(len, read.values()))
    print(f"{len(read)} tags, {points} scalars: TensorBoard reads what the logs say")


if __name__ == "__main__":
    main()
