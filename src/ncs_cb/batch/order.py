"""What a worker is asked to do and what it hands back; light, for the process that plans."""

from __future__ import annotations

from dataclasses import dataclass

from ncs_cb.batch.inputs import Task
from ncs_cb.batch.store import Entry


@dataclass(frozen=True, slots=True)
class Settings:
    """What a batch is to do.

    Attributes
    ----------
    criteria : tuple of str or None
        Ids or paths of criteria sets; None takes the documented default list.
    reference : str
        Id or path of the set of normal limits.
    reports : bool
        Whether to write a report per study.
    lang : str
        Language of the reports.
    keep_identity : bool
        Whether names, numbers and birth dates found in files are kept.
    time_limit_s : float
        Longest time for reading one study, and for analyzing it.
    memory_limit_mb : int
        Most memory for one study.
    layout : str or None
        Id or path of the layout of tables.
    lab : str or None
        Path of the laboratory's file for every study; else the nearest ``lab.toml``.
    supramaximal : bool
        Whether the caller attests supramaximal stimulation where nothing says otherwise.
    """

    criteria: tuple[str, ...] | None = None
    reference: str = "aanem_2016"
    reports: bool = False
    lang: str = "en"
    keep_identity: bool = False
    time_limit_s: float = 60.0
    memory_limit_mb: int = 2048
    layout: str | None = None
    lab: str | None = None
    supramaximal: bool = False

    @property
    def limits(self) -> str:
        """The limits as one word, to know whether a failure came from other ones."""
        return f"{self.time_limit_s:g} s, {self.memory_limit_mb} MB"


@dataclass(frozen=True, slots=True)
class Chunk:
    """The work on one slot.

    Attributes
    ----------
    slot : int
    tasks : tuple of Task
        Studies to be done, in order of their keys.
    kept : tuple of Entry
        Studies of the slot that have not changed; their rows are taken over.
    out : str
        The output folder.
    settings : Settings
    program : str
        Digest of the program that planned this; a worker with another one refuses.
    """

    slot: int
    tasks: tuple[Task, ...]
    kept: tuple[Entry, ...]
    out: str
    settings: Settings
    program: str


@dataclass(frozen=True, slots=True)
class Done:
    """What a worker hands back: where it wrote, and what became of each study."""

    slot: int
    staged: str
    entries: tuple[Entry, ...]
    fresh: frozenset[str]
    histograms: dict[str, list[int]]
