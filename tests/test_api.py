"""The page's actions as an API, driven by Gradio's own client and by an MCP client."""

import asyncio
import http.client
import json
import threading
import time
from dataclasses import fields
from urllib.parse import urlsplit

import pytest
from conftest import fill_stage, fingerprint_of, label_of

from imlcull_al.errors import ServerError
from imlcull_al.session.desk import Desk
from imlcull_al.session.session import open_session
from imlcull_al.training.options import Options
from imlcull_al.ui import _check_mcp
from imlcull_al.ui.api import _status
from imlcull_al.ui.strict import NONSENSE

pytestmark = pytest.mark.slow

ENDPOINTS = [
    "/next_batch", "/label", "/sheet", "/answer_sheet", "/undo", "/status", "/scores", "/train", "/cancel", "/cull",
]  # fmt: skip


@pytest.fixture
def desk(tmp_path, warm_cache):
    fill_stage(tmp_path / "project" / "stage_1")
    return Desk(open_session(tmp_path / "project", model="builtin", cache_dir=warm_cache))


@pytest.fixture
def client(desk, serve):
    """Calls a function of the API by name."""
    from gradio_client import Client

    return Client(serve(desk), verbose=False)


@pytest.fixture
def ask(client):
    return lambda name, **arguments: client.predict(api_name=f"/{name}", **arguments)


def refusal(ask, name, **arguments) -> str:
    from gradio_client.exceptions import AppError

    with pytest.raises(AppError) as caught:
        ask(name, **arguments)
    return str(caught.value)


def test_these_functions_are_listed_and_no_others(client):
    info = client.view_api(return_format="dict")
    assert list(info["named_endpoints"]) == ENDPOINTS
    assert info["unnamed_endpoints"] == {}
    names = [each["parameter_name"] for each in info["named_endpoints"]["/train"]["parameters"]]
    assert names == [field.name for field in fields(Options)]
    assert info["named_endpoints"]["/label"]["description"].startswith("Label one photo.")


def test_what_the_page_calls_is_private(client):
    named = {each.fn_index for each in client.endpoints.values() if each.api_name in ENDPOINTS}
    page = set(range(max(named))) - named
    assert len(page) > 8
    for number in page:
        with pytest.raises(ValueError, match="Invalid function index"):
            client.predict(fn_index=number)


def test_label_train_and_cull_from_a_script(ask, desk, unreported):
    before = fingerprint_of(desk.session.stage.folder)
    photos = ask("next_batch", count=8)
    assert len({photo["key"] for photo in photos}) == 8
    for photo in photos:
        ask("label", key=photo["key"], label=label_of(photo["key"]))
    state = ask("status")
    assert (state["stage"], state["photos"], state["keep"] + state["cull"]) == ("stage_1", 12, 8)
    assert {row["image_name"]: row["decision"] for row in ask("scores")}.keys() == set(desk.session.listing.keys)

    assert ask("train", epochs=1, batch_size=4)["job"]["name"] == "training"
    until = time.monotonic() + 120
    while ask("status")["job"]["status"] == "running":
        assert time.monotonic() < until
        time.sleep(0.1)
    assert ask("status")["job"]["status"] == "done"

    assert "threshold" in refusal(ask, "cull", threshold=7)
    planned = ask("cull", threshold=0.5, dry_run=True)
    assert planned["made"] is None
    assert not desk.session.stage.next.folder.exists()
    assert ask("cull", threshold=0.5) == {**planned, "made": "stage_2"}
    assert len(list(desk.session.stage.next.folder.iterdir())) == planned["kept"]
    assert fingerprint_of(desk.session.stage.folder) == before
    assert "already exists" in refusal(ask, "cull")


def test_undo_takes_back_the_last_or_that_of_a_photo(ask, desk):
    for key in ("warm_00.jpg", "warm_01.jpg", "cold_00.jpg"):
        ask("label", key=key, label="keep")
    ask("undo")
    ask("undo", key="warm_00.jpg")
    assert desk.session.labels() == {"warm_01.jpg": "keep"}
    ask("undo")
    assert refusal(ask, "undo") == "There is nothing to undo."


def test_an_answer_remembers_its_queue_and_the_audit_is_blind(ask, desk):
    for key in ("warm_00.jpg", "cold_00.jpg"):
        ask("label", key=key, label=label_of(key))
    assert ask("next_batch")[0]["p_keep"] is not None
    photo = ask("next_batch", queue="audit")[0]
    assert photo["p_keep"] is None
    ask("label", key=photo["key"], label="keep", queue="audit")
    assert '"queue": "audit"' in desk.session.stage.journal.read_text().splitlines()[-1]


