"""pchtxt, patches as text. Source: the IPSwitch program, whose reading is the reference; yuzu and Ryujinx read some lines otherwise."""

from __future__ import annotations

import codecs
import re
import string
from dataclasses import dataclass, field
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Literal, TypeAlias

from oboromi_fs.errors import CorruptError, FormatError, NotThisFormatError
from oboromi_fs.patches._arguments import want_bytes, want_dialect, want_records, want_text
from oboromi_fs.patches.buildids import Dialect, build_id_of
from oboromi_fs.patches.values import MAX_RECORD, MAX_RECORDS, MAX_TOTAL, Patch, Record, Remark, Remarks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["PchtxtDialect", "encode_pchtxt", "parse_pchtxt", "tell_differences"]

PchtxtDialect: TypeAlias = Dialect | Literal["reference"]
"""Whose reading of a pchtxt; the reference is IPSwitch to the letter, its slips included."""

_WHAT = "pchtxt"
_MOST = 64 << 20
"""Bytes of a pchtxt: more is none."""
_LONGEST = 0x40000
"""Characters of a line: the longest record has half as many bytes."""
_LAST_OFFSET = 0xFFFFFFFF
_LONGEST_NUMBER = 0x100
"""Characters of a number: far more than any offset has, zeros in front included."""
_SHORTEST = 11
"""Characters of the shortest record: an offset, a space, and a byte."""
_HARMFUL = "a comment inside a patch: yuzu takes it for a record"
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_ID = re.compile(r"@nsobid-([0-9a-f]{0,64})", re.IGNORECASE)
_VALUE_LINE = re.compile(r"[0-9A-Fa-f]{8}.(.*)", re.DOTALL)
_NUMBER = re.compile(r"[+-]?(0[xX][0-9a-fA-F]+|[0-9]+)")


@dataclass
class _Reading:
    """What was read so far."""

    dialect: PchtxtDialect
    records: list[Record] = field(default_factory=list)
    remarks: Remarks = field(default_factory=Remarks)
    titles: dict[str, None] = field(default_factory=dict)
    """In order, each once."""
    build_id: str = ""
    enabled: bool = False
    shift: int = 0
    comment: str = ""
    total: int = 0
    ended: Remark | None = None
    """What ended the last patch, other than a command: told if there is a record behind it."""

    def tell(self, line: int, text: str) -> None:
        self.remarks.add(line, text)


def parse_pchtxt(data: bytes, dialect: PchtxtDialect = "neutral", *, source: str = "") -> Patch:
    """Read a patch as a tool does.

    Neutral is what authors mean, and IPSwitch reads: blank lines and comments inside a patch do not end it, a string ends with a NUL. Of
    yuzu and Ryujinx their own readings are followed (the build id's line, blank lines, comments, the NUL, the order); what is lost by
    that, is told in the remarks.

    Args:
        data: The text, in UTF-8; other bytes are kept as they are.
        dialect: Whose reading. Atmosphere reads none: it is taken as neutral.
        source: What error messages call it.

    Raises:
        NotThisFormatError: No build id is given where the tool looks for it.
        CorruptError: A record reaches over 32 bits, or the lines are longer than any real ones.

    Example:
        >>> patch = parse_pchtxt(b"@nsobid-00AA\\n@flag offset_shift 0x100\\n@enabled\\n00000010 1F2003D5\\n")
        >>> patch.build_id, patch.records[0].offset, patch.records[0].data.hex()
        ('00AA', 272, '1f2003d5')
    """
    want_bytes(data, "data")
    want_dialect(dialect, "reference")
    if len(data) > _MOST:
        raise CorruptError(f"has {len(data)} bytes, a patch has fewer than {_MOST}", what=_WHAT, source=source)
    if data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        raise NotThisFormatError("the text is UTF-16, and UTF-8 is read; save it so", what=_WHAT, source=source)
    text = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    reading = _Reading(dialect)
    first = _build_id(text, reading, source)
    for number, line in enumerate(_lines(text), 1):
        if number <= first:
            continue
        if len(line) > _LONGEST:
            raise CorruptError(f"line {number} has {len(line)} characters, {_LONGEST} are the most", what=_WHAT, source=source)
        if not _line(reading, number, line, source):
            break
    records = reading.records
    if dialect in ("yuzu", "ryujinx"):
        records = sorted(records, key=lambda record: record.offset)
    return Patch("pchtxt", tuple(records), reading.build_id, tuple(reading.titles), reading.remarks.all())


