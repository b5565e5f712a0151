"""What each selection rule chooses by, in a clause; without numpy, so that help and lists are fast."""

from __future__ import annotations

from dta_bench.errors import UserError

EXPLAINED = {
    "labels": "its score on the small labelled subset of target train, the paper's protocol",
    "source": "its score on held-out source images",
    "entropy": "how confident its predictions on target train are (least entropy)",
    "information": "how confident its predictions on target train are and how evenly they use the classes"
    " (mutual information)",
    "bnm": "how confident and how diverse its predictions on target train are (nuclear norm of the probabilities)",
    "snd": "how densely its predictions on target train lie together (soft neighbourhood density)",
    "class_ami": "how well its predicted classes fit clusters of the target's features (mutual information)",
    "dev": "its loss on held-out source images, weighted towards those that look like the target",
    "mixval": "how well it predicts a mixture of two target images as a mixture of their classes",
    "last": "no score: it is the configuration that was started first",
    "oracle": "its score on target test itself, which is a bound for the rules and never a result",
}
"""Rule → what a choice is made by; it goes on after "chosen by"."""
PAGE = "docs/label_free.md"
"""Where the rules are described, with their papers."""


def in_one_line() -> str:
    """Every rule with its clause, for the help of an option."""
    return "; ".join(f"{rule}: {clause}" for rule, clause in EXPLAINED.items())


def check_rule(rule: str | None) -> None:
    """Refuse what is no selection rule, before anything is read; None stands for the default.

    Raises:
        UserError: there is no such rule; it says what each rule chooses by.
    """
    if rule is None or rule == "all" or rule in EXPLAINED:
        return
    named = "".join(f"\n  {name}: {clause}" for name, clause in EXPLAINED.items())
    raise UserError(
        f"there is no selection rule named {rule!r}; all compares them, and each chooses a configuration by{named}\n"
        f"{PAGE} has more of each"
    )
