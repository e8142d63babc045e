"""Which files are one photo, by name only: every row of the grammar, and its neighbors that are something else."""

import pytest

from imlcull_al.project.companions import pair, photo_suffix, raw_pairs, shared

LONG = "20230714_summer_holiday_with_everybody_at_the_sea"  # 49 characters
ONE_PHOTO = {
    "raw and sidecars": "DSC_1.JPG: DSC_1.NEF, DSC_1.xmp, DSC_1.JPG.xmp, DSC_1.NEF.xmp, DSC_1.JPG.txt",
    "upper and lower case": "DSC_1.JPG: dsc_1.nef, Dsc_1.XMP, dsc_1.jpg.XMP",
    "voice memo, thumbnail, small movie": "DSC_1.JPG: DSC_1.WAV, DSC_1.THM, DSC_1.LRV",
    "Canon's voice memo": "IMG_0001.JPG: SND_0001.WAV",
    "a raw alone": "DSC_1.CR3: DSC_1.xmp, DSC_1.CR3.pp3, DSC_1.THM",
    "new kinds of raw": "GOPR0001.JPG: GOPR0001.GPR",
    "HIF and its raw": "DSC_1.HIF: DSC_1.ARW",
    "edits of many programs": "D.JPG: D.NEF, D.NEF.dop, D.NEF.arp, D.on1, D.vrd, D.JPG.7.spd",
    "ExifTool's backup": "DSC_1.JPG: DSC_1.JPG_original, DSC_1.NEF, DSC_1.xmp_original",
    "a backup of a sidecar": "DSC_1.JPG: DSC_1.xmp.bak",
    "a rendering named after its raw": "DSC_1.NEF.jpg: DSC_1.NEF, DSC_1.NEF.xmp",
    "darktable's duplicates": "DSC_0001.JPG: DSC_0001_01.JPG.xmp, DSC_0001_12.JPG.xmp",
    "darktable's duplicates of a raw": "DSC_1.JPG: DSC_1.CR2, DSC_1_01.CR2.xmp",
    "darktable's duplicates of a raw alone": "DSC_1.CR2: DSC_1_01.CR2.xmp",
    "Nikon's edits": "a/DSC_1.JPG: a/NKSC_PARAM/DSC_1.JPG.nksc, a/DSC_1.NEF, a/NKSC_PARAM/DSC_1.NEF.nksc",
    "Capture One": "a/D.JPG: a/CaptureOne/Settings131/D.JPG.cos, a/CaptureOne/Cache/Proxies50/D.JPG.cop"
    ", a/CaptureOne/Cache/Thumbnails/D.JPG.101.cot",
    "RawTherapee": "D.JPG: pp3/D.JPG.pp3, D.NEF, pp3/D.NEF.pp3",
    "sidecars in a folder of their own": "day/D.JPG: day/xmp/D.xmp, day/Sidecars/D.JPG.dop",
    "photos in a folder that is called like one of edits": "Cos/A.JPG: Cos/A.ARW, Cos/A.xmp, Cos/xmp/A.JPG.xmp",
    "raw in a folder beside": "JPG/A.JPG: RAW/A.ARW, RAW/A.xmp, RAW/A.ARW.xmp",
    "raw in a folder below": "day/A.JPG: day/RAW/A.ARW",
    "JPEG in a folder below": "day/jpegs/A.JPG: day/A.ARW, day/A.xmp",
    "folders of days in folders of formats": "JPEG/day 1/A.JPG: NEF/day 1/A.NEF",
    "folders with a format in their names": "Wedding JPG/A.JPG: Wedding_RAW/A.ARW",
    "one folder with a format in its name": "2024-05-01/A.JPG: 2024-05-01 raw files/A.RAF",
    "a format at the beginning of both names": "JPG 2024-05-01/A.JPG: RAW 2024-05-01/A.ARW",
    "several formats at the end": "Wedding JPG/A.JPG: Wedding - RAW NEF/A.NEF",
    "live photo": "IMG_1.HEIC: IMG_1.MOV, IMG_1.AAE, IMG_O1.AAE, IMG_1.HEIC.json, IMG_1.MOV.json",
    "live photo of icloudpd": "IMG_1.HEIC: IMG_1_HEVC.MOV",
    "live photo of which only the edit is there": "IMG_E1.HEIC: IMG_1.MOV, IMG_O1.AAE",
    "ProRAW": "IMG_1.DNG: IMG_1.MOV, IMG_1.AAE",
    "Pixel": "PXL_20240407_152207242.RAW-01.COVER.jpg: PXL_20240407_152207242.RAW-02.ORIGINAL.dng"
    ", PXL_20240407_152207242.RAW-01.COVER.xmp, PXL_20240407_152207242.RAW-02.ORIGINAL.dng.xmp",
    "Pixel in motion": "PXL_20240407_152207242.RAW-01.MP.COVER.jpg: PXL_20240407_152207242.RAW-02.ORIGINAL.dng",
    "Pixel at night": "PXL_20240407_152207242.NIGHT.RAW-01.COVER.jpg: PXL_20240407_152207242.NIGHT.RAW-02.ORIGINAL.dng",
    "motion photo": "PXL_20240407_152207242.MP.jpg: PXL_20240407_152207242.MP, PXL_20240407_152207242.mp4"
    ", PXL_20240407_152207242.dng, PXL_20240407_152207242.MP.mp4",
    "Takeout": "IMG_4081.jpg: IMG_4081.jpg.json, IMG_4081.jpg.supplemental-metadata.json",
    "Takeout of a numbered photo": "IMG_4081(1).jpg: IMG_4081.jpg(1).json, IMG_4081.jpg.supplemental-metadata(1).json"
    ", IMG_4081(1).jpg.json, IMG_4081.jpg.suppl(1).json, IMG_4081.jpg.(1).json, IMG_4081(1).json",
    "Takeout of a live photo": "IMG_1(2).HEIC: IMG_1(2).MOV, IMG_1.HEIC(2).json, IMG_1.MOV(2).json",
    "Takeout of a long name": f"{LONG}.jpg: {LONG[:46]}.json",
    "Takeout of a long and numbered name": f"{LONG}(3).jpg: {LONG[:46]}(3).json",
    "Takeout that cuts the suffix": f"{LONG[:43]}.jpg: {LONG[:43]}.jp.json",
    "decomposed letters are composed before": "Mu\u0308ller_1.jpg: Mu\u0308ller_1.NEF",
    "a name that ends in a space": "DSC_1.JPG : DSC_1.NEF",
}