def test_two_clients_are_never_shown_the_same_photo(ask, client):
    from gradio_client import Client

    other = Client(client.src, verbose=False)
    mine = {photo["key"] for photo in ask("next_batch", count=6)}
    theirs = {photo["key"] for photo in other.predict(count=6, api_name="/next_batch")}
    assert (len(mine), len(theirs), mine & theirs) == (6, 6, set())


def test_a_training_can_be_cancelled(ask, desk, unreported):
    for key in desk.session.listing.keys:
        ask("label", key=key, label=label_of(key))
    ask("train", epochs=100_000, patience=100_000)
    assert refusal(ask, "train").startswith("The training is still running.")
    ask("cancel")
    assert desk.jobs.wait(60).status in ("done", "cancelled")


def test_a_password_covers_the_api(desk, serve):
    from gradio_client import Client

    address = serve(desk, "anna:secret")
    with pytest.raises(Exception, match="login"):
        Client(address, verbose=False)
    known = Client(address, verbose=False, headers={"Authorization": "Basic YW5uYTpzZWNyZXQ="})
    assert known.predict(api_name="/status")["photos"] == 12


def test_a_sheet_is_answered_whole_from_a_script(ask, desk):
    for key in ("warm_00.jpg", "cold_00.jpg"):
        ask("label", key=key, label=label_of(key))
    photos = ask("sheet", count=6)
    keys = [photo["key"] for photo in photos]
    assert (len(keys), keys) == (6, sorted(keys))
    assert {(photo["p_keep"], photo["queue"]) for photo in photos} == {(None, "sheet")}
    assert ask("answer_sheet", labels={key: label_of(key) for key in keys})["labeled"] == 8
    assert desk.session.standing().answers.sheets.keys() == set(keys)
    assert {photo["key"] for photo in ask("sheet", queue="again")} <= set(keys)
    looks = ask("sheet", count=4, queue="look", threshold=1.0)
    assert [photo["queue"] for photo in looks] == ["look"] * 4
    assert all(photo["p_keep"] is not None for photo in looks)


def test_nonsense_gets_a_sentence_and_changes_nothing(ask, desk):
    for name, arguments, says in (
        ("next_batch", {"count": 0}, "count is 0"),
        ("next_batch", {"count": "many"}, "count is 'many'"),
        ("next_batch", {"queue": "nonsense"}, "no queue 'nonsense'"),
        ("next_batch", {"queue": ["files"]}, "no queue"),
        ("label", {"key": "../secret.jpg", "label": "keep"}, "There is no photo"),
        ("label", {"key": ["warm_00.jpg"], "label": "keep"}, "There is no photo"),
        ("label", {"key": "warm_00.jpg", "label": "perhaps"}, "neither keep nor cull"),
        ("label", {"key": "warm_00.jpg", "label": "keep", "queue": "x"}, "no queue"),
        ("sheet", {"count": 1001}, "count is 1001"),
        ("sheet", {"queue": ["sheet"]}, "no sheets of"),
        ("sheet", {"threshold": "half"}, "threshold is 'half'"),
        ("sheet", {"queue": "look", "limit": None}, "limit is None"),
        ("answer_sheet", {"labels": {}}, "no labels"),
        ("answer_sheet", {"labels": ["keep"]}, "no labels"),
        ("answer_sheet", {"labels": {"warm_00.jpg": "keep", "nobody.jpg": "keep"}}, "no photo"),
        ("answer_sheet", {"labels": {"warm_00.jpg": "keep"}, "queue": "audit"}, "no sheets of 'audit'"),
        ("scores", {"threshold": "half"}, "threshold is 'half'"),
        ("scores", {}, "no labels yet"),
        ("train", {"epochs": 0}, "epochs is 0"),
        ("train", {"epochs": 1.5}, "choose a whole number"),
        ("train", {"learning_rate": "fast"}, "choose a number"),
        ("cull", {"threshold": None}, "send a number"),
        ("train", {"learning_rate": 10**15, "epochs": -1}, "epochs is -1"),
        ("train", {"seed": 2**53 - 1, "batch_size": 1.5}, "choose a whole number"),
    ):
        assert says in refusal(ask, name, **arguments), (name, arguments)
        assert desk.session.labels() == {}, (name, arguments)


def said(reply):
    """What the JSON text of an MCP result means."""
    assert not reply.isError
    (content,) = reply.content
    return json.loads(content.text)


