"""Damage files as disks, editors and people who mean harm do: for the same seed in the same way."""

from __future__ import annotations

import os
import random
import re
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field

from faceport.errors import FaceportError
from faceport.escapes import printable
from faceport.testing.checks import check_sentence

TIMES = "FACEPORT_ATTACK"  # environment variable: how many times as many damaged files as usual
LONGEST = 20.0  # seconds of the processor that any of them may cost

# What stands where a number, a name or a flag is expected.
WORDS = (
    *(
        b"nan",
        b"NaN",
        b"inf",
        b"-inf",
        b"Infinity",
        b"1e999",
        b"-1e999",
        b"1e39",
        b"1e-400",
        b"-0",
        b"--",
        b"+",
    ),
    *(
        b"0",
        b"-1",
        b"1",
        b"2",
        b"3",
        b"255",
        b"256",
        b"65536",
        b"2147483648",
        b"4294967295",
        b"-9223372036854775809",
    ),
    *(
        b"9" * 25,
        b"9" * 5000,
        b"1" + b"0" * 400,
        b"0x10",
        b"1_0",
        b"1,5",
        b"0.5",
        b".",
        b"true",
        b"null",
        b"[]",
        b"{}",
    ),
    *(
        b'""',
        b"[[1]]",
        b"[" * 2000,
        b'{"a":' * 500,
        b"../../../../x.jpg",
        b"/x.jpg",
        b"C:\\x.jpg",
        b"..",
        b"a/../b.jpg",
    ),
    *(
        b"",
        b" ",
        b"\t",
        b"\r\n",
        b"\0",
        b"a\0b.jpg",
        b"\x1b[31m\x1b]0;x\x07",
        b"\xff\xfe",
        b"\xe9.jpg",
        "٣".encode(),
    ),
    *(
        "²".encode(),
        "\u202egpj.x".encode(),
        b"\xed\xa0\x80",
        b"=1+1",
        b"<script>",
        b"|",
        b"x" * 3000,
        b"yes",
        b"NO",
    ),
)
# What stands where a length, an offset or a type is expected.
NUMBERS = (
    0,
    1,
    2,
    7,
    8,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0x8000,
    0xFFFF,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFFF,
    1 << 40,
    (1 << 64) - 1,
)
_TOKEN = re.compile(rb"[^\s,:;\[\]{}\"]+")


def cases(usual: int) -> int:
    """Say how many damaged files to make: so many, or as many times that as the environment asks for."""
    return usual * int(os.environ.get(TIMES) or 1)


def damaged(content: bytes, rng: random.Random) -> bytes:
    """Damage a file in one to four places."""
    is_text = b"\0" not in content[:4096]
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        ways = (*_TEXT, *_TEXT, *_BYTES) if is_text else _BYTES
        content = rng.choice(ways)(content, rng) if content else rng.choice(WORDS)
    return content


def _span(content: bytes, rng: random.Random, longest: int = 64) -> tuple[int, int]:
    start = rng.randrange(len(content))
    return start, min(len(content), start + rng.randint(1, longest))


def _other_bit(content: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(content))
    return content[:at] + bytes([content[at] ^ 1 << rng.randrange(8)]) + content[at + 1 :]


def _other_byte(content: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(content))
    return content[:at] + bytes([rng.randrange(256)]) + content[at + 1 :]


def _other_number(content: bytes, rng: random.Random) -> bytes:
    size = rng.choice((2, 4, 8))
    at = rng.randrange(len(content)) & -size if rng.random() < 0.8 else rng.randrange(len(content))
    number = rng.choice(NUMBERS) & (1 << 8 * size) - 1
    return content[:at] + number.to_bytes(size, rng.choice(("little", "big"))) + content[at + size :]


def _cut_out(content: bytes, rng: random.Random) -> bytes:
    start, end = _span(content, rng)
    return content[:start] + content[end:]


def _doubled(content: bytes, rng: random.Random) -> bytes:
    start, end = _span(content, rng, 512)
    return content[:end] + content[start:end] + content[end:]


def _put_in(content: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(content) + 1)
    return content[:at] + rng.choice((rng.randbytes(rng.randint(1, 16)), rng.choice(WORDS))) + content[at:]


def _cut_off(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randrange(len(content))]


def _moved(content: bytes, rng: random.Random) -> bytes:
    start, end = _span(content, rng)
    rest = content[:start] + content[end:]
    at = rng.randrange(len(rest) + 1)
    return rest[:at] + content[start:end] + rest[at:]


def _other_word(content: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(content))
    match = _TOKEN.search(content, start) or _TOKEN.search(content)
    if not match:
        return content
    return content[: match.start()] + rng.choice(WORDS) + content[match.end() :]


def _other_lines(content: bytes, rng: random.Random) -> bytes:
    lines = content.splitlines(keepends=True)
    at = rng.randrange(len(lines))
    way = rng.randrange(4)
    if way == 0:
        del lines[at]
    elif way == 1:
        lines.insert(rng.randrange(len(lines) + 1), lines[at])
    elif way == 2:
        lines.insert(at, rng.choice(WORDS) + b"\n")
    else:
        rng.shuffle(lines)
    return b"".join(lines)


def _other_ends(content: bytes, rng: random.Random) -> bytes:
    old = rng.choice((b"\n", b" ", b",", b"\t", b"."))
    return content.replace(
        old, rng.choice((b"\r\n", b"\r", b"\n\n", b"\0", b";", b"", b"\xc2\xa0")), rng.randint(1, 5)
    )


_BYTES = (
    _other_bit,
    _other_byte,
    _other_number,
    _other_number,
    _cut_out,
    _doubled,
    _put_in,
    _cut_off,
    _moved,
)
_TEXT = (_other_word, _other_word, _other_lines, _other_ends)


@dataclass
class Outcome:
    """What became of damaged files."""

    read: int = 0
    refused: int = 0
    faults: dict[str, str] = field(
        default_factory=dict
    )  # the place in the code: which case, and what was raised

    def __str__(self) -> str:
        listed = "".join(f"\n{place}: {what}" for place, what in self.faults.items())
        return f"{self.read} read, {self.refused} refused, {len(self.faults)} faults{listed}"


def attack(read: Callable[[bytes], object], content: bytes, number: int, seed: int = 0) -> Outcome:
    """Damage a file again and again: each must be read, or refused in one sentence that is safe to print.

    `read` is handed the damaged bytes; what it returns is not looked at, so let it check what it reads.
    """
    outcome = Outcome()
    read(content)  # what is whole must be read, or the damaged ones tell nothing
    for case in range(number):
        start = time.process_time()
        try:
            read(damaged(content, random.Random(seed << 32 | case)))
            outcome.read += 1
        except FaceportError as error:
            outcome.refused += 1
            try:
                check_sentence(str(error))
                assert printable(error) == str(error), f"{error!r} would steer a terminal"
            except AssertionError as wrong:
                outcome.faults.setdefault(f"the message {str(error)[:40]!r}", f"case {case}: {wrong}")
        except Exception as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{last.filename}:{last.lineno}"
            outcome.faults.setdefault(place, f"case {case}: {type(error).__name__}: {str(error)[:200]}")
        if time.process_time() - start > LONGEST:
            outcome.faults.setdefault("time", f"case {case} took more than {LONGEST:g} s of the processor")
    return outcome
