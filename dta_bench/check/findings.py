"""What a check found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Findings:
    """Sentences: what holds, what fails (with the reason), and what could not be looked at."""

    holds: list[str] = field(default_factory=list)
    fails: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        marks = (("ok  ", self.holds), ("--  ", self.skipped), ("FAIL", self.fails))
        return "\n".join(f"{mark}  {sentence}" for mark, sentences in marks for sentence in sentences)

    def law(self, says: str, violation: Callable[[], str]) -> bool:
        """Whether ``says`` holds; ``violation`` gives the reason why not, or nothing, and raising is a reason too."""
        try:
            reason = violation()
        except Exception as error:  # whatever a plug-in does wrong is a finding
            reason = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
        if reason:
            self.fails.append(f"{says}: {reason}")
        else:
            self.holds.append(says)
        return not reason