@pytest.mark.parametrize("row", ONE_PHOTO.values(), ids=ONE_PHOTO)
def test_one_photo(row):
    photo, _, names = row.partition(": ")
    companions = names.split(", ")
    assert pair([*companions, photo]) == ([photo], {photo: tuple(sorted(companions))}, [])


TWO_PHOTOS = {
    "another day's HEIC": "IMG_8234.jpg, IMG_8234.HEIC",
    "a time that goes on": "2016.01.01-17.39.jpg, 2016.01.01-17.39.42.NEF",
    "a version": "trip.jpg, trip.v2.CR2",
    "two raws": "DSC_1.NEF, DSC_1.dng",
    "two raws in folders of formats": "NEF/DSC_1.NEF, DNG/DSC_1.dng",
    "an edit of a live photo": "IMG_1.HEIC, IMG_E1.HEIC",
    "a raw of another folder": "JPG/A.JPG, other/A.ARW",
    "a raw of another day": "JPG/day 1/A.JPG, RAW/day 2/A.ARW",
    "a folder whose name only contains a format": "drawings/A.JPG, A.ARW",
    "a name that begins with a format": "Talent/A.JPG, Raw Talent/A.ARW",
    "a name with a format in its middle": "The Truth/A.JPG, The Raw Truth/A.ARW",
    "a JPEG of a name that begins with a format": "Raw Talent/A.JPG, Talent/A.ARW",
    "an island that is called like a sidecar": "Cos/A.JPG, A.ARW",
    "a number that Google Takeout would give": "IMG_1.jpg, IMG_1(1).dng",
    "two presses of a Pixel": "PXL_20240407_152207242.RAW-01.COVER.jpg, PXL_20240407_152207999.RAW-02.ORIGINAL.dng",
    "two portraits of a Pixel": "PXL_20240407_152207242.PORTRAIT-01.COVER.jpg, "
    "PXL_20240407_152207242.PORTRAIT-02.ORIGINAL.jpg",
}


@pytest.mark.parametrize("row", TWO_PHOTOS.values(), ids=TWO_PHOTOS)
def test_two_photos(row):
    photos = row.split(", ")
    found = pair(photos)
    assert (sorted(found.photos), found.companions, found.rest) == (sorted(photos), {}, [])


