"""Archives from strangers: what is taken, what is refused, that nothing is left of that; and what goes home."""

import errno
import io
import os
import struct
import tempfile
import threading
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from imlcull_al.errors import StorageError, UploadRefused
from imlcull_al.project import archives
from imlcull_al.project.archives import Added, Limits, add, pack, safe_key, unpack
from imlcull_al.project.stages import Stage

PHOTO = b"\xff\xd8 as good as a photo"
LINK = 0o120777 << 16
DEFAULT = Limits()


@pytest.fixture
def folder(tmp_path):
    """A stage that isn't there yet."""
    (tmp_path / "visitor").mkdir()
    return tmp_path / "visitor" / "project" / "stage_1"


@pytest.fixture
def send(tmp_path, folder):
    """`send({name: bytes})` unpacks a zip of these."""

    def send(files, limits=DEFAULT, change=lambda data: data, **options):
        archive = tmp_path / "sent.tmp"
        archive.write_bytes(change(zipped(files, **options)))
        return unpack(archive, folder, limits)

    return send


def zipped(files, compression=zipfile.ZIP_DEFLATED, attributes=0) -> bytes:
    """A zip of (name, bytes) pairs or a mapping; names go in as they are."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", compression) as archive:
        for name, data in files.items() if isinstance(files, dict) else files:
            entry = zipfile.ZipInfo("x")
            entry.filename, entry.compress_type = name, compression
            if attributes:
                entry.create_system, entry.external_attr = 3, attributes
            archive.writestr(entry, data)
    return made.getvalue()


def found(folder: Path) -> dict[str, bytes]:
    """Every file below the visitor's folder, temporary ones too."""
    root = folder.parent.parent
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


class TestNames:
    @pytest.mark.parametrize(
        "name",
        [
            "../a.jpg",
            "a/../../b.jpg",
            "..\\a.jpg",
            "a\\..\\..\\b.jpg",
            "/etc/a.jpg",
            "//server/share/a.jpg",
            "\\\\server\\share\\a.jpg",
            "C:\\a.jpg",
            "C:a.jpg",
            "a.jpg:stream.jpg",
            "a//b.jpg",
            "../../etc/passwd",
            "..",
            "",
            "/",
            "a\x07.jpg",
            "a\n.jpg",
            "a\u2028.jpg",
            "\ud800.jpg",
            "a" * 201 + ".jpg",
            "ü" * 101 + ".jpg",
            "a/" * 16 + "b.jpg",
        ],
    )
    def test_what_leads_elsewhere_or_can_not_be_stored_is_refused(self, name, tmp_path, folder):
        with pytest.raises(UploadRefused, match="Nothing was added"):
            safe_key(name)
        sent = tmp_path / "sent.tmp"
        sent.write_bytes(PHOTO)
        with pytest.raises(UploadRefused):
            add(sent, name, folder)
        assert found(folder) == {}

    @pytest.mark.parametrize(
        "name",
        [
            ".hidden.jpg",
            ".hidden/a.jpg",
            "... /a.jpg",
            ".. /a.jpg",
            "__MACOSX/._a.jpg",
            "holiday/__MACOSX/a.jpg",
            "Thumbs.db",
            "holiday/Icon\r",
            "a.jpg.",
            "a.jpg. . .",
            "inner.zip",
            "a.jpg/",
            "a.svg",
            "a.html",
        ],
    )
    def test_what_is_no_photo_is_passed_over(self, name, send, folder):
        assert send({name: PHOTO, "b.jpg": PHOTO}).new == 1
        assert found(folder) == {"project/stage_1/b.jpg": PHOTO}

    @pytest.mark.parametrize(
        ("name", "key"),
        [
            ("./a.jpg", "a.jpg"),
            ("holiday\\a.JPG", "holiday/a.JPG"),
            ("Screenshot 3.04\u202fPM.png", "Screenshot 3.04\u202fPM.png"),  # macOS
            ("👨‍👩‍👧.jpg", "👨‍👩‍👧.jpg"),
            ("u\u0308ber.jpg", "u\u0308ber.jpg"),
            ("．．/a.jpg", "．．/a.jpg"),  # wide dots are no dots
            ("a'; drop <b> %s.jpg", "a'; drop <b> %s.jpg"),
            ("a.NEF", "a.NEF"),
            ("a.xmp", "a.xmp"),
        ],
    )
    def test_what_people_call_their_photos_is_taken(self, name, key, send, folder):
        assert send({name: PHOTO}) == Added(new=1)
        assert found(folder) == {f"project/stage_1/{key}": PHOTO}

    def test_a_name_ends_at_its_nul(self, send, folder):
        data = zipped({"a.jpgX..": PHOTO}).replace(b"a.jpgX..", b"a.jpg\0..")
        assert send({}, change=lambda _: data) == Added(new=1)
        assert found(folder) == {"project/stage_1/a.jpg": PHOTO}

    @pytest.mark.slow
    @given(st.text(max_size=60))
    @example("Screenshot1")
    def test_any_text_is_a_key_below_the_folder_or_refused(self, name):
        try:
            key = safe_key(name + ".jpg")
        except UploadRefused as error:
            assert str(error).endswith("Nothing was added.")
            key = None
        if key is None:
            assert not (name.isascii() and name.isalnum())
        else:
            assert Path(os.path.normpath(Path("/stage", key))).is_relative_to("/stage")
            assert Path("/stage", key).name == key.rpartition("/")[2]