def _lines(text: str) -> Iterator[str]:
    """Yield the lines, one at a time: a list of many short ones would take far more than their text."""
    start = 0
    while start <= len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        yield text[start:end].removesuffix("\r")
        start = end + 1


def _build_id(text: str, reading: _Reading, source: str) -> int:
    """Find the build id, and return the number of lines that are done with."""
    dialect = reading.dialect
    if dialect == "yuzu":
        given = ""
        for line in _lines(text):
            given = line if line.startswith("@nsobid-") else given
        if not given:
            raise NotThisFormatError("no line gives the build id with @nsobid-", what=_WHAT, source=source)
        reading.build_id = given.removeprefix("@nsobid-").rstrip()
        return 0
    lines = list(islice(_lines(text), 2))
    first = 0
    if dialect != "ryujinx" and lines[0][:2].lower() in ("@b", "@l"):
        first = 1
    found = _ID.match(lines[first]) if first < len(lines) else None
    if found is None:
        at, late = next(((number, match) for number, line in enumerate(_lines(text), 1) if (match := _ID.match(line))), (0, None))
        where = f"the build id stands on line {at}, and must be on the first" if late else "no line gives the build id with @nsobid-"
        if dialect in ("neutral", "atmosphere") and late:
            reading.tell(at, where + "; Ryujinx does not load this")
            reading.build_id = late.group(1)
            return 0
        raise NotThisFormatError(where, what=_WHAT, source=source)
    reading.build_id = lines[first][len("@nsobid-") :].rstrip() if dialect == "ryujinx" else found.group(1)
    if dialect == "neutral" and lines[first][found.end() :].strip():
        reading.tell(first + 1, "something follows the build id: yuzu and Ryujinx do not recognise it then")
    return first + 1


def _line(reading: _Reading, number: int, line: str, source: str) -> bool:
    """Read one line; return whether to go on."""
    if reading.dialect == "ryujinx" and not line.startswith("/"):
        line = line.partition("/")[0]
    if line.startswith("@"):
        return _command(reading, number, line, source)
    if reading.enabled and _ends(reading.dialect, line):
        reading.enabled = False
        what = "a blank line" if not line.strip() else f"a line of under {_SHORTEST} characters"
        reading.ended = Remark(number, f"{what} ends the patch: what follows is not read until the next @enabled")
        return True
    if line.startswith("#"):
        return True
    if line.startswith("/"):
        reading.comment = line.lstrip("/").strip()
        if reading.enabled and reading.dialect == "yuzu":
            reading.tell(number, _HARMFUL)
        return True
    if not reading.enabled:
        if reading.ended is not None and _VALUE_LINE.match(line) and _value(line[9:], reading.dialect) is not None:
            reading.tell(*reading.ended)
            reading.ended = None
        return True
    if len(line) < _SHORTEST:
        if line.strip():
            reading.tell(number, f"{line!r} is no record, which takes 8 hexadecimal digits, a space and a value")
        return True
    _record(reading, number, line, source)
    return True


def _ends(dialect: PchtxtDialect, line: str) -> bool:
    """Whether a line that is no command ends a patch, as none does in the reference."""
    return (dialect == "yuzu" and len(line) < _SHORTEST) or (dialect == "ryujinx" and not line.strip())


