"""The address of a sender: what the proxy of a Space says, and nothing that the sender claims."""

import pytest
from starlette.requests import Request

from imlcull_al.ui.senders import sender_of


def asked(peer, *forwarded):
    headers = [(b"x-forwarded-for", each.encode()) for each in forwarded]
    return Request({"type": "http", "headers": headers, "client": (peer, 1) if peer else None})


@pytest.mark.parametrize("peer", ["10.16.3.80", "127.0.0.1", "8.8.8.8"])
def test_nobody_is_believed_where_there_is_no_proxy(monkeypatch, peer):
    monkeypatch.delenv("SPACE_ID", raising=False)
    assert sender_of(asked(peer, "1.2.3.4")) == peer


@pytest.mark.parametrize(
    ("forwarded", "sender"),
    [
        (["1.2.3.4"], "1.2.3.4"),
        (["6.6.6.6, 1.2.3.4"], "1.2.3.4"),  # the first is what the sender claims
        (["6.6.6.6", "1.2.3.4"], "1.2.3.4"),
        (["1.2.3.4:5678"], "1.2.3.4"),
        (["::ffff:1.2.3.4"], "1.2.3.4"),
        (["2001:db8:1:2:3:4:5:6"], "2001:db8:1:2::/64"),
        (["[2001:db8:1:2::9]:443"], "2001:db8:1:2::/64"),
        ([], "10.16.3.80"),
        ([""], "10.16.3.80"),
        (["x" * 1000], "x" * 64),
    ],
)
def test_on_a_space_the_last_entry_is_the_sender(monkeypatch, forwarded, sender):
    monkeypatch.setenv("SPACE_ID", "me/here")
    assert sender_of(asked("10.16.3.80", *forwarded)) == sender


def test_who_comes_past_the_proxy_is_not_believed(monkeypatch):
    monkeypatch.setenv("SPACE_ID", "me/here")
    assert sender_of(asked("8.8.8.8", "1.2.3.4")) == "8.8.8.8"


def test_a_request_without_an_address_has_a_sender_all_the_same():
    assert sender_of(asked(None)) == "unknown"
