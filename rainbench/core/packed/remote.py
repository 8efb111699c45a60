"""Folders and files of other machines, by fsspec: what is not here yet is copied into a cache.

``s3://BUCKET/rain100l`` can be given for a folder of data or of weights. As a path it loses one of
its slashes, ``s3:/BUCKET/rain100l``; no folder of a disk begins like that.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from rainbench.core.errors import RainbenchError, StoreError, needed, told
from rainbench.core.escape import without_secrets
from rainbench.core.files import lock_folder, unfinished, writing
from rainbench.core.progress import progress, say
from rainbench.core.resume import Record, key_of, read_claim, write_record
from rainbench.core.text import count_of, safe_name

_REMOTE = re.compile(r"([a-z][a-z0-9+]+):/{1,3}(?=[^/])")

_STAMPS = ("ETag", "etag", "blob_id", "sha256", "md5", "LastModified", "last_modified", "mtime",
           "created", "updated", "timeModified", "Last-Modified", "Content-MD5", "Digest", "sha",
           "modify", "modificationTime", "modification_time", "modified_at",
           "date_time")  # fmt: skip
"""What file systems say that changes when a file does, those that know no hash included. A size is
no such thing: another picture may have the same."""

_CHUNK = 1 << 20

_LOG = logging.getLogger(__name__)


def address_of(path: str | Path) -> str:
    """Return the address that a path stands for; empty for one of this machine.

    Example:
        >>> address_of(Path("s3://bucket/rain100l")), address_of("file:///data"), address_of("a/b")
        ('s3://bucket/rain100l', 'file:///data', '')
    """
    text = str(path).replace(os.sep, "/")
    found = _REMOTE.match(text)
    if not found or (isinstance(path, str) and "://" not in text):
        return ""
    return f"{found[1]}://{'/' if found[1] == 'file' else ''}{text[found.end() :]}"


def places_here(roots: Sequence[Path]) -> list[Path]:
    """Return folders and files of this machine: copies of what others have, all else as it is.

    Raises:
        RainbenchError: Nothing is there, it cannot be read, or what reads it is not installed.
        StoreError: The cache cannot be written.
    """
    return [_copied(address) if (address := address_of(root)) else root for root in roots]


def _copied(address: str) -> Path:
    """Return the copy of what lies at an address, made now as far as it is not there."""
    fsspec = needed("fsspec", "remote", address)
    with _told_of(address, "cannot be reached"):
        files, root = fsspec.core.url_to_fs(address)
        if "file" in (files.protocol if isinstance(files.protocol, tuple) else (files.protocol,)):
            return Path(root)
        files.invalidate_cache()
        single = files.isfile(root)
        found = {root: files.info(root)} if single else files.find(root, detail=True)
    if not found:
        raise RainbenchError(f"{address}: nothing is there", hint="Check the address.")
    names = {_name(address, path, root, single=single): path for path in sorted(found)}
    shown = safe_name(without_secrets(address))[-40:].strip("-_") or "set"
    home = _cache() / f"{shown}-{key_of(address)}"
    with lock_folder(home, "copy"):
        record = read_claim(home / "copied.json") or Record("")
        _copy(address, files, {name: found[path] for name, path in names.items()}, home, record)
    return home / "files" / next(iter(names)) if single else home / "files"


def _copy(
    address: str,
    files: Any,  # noqa: ANN401
    wanted: Mapping[str, Mapping[str, Any]],
    home: Path,
    record: Record,
) -> None:
    """Fetch what is not there as it is at the address, and remove what is no longer there."""
    stamps = {name: _stamp(address, files, info) for name, info in wanted.items()}
    before = record.facts.get("stamps")
    known = dict(before) if isinstance(before, dict) else {}
    hashes = {home / name: sha256 for name, sha256 in record.files.items()}
    kept = {
        name
        for name, stamp in stamps.items()
        if stamp
        and known.get(name) == stamp
        and home / "files" / name in hashes
        and _has_size(home / "files" / name, wanted[name].get("size"))
    }
    for file in [*(home / "files").rglob("*")]:
        if file.is_file() and file.relative_to(home / "files").as_posix() not in kept:
            file.unlink()
    hashes = {file: sha256 for file, sha256 in hashes.items() if file.is_file()}
    missing = [name for name in wanted if name not in kept]
    if missing:
        size = sum(wanted[name].get("size") or 0 for name in missing)
        say(f"{address}: {count_of(len(missing), 'file')}, {size / 1e6:.1f} MB to fetch")
    facts = {"address": without_secrets(address), "stamps": {name: stamps[name] for name in kept}}
    try:
        with progress("files fetched", len(missing), quiet=not missing) as advance:
            for name in missing:
                target = home / "files" / name
                with _told_of(f"{address}: {name}", "cannot be fetched"):
                    hashes[target] = _fetch(files, str(wanted[name]["name"]), target)
                facts["stamps"][name] = stamps[name]  # type: ignore[index]
                advance(1, name)
    finally:  # what was fetched need not be fetched again
        with writing(home):
            write_record(home / "copied.json", key_of(address), hashes, facts)


def _fetch(files: Any, path: str, target: Path) -> str:  # noqa: ANN401
    """Fetch one file, whole or not at all; return its SHA-256."""
    digest, aside = hashlib.sha256(), unfinished(target)
    with writing(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with files.open(path, "rb") as source, aside.open("wb") as file:
            while data := source.read(_CHUNK):
                digest.update(data)
                with writing(target.parent):
                    file.write(data)
        aside.replace(target)
    finally:
        aside.unlink(missing_ok=True)
    return digest.hexdigest()


def _name(address: str, path: str, root: str, *, single: bool) -> str:
    """Return the name that a file gets in the copy, which never leads out of it."""
    inside = path.rpartition("/")[2] if single else path.removeprefix(root).lstrip("/")
    parts = PurePosixPath(inside).parts
    if not parts or ".." in parts or PurePosixPath(inside).is_absolute():
        raise RainbenchError(f"{address}: holds a file of a name that cannot be kept: {path}")
    return inside


def _stamp(address: str, files: Any, listed: Mapping[str, Any]) -> str:  # noqa: ANN401
    """Return what tells this file from a later one of its name; empty where nothing does.

    A list of a web server's links says nothing of the files, so it is asked for each of them.
    """
    info = listed
    if not any(listed.get(name) is not None for name in _STAMPS):
        with _told_of(f"{address}: {listed['name']}", "cannot be asked for"):
            info = files.info(str(listed["name"]))
    said = {name: str(info[name]) for name in ("size", *_STAMPS) if info.get(name) is not None}
    return json.dumps(said, sort_keys=True) if said.keys() - {"size"} else ""


def _has_size(file: Path, size: object) -> bool:
    try:
        return size is None or file.stat().st_size == size
    except OSError:
        return False


def _cache() -> Path:
    import platformdirs

    return Path(platformdirs.user_cache_dir("rainbench", appauthor=False)) / "remote"


@contextlib.contextmanager
def _told_of(what: str, happens: str) -> Iterator[None]:
    """Turn whatever a file system raises into a user's error that names the address."""
    try:
        yield
    except StoreError:
        raise
    except FileNotFoundError:
        raise RainbenchError(f"{what}: there is nothing", hint="Check the address.") from None
    except ImportError as error:
        raise RainbenchError(
            f"{what}: {told(error)}", hint='Install it: pip install "rainbench[remote]"'
        ) from None
    except Exception as error:  # of libraries that are not ours
        _LOG.debug("%s", what, exc_info=True)
        raise RainbenchError(
            f"{what}: {happens}: {told(error)}",
            hint="Check the address, and the credentials that its library looks for.",
        ) from None
