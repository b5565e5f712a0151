"""The live view of a sweep: runs that are done, running and to do, the best score so far, and the time left."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from dta_bench.spec.spelling import count_of
from dta_bench.sweep.phases import EVERY, Repeating

BETWEEN_BEATS = 60.0
"""Seconds from one line about the runs that train to the next, once an epoch is in."""
RUNS_OF_AN_ESTIMATE = 2
"""So many runs have ended before the time that is left is estimated."""


@dataclass
class ProgressView:
    """Counts epochs and runs as results arrive; drawn anew on a terminal, one line a run elsewhere.

    Args:
        total_runs: to come, at most.
        epochs: of each run.
        done_before: runs that an earlier start has done.
        headline: the benchmark's headline metric, in words.
        has_subset: whether runs have a score on a labelled subset; without one none is the best so far.
        phase: what these runs are, such as ``search``, before each count; empty: nothing.
    """

    console: Console
    total_runs: int
    epochs: int
    done_before: int = 0
    headline: str = "accuracy"
    has_subset: bool = True
    phase: str = ""
    running: dict[str, int] = field(default_factory=dict)
    done: int = 0
    failed: int = 0
    best: tuple[float, str] | None = None
    _started: float = field(default_factory=time.monotonic)
    _first_epoch_at: float | None = None
    _epochs_done: int = 0
    _beats: Callable[[], dict[str, str]] = dict
    _stops: Callable[[], bool] = bool
    _said_at: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self._live = Live(
            console=self.console, get_renderable=self._render, refresh_per_second=2, transient=True,
            redirect_stdout=False, redirect_stderr=False,
        )  # fmt: skip
        self._again = Repeating(self._say_when_due, lambda: EVERY)

    def __enter__(self) -> ProgressView:
        if self.console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._again.stop()
        if self.console.is_terminal:
            self._live.stop()

    def runs_begin(self, beats: Callable[[], dict[str, str]], stops: Callable[[], bool] = bool) -> None:
        """From now on runs are started, and this view says what they do.

        Args:
            beats: gives name → what the run is doing now, of the runs that say it.
            stops: gives whether Ctrl-C or SIGTERM has come, and runs only save.
        """
        self._beats, self._stops = beats, stops
        if not self.console.is_terminal:
            self._again.start()

    def note(self, sentence: str) -> None:
        """Print a sentence that is no result."""
        self.console.print(f"note: {sentence}", highlight=False, soft_wrap=True, markup=False)

    def _say_when_due(self) -> None:
        """Say what runs do: every few seconds until the first epoch is in and once all stops, else every minute."""
        is_due = time.monotonic() - self._said_at > BETWEEN_BEATS - EVERY
        if self._first_epoch_at is None or self._stops() or is_due:
            self.say_what_runs()

    def say_what_runs(self) -> None:
        """Print one line with what each run is doing; where there is no terminal, nothing else shows it."""
        self._said_at = time.monotonic()
        self.console.print(self._running_now(), style="dim", highlight=False, soft_wrap=True, markup=False)

    def _stopping(self) -> str:
        """For how many runs the sweep still waits, once it was asked to stop; else nothing."""
        if not self._stops():
            return ""
        waiting = len({*self.running, *self._beats()})
        return (
            f"stopping: waiting for {count_of(waiting, 'run')} to save" if waiting else "stopping: all runs are saved"
        )

    def _running_now(self) -> str:
        if stopping := self._stopping():
            return f"{stopping}, {_clock(time.monotonic() - self._started)} so far"
        trained = {name: f"{epoch} of {self.epochs} epochs done" for name, epoch in self.running.items()}
        doing = self._beats() or trained
        shown = "; ".join(f"{name}: {what}" for name, what in doing.items()) or "a worker starts"
        first = self.done + self.failed + 1
        several = f" to {first + len(doing) - 1}" if len(doing) > 1 else ""
        so_far = _clock(time.monotonic() - self._started)
        phase = f"{self.phase}, " if self.phase else ""
        return f"{phase}run{'s' if several else ''} {first}{several} of {self.total_runs}, {so_far} so far: {shown}"

    def epoch_done(self, name: str, epoch: int) -> None:
        """Count an epoch of the run ``name``; ``epoch`` counts from 1."""
        if self._first_epoch_at is None:
            self._first_epoch_at = time.monotonic()
        self._epochs_done += 1
        self.running[name] = epoch

    def run_ended(self, name: str, status: str, score: float, reason: str = "", competes: bool = True) -> None:
        """Count a run that has ended.

        Args:
            status: ``done``, ``failed`` or ``stopped``.
            score: on the labelled subset, in percent; not shown where there is no such subset.
            reason: why it is not done.
            competes: whether it may be the best so far; a baseline may not.
        """
        self.running.pop(name, None)
        if status == "done":
            self.done += 1
            if self.has_subset and competes and (self.best is None or score > self.best[0]):
                self.best = (score, name)
        else:
            self.failed += 1
        if not self.console.is_terminal or status != "done":
            phase = f"{self.phase} " if self.phase else ""
            result = self._subset_score(score) if status == "done" else f"{status}: {reason}"
            self.console.print(
                f"[{phase}{self.done + self.failed}/{self.total_runs}] {name}  {result}{self._left()}",
                highlight=False,
                soft_wrap=True,
                markup=False,
            )

    def _subset_score(self, score: float) -> str:
        return f"{self.headline} on the labelled subset {score:.1f} %" if self.has_subset else "done"

    def _left(self) -> str:
        if stopping := self._stopping():
            return f"  {stopping}"
        seconds = self.seconds_left()
        return "" if seconds is None else f"  about {_clock(seconds)} left"

    def seconds_left(self) -> float | None:
        """An estimate from the pace of epochs since the start; None before two runs have ended."""
        if self.done + self.failed < RUNS_OF_AN_ESTIMATE or not self._epochs_done:
            return None
        pace = (time.monotonic() - self._started) / self._epochs_done
        return max(0.0, pace * (self.total_runs * self.epochs - self._epochs_done))

    def _render(self) -> Group:
        to_do = self.total_runs - self.done - self.failed - len(self.running)
        phase = f"{self.phase}: " if self.phase else ""
        counts = (
            f"{phase}{self.done + self.done_before} done, {len(self.running)} running, {to_do} to do"
            + (f", {self.failed} failed" if self.failed else "")
            + f"   {_clock(time.monotonic() - self._started)} so far"
        )
        rows = Table.grid(padding=(0, 2))
        doing = self._beats()
        for name in {**self.running, **doing}:
            epoch = f"{self.running[name]} of {self.epochs} epochs done" if name in self.running else ""
            rows.add_row(Text(name, style="dim"), Text(epoch), Text(doing.get(name, ""), style="dim"))
        bar = Table.grid()  # a bar by itself ends no line
        bar.add_row(ProgressBar(total=self.total_runs * self.epochs, completed=self._epochs_done, width=60))
        best = f"best so far: {self.best[1]}  {self._subset_score(self.best[0])}" if self.best else ""
        return Group(Text(counts + self._left()), bar, rows, Text(best, style="bold"))


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
