"""The page from which a user labels: every image in it, with its path, and nothing from elsewhere."""

import base64
import re
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from dta_bench.errors import UserError
from dta_bench.report.labelling.contact_sheet import SIDE, contact_sheet

RED = np.zeros((40, 80, 3), np.uint8) + np.array([200, 10, 10], np.uint8)


class WithOneBroken(Sequence[Any]):
    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: Any) -> Any:
        if index == 1:
            raise UserError("b.png cannot be read")
        return RED


def test_each_image_is_in_the_page_with_its_path() -> None:
    page, unreadable = contact_sheet("pets", "Write.", ["a.png", "<b>.png"], [RED, RED])
    pictures = [base64.b64decode(found) for found in re.findall('data:image/jpeg;base64,([^"]*)', page)]
    assert [cv2.imdecode(np.frombuffer(one, np.uint8), cv2.IMREAD_COLOR).shape for one in pictures] == [
        (SIDE // 2, SIDE, 3)
    ] * 2
    assert "a.png" in page
    assert "&lt;b&gt;.png" in page
    assert unreadable == []


def test_the_page_takes_nothing_from_elsewhere() -> None:
    page, _ = contact_sheet("pets", "Write.", ["a.png"], [RED])
    assert not re.search('(src|href)="(?!data:)', page)


def test_colours_are_as_in_the_image() -> None:
    page, _ = contact_sheet("pets", "Write.", ["a.png"], [RED])
    (found,) = re.findall('base64,([^"]*)', page)
    pixels = cv2.imdecode(np.frombuffer(base64.b64decode(found), np.uint8), cv2.IMREAD_COLOR_RGB)
    assert np.abs(pixels.mean(axis=(0, 1)) - RED[0, 0]).max() < 6


def test_an_image_that_cannot_be_read_is_named() -> None:
    page, unreadable = contact_sheet("pets", "Write.", ["a.png", "b.png"], WithOneBroken())
    assert unreadable == ["b.png"]
    assert "cannot be read" in page
