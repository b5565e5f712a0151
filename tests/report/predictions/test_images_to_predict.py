"""What a user names is found, has one name each, and is sorted."""

from pathlib import Path

import pytest
from kept_networks import draw_images

from dta_bench.errors import UserError
from dta_bench.report.predictions.images_to_predict import find_images


def test_images_of_a_folder_are_named_relative_to_it_and_sorted(out: Path) -> None:
    draw_images(out / "photos/b", 1)
    draw_images(out / "photos/a", 2)
    (out / "photos/Thumbs.db").write_text("junk")
    assert [image.name for image in find_images(["photos"])] == ["a/00000.png", "a/00001.png", "b/00000.png"]


def test_a_list_and_a_single_image_may_stand_beside_a_folder(out: Path) -> None:
    draw_images(out / "photos", 1)
    draw_images(out / "more/in", 2)
    (out / "more/list.txt").write_text("in/00000.png\nin/missing.png\n\n")
    (one,) = draw_images(out, 1)
    found = find_images(["photos", "more/list.txt", "./00000.png"])
    assert sorted(image.name for image in found) == ["./00000.png", "00000.png", "in/00000.png", "in/missing.png"]
    assert next(image.path for image in found if image.name == "./00000.png").samefile(one)


def test_two_images_of_one_name_are_refused(out: Path) -> None:
    draw_images(out / "a", 1)
    draw_images(out / "b", 1)
    with pytest.raises(UserError, match=r"1 names stand for two images, such as 00000\.png"):
        find_images(["a", "b"])


@pytest.mark.parametrize(("name", "content", "said"), [
    ("none", None, "there is no none"), ("empty", "", "names no image"),
    ("list.csv", "path,class\na.png,cat\n", "no list of images"), ("folder", "mkdir", "holds no image"),
])  # fmt: skip
def test_what_holds_no_image_is_refused(name: str, content: str | None, said: str, out: Path) -> None:
    if content == "mkdir":
        (out / name).mkdir()
    elif content is not None:
        (out / name).write_text(content)
    with pytest.raises(UserError, match=said):
        find_images([name])
