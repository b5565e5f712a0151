"""The drawn streets: the same from the same seed, far from balanced, and of one geometry in two renderings."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from dta_bench.benchmarks import _street_paint, _street_scenes, _streets, streets_mini
from dta_bench.benchmarks._drawing_cache import load_or_draw

CLASSES = _street_scenes.CLASSES


def draw_streets(count: int) -> list[_street_scenes.Scene]:
    return [_street_scenes.draw(np.random.default_rng((9, i))) for i in range(count)]


def test_a_seed_draws_the_same_street_again() -> None:
    one, again = (_streets._draw_street(np.random.default_rng((0, 2, 5)), "textured") for _ in range(2))
    other = _streets._draw_street(np.random.default_rng((0, 2, 6)), "textured")
    for a, b, c in zip(one, again, other, strict=True):
        np.testing.assert_array_equal(a, b)
        assert not np.array_equal(a, c)


def test_every_class_is_there_and_the_rarest_is_a_hundredth_of_the_commonest() -> None:
    labels = np.stack([scene.labels for scene in draw_streets(40)])
    shares = np.array([(labels == k).mean() for k in range(len(CLASSES))])
    assert len(CLASSES) >= 8
    assert (shares > 0).all()
    assert shares.min() < 0.01 * shares.max()
    assert 0.01 < (labels == _street_scenes.IGNORED).mean() < 0.1


def test_two_renderings_of_a_street_differ_in_every_class_but_share_its_labels() -> None:
    scene = draw_streets(1)[0]
    flat = _street_paint.flat(scene, np.random.default_rng(0)).astype(float)
    textured = _street_paint.textured(scene, np.random.default_rng(0)).astype(float)
    assert flat.shape == textured.shape == (*scene.labels.shape, 3)
    for kind in np.unique(scene.labels):
        here = scene.labels == kind
        assert np.abs(flat[here] - textured[here]).mean() > 10


def test_an_object_in_flat_colours_has_as_many_colours_as_brightnesses() -> None:
    scene = draw_streets(1)[0]
    flat = _street_paint.flat(scene, np.random.default_rng(0))
    for thing in np.unique(scene.things):
        here = scene.things == thing
        assert len(np.unique(flat[here], axis=0)) <= len(np.unique(scene.brightness[here]))


def test_drawings_are_read_back_and_a_broken_file_is_drawn_anew(tmp_path: Path) -> None:
    draws = 0

    def draw() -> dict[str, np.ndarray]:
        nonlocal draws
        draws += 1
        return {"images": np.full((2, 3), 7, dtype=np.uint8)}

    for _ in range(2):
        np.testing.assert_array_equal(load_or_draw(tmp_path / "streets", "a", (_street_scenes,), draw)["images"], 7)
    assert draws == 1
    (file,) = (tmp_path / "streets").iterdir()
    file.write_bytes(file.read_bytes()[:30])
    load_or_draw(tmp_path / "streets", "a", (_street_scenes,), draw)
    assert draws == 2


@pytest.mark.slow
def test_the_whole_set_is_the_one_that_reports_were_made_with(tmp_path: Path) -> None:
    first, again = streets_mini.load(tmp_path), streets_mini.load(tmp_path)
    assert first.fingerprint == again.fingerprint
    sets = (first.source_train, first.source_validation, first.target_train, first.target_test)
    assert sum(map(len, sets)) >= 200
    hashes = {hashlib.sha256(image.tobytes()).hexdigest() for one in sets for image in one.images}
    assert len(hashes) == sum(map(len, sets))
