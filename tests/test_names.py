"""Labels files as the world writes them: delimiters, encodings, and names of photos that are no photo keys."""

import pytest

from imlcull_al.errors import LabelsError, TableError
from imlcull_al.project import tables
from imlcull_al.project.labels import Labels
from imlcull_al.project.names import Names
from imlcull_al.project.stages import Stage
from imlcull_al.simulate.truth import read_truth

KEY = "day1/DSC_0001.JPG"


@pytest.fixture
def stage(tmp_path):
    for name in (KEY, "day1/DSC_0002.JPG", "day2/DSC_0002.JPG", "top.jpg", "odd\\name.jpg", "Müller/ü.jpg"):
        path = tmp_path / "stage_1" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return Stage(tmp_path, 1)


@pytest.fixture
def means(stage):
    """What a name means: a key, or None."""

    def key_of(name):
        names = Names(stage.folder, lambda: [KEY, "day1/DSC_0002.JPG", "day2/DSC_0002.JPG", "top.jpg", "odd\\name.jpg"])
        key = names.key_of(name)
        return None if key in names.unsettled else key

    return key_of


def utf16(text, mark, order):
    return mark + text.encode(f"utf-16-{order}")


ROWS = "image_name,label\r\nday1/DSC_0001.JPG,cull\r\nMüller/ü.jpg,keep\r\n"
TABLES = {
    "semicolons": b"image_name;label\r\nday1/DSC_0001.JPG;cull\r\nM\xc3\xbcller/\xc3\xbc.jpg;keep\r\n",
    "tabs": b"image_name\tlabel\nday1/DSC_0001.JPG\tcull\nM\xc3\xbcller/\xc3\xbc.jpg\tkeep\n",
    "sep=": b"sep=;\r\nimage_name;label\r\nday1/DSC_0001.JPG;cull\r\nM\xc3\xbcller/\xc3\xbc.jpg;keep\r\n",
    "marked sep=": (
        b'\xef\xbb\xbf"SEP=\t"\r\nimage_name\tlabel\r\nday1/DSC_0001.JPG\tcull\r\nM\xc3\xbcller/\xc3\xbc.jpg\tkeep'
    ),
    "quoted, other delimiters in names": (
        b'"image_name";"label";"note, long"\n"day1/DSC_0001.JPG";"cull";"a;b"\nM\xc3\xbcller/\xc3\xbc.jpg;keep;a, b\n'
    ),
    "commas in a note's name": (
        b"image_name;label;a, b, c, d\nday1/DSC_0001.JPG;cull;\nM\xc3\xbcller/\xc3\xbc.jpg;keep;x,y\n"
    ),
    "UTF-16 LE": utf16(ROWS, b"\xff\xfe", "le"),
    "UTF-16 BE": utf16(ROWS, b"\xfe\xff", "be"),
    "UTF-16 LE, tabs": utf16(ROWS.replace(",", "\t"), b"\xff\xfe", "le"),
    "UTF-16 LE without a mark": utf16(ROWS, b"", "le"),
    "UTF-16 BE without a mark": utf16(ROWS, b"", "be"),
    "UTF-8 with a mark": b"\xef\xbb\xbf" + ROWS.encode(),
    "decomposed": "image_name,label\nday1/DSC_0001.JPG,cull\nMu\u0308ller/u\u0308.jpg,keep\n".encode(),
    "backslashes": b"image_name,label\nday1\\DSC_0001.JPG,cull\nM\xc3\xbcller\\\xc3\xbc.jpg,keep\n",
    "spaces": b"image_name, label\nday1/DSC_0001.JPG , cull\n M\xc3\xbcller/\xc3\xbc.jpg,keep \n",
    "capitals": b"Image_Name;LABEL\r\nday1/DSC_0001.JPG;CULL\r\nM\xc3\xbcller/\xc3\xbc.jpg;Keep\r\n",
    "a POSIX project that moved": (
        b"image_path,label,tag\n/home/me/p/stage_1/day1/DSC_0001.JPG,1,blur\n/p/stage_1/M\xc3\xbcller/\xc3\xbc.jpg,0,\n"
    ),
    "a Windows project that moved": (
        b"image_name;label\r\nC:\\Users\\me\\stage_1\\day1\\DSC_0001.JPG;cull\r\n"
        b"\\\\nas\\photos\\stage_1\\M\xc3\xbcller\\\xc3\xbc.jpg;keep\r\n"
    ),
}