class TestRefusals:
    @pytest.mark.parametrize("bad", ["../a.jpg", "/a.jpg", "b\x07.jpg", "b.jpg/c.jpg"])
    def test_one_bad_name_and_nothing_is_taken(self, bad, send, folder):
        with pytest.raises(UploadRefused):
            send([("b.jpg", PHOTO), (bad, PHOTO), ("c.jpg", PHOTO)])
        assert found(folder) == {}

    def test_a_link(self, send, folder):
        with pytest.raises(UploadRefused, match="is a link"):
            send({"a.jpg": b"/etc/passwd"}, attributes=LINK)
        assert found(folder) == {}

    def test_a_password(self, send, folder):
        def encrypted(data):
            spot = data.index(b"PK\x01\x02") + 8
            return data[:6] + b"\x01" + data[7:spot] + b"\x01" + data[spot + 1 :]

        with pytest.raises(UploadRefused, match="encrypted"):
            send({"a.jpg": PHOTO}, change=encrypted)

    @pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
    def test_a_method_that_python_unpacks_without_a_bound(self, method, send, folder):
        with pytest.raises(UploadRefused, match="plain zip"):
            send({"a.jpg": PHOTO}, compression=method)

    @pytest.mark.parametrize("data", [b"", b"no zip", b"PK\x05\x06", PHOTO * 1000, b"PK\x05\x06" + b"\xff" * 18])
    def test_what_is_no_zip(self, data, send, folder):
        with pytest.raises(UploadRefused):
            send({}, change=lambda _: data)
        assert found(folder) == {}

    def test_an_empty_zip_holds_nothing(self, send):
        assert send({}) == Added()

    def test_a_file_in_the_place_of_a_folder(self, send, folder):
        send({"a.jpg": PHOTO, "b.jpg/c.jpg": PHOTO})
        before = found(folder)
        for name in ("a.jpg/x.jpg", "a.jpg/x/y.jpg", "b.jpg"):
            with pytest.raises(UploadRefused, match="both a file and a folder"):
                send({"new.jpg": PHOTO, name: PHOTO})
        assert found(folder) == before
        assert send({"a": PHOTO, "a/b.jpg": PHOTO}) == Added(new=1, passed_over=1)

    def test_a_list_of_contents_that_would_fill_the_memory(self, send, monkeypatch):
        monkeypatch.setattr(archives, "_LARGEST_READ", 70_000)
        with pytest.raises(UploadRefused, match="too many files"):
            send({f"{number:030}.txt": b"" for number in range(1000)})

    def test_a_list_of_contents_whose_size_is_in_the_longer_header(self, send, monkeypatch):
        """The end says 0 bytes, the zip64 end before it as much as the file holds."""
        monkeypatch.setattr(archives, "_LARGEST_READ", 70_000)
        size = 200_000
        long_end = struct.pack("<4sQHHLLQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 1, size, 0)
        locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, size, 1)
        end = struct.pack("<4sHHHHLLH", b"PK\x05\x06", 0, 0, 0, 0, 0, 0, 0)
        with pytest.raises(UploadRefused, match="too many files"):
            send({}, change=lambda _: b"PK\x01\x02" + bytes(size - 4) + long_end + locator + end)

    def test_an_offset_beyond_every_file(self, send, folder):
        def far(data):
            at = data.index(b"PK\x01\x02")
            extra = struct.pack("<HHQ", 1, 8, (1 << 64) - 1)
            entry = bytearray(data[at : data.index(b"PK\x05\x06")])
            entry[30:32] = struct.pack("<H", len(extra))
            entry[42:46] = b"\xff" * 4
            end = struct.pack("<4sHHHHLLH", b"PK\x05\x06", 0, 0, 1, 1, len(entry) + len(extra), at, 0)
            return data[:at] + bytes(entry) + extra + end

        with pytest.raises(UploadRefused, match="damaged"):
            send({"a.jpg": PHOTO}, change=far)
        assert found(folder) == {}


