"""Prompts for class names, and which backbones have a text tower to read them."""

from __future__ import annotations

from collections.abc import Sequence

from dta_bench import plugins
from dta_bench.errors import UserError

SLOT = "{}"
"""Where the name of a class goes."""
BETWEEN = "|"
"""Stands between two templates."""
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def split_templates(name: str, text: str) -> list[str]:
    """The templates in a text that holds one, or several with ``|`` between them.

    Args:
        name: of the parameter, for the error.

    Raises:
        UserError: one of them has not exactly one ``{}``.
    """
    found = [template.strip() for template in text.split(BETWEEN)]
    for template in found:
        if template.count(SLOT) != 1:
            raise UserError(
                f"{name} has the template {template!r}; allowed: text with one {SLOT}, where the name of a class goes, "
                f"and {BETWEEN} between several templates"
            )
    return found


def prompts_of(classes: Sequence[str], templates: str, number_templates: str) -> list[list[str]]:
    """The prompts of each class, one of each template; names with underscores have spaces instead.

    Args:
        templates: for names; see :func:`split_templates`.
        number_templates: for names that are numbers.
    """
    return [
        [
            template.replace(SLOT, name.replace("_", " "))
            for template in split_templates("templates", number_templates if is_number(name) else templates)
        ]
        for name in classes
    ]


def is_number(name: str) -> bool:
    """Whether the name of a class is a number, in digits or, up to nine, in words."""
    return name.isdecimal() or name.lower() in DIGITS


def describe_prompts(classes: Sequence[str], templates: str, number_templates: str) -> str:
    """Say what the prompts are, by those of the first class and the last one."""
    every = prompts_of(classes, templates, number_templates)
    words = " and ".join(f'"{prompt}"' for prompt in every[0])
    shown = f'{words} to "{every[-1][-1]}"' if len(every) > 1 else words
    of_numbers = "the names of the classes are numbers, so " if all(map(is_number, classes)) else ""
    return f"{of_numbers}the prompts are {shown}"


def has_text_tower(backbone: str) -> bool:
    """Whether a backbone says that it has a text tower: each of open_clip, and a file with ``text_tower = True``."""
    if "/" in backbone:
        return backbone.startswith("open_clip/")
    return plugins.constant("backbone", backbone, "text_tower") is True