@pytest.mark.parametrize("content", TABLES.values(), ids=TABLES)
def test_a_labels_file_is_read_as_the_world_writes_it(stage, content):
    stage.labels.write_bytes(content)
    labels = Labels(stage)
    assert labels.as_dict() == {KEY: "cull", "Müller/ü.jpg": "keep"}
    assert (labels.notices, labels.strays) == ("", {})
    assert stage.labels.read_bytes() == content
    labels.answer("top.jpg", "keep")
    stage.journal.unlink()
    assert Labels(stage).as_dict() == {KEY: "cull", "Müller/ü.jpg": "keep", "top.jpg": "keep"}


@pytest.mark.parametrize(
    ("content", "rewritten"),
    [
        (
            b"sep=;\r\nimage_name;label;note\r\nday1\\DSC_0001.JPG; Cull ;a,b\r\n",
            b'sep=;\nimage_name;label;note\nday1\\DSC_0001.JPG;cull;"a,b"\ntop.jpg;keep;\n',
        ),
        (
            utf16("image_name\tlabel\r\nMüller/ü.jpg\tcull\r\n", b"\xff\xfe", "le"),
            "\ufeffimage_name\tlabel\nMüller/ü.jpg\tcull\ntop.jpg\tkeep\n".encode(),
        ),
        (b"image_name,label\r\ntop.jpg,keep\r\n", b"image_name,label\ntop.jpg,keep\n"),
    ],
)
def test_a_rewritten_file_keeps_its_columns_for_the_spreadsheet_it_came_from(stage, content, rewritten):
    stage.labels.write_bytes(content)
    Labels(stage).answer("top.jpg", "keep")
    assert stage.labels.read_bytes() == rewritten


def test_a_row_that_means_no_photo_is_told_and_survives(stage):
    rows = "C:\\old\\DSC_0002.JPG;keep\n/old/stage_1/gone.jpg;cull\nplain/gone.jpg;keep\n"
    stage.labels.write_text("image_name;label\n" + rows)
    labels = Labels(stage)
    assert labels.strays == {
        "C:\\old\\DSC_0002.JPG": "it could be day1/DSC_0002.JPG or day2/DSC_0002.JPG",
        "/old/stage_1/gone.jpg": "there is no such photo",
    }
    assert labels.notices == (
        "stage_1_cull_labels.csv names photos that can't be told: 'C:\\\\old\\\\DSC_0002.JPG' (it could be "
        "day1/DSC_0002.JPG or day2/DSC_0002.JPG), '/old/stage_1/gone.jpg' (there is no such photo). "
        "Their rows are kept but ignored."
    )
    labels.answer("top.jpg", "cull")
    assert stage.labels.read_text() == f"image_name;label\n{rows}top.jpg;cull\n"
    (stage.folder / "gone.jpg").touch()
    labels.settle_names()
    assert labels.as_dict()["gone.jpg"] == "cull"
    assert list(labels.strays) == ["C:\\old\\DSC_0002.JPG"]
    assert Labels(stage).as_dict() == labels.as_dict()
    assert stage.labels.read_text() == f"image_name;label\n{rows}top.jpg;cull\n"