class TestBombs:
    LIMITS = Limits(photo=300_000, total=500_000, files=20)

    def test_a_photo_that_grows_beyond_its_limit(self, send, folder):
        with pytest.raises(UploadRefused, match=r"a\.jpg is larger than"):
            send({"a.jpg": bytes(400_000)}, self.LIMITS)
        assert found(folder) == {}

    def test_many_that_do_together(self, send, folder):
        with pytest.raises(UploadRefused, match="There is not enough room"):
            send({f"{number}.jpg": bytes(100_000) for number in range(6)}, self.LIMITS)
        assert found(folder) == {}

    @pytest.mark.parametrize("said", [1, 10])
    def test_a_size_that_is_a_lie(self, said, send, folder):
        """The headers say `said` bytes; it is 10 MB."""

        def lie(data):
            real, told = struct.pack("<L", 10_000_000), struct.pack("<L", said)
            assert data.count(real) == 2
            return data.replace(real, told)

        with pytest.raises(UploadRefused):
            send({"a.jpg": bytes(10_000_000)}, self.LIMITS, change=lie)
        assert found(folder) == {}

    def test_entries_that_share_their_bytes(self, send, folder):
        """Ten names for the same 200 kB that a few hundred bytes of the archive hold."""

        def overlapping(data):
            at, end = data.index(b"PK\x01\x02"), data.index(b"PK\x05\x06")
            entries = data[at:end] * 10
            tail = struct.pack("<4sHHHHLLH", b"PK\x05\x06", 0, 0, 10, 10, len(entries), at, 0)
            return data[:at] + entries + tail

        assert send({"a.jpg": bytes(200_000)}, self.LIMITS, change=overlapping) == Added(new=1, known=9)
        assert len(found(folder)) == 1

    def test_thousands_of_empty_files(self, send, folder):
        with pytest.raises(UploadRefused, match="20 files"):
            send({f"{number}.jpg": b"" for number in range(3000)}, self.LIMITS)
        assert send({f"{number}.txt": b"" for number in range(3000)}, self.LIMITS) == Added(passed_over=3000)
        assert found(folder) == {}

    def test_a_zip_in_a_zip_stays_shut(self, send, folder):
        inner = zipped({"a.jpg": bytes(400_000)})
        assert send({"inner.zip": inner, "b.jpg": PHOTO}, self.LIMITS) == Added(new=1, passed_over=1)

    def test_memory_stays_small(self, send, folder):
        tracemalloc.start()
        send({"a.jpg": bytes(40_000_000)}, change=lambda data: tracemalloc.reset_peak() or data)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 60_000_000  # of which 40 MB are this test's own
        assert len(found(folder)["project/stage_1/a.jpg"]) == 40_000_000


