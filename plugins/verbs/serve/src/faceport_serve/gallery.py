"""Embeddings of people that were enrolled, in SQLite; searched exactly, by a matrix product."""

from __future__ import annotations

import sqlite3
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceport.errors import FaceportError

MARK = 0x66617031  # "fap1": says in the header of a file that it is a gallery
TABLE = """
create table if not exists faces (
    id integer primary key autoincrement,
    name text not null,
    space text not null,
    embedding blob not null,
    enrolled text not null
)
"""


@dataclass(frozen=True)
class Match:
    """Somebody enrolled, and how alike he is."""

    id: int
    name: str
    similarity: float  # cosine


class Matrix:
    """The faces of one space, in the order of their numbers; who searches holds views, which never change."""

    def __init__(self, ids: NDArray[np.int64], names: list[str], rows: NDArray[np.float32]) -> None:
        self._ids, self._names, self._rows, self._count = ids, names, rows, len(ids)  # rows are of length one

    def views(self) -> tuple[NDArray[np.int64], list[str], NDArray[np.float32]]:
        """Give numbers, names and embeddings: (n,), n or more, (n, d)."""
        return self._ids[: self._count], self._names, self._rows[: self._count]

    def add(self, number: int, name: str, row: NDArray[np.float32]) -> None:
        """Append a face; room for more is made by half as much again."""
        if self._count == len(self._ids):
            more = self._count // 2 + 64
            self._ids = np.concatenate([self._ids, np.empty(more, np.int64)])
            self._rows = np.concatenate([self._rows, np.empty((more, row.size), np.float32)])
        self._ids[self._count], self._rows[self._count] = number, row
        self._names.append(name)
        self._count += 1

    def remove(self, number: int) -> None:
        """Take a face out, if it is here."""
        ids, names, rows = self.views()
        (found,) = np.nonzero(ids == number)
        if len(found):
            at = int(found[0])
            self._ids, self._rows = np.delete(ids, at), np.delete(rows, at, axis=0)
            self._names = names[:at] + names[at + 1 :]
            self._count -= 1


class FullError(Exception):
    """No more faces may be enrolled."""


class Gallery:
    """Enrol, list, delete and find faces; embeddings of different spaces never meet."""

    def __init__(self, path: Path | None = None, most: int = 100_000) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._matrices: dict[str, Matrix] = {}
        try:
            self._base = sqlite3.connect(path or ":memory:", check_same_thread=False, isolation_level=None)
            (mark,) = self._base.execute("pragma application_id").fetchone()
            (tables,) = self._base.execute("select count(*) from sqlite_master").fetchone()
            if tables and mark != MARK:
                raise FaceportError(f"gallery={path} is a database of something else: choose another file")
            self._base.execute(f"pragma application_id = {MARK}")
            self._base.execute(TABLE)
        except sqlite3.Error as error:
            raise FaceportError(f"gallery={path} cannot be used: {error}") from error

    def enrol(self, name: str, space: str, embedding: NDArray[Any]) -> int:
        """Keep a face under a name; give its number."""
        values = np.ascontiguousarray(embedding, "<f4").tobytes()
        now = datetime.now(UTC).isoformat(timespec="seconds")
        with self._lock:
            (count,) = self._base.execute("select count(*) from faces").fetchone()
            if count >= self._most:
                raise FullError(f"the gallery holds {count} faces, and no more may be enrolled")
            added = self._base.execute(
                "insert into faces (name, space, embedding, enrolled) values (?, ?, ?, ?)",
                (name, space, values, now),
            )
            assert added.lastrowid is not None
            matrix = self._matrices.get(space)
            if matrix is not None:
                matrix.add(added.lastrowid, name, _unit(np.frombuffer(values, "<f4")[None])[0])
            return added.lastrowid

    def page(self, after: int = 0, limit: int = 100) -> list[dict[str, Any]]:
        """List who is enrolled, in order, from behind a number on."""
        with self._lock:
            rows = self._base.execute(
                "select id, name, space, enrolled from faces where id > ? order by id limit ?", (after, limit)
            ).fetchall()
        keys = ("id", "name", "space", "enrolled")
        return [dict(zip(keys, row, strict=True)) for row in rows]

    def delete(self, number: int) -> bool:
        """Forget a face; tell whether it was there."""
        with self._lock:
            gone = self._base.execute("delete from faces where id = ?", (number,)).rowcount
            for matrix in self._matrices.values():
                matrix.remove(number)
        return bool(gone)

    def count(self) -> int:
        """Count faces."""
        with self._lock:
            (count,) = self._base.execute("select count(*) from faces").fetchone()
        return int(count)

    def search(self, space: str, embeddings: NDArray[Any], top: int) -> list[list[Match]]:
        """Find for each embedding (n, d) those that are most alike, the best first."""
        with self._lock:
            matrix = self._matrices.get(space)
            if matrix is None:
                matrix = self._read(space)
                if matrix is None:
                    return [[] for _ in embeddings]
                self._matrices[space] = matrix
            ids, names, rows = matrix.views()
        top = min(top, len(ids))
        if not top:
            return [[] for _ in embeddings]
        found = []
        for row in _unit(embeddings) @ rows.T:
            best = np.argpartition(-row, top - 1)[:top]
            best = best[np.lexsort((ids[best], -row[best]))]
            found.append([Match(int(ids[at]), names[at], float(row[at])) for at in best])
        return found

    def hold(self, space: str, matrix: Matrix) -> None:
        """Search the faces of a space in these, instead of reading them when they are first asked for."""
        with self._lock:
            self._matrices[space] = matrix

    def _read(self, space: str) -> Matrix | None:
        rows = self._base.execute(
            "select id, name, embedding from faces where space = ? order by id", (space,)
        ).fetchall()
        if not rows:
            return None
        values = np.stack([np.frombuffer(blob, "<f4") for _, _, blob in rows])
        return Matrix(np.array([one for one, _, _ in rows]), [name for _, name, _ in rows], _unit(values))

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._base.close()


def _unit(rows: NDArray[Any]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, 1e-12), np.float32)