def test_a_journal_that_has_another_name_of_a_photo_gives_its_label_to_the_photo(stage):
    """Earlier versions kept the row of a moved project under its old path, and a crash may have lost the CSV's last."""
    old = "/home/me/stage_1/day1/DSC_0001.JPG"
    stage.labels.write_text(f"image_name,label\n{old},cull\n")
    lost = Stage(stage.project / "elsewhere", 1)
    lost.folder.mkdir(parents=True)
    (lost.folder / "top.jpg").touch()
    stage.labels.rename(lost.labels)
    Labels(lost).answer("top.jpg", "keep")
    lost.journal.rename(stage.journal)
    lost.labels.rename(stage.labels)
    assert Labels(stage).as_dict() == {"top.jpg": "keep", KEY: "cull"}
    assert stage.labels.read_text() == f"image_name,label\n{old},cull\ntop.jpg,keep\n"


@pytest.mark.parametrize("other", ["day1\\DSC_0001.JPG", "/old/stage_1/day1/DSC_0001.JPG", "./day1/DSC_0001.JPG"])
def test_two_rows_of_one_photo_with_two_labels_are_refused(stage, other):
    content = f"image_name,label\n{KEY},keep\n{other},cull\n"
    stage.labels.write_text(content)
    with pytest.raises(LabelsError, match=r"gives day1/DSC_0001\.JPG two labels, on lines 2 and 3"):
        Labels(stage)
    assert stage.labels.read_text() == content


@pytest.mark.parametrize(
    ("name", "key"),
    [
        (KEY, KEY),
        ("stage_1/" + KEY, KEY),
        ("stage_1\\day1\\DSC_0001.JPG", KEY),
        (".\\day1\\DSC_0001.JPG", KEY),
        ("odd\\name.jpg", "odd\\name.jpg"),
        ("../stage_1/top.jpg", "top.jpg"),
        ("/a/stage_1/b/stage_2/top.jpg", "top.jpg"),
        ("d:/photos/stage_3/day1/DSC_0001.JPG", KEY),
        ("\\\\server\\share\\stage_1\\day2\\DSC_0002.JPG", "day2/DSC_0002.JPG"),
        ("/card/day2/DSC_0002.JPG", "day2/DSC_0002.JPG"),
        ("/card/DSC_0001.JPG", KEY),
        ("/old/stage_1/trip/day1/DSC_0001.JPG", KEY),
        ("/old/stage_1/DSC_0001.JPG", KEY),
        ("/old/stage_1/day9/DSC_0001.JPG", None),
        ("/card/DSC_0002.JPG", None),
        ("/card/day1/DSC_0003.JPG", None),
        ("/card/XDSC_0001.JPG", None),
        ("day9\\DSC_0001.JPG", None),
        ("gone.jpg", "gone.jpg"),
        ("/", None),
    ],
)
def test_a_name_means_one_photo_or_none(means, name, key):
    assert means(name) == key


def test_names_of_files_ask_for_no_listing(stage):
    def never():
        raise AssertionError

    names = Names(stage.folder, never)
    assert [names.key_of(key) for key in (KEY, "top.jpg", "odd\\name.jpg")] == [KEY, "top.jpg", "odd\\name.jpg"]


def test_known_answers_are_read_as_labels_are(tmp_path):
    (tmp_path / "t.csv").write_bytes(utf16("image_name;keep\r\nu\u0308.jpg;yes\r\n", b"\xff\xfe", "le"))
    assert read_truth(tmp_path / "t.csv", Stage(tmp_path, 1), "keep", None).labels == {"ü.jpg": "keep"}


def test_lines_are_counted_from_the_first_one(tmp_path):
    assert tables.parse("\ufeffsep=;\r\n\r\nimage_name;label\r\na;b\r\n", tmp_path).rows[0].line == 4


def test_columns_that_differ_in_case_only_are_refused(stage):
    stage.labels.write_text(f"image_name,label,Label\n{KEY},keep,cull\n")
    with pytest.raises(TableError, match="more than one column 'label'"):
        Labels(stage)


def test_a_photo_whose_name_has_spaces_around_it_comes_first(stage):
    odd = stage.folder / " top.jpg"
    odd.touch()
    names = Names(stage.folder, lambda: ["top.jpg", " top.jpg"])
    assert [names.key_of(name) for name in (" top.jpg", "top.jpg", "top.jpg ")] == [" top.jpg", "top.jpg", "top.jpg"]
