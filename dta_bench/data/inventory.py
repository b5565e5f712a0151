"""Count the files in a data set's folders: what was taken, and what was passed over and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from dta_bench.domains.file_names import composed
from dta_bench.domains.file_tree import DataFolder, FileKey, FileTree, key_of, read_tree, suffix_of
from dta_bench.domains.images import Domains, LabelledImages, SelectedItems, UnlabelledImages
from dta_bench.domains.label_maps import LabelMaps

MAX_SUFFIXES = 8  # of many suffixes, so many are listed
WORDS = {
    "images": "images taken",
    "masks": "masks taken",
    "damaged": "that cannot be read",
    "junk": "hidden or left by the operating system",
    "not_regular": "that are no regular file",
    "left_out": "in leave_out",
    "in_no_class": "in no class's folder",
    "not_listed": "that the list does not name, or with a class in leave_out",
    "without_mask": "not used as an image",
    "unused_masks": "not used as a mask",
}


def count_files(
    folders: Iterable[DataFolder], domains: Domains, unreadable: Collection[str], root: Path
) -> list[dict[str, Any]]:
    """Count the files in each folder.

    Args:
        folders: the folders.
        domains: the sets that were made of them.
        unreadable: ids of the images that cannot be read.
        root: the data root, which ids are relative to.

    Returns:
        For each folder ``folder`` (its path), ``on_disk`` (all its files), the number of files of each kind in
        ``WORDS``, and ``other_suffixes`` (suffix → files), which together are ``on_disk``; and ``links_passed_over``,
        links to folders that were read already.
    """
    folders = list(folders)
    if not folders:
        return []
    roles = _roles(domains, set(unreadable), root)
    return [_count(folder, read_tree(folder.path), roles) for folder in folders]


def as_lines(counts: list[dict[str, Any]]) -> list[str]:
    """A line for each folder in which something was passed over."""
    return [line for count in counts if (line := _as_line(count))]


def _count(folder: DataFolder, tree: FileTree, roles: Mapping[FileKey, str]) -> dict[str, Any]:
    counts: Counter[str] = Counter()
    suffixes: Counter[str] = Counter()
    for path, kind in tree.kinds.items():
        role = roles.get(tree.keys[path])
        if role is None and kind == "image":
            first = path.split("/")[0]
            role = "left_out" if "/" in path and composed(first) in folder.left_out else folder.unused
        if role is None and kind == "other":
            suffixes[suffix_of(path) or "none"] += 1
        else:
            counts[role or kind] += 1
    return {
        "folder": str(folder.path),
        "on_disk": len(tree.kinds),
        **{kind: counts[kind] for kind in WORDS},
        "other_suffixes": dict(suffixes.most_common()),
        "links_passed_over": len(tree.links_passed_over),
    }


def _as_line(count: dict[str, Any]) -> str:
    """What a folder holds, as text; empty if all its files were taken."""
    passed_over = [f"{count[kind]:,} {words}" for kind, words in WORDS.items() if kind not in ("images", "masks")
                   and count[kind]]  # fmt: skip
    suffixes = count["other_suffixes"]
    if suffixes:
        named = ", ".join(f"{suffix} {number:,}" for suffix, number in list(suffixes.items())[:MAX_SUFFIXES])
        more = ", ..." if len(suffixes) > MAX_SUFFIXES else ""
        passed_over.append(f"{sum(suffixes.values()):,} of other suffixes ({named}{more})")
    if not passed_over and not count["links_passed_over"]:
        return ""
    taken = [f"{count[kind]:,} {WORDS[kind]}" for kind in ("images", "masks") if count[kind]]
    links = count["links_passed_over"]
    also = f"; passed over {links:,} links to folders that are read already" if links else ""
    return f"files: {count['folder']} holds {count['on_disk']:,}: {', '.join([*taken, *passed_over])}{also}"


def _roles(domains: Domains, unreadable: Collection[str], root: Path) -> dict[FileKey, str]:
    """What each file of the sets is, by its key."""
    keys = _Keys(root)
    roles: dict[FileKey, str] = {}
    for images in domains.sets().values():
        roles |= dict.fromkeys(map(keys.of, _mask_paths(images)), "masks")
        roles |= {keys.of(id_): "damaged" if id_ in unreadable else "images" for id_ in images.ids}
    return roles


def _mask_paths(images: LabelledImages | UnlabelledImages) -> Iterable[str]:
    labels: Any = images.labels if isinstance(images, LabelledImages) else ()
    while isinstance(labels, SelectedItems):
        labels = labels.items
    return labels.paths if isinstance(labels, LabelMaps) else ()


class _Keys:
    """Keys of files, each folder looked at once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folders: dict[str, tuple[int, int]] = {}

    def of(self, path: str) -> FileKey:
        """The key of a file."""
        folder, _, name = path.rpartition("/")
        if folder not in self._folders:
            self._folders[folder] = key_of(self._root / path)[:2]
        return (*self._folders[folder], name)
