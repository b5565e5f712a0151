"""Credentials in texts that are recorded or printed: passwords in URLs, tokens, and keys of clouds."""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit, urlunsplit

MASK = "***"
_WORDS = (
    r"(?:pass(?:word|wd|phrase)?|pwd|secret|token|signature|sig|credentials?|api[_-]?key|access[_-]?key|(?<![a-z])key"
    r"|auth)"
)
_USER_INFO = re.compile(r"(?P<kept>\b[a-z][a-z0-9+.-]*://)(?:[^\s/?#]*@|[^\s/?#@:]*:(?!\d+(?:[/?#]|$))[^\s@]*@)", re.I)
"""What stands before the last ``@`` of a URL's authority; a database's password may hold a ``/``, too."""
_NAMED = (
    re.compile(rf"(?P<kept>[?&;][\w.%-]*{_WORDS}=)[^&;#\s'\"]+", re.I),  # in a query
    re.compile(  # in an environment
        r"(?P<kept>\b(?:[A-Z0-9_]*_)?(?:PASS(?:WORD|WD)?|PWD|SECRET|TOKEN|KEY|CREDENTIALS?|AUTH)=)"
        r"(?:'[^']*'|\"[^\"]*\"|[^\s'\"]+)"
    ),
    re.compile(r"(?P<kept>\b(?:password|passwd|pwd)\s*=\s*)(?:'[^']*'|\"[^\"]*\"|[^\s'\"&;]+)", re.I),  # libpq's DSN
    re.compile(r"(?P<kept>\b(?:Bearer|Basic)\s+)[\w.~+/=-]{8,}"),  # a header
)
_TOKENS = re.compile(r"(?P<kept>)\b(?:(?:AKIA|ASIA)[A-Z0-9]{16}|gh[pousr]_\w{30,}|hf_\w{20,})\b")


def mask(text: str) -> str:
    """Put ``***`` in the place of each credential in a text: a URL's user and password, tokens, a cloud's keys."""
    for pattern in (_USER_INFO, *_NAMED, _TOKENS):
        text = pattern.sub(rf"\g<kept>{MASK}@" if pattern is _USER_INFO else rf"\g<kept>{MASK}", text)
    return text


def mask_command(words: Iterable[str]) -> list[str]:
    """The words of a command, masked one by one: a word that is a URL may have a password with blanks."""
    return [mask(re.sub(r"(?<=://)[^@/]*\s[^@]*(?=@)", MASK, word)) for word in words]


def strip_user(url: str) -> str:
    """A URL without user and password, so that it can be opened without them and shown as a link."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