APART = {
    "a number that goes on": "IMG_1.jpg: IMG_10.xmp, IMG_1_1.xmp, IMG.xmp",
    "a stem that goes on": "2016.01.01-17.39.jpg: 2016.01.01-17.39.42, 2016.01.01-17.39.42.xmp, 2016.01.01-17.39.4.mov",
    "words that go on": "Mr.jpg: Mr. Smith and family, Mr. Smith.txt",
    "another folder": "a/IMG_1.jpg: b/IMG_1.xmp, IMG_1.xmp, a/b/IMG_1.xmp",
    "Takeout's other number": "IMG_1.jpg: IMG_1.jpg(1).json, IMG_1.jpg.supplemental-metadata(2).json",
    "Takeout's number of none": "IMG_1(1).jpg: IMG_1.jpg.json, IMG_1.jpg.supplemental-metadata.json",
    "a long name that goes another way": f"{LONG}.jpg: {LONG[:45]}.json, {LONG[:40]}xxxxxx.json",
    "movies": "DSC_1.JPG: MVI_2.MOV, MVI_2.THM, GX01.MP4, GL01.LRV",
    "edits of what is gone": "D.JPG: NKSC_PARAM/E.JPG.nksc, CaptureOne/Settings131/E.JPG.cos, CaptureOne/Cache/x.db",
    "a duplicate of what is gone": "DSC_1.JPG: DSC_2_01.JPG.xmp",
}


@pytest.mark.parametrize("row", APART.values(), ids=APART)
def test_what_belongs_to_no_photo_is_the_rest(row):
    photo, _, names = row.partition(": ")
    assert pair([photo, *names.split(", ")]) == ([photo], {}, names.split(", "))


def test_each_file_goes_with_the_photo_that_it_names_most_exactly():
    takeout = ["IMG_1.jpg", "IMG_1(1).jpg", "IMG_1.jpg.json", "IMG_1.jpg(1).json"]
    duplicates = ["D.JPG", "D_01.JPG", "D_01.JPG.xmp", "D.JPG.xmp"]
    found = pair([*takeout, *duplicates, "A.JPG", "A.HEIC", "A.HEIC.xmp", "JPG/S.JPG", "RAW/S.JPG", "RAW/S.JPG.xmp"])
    assert found.companions == {
        "IMG_1.jpg": ("IMG_1.jpg.json",),
        "IMG_1(1).jpg": ("IMG_1.jpg(1).json",),
        "D.JPG": ("D.JPG.xmp",),
        "D_01.JPG": ("D_01.JPG.xmp",),
        "A.HEIC": ("A.HEIC.xmp",),
        "RAW/S.JPG": ("RAW/S.JPG.xmp",),
    }
    assert found.rest == []


def test_where_two_photos_have_a_claim_both_have_the_file():
    found = pair(["A.JPG", "A.HEIC", "A.NEF", "A.xmp", "A.NEF.xmp", "B.JPG", "B.NEF", "JPG/C.JPG", "C.JPG", "C.ARW"])
    assert found.companions == {
        "A.JPG": ("A.NEF", "A.NEF.xmp", "A.xmp"),
        "A.HEIC": ("A.NEF", "A.NEF.xmp", "A.xmp"),
        "B.JPG": ("B.NEF",),
        "JPG/C.JPG": ("C.ARW",),
        "C.JPG": ("C.ARW",),
    }
    assert shared(found.companions) == {
        "A.NEF": ["A.JPG", "A.HEIC"],
        "A.NEF.xmp": ["A.JPG", "A.HEIC"],
        "A.xmp": ["A.JPG", "A.HEIC"],
        "C.ARW": ["JPG/C.JPG", "C.JPG"],
    }


def test_a_raw_of_another_moment_is_a_photo_with_sidecars_of_its_own():
    files = ["A.JPG", "A.HEIC", "A.NEF", "A.NEF.xmp", "A.xmp", "B.JPG", "B.NEF"]
    asked = []
    found = pair(files, lambda pairs: asked.extend(pairs) or [("A.JPG", "A.NEF"), ("B.JPG", "B.NEF")])
    assert asked == [("A.JPG", "A.NEF"), ("A.HEIC", "A.NEF"), ("B.JPG", "B.NEF")]
    assert found.photos == ["A.JPG", "A.HEIC", "B.JPG", "B.NEF"]
    assert found.companions["A.HEIC"] == ("A.NEF", "A.NEF.xmp", "A.xmp")
    assert found.companions["A.JPG"] == ("A.NEF.xmp", "A.xmp")
    assert raw_pairs(found.companions) == [("A.HEIC", "A.NEF")]


@pytest.mark.parametrize(("key", "suffix"), [("a.JPG", ".jpg"), ("a.b/c", ""), ("a.HIF ", ".hif"), (".jpg", "")])
def test_the_suffix_of_a_photo(key, suffix):
    assert photo_suffix(key) == suffix