def _command(reading: _Reading, number: int, line: str, source: str) -> bool:
    letter = line[1:2].lower()
    word = line.split(maxsplit=1)[0].lower()
    if letter == "s":
        return False
    if letter == "e":
        reading.enabled, reading.ended = True, None
        reading.titles[reading.comment] = None
    elif letter == "f":
        _flag(reading, number, line, source)
    elif reading.dialect != "reference" and word.startswith("@nsobid-"):
        found = _ID.match(line)
        if found is not None and reading.dialect != "yuzu" and build_id_of(found.group(1)) != build_id_of(reading.build_id):
            reading.tell(number, "a second build id, which only yuzu goes by: a patch is of one module")
    elif reading.dialect != "reference" and word in ("@little-endian", "@big-endian"):
        pass
    else:
        reading.enabled, reading.ended = False, None
        if word != "@disabled":
            reading.tell(number, f"{word} is unknown, and switches the patch off")
    return True


def _flag(reading: _Reading, number: int, line: str, source: str) -> None:
    words = line.split()
    if len(words) >= 2 and words[1] == "offset_shift":
        given = _NUMBER.match(words[2]) if len(words) > 2 else None
        if given is None:
            reading.tell(number, "offset_shift takes a number, such as 0x100")
            return
        text = given.group(0)
        digits = text.lstrip("+-")
        if len(digits) > _LONGEST_NUMBER:
            problem = f"line {number} shifts offsets by a number of {len(digits)} characters, offsets go from 0 to {_LAST_OFFSET:#x}"
            raise CorruptError(problem, what=_WHAT, source=source)
        octal = digits.startswith("0") and digits.isdigit() and len(digits) > 1
        if octal and not set(digits) <= set(string.octdigits):
            reading.tell(number, f"{text} begins with 0, which makes it octal, and has other digits")
            return
        reading.shift = int(text, 8) if octal else int(text, 0)
    elif len(words) < 2 or words[1] != "print_values":
        reading.tell(number, f"the flag {words[1] if len(words) > 1 else ''!r} is unknown")


def _record(reading: _Reading, number: int, line: str, source: str) -> None:
    found = _VALUE_LINE.match(line)
    if found is None:
        reading.tell(number, "is no record: the first 8 characters are not all hexadecimal digits")
        return
    data = _value(found.group(1), reading.dialect)
    if data is None:
        reading.tell(number, "the value is neither an even number of hexadecimal digits nor a text in quotes")
        return
    offset = int(line[:8], 16) + reading.shift
    if not 0 <= offset <= _LAST_OFFSET - len(data) + 1:
        problem = f"line {number} writes {len(data)} bytes at {offset:#x}, offsets go from 0 to {_LAST_OFFSET:#x}"
        raise CorruptError(problem, what=_WHAT, source=source)
    if len(data) > MAX_RECORD:
        raise CorruptError(f"line {number} has {len(data)} bytes, {MAX_RECORD} are the most", what=_WHAT, source=source)
    reading.total += len(data)
    if reading.total > MAX_TOTAL or len(reading.records) >= MAX_RECORDS:
        raise CorruptError(f"line {number}: more than {MAX_TOTAL:#x} bytes or {MAX_RECORDS} records are written", what=_WHAT, source=source)
    reading.records.append(Record(offset, data))


def _value(value: str, dialect: PchtxtDialect) -> bytes | None:
    return _text(value, dialect) if value.startswith('"') else _hex(value)


def _hex(value: str) -> bytes | None:
    end = next((at for at, char in enumerate(value) if char in " /\t\r"), len(value))
    digits = value[:end]
    if not digits or len(digits) % 2 or any(char not in string.hexdigits for char in digits):
        return None
    return bytes.fromhex(digits)


def _text(value: str, dialect: PchtxtDialect) -> bytes | None:
    """The bytes of a text in quotes, with the NUL that ends it; None where the quote is never closed."""
    out: list[str] = []
    at = 1
    while at < len(value):
        char = value[at]
        # The reference looks at the character before the quote alone: a text that ends in an escaped backslash is never closed.
        if char == '"' and not (dialect == "reference" and value[at - 1] == "\\" and at > 1):
            end = "" if dialect == "yuzu" else "\0"
            return ("".join(out) + end).encode("utf-8", "surrogateescape")
        if char == "\\" and at + 1 < len(value):
            at += 1
            char = _ESCAPES.get(value[at], "?" if dialect == "ryujinx" and value[at] not in "\"'\\" else value[at])
        out.append(char)
        at += 1
    return None