class TestLimits:
    LIMITS = Limits(photo=1000, total=2500, files=3)

    def one(self, tmp_path, folder, name, size):
        sent = tmp_path / "one.tmp"
        sent.write_bytes(bytes(size))
        return add(sent, name, folder, self.LIMITS)

    def test_hold_over_several_uploads(self, tmp_path, folder, send):
        assert self.one(tmp_path, folder, "a.jpg", 1000) == Added(new=1)
        assert send({"b.jpg": bytes(1000)}, self.LIMITS) == Added(new=1)
        for size, words in ((1001, "larger than"), (501, "not enough room")):
            with pytest.raises(UploadRefused, match=words):
                self.one(tmp_path, folder, "c.jpg", size)
            with pytest.raises(UploadRefused, match=words):
                send({"c.jpg": bytes(size)}, self.LIMITS)
        assert self.one(tmp_path, folder, "c.jpg", 500) == Added(new=1)
        with pytest.raises(UploadRefused, match="3 files"):
            self.one(tmp_path, folder, "d.jpg", 0)

    def test_what_is_there_already_needs_no_room(self, tmp_path, folder, send):
        files = {"a.jpg": bytes(1000), "b.jpg": bytes(1000), "c.jpg": bytes(500)}
        send(files, self.LIMITS)
        assert send(files, self.LIMITS) == Added(known=3)
        assert self.one(tmp_path, folder, "a.jpg", 1000) == Added(known=1)

    def test_what_is_there_is_kept(self, tmp_path, folder, send):
        send({"a.jpg": b"first"})
        assert send({"a.jpg": b"second", "b.jpg": b"new"}) == Added(new=1, known=1)
        assert self.one(tmp_path, folder, "a.jpg", 5) == Added(known=1)
        assert found(folder) == {"project/stage_1/a.jpg": b"first", "project/stage_1/b.jpg": b"new"}

    def test_the_last_of_a_name_counts_as_everywhere(self, send, folder):
        with pytest.warns(UserWarning, match="Duplicate"):
            assert send([("a.jpg", b"first"), ("a.jpg", b"second")]) == Added(new=1, known=1)
        assert found(folder) == {"project/stage_1/a.jpg": b"second"}


class TestTheDisk:
    def test_a_folder_that_can_not_be_made_is_a_sentence(self, tmp_path):
        (tmp_path / "project").write_text("a file")
        (tmp_path / "sent").write_bytes(zipped({"a.jpg": PHOTO}))
        for name in ("a.zip", "a.jpg"):
            with pytest.raises(StorageError, match="Could not write"):
                add(tmp_path / "sent", name, tmp_path / "project" / "stage_1")

    @pytest.mark.parametrize("name", ["a.jpg", "b/a.jpg", "a.zip"])
    def test_what_was_deleted_is_not_made_again(self, tmp_path, name):
        sent = tmp_path / "sent"
        sent.write_bytes(zipped({"a.jpg": PHOTO}) if name == "a.zip" else PHOTO)
        with pytest.raises(StorageError, match="No such file"):
            add(sent, name, tmp_path / "visitor" / "project" / "stage_1")
        assert [path.name for path in tmp_path.iterdir()] == ["sent"]

    def test_a_sent_file_that_is_gone_is_a_sentence(self, tmp_path, folder):
        for name in ("a.zip", "a.jpg"):
            with pytest.raises(StorageError):
                add(tmp_path / "gone", name, folder)

    def test_a_full_disk_leaves_nothing(self, send, folder, monkeypatch):
        rename, renames = Path.rename, []

        def full(path, target):
            renames.append(target)
            if len(renames) == 3:
                raise OSError(errno.ENOSPC, "No space left on device")
            return rename(path, target)

        monkeypatch.setattr(Path, "rename", full)
        with pytest.raises(StorageError, match="No space left"):
            send({f"{number}.jpg": PHOTO for number in range(5)})
        assert found(folder) == {}

    @pytest.mark.slow
    def test_half_a_photo_is_never_seen(self, send, folder, tmp_path):
        """Somebody lists the stage over and over while photos come."""
        whole, sizes, stop = bytes(3_000_000), set(), threading.Event()

        def list_over_and_over():
            while not stop.is_set():
                sizes.update(path.stat().st_size for path in folder.glob("*.jpg"))

        thread = threading.Thread(target=list_over_and_over)
        thread.start()
        try:
            for number in range(8):
                send({f"{number} {each}.jpg": whole for each in range(2)})
                (tmp_path / "one.tmp").write_bytes(whole)
                add(tmp_path / "one.tmp", f"single {number}.jpg", folder)
        finally:
            stop.set()
            thread.join()
        assert sizes == {len(whole)}


FILES = {"a.jpg": PHOTO * 9, "b/c.png": bytes(300), "notes.txt": b"n", "d.jpg": b"\x01\x02" * 70}
PACKED, STORED = zipped(FILES), zipped(FILES, zipfile.ZIP_STORED)


