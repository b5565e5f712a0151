"""Hooks of the site: links that leave docs/ lead to the repository, where GitHub shows the same pages."""

from __future__ import annotations

import re
from typing import Any


def on_page_markdown(markdown: str, config: Any, **_: Any) -> str:
    """Make links like ``../CONTRIBUTING.md`` absolute; those within docs/ stay."""
    return re.sub(r"\]\(\.\./([^)\s]+)\)", rf"]({config['repo_url']}/blob/main/\1)", markdown)
