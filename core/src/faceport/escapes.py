"""Text from outside, made safe to look at: in a terminal, in Markdown, in HTML, in a spreadsheet."""

from __future__ import annotations

import re
import unicodedata

# Joiners that some scripts and emoji need between letters; they move nothing.
_HARMLESS = "\u200c\u200d"
_MARKDOWN = re.compile(r"[\\`*\[\]<>|~&#!]|(?<!\w)_|_(?!\w)")
_LINE_START = re.compile(r"^(\s*)([-+=])")


def printable(text: object, most: int = 0) -> str:
    """Spell out what would steer a terminal, turn text around or is no text; cut it to `most` characters.

    These are control characters (newlines, too), bytes that are no text, and marks that set the direction.
    """
    string = str(text)
    if most and len(string) > most:
        string = string[: most - 1] + "…"
    if string.isprintable():  # quick, and true of nearly everything
        return string
    return "".join(character if _harmless(character) else _spelled(character) for character in string)


def _harmless(character: str) -> bool:
    return unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp") or character in _HARMLESS


def _spelled(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # how Python holds a byte of a file name that is no text
        code -= 0xDC00
    return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(
        character, f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"
    )


def in_markdown(text: object) -> str:
    """Write text so that Markdown shows it as it is, within a line or a cell of a table."""
    return _LINE_START.sub(r"\1\\\2", _MARKDOWN.sub(r"\\\g<0>", printable(text)))


def in_html(text: object) -> str:
    """Write text so that HTML shows it as it is, in an element or a quoted attribute."""
    import html  # late: its table of letters would be read at each start

    return html.escape(printable(text), quote=True)


def in_csv(text: object) -> str:
    """Write text so that a spreadsheet takes it for no formula; numbers stay numbers."""
    string = printable(text)
    if string[:1] in ("=", "+", "-", "@") and not _is_number(string):
        return f"'{string}"
    return string


def _is_number(string: str) -> bool:
    return re.fullmatch(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?%?", string, re.ASCII) is not None