@pytest.mark.slow
@given(
    data=st.sampled_from([PACKED, STORED]),
    changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=6),
    kept=st.just(1.0) | st.floats(0, 1),
)
@example(data=PACKED, changes=[], kept=1.0)
@example(data=STORED, changes=[], kept=1.0)
def test_whatever_the_bytes_all_is_taken_or_nothing(data, changes, kept):
    """What is taken is taken as it was packed: entries have a checksum."""
    mutated = bytearray(data)
    for where, value in changes:
        mutated[int(where * len(mutated))] = value
    mutated = mutated[: int(kept * len(mutated))]
    with tempfile.TemporaryDirectory() as root:
        archive, folder = Path(root) / "sent.tmp", Path(root) / "visitor" / "project" / "stage_1"
        archive.write_bytes(mutated)
        (Path(root) / "visitor").mkdir()
        try:
            added = unpack(archive, folder, Limits(photo=10_000, total=20_000, files=10))
        except (UploadRefused, StorageError):
            assert mutated != data
            added = Added()
        files = found(folder)
        if mutated == data:
            assert added == Added(new=3, passed_over=1)
            assert files == {f"project/stage_1/{name}": FILES[name] for name in FILES if name != "notes.txt"}
        assert len(files) == added.new
        assert {name[:16] for name in files} <= {"project/stage_1/"}
        assert set(files.values()) <= set(FILES.values())
        assert sorted(path.name for path in Path(root).iterdir()) == ["sent.tmp", "visitor"]


class TestPack:
    @pytest.fixture
    def project(self, tmp_path):
        """A cull has made stage_2."""
        root = tmp_path / "project"
        files = {
            "stage_1/a.jpg": b"culled",
            "stage_2/a/b.jpg": PHOTO * 100_000,
            "stage_2/empty.jpg": b"",
            "stage_1_cull_labels.csv": b"image_name,label\n",
            "stage_1_cull_journal.jsonl": b"{}\n",
            "stage_1_cull_model.pth": bytes(range(256)),
            "stage_1_cull_report/curves.png": b"png",
            "stage_2_cull_manifest.csv": b"image_name\n",
            ".imlcull-stage_1.lock": b"",
            "notes.txt": b"not ours",
        }
        for name, data in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(data)
        return root

    def packed(self, project, number):
        with zipfile.ZipFile(io.BytesIO(b"".join(pack(Stage(project, number))))) as archive:
            assert archive.testzip() is None
            return {name: archive.read(name) for name in archive.namelist()}

    def test_after_a_cull_it_holds_what_was_kept(self, project):
        taken = self.packed(project, 2)
        assert sorted(taken) == [
            "stage_1_cull_journal.jsonl",
            "stage_1_cull_labels.csv",
            "stage_1_cull_model.pth",
            "stage_1_cull_report/curves.png",
            "stage_2/a/b.jpg",
            "stage_2/empty.jpg",
            "stage_2_cull_manifest.csv",
        ]
        assert all(data == (project / name).read_bytes() for name, data in taken.items())

    def test_before_one_the_photos_stay(self, project):
        assert not [name for name in self.packed(project, 1) if name.startswith("stage_1/")]

    def test_links_are_not_followed(self, project, tmp_path):
        (tmp_path / "secret").mkdir()
        (tmp_path / "secret" / "s.jpg").write_bytes(b"secret")
        for name in ("stage_2/l.jpg", "stage_1_cull_l.csv"):
            (project / name).symlink_to(tmp_path / "secret" / "s.jpg")
        for name in ("stage_2/folder", "stage_1_cull_folder"):
            (project / name).symlink_to(tmp_path / "secret")
        assert b"secret" not in self.packed(project, 2).values()

    def test_it_comes_in_pieces(self, project):
        (project / "stage_2" / "large.jpg").write_bytes(bytes(20_000_000))
        tracemalloc.start()
        largest = max(len(piece) for piece in pack(Stage(project, 2)))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert largest < 2 << 20
        assert peak < 8 << 20

    def test_a_file_that_can_not_be_read_is_a_sentence(self, project, monkeypatch):
        monkeypatch.setattr(archives, "_to_pack", lambda stage: [(project / "gone.jpg", "gone.jpg")])
        with pytest.raises(StorageError, match="Could not read"):
            b"".join(pack(Stage(project, 2)))
