"""What is said of where the page is: addresses that answer, here and on other machines."""

import socket
import urllib.request

import pytest
from conftest import fill_stage
from pages import close

from imlcull_al import ui
from imlcull_al.errors import ServerError
from imlcull_al.session.desk import Desk
from imlcull_al.session.session import open_session
from imlcull_al.ui.addresses import bare, own_names, reached_at

OTHERS = ["192.168.1.5", "anna-pc"]


@pytest.mark.parametrize(
    ("host", "own", "said"),
    [
        ("127.0.0.1", OTHERS, "http://127.0.0.1:5000/"),
        ("192.168.1.5", OTHERS, "http://192.168.1.5:5000/"),
        ("::1", OTHERS, "http://[::1]:5000/"),
        ("0.0.0.0", OTHERS,
         "http://localhost:5000/ here and, for others, on http://192.168.1.5:5000/ or http://anna-pc:5000/"),
        ("::", ["fd00::5", "anna-pc"],
         "http://[::1]:5000/ here and, for others, on http://[fd00::5]:5000/ or http://anna-pc:5000/"),
    ],
)  # fmt: skip
def test_a_page_for_all_says_where_others_find_it(host, own, said):
    assert reached_at(host, 5000, own) == said


def test_others_call_this_machine_by_its_name_where_no_way_leads_to_them(monkeypatch):
    def no_way(*_):
        raise OSError("Network is unreachable")

    monkeypatch.setattr(socket.socket, "connect", no_way)
    assert own_names(socket.AF_INET) == [socket.gethostname()]


@pytest.fixture
def free_port():
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6) as probe:
            return probe.getsockname()[1]
    except OSError:
        pytest.skip("this machine has no IPv6")


@pytest.mark.slow
@pytest.mark.parametrize("host", ["::", "::1", "[::1]"])
def test_ipv6_addresses_answer(host, free_port, tmp_path):
    fill_stage(tmp_path / "stage_1", warm=1, cold=1)
    desk = Desk(open_session(tmp_path, model="builtin", cache_dir=tmp_path / "cache", prepare=False))
    ui._check_port(bare(host), free_port)
    page = ui.serve(desk, bare(host), free_port)
    try:
        with pytest.raises(ServerError, match="Could not listen on"):
            ui._check_port(bare(host), free_port)
        address = reached_at(bare(host), free_port).split()[0]
        assert urllib.request.urlopen(address, timeout=20).status == 200
    finally:
        close(page)


@pytest.mark.parametrize(
    ("host", "port", "advice"),
    [
        ("127.0.0.1", 70_000, "Choose a port from 1 to 65535."),
        ("192.0.2.77", 5000, "Name an address of this machine (--host), or 0.0.0.0 for all of them."),
    ],
)
def test_what_is_not_to_be_listened_on_is_not_said_to_be_in_use(host, port, advice):
    with pytest.raises(ServerError) as refused:
        ui._check_port(host, port)
    assert str(refused.value).endswith(f" {advice}")
    assert ".." not in str(refused.value)


def test_a_port_in_use_is():
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(ServerError, match="Close the program that"):
        ui._check_port("127.0.0.1", taken.getsockname()[1])
