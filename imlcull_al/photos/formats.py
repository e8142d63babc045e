"""What a file is by its content: a raw, a HEIF, a JPEG that lacks its end, or nothing that is a photo.

Suffixes are not looked at; cameras, phones and people give wrong ones. Independent of libraries and pixels.

    content                                                       told by
    raw laid out like a TIFF                                      `CR`, `IIII`, a mosaic or a maker's compression in any
                                                                  directory, DNGVersion, a thumbnail first
    CR3, RAF, X3F, MRW, CRW, ORF, RW2                             magic numbers
    HEIF                                                          the brands of its `ftyp` box
    JPEG XL                                                       magic numbers
    everything else that has a name                               magic numbers
"""

from . import tiff

_RAW_STARTS = {
    b"FUJIFILMCCD-RAW": "FUJIFILM", b"FOVb": "SIGMA", b"\0MRM": "MINOLTA", b"IIRO": "OLYMPUS", b"IIRS": "OLYMPUS",
    b"MMOR": "OLYMPUS", b"IIU\0": "Panasonic", b"II\x1a\0\0\0HEAPCCDR": "Canon",
}  # fmt: skip
_MOSAICS = {32803, 34892}  # color filter array, linear raw
_MAKERS_COMPRESSIONS = {262, 32767, 32769, 32770, 34713, 65000, 65535}  # Kodak, Sony, Samsung, Nikon, Kodak, Pentax
_SUBFILE, _COMPRESSION, _PHOTOMETRIC, _MAKE, _DNG, _LEAF = 254, 259, 262, 271, 50706, 34310
_HEIF = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1", b"miaf", b"1pic"}
_AVIF = {b"avif", b"avis"}  # Pillow reads these
_NAMES = (
    (b"8BPS", "a Photoshop document"),
    (b"%PDF", "a PDF document"),
    (b"%!PS", "a PostScript document"),
    (b"gimp xcf", "a GIMP document"),
    (b"v/1\x01", "an OpenEXR picture"),
    (b"#?R", "a Radiance picture"),
    (b"SIMPLE  =", "a FITS picture"),
    (b"\0\0\1\0", "an icon"),
    (b"<svg", "an SVG drawing"),
    (b"<?xml", "an XML text"),
    (b"<!DOCTYPE html", "a web page"),
    (b"<html", "a web page"),
    (b"{", "a JSON text"),
    (b"\x1aE\xdf\xa3", "a Matroska video"),
    (b"\0\0\1\xba", "an MPEG video"),
    (b"\0\0\1\xb3", "an MPEG video"),
    (b"ID3", "an MP3 recording"),
    (b"PK\3\4", "a zip archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!", "a RAR archive"),
    (b"SQLite format 3", "an SQLite database"),
    (b"\0\5\x16\7", "macOS notes about another file"),
    (b"MZ", "a Windows program"),
    (b"\x7fELF", "a program"),
)
_BRANDS = {b"qt  ": "a QuickTime movie", b"crx ": "a Canon raw", b"M4A ": "an MP4 recording", b"3gp4": "a 3GP video"}
_STREAMS = {b"AVI ": "an AVI video", b"WAVE": "a WAV recording"}
_JPEG, _START_OF_SCAN, _END = b"\xff\xd8\xff", 0xDA, b"\xff\xd9"


def raw_maker(data: bytes) -> str | None:
    """The maker of the camera that wrote this raw, `a camera` if it does not say; None if it is no raw."""
    for start, maker in _RAW_STARTS.items():
        if data.startswith(start):
            return maker
    if data[4:12] == b"ftypcrx ":
        return "Canon"
    directories = tiff.directories(data)
    if not directories or not _is_raw(data, directories):
        return None
    return next((each.texts[_MAKE] for each in directories if each.texts.get(_MAKE)), "a camera")


def is_heif(data: bytes) -> bool:
    """Whether its `ftyp` box names a brand of HEIF, and none of AVIF."""
    brands = _brands(data)
    return bool(brands & _HEIF) and not brands & _AVIF


def is_jxl(data: bytes) -> bool:
    """Whether this is a JPEG XL codestream or container."""
    return data.startswith((b"\xff\x0a", b"\0\0\0\x0cJXL "))


def name_of(data: bytes) -> str:
    """What a file is that is no photo: `a QuickTime movie`; empty if unknown."""
    if data[4:8] == b"ftyp":
        return _BRANDS.get(data[8:12], "an MP4 video")
    if data[4:8] in (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"):
        return "a QuickTime movie"
    if data[:4] == b"RIFF":
        return _STREAMS.get(data[8:12], "")
    if not data.strip(b"\0"):
        return "nothing but zeros, as a failing card leaves it"
    text = data[:64].removeprefix(b"\xef\xbb\xbf").lstrip()
    return next((name for start, name in _NAMES if data.startswith(start) or text.startswith(start)), "")


def lacks_end(data: bytes) -> bool:
    """Whether this is a JPEG whose first picture has pixels, but no end marker, or a raw whose mosaic is cut off."""
    if data.startswith(_JPEG):
        return _is_cut(data)
    return raw_maker(data) is not None and any(tiff.is_cut(data, each) for each in tiff.directories(data))


def with_end(data: bytes) -> bytes:
    """A photo; a JPEG that lacks its end with an end marker. Decoders fill what is missing with gray."""
    return data + _END if data.startswith(_JPEG) and _is_cut(data) else data


def _is_raw(data: bytes, directories: list[tiff.Directory]) -> bool:
    if data[8:10] == b"CR" or data[8:12] in (b"IIII", b"MMMM"):
        return True
    first = directories[0]
    if _LEAF in first.entries or (_MAKE in first.texts and first.number(_SUBFILE) & 1 and _has_children(first)):
        return True
    return any(
        _DNG in each.entries
        or each.number(_PHOTOMETRIC) in _MOSAICS
        or each.number(_COMPRESSION) in _MAKERS_COMPRESSIONS
        for each in directories
    )


def _has_children(directory: tiff.Directory) -> bool:
    return tiff.SUB_DIRECTORIES in directory.entries


def _brands(data: bytes) -> set[bytes]:
    if data[4:8] != b"ftyp":
        return set()
    box = data[: min(int.from_bytes(data[:4], "big"), 256)]
    return {box[8:12], *(box[start : start + 4] for start in range(16, len(box), 4))}


def _is_cut(jpeg: bytes) -> bool:
    if jpeg.endswith(_END):
        return False
    scan = _scan_of(jpeg)
    return 0 < scan < len(jpeg) and jpeg.find(_END, scan) < 0  # in a scan, 0xFF precedes 0 and restart markers only


def _scan_of(data: bytes) -> int:
    """Where the entropy-coded data of a JPEG begins; 0 if its segments lead to none."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
            continue
        at += 2 if marker == 1 or 0xD0 <= marker <= 0xD8 else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == _START_OF_SCAN:
            return at
    return 0