CALLS = {
    "next_batch": ["1", '"uncertain"'], "label": ['"warm_00.jpg"', '"keep"', "null"], "undo": ["null"],
    "sheet": ["24", '"sheet"', "0.5", "0.0"], "answer_sheet": ['{"warm_00.jpg": "keep"}', '"sheet"'],
    "scores": ["0.5"], "train": ["1", "64", "0.0001", "8", "0.25", "0", "null"], "cull": ["0.5", '"copy"', "true"],
}  # fmt: skip
NO_VALUES = ["NaN", "-Infinity", "1e400", "1" + "0" * 30, "1" + "0" * 5000, '"\\ud800"', "[" * 20_000 + "]" * 20_000]


def test_what_no_browser_can_mean_is_refused_before_gradio_sees_it(desk, serve, caplog, capfd):
    address = serve(desk)
    bodies = {f"run/{name}": arguments for name, arguments in CALLS.items()}
    for value in NO_VALUES:
        for path, arguments in {**bodies, "call/status": [], "queue/join": []}.items():
            for place in range(len(arguments) or 1):
                data = ", ".join([*arguments[:place], value, *arguments[place + 1 :]])
                assert sent(address, path, f'{{"data": [{data}]}}') == (400, NONSENSE.encode())
        for field in ("session_hash", "fn_index", "trigger_id", "event_data", "event_id"):
            assert sent(address, "run/status", f'{{"data": [], "{field}": {value}}}')[0] == 400
    assert desk.session.labels() == {}
    assert not desk.session.stage.journal.exists()
    assert caplog.text == ""
    assert "Traceback" not in capfd.readouterr().err


def test_what_gradio_itself_would_stumble_over_is_a_sentence_too(desk, serve, capfd):
    address = serve(desk)
    assert sent(address, "run/status", '{"data": 1}')[0] == 422
    for number in (-1, 2**53 - 1):
        assert sent(address, "run/status", f'{{"data": [], "fn_index": {number}}}') == (400, NONSENSE.encode())
    for number in range(40):  # every function of the page, with too few values, too many, and of other kinds
        for data in ("[]", "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]", '[{"path": "/etc/passwd"}, ["x"], null]'):
            status, reply = sent(address, "run/any", f'{{"data": {data}, "fn_index": {number}}}')
            assert status in (200, 400, 404), (number, data)
            assert b"root:" not in reply
    assert desk.session.labels() == {}
    assert "Traceback" not in capfd.readouterr().err


def sent(address, path, body):
    """Status and reply to a POST to Gradio's own routes."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)
    connection.request("POST", f"/gradio_api/{path}", body, {"Content-Type": "application/json"})
    reply = connection.getresponse()
    return reply.status, reply.read(100_000)


def test_mcp_clients_are_offered_the_same(desk, serve):
    pytest.importorskip("mcp")
    from mcp import ClientSession
    from mcp.client.streamable_http import streamable_http_client

    found = {}

    async def talk(address: str) -> None:
        async with (
            streamable_http_client(f"{address}gradio_api/mcp/") as (receive, send, _),
            ClientSession(receive, send) as session,
        ):
            await session.initialize()
            found["tools"] = [f"/{tool.name}" for tool in (await session.list_tools()).tools]
            found["reply"] = await session.call_tool("label", {"key": "warm_00.jpg", "label": "keep"})
            found["batch"] = await session.call_tool("next_batch", {"count": 2})
            found["refusal"] = await session.call_tool("next_batch", {"count": 0})

    thread = threading.Thread(target=lambda: asyncio.run(talk(serve(desk, mcp=True))))
    thread.start()
    thread.join(60)
    assert found["tools"] == ENDPOINTS
    assert desk.session.labels() == {"warm_00.jpg": "keep"}
    assert said(found["reply"]) == _status(desk)
    assert [photo["p_keep"] for photo in said(found["batch"])] == [None, None]
    assert {photo["key"] for photo in said(found["batch"])} < set(desk.session.listing.keys) - {"warm_00.jpg"}
    assert found["refusal"].isError
    assert found["refusal"].content[0].text == "count is 0; choose 1 to 1000."


def test_mcp_is_off_unless_asked_and_says_what_it_needs(client, monkeypatch):
    import importlib.util
    import urllib.error
    import urllib.request

    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"{client.src}gradio_api/mcp/", timeout=10)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ServerError, match=r"gradio\[mcp\]"):
        _check_mcp(wanted=True)
