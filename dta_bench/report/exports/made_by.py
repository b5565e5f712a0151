"""Which commit and which command made a file; every exported file says it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class MadeBy:
    """The commit of this program, and the command that was typed."""

    commit: str
    command: str

    def lines(self) -> list[str]:
        """Both, each on a line."""
        return [f"made by: {self.command}", f"dta-bench at commit {self.commit}"]
