"""One observation, in as many messages as the bus needs: it takes 1 MiB, some 3,000 containers. Pure."""

from collections import defaultdict
from collections.abc import Iterable
from itertools import chain, zip_longest
from typing import TypeVar

import msgspec

from libs.common.bounds import size
from libs.common.messages.metrics import NO_APP, Observation, ReplicaSample

T = TypeVar("T")
_SAMPLES, _VOLUMES = 512 * 1024, 256 * 1024
"""Bytes of each in one message. An app is never cut: at 32 replicas a process it has some 15,000 bytes a process."""


def parts(whole: Observation) -> list[Observation]:
    """The same in messages that stand alone; the whole itself where it fits into one."""
    volumes = _cut(((each, size(each) + 1) for each in whole.volumes), _VOLUMES)
    told = [tuple(chain.from_iterable(apps)) for apps in _cut(_by_app(whole.samples), _SAMPLES)]
    untils = [samples[-1].app_id for samples in told[:-1]] + [""]
    more = max(0, len(volumes) - len(told))
    told, untils = [()] * more + told, [NO_APP] * more + untils
    return [
        msgspec.structs.replace(
            whole, samples=samples, volumes=tuple(held), disks=whole.disks if not number else (), after=after, until=until
        )
        for number, (samples, held, after, until) in enumerate(zip_longest(told, volumes, ["", *untils[:-1]], untils, fillvalue=()))
    ]


def _by_app(samples: Iterable[ReplicaSample]) -> list[tuple[list[ReplicaSample], int]]:
    """Each app's samples and their bytes, in the order of ids."""
    apps: dict[str, list[ReplicaSample]] = defaultdict(list)
    for sample in samples:
        apps[sample.app_id].append(sample)
    return [(apps[app_id], sum(size(sample) + 1 for sample in apps[app_id])) for app_id in sorted(apps)]


def _cut(pieces: Iterable[tuple[T, int]], most: int) -> list[list[T]]:
    """Pieces with their bytes, in runs of at most `most`, or of one that has more; one run where there is nothing."""
    runs: list[list[T]] = [[]]
    left = most
    for piece, length in pieces:
        if runs[-1] and length > left:
            runs.append([])
            left = most
        runs[-1].append(piece)
        left -= length
    return runs
