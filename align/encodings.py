"""Bytes → text: by byte order mark, as declared, as UTF-8, or as detected where that is beyond doubt."""

from __future__ import annotations

import codecs
import logging
import unicodedata
from collections import Counter

from align.errors import InputError

log = logging.getLogger("samestory")

MAX_CHAOS = 0.1
"""Most disorder, in [0, 1] as charset-normalizer counts it and inclusive, at which a detected encoding is believed."""
ENCODING_REMEDY = "convert to UTF-8, or declare its encoding"

BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),  # not utf-8-sig, which counts its offsets from behind the mark
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark is its beginning
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_MEANT = {
    # What browsers read a declared name as, since pages are written for them (https://encoding.spec.whatwg.org/#names-and-labels).
    # No Western page happens to be valid UTF-8: one that is and says ISO 8859-1 was converted, and its label was not.
    "iso8859-1": ("utf-8", "cp1252", "iso8859-1"),
    "cp1252": ("utf-8", "cp1252", "iso8859-1"),
    "ascii": ("utf-8", "cp1252", "iso8859-1"),
    "shift_jis": ("cp932",),
    "euc_jp": ("euc_jp", "euc_jisx0213"),  # the latter has the ① and ㈱ of Windows that Python's euc_jp lacks
    "gb2312": ("gb18030",),
    "gbk": ("gb18030",),
    "euc_kr": ("cp949",),
    "big5": ("big5hkscs", "big5"),
}
_UNKNOWN_TO_PYTHON = {"x-sjis": "shift_jis", "x-euc-jp": "euc_jp", "unicode": "utf-8", "none": "utf-8"}
_DETECTABLE = ["cp932", "euc_jp", "cp1252"]
"""Encodings that are taken without a declaration: the old ones of our languages. More would only be confused with them."""
_WESTERN = frozenset("ÀÁÂÃÄÇÈÉÊËÌÍÎÏÑÒÓÔÕÖŒÙÚÛÜßàáâãäçèéêëìíîïñòóôõöœùúûüÿ‘’‚“”„‹›«»–—…•·€£§°©®™ªº¿¡½¼¾²³´µ×±† \xad")
"""What German, Italian, French, Spanish and Portuguese need beyond ASCII: anything else hints at another encoding."""


def decode(raw: bytes, path: str, declared: str | None = None) -> str:
    """`raw` as text, its newlines as "\\n": by its byte order mark, as declared, as UTF-8, or as detected beyond doubt.

    Where the encoding is neither marked nor declared nor UTF-8, or is not the declared one, a warning
    is logged that names `path`. Raises InputError with the offset of the first byte that cannot be read.
    """
    marked = marked_codec(raw)
    try:
        text = raw.decode(marked) if marked else _unmarked(raw, path, declared)
    except UnicodeDecodeError as error:
        says = "its byte order mark says" if marked else "it declares"
        raise InputError(f"byte {error.start} is not {error.encoding}, which {says}; {ENCODING_REMEDY}") from error
    if "\x00" in text:
        raise InputError(f"is not a text: character {text.index(chr(0))} is NUL; {ENCODING_REMEDY}")
    return unix_newlines(text.removeprefix("\ufeff"))


def _unmarked(raw: bytes, path: str, declared: str | None) -> str:
    """Raises UnicodeDecodeError where the declared encoding does not fit, InputError where none fits."""
    fault = None
    for codec in meant_codecs(declared, path):
        try:
            text = raw.decode(codec)
        except UnicodeDecodeError as error:
            fault = fault or error
            continue
        if codec == "utf-8" and not text.isascii() and not is_utf8(declared):
            log.warning("%s: declares the encoding %s and is UTF-8; read as UTF-8", path, declared)
        return text
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        if fault is not None:
            raise fault from error
        found = detected_codec(raw)
        if found is None:
            reason = f"byte {error.start} is not UTF-8, and no other encoding fits beyond doubt"
            raise InputError(f"{reason}; {ENCODING_REMEDY}") from error
    else:
        if fault is not None:
            log.warning("%s: declares the encoding %s and is UTF-8; read as UTF-8", path, declared)
            return text
        # UTF-16 and ISO-2022-JP can pass for UTF-8.
        found = detected_codec(raw) if "\x00" in text or "\x1b$" in text else None
        if found is None:
            return text
    log.warning("%s: the encoding is not declared; read as %s, by its look", path, found)
    return raw.decode(found)


def is_utf8(declared: str | None) -> bool:
    """Whether a declared encoding is UTF-8, however it is written."""
    return declared is not None and declared.lower().replace("-", "") == "utf8"


def marked_codec(raw: bytes) -> str | None:
    """The codec that a byte order mark names, or None."""
    return next((codec for mark, codec in BYTE_ORDER_MARKS if raw.startswith(mark)), None)


def meant_codecs(declared: str | None, path: str) -> tuple[str, ...]:
    """The codecs to try for a declared encoding, in order; none where it declares nothing or nothing known."""
    if declared is None:
        return ()
    try:
        name = codecs.lookup(_UNKNOWN_TO_PYTHON.get(declared.lower(), declared)).name
        "".encode(name)  # some of Python's codecs, such as hex, are not for text
    except (LookupError, UnicodeError):
        log.warning("%s: declares the encoding %r, which is not known; read as if it declared none", path, declared)
        return ()
    if name in ("idna", "punycode", "unicode_escape", "raw_unicode_escape"):
        return ()  # Python's own, which no page means
    if name.startswith(("utf-16", "utf-32")):
        return ("utf-8",)  # the declaration could be read, so it is not true
    return _MEANT.get(name, (name,))


def detected_codec(raw: bytes) -> str | None:
    """The one undeclared encoding that gives plausible text, or None where none does or two do."""
    if b"\x1b$" in raw:
        candidates = ["iso2022_jp"]
    elif b"\x00" in raw:
        candidates = ["utf-16-le", "utf-16-be"]
    else:
        from charset_normalizer import from_bytes

        candidates = [match.encoding for match in from_bytes(raw, cp_isolation=_DETECTABLE) if match.chaos <= MAX_CHAOS]
    found: dict[str, str] = {}
    for codec in candidates:
        try:
            text = raw.decode(codec)
        except UnicodeDecodeError:
            continue
        if plausible(text):
            found.setdefault(text, codec)
    return next(iter(found.values())) if len(found) == 1 else None


def plausible(text: str) -> bool:
    """Whether `text` is made of the signs of a Western European language, or holds enough kana for Japanese."""
    counts = Counter(text)
    if any(unicodedata.category(sign) in ("Cc", "Cn", "Co", "Cs") and sign not in "\n\r\t\f" for sign in counts):
        return False
    foreign = Counter({sign: count for sign, count in counts.items() if not sign.isascii() and sign not in _WESTERN})
    if not foreign:
        return True
    kana = sum(count for sign, count in foreign.items() if "\u3041" <= sign <= "\u30ff")
    # Half-width kana are what stray bytes look like in Shift_JIS.
    narrow = sum(count for sign, count in foreign.items() if "\uff61" <= sign <= "\uff9f")
    return kana >= 0.1 * foreign.total() and narrow < kana


def unix_newlines(text: str) -> str:
    """`text` with every kind of line break as one newline."""
    return text.replace("\r\n", "\n").replace("\r", "\n")