def encode_pchtxt(build_id: str, records: Iterable[Record], *, title: str = "", shift: int = 0) -> str:
    """Write a patch as text.

    Args:
        build_id: The build it is for, as hexadecimal digits.
        records: In order; runs are written out.
        title: Its title; of one line.
        shift: What is subtracted from every offset, and added back by readers: 0x100 makes offsets those of the loaded image.

    Raises:
        FormatError: An offset does not have 32 bits once shifted, the title has several lines, or the build id is none.
    """
    want_text(build_id, "build_id")
    want_text(title, "title")
    want_records(records, "records")
    if build_id_of(build_id) is None:
        raise FormatError(f"{build_id!r} is no build id, which is up to 64 hexadecimal digits", what=_WHAT)
    if any(ord(char) < 0x20 for char in title):
        raise FormatError(f"the title {title!r} is not one line of text", what=_WHAT)
    lines = [f"@nsobid-{build_id}", f"# {title}" if title else "", f"@flag offset_shift {shift:#x}" if shift else ""]
    lines += [f"// {title}" if title else "", "@enabled"]
    plain: list[str] = []
    for record in records:
        offset = record.offset - shift
        if not 0 <= offset <= _LAST_OFFSET + 1 - record.size:
            raise FormatError(f"{record.size} bytes at {record.offset:#x} less {shift:#x} do not lie in 32 bits", what=_WHAT)
        plain += [
            f"{offset + at - record.offset:08X} {record.part(at, min(at + 0x4000, record.end)).hex().upper()}"
            for at in range(record.offset, record.end, 0x4000)
        ]
    return "\n".join([line for line in lines if line] + plain) + "\n"


_TOOLS: Mapping[PchtxtDialect, str] = {"reference": "IPSwitch", "yuzu": "yuzu", "ryujinx": "Ryujinx"}


def tell_differences(data: bytes) -> tuple[str, ...]:
    """Tell what each tool makes of a pchtxt, where that is not what the neutral reading gives.

    Raises:
        FormatError: There is no neutral reading.

    Example:
        >>> tell_differences(b"@nsobid-AA\\n@enabled\\n00000010 01\\n\\n00000020 02\\n")
        ('yuzu does not read the record at 0x20', 'Ryujinx does not read the record at 0x20')
    """
    neutral = parse_pchtxt(data)
    found: list[str] = []
    for dialect, tool in _TOOLS.items():
        try:
            other = parse_pchtxt(data, dialect)
        except FormatError as wrong:
            found.append(f"{tool} does not load it: {wrong.problem}")
            continue
        if build_id_of(other.build_id) != build_id_of(neutral.build_id):
            found.append(f"{tool} takes {other.build_id!r} for the build id")
        elif dialect == "ryujinx" and other.build_id != other.build_id.upper():
            found.append(f"{tool} asks for a build id in upper case")
        taken = [remark.line for remark in other.remarks if remark.text == _HARMFUL]
        if taken:
            more = f" and {len(taken) - 1} more" if len(taken) > 1 else ""
            found.append(f"{tool} takes the comment on line {taken[0]}{more} for a record, which writes where no author meant it to")
        found += _unlike(tool, neutral.records, other.records)
    return tuple(found)


def _unlike(tool: str, wanted: tuple[Record, ...], got: tuple[Record, ...]) -> list[str]:
    """What a tool reads otherwise, in a line at most."""
    where = {record.offset for record in got}
    lost = [record.offset for record in wanted if record.offset not in where]
    if lost:
        more = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
        return [f"{tool} does not read the record at {lost[0]:#x}{more}"]
    ours, theirs = ({(record.offset, record.data) for record in records} for records in (wanted, got))
    if ours != theirs:
        return [f"{tool} reads {'another value' if ours - theirs else 'one more'} at {min(ours ^ theirs)[0]:#x}"]
    ordered = sorted(wanted)
    if wanted != got and any(one.end > two.offset for one, two in pairwise(ordered)):
        return [f"{tool} applies records by their offsets: of those that overlap, another may win"]
    return []
