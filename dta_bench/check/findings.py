"""The result of a check: sentences that hold, fail, or could not be checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from dta_bench import plugins


@dataclass
class Findings:
    """What a check found.

    Attributes:
        holds: sentences that hold.
        fails: sentences that do not hold, each with the reason.
        skipped: what could not be checked, with the reason.
    """

    holds: list[str] = field(default_factory=list)
    fails: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        marks = (("ok  ", self.holds), ("--  ", self.skipped), ("FAIL", self.fails))
        return "\n".join(f"{mark}  {sentence}" for mark, sentences in marks for sentence in sentences)

    def expect(self, sentence: str, problem: Callable[[], str]) -> bool:
        """Check whether a sentence holds, and keep it with the others.

        Args:
            sentence: what should hold, in words.
            problem: returns why it does not hold, or nothing. If it raises, the error is the reason.

        Returns:
            Whether it holds.
        """
        try:
            reason = problem()
        except Exception as error:  # whatever a plug-in does wrong is a finding
            reason = plugins.explain(error) or f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
        if reason:
            self.fails.append(f"{sentence}: {reason}")
        else:
            self.holds.append(sentence)
        return not reason
