"""Hear what image decoders write to standard error, which no Python function returns, while they decode a file."""

from __future__ import annotations

import os
import re
import tempfile
import threading
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")
VOICES = re.compile(
    rb"(?:Corrupt JPEG data|Premature end of JPEG|Inconsistent progression sequence|Invalid SOS parameters"
    rb"|Warning: unknown JFIF|Unknown Adobe color|libpng (?:warning|error)|tempfile\.tif: |\[ ?(?:WARN|ERROR):\d).*\n"
)
"""Lines of libjpeg, libpng, libtiff and OpenCV; other text is another thread's, and is passed on."""


class _Ear:
    """This process's standard error, caught in a file while at least one thread decodes."""

    def __init__(self) -> None:
        self.turn = threading.Condition()
        self.decoding, self.is_alone = 0, False
        self._file = self._terminal = -1
        self._passed_on = 0

    def enter(self, alone: bool) -> int:
        """Begin to listen; wait while another thread is alone, or, to be alone, until no other decodes."""
        with self.turn:
            self.turn.wait_for(lambda: not self.is_alone and not (alone and self.decoding))
            if not self.decoding:
                self._catch()
            self.decoding, self.is_alone = self.decoding + 1, alone
            return self._size()

    def leave(self, start: int) -> bytes:
        """End to listen; returns the lines of decoders since ``start``."""
        with self.turn:
            heard = b"".join(VOICES.findall(self._text(start)))
            self._pass_on()
            self.decoding, self.is_alone = self.decoding - 1, False
            if not self.decoding:
                self.release()
            self.turn.notify_all()
            return heard

    def release(self) -> None:
        """Give standard error back."""
        if self._terminal >= 0:
            os.dup2(self._terminal, 2)
            os.close(self._terminal)
            os.close(self._file)
        self._file = self._terminal = -1

    def _catch(self) -> None:
        self._passed_on = 0
        try:
            self._terminal = os.dup(2)
        except OSError:  # the process has no standard error
            return
        self._file = _new_file()
        os.dup2(self._file, 2)

    def _size(self) -> int:
        return os.fstat(self._file).st_size if self._file >= 0 else 0

    def _text(self, start: int) -> bytes:
        return os.pread(self._file, self._size() - start, start) if self._file >= 0 else b""

    def _pass_on(self) -> None:
        text = self._text(self._passed_on)
        self._passed_on += len(text)
        if others := VOICES.sub(b"", text):
            os.write(self._terminal, others)


def _new_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("decoder voice")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


_ear = _Ear()


def _begin_anew_in_child() -> None:
    global _ear
    _ear.release()
    _ear = _Ear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew_in_child)


def decode_and_listen(decode: Callable[[], Result]) -> tuple[Result, str]:
    """Decode a file and hear what the decoder says of it; nothing of that reaches the terminal.

    Threads decode at the same time. If a decoder spoke meanwhile, the file is decoded once more alone, so that what is
    heard is said of this file.

    Args:
        decode: decodes the file; it may be called twice.

    Returns:
        What ``decode`` returned, and the decoder's lines.
    """
    result, heard = _listen(decode, alone=False)
    if heard:
        result, heard = _listen(decode, alone=True)
    return result, heard.decode(errors="replace")


def _listen(decode: Callable[[], Result], alone: bool) -> tuple[Result, bytes]:
    ear = _ear
    start = ear.enter(alone)
    heard = b""
    try:
        result = decode()
    finally:
        heard = ear.leave(start)
    return result, heard
