"""Downloads that break off, stall or go through a proxy: continued where it is right, refused where it is not."""

import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from serving import TAG, Server

from mercli import registry
from mercli.errors import MercliError, UsageError
from mercli.files import sha256
from mercli.registry.cache import alone_with

CONTENT = bytes(range(256)) * 700
OTHER = CONTENT[::-1]
NETWORK = replace(
    registry.NETWORKS["yunet"], file="tiny.onnx", size_bytes=len(CONTENT), sha256=sha256(CONTENT), mirrors=()
)
GOOD = {"ranges": True, "tag": TAG}
"""How a server that can be relied on serves."""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(registry.CACHE, str(tmp_path / "cache"))
    monkeypatch.delenv(registry.OFFLINE, raising=False)
    monkeypatch.setitem(registry.NETWORKS, "yunet", NETWORK)
    return tmp_path / "cache"


def kept(cache: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in cache.glob("*")}


def pull(url: str | None = None, **how: object) -> Path:
    return registry.pull("yunet", url, **{"timeout_s": 10.0, **how})  # type: ignore[arg-type]


def break_off(server: Server, at: int = 61_440, **how: object) -> str:
    """Let a download break off, and with it all attempts to continue it, which get no further."""
    url = server.serve(CONTENT, "/x.onnx", cuts=(at, 0, 0), **{**GOOD, **how})
    with pytest.raises(MercliError, match="the connection broke before all of it was there"):
        pull(url)
    server.asked.clear()
    return url


# Within one command


def test_a_connection_that_breaks_is_continued_at_once(server, cache):
    pull(server.serve(CONTENT, cuts=(51_200, 40_960), **GOOD))
    assert kept(cache) == {"tiny.onnx": CONTENT}
    assert server.ranges_asked() == [None, "bytes=51200-", "bytes=92160-"]
    assert [headers.get("If-Range") for _, headers in server.asked] == [None, TAG, TAG]


def test_a_server_that_gives_no_parts_is_asked_once_more_and_for_all_of_it(server, cache):
    pull(server.serve(CONTENT, cuts=(51_200,)))
    assert kept(cache) == {"tiny.onnx": CONTENT}
    assert len(server.asked) == 2


def test_a_server_that_never_gets_further_is_given_up(server, cache):
    with pytest.raises(MercliError, match="the connection broke before all of it was there; --url takes a mirror"):
        pull(server.serve(CONTENT, cuts=(1024,) * 9))
    assert len(server.asked) == 2
    assert kept(cache) == {}


def test_a_server_that_gets_a_little_further_each_time_is_given_up_in_the_end(server, cache):
    with pytest.raises(MercliError, match="5,120 bytes are kept, and the same command goes on from there"):
        pull(server.serve(CONTENT, cuts=(1024,) * 9, **GOOD))
    assert len(server.asked) == 5
    assert set(kept(cache)) == {"tiny.onnx.part", "tiny.onnx.part.json"}


def test_a_body_of_no_said_length_that_ends_early_is_a_broken_connection(server, cache):
    with pytest.raises(MercliError, match="the connection broke before all of it was there"):
        pull(server.serve(CONTENT[:1000], said=-1))
    assert kept(cache) == {}


def test_a_body_that_is_complete_without_a_said_length_is_taken(server, cache):
    pull(server.serve(CONTENT, said=-1))
    assert kept(cache) == {"tiny.onnx": CONTENT}


# A server that says nothing


@pytest.mark.parametrize("begun", [0, 1024])
@pytest.mark.parametrize("there", [None, b"an older one"])
def test_a_server_that_falls_silent_is_given_up_and_the_cache_left_as_it_was(server, cache, begun, there):
    cache.mkdir()
    if there is not None:
        (cache / "tiny.onnx").write_bytes(there)
    before = kept(cache)
    with pytest.raises(MercliError, match=r"the server said nothing for 1 s"):
        pull(server.serve(CONTENT, cuts=(begun,) * 9, stalls=True), timeout_s=1)
    assert kept(cache) == before


def test_a_server_that_falls_silent_can_be_asked_again_for_the_rest(server, cache):
    url = server.serve(CONTENT, cuts=(1024, 0, 0), stalls=True, **GOOD)
    with pytest.raises(MercliError, match=r"said nothing for 1 s; 1,024 bytes are kept"):
        pull(url, timeout_s=1)
    pull(server.serve(CONTENT, "/0.onnx", **GOOD))
    assert kept(cache) == {"tiny.onnx": CONTENT}
    assert server.ranges_asked()[-1] == "bytes=1024-"


# From one command to the next


def test_the_next_command_asks_for_the_rest_only(server, cache):
    url = break_off(server)
    assert kept(cache)["tiny.onnx.part"] == CONTENT[:61_440]
    assert not registry.is_kept(NETWORK)
    server.serve(CONTENT, "/x.onnx", **GOOD)
    pull(url)
    assert server.ranges_asked() == ["bytes=61440-"]
    assert kept(cache) == {"tiny.onnx": CONTENT}


def test_a_download_that_was_killed_is_continued_too(server, cache):
    """As after a power cut: what lies there was never looked at."""
    url = break_off(server)
    (cache / "tiny.onnx.part").write_bytes(CONTENT[:70_001])
    server.serve(CONTENT, "/x.onnx", **GOOD)
    pull(url)
    assert server.ranges_asked() == ["bytes=70001-"]
    assert kept(cache) == {"tiny.onnx": CONTENT}


def test_a_part_that_is_complete_needs_no_server(server, cache):
    url = break_off(server)
    (cache / "tiny.onnx.part").write_bytes(CONTENT)
    pull(url)
    assert server.asked == []
    assert kept(cache) == {"tiny.onnx": CONTENT}


def test_what_another_file_left_is_begun_anew_where_the_server_says_so(server, cache):
    """The tag is another: the server gives all of it."""
    url = break_off(server)
    server.serve(CONTENT, "/x.onnx", ranges=True, tag='"second"')
    pull(url)
    assert server.ranges_asked() == ["bytes=61440-"]
    assert kept(cache) == {"tiny.onnx": CONTENT}


@pytest.mark.parametrize("damaged", [OTHER[:61_440], OTHER, CONTENT + b"more", b""])
def test_what_another_file_left_is_begun_anew_where_only_the_hash_shows_it(server, cache, damaged):
    url = break_off(server)
    (cache / "tiny.onnx.part").write_bytes(damaged)
    server.serve(CONTENT, "/x.onnx", **GOOD)
    pull(url)
    assert kept(cache) == {"tiny.onnx": CONTENT}
    assert server.ranges_asked()[-1] is None


def test_a_part_of_another_file_leads_to_no_more_than_a_refusal(server, cache):
    url = break_off(server)
    server.serve(OTHER, "/x.onnx", **GOOD)
    with pytest.raises(MercliError, match="gave another file than yunet: its SHA-256 is not"):
        pull(url)
    assert server.ranges_asked() == ["bytes=61440-", None]
    assert kept(cache) == {}


def test_an_answer_that_begins_elsewhere_is_not_put_behind_the_part(server, cache):
    url = break_off(server)
    server.serve(CONTENT, "/x.onnx", shifted=1, **GOOD)
    pull(url)
    assert server.ranges_asked() == ["bytes=61440-", None]
    assert kept(cache) == {"tiny.onnx": CONTENT}


def test_a_part_from_another_address_is_not_continued(server, cache):
    break_off(server)
    pull(server.serve(CONTENT, "/mirror.onnx", **GOOD))
    assert server.ranges_asked() == [None]
    assert kept(cache) == {"tiny.onnx": CONTENT}


@pytest.mark.parametrize(
    "note", [b"", b"{", b"[]", b'{"url": 1}', b'{"url": "%s", "validator": 1}', b"[" * 10_000]
)
def test_a_part_without_a_note_that_can_be_read_is_not_continued(server, cache, note):
    url = break_off(server)
    (cache / "tiny.onnx.part.json").write_bytes(note.replace(b"%s", url.encode()))
    server.serve(CONTENT, "/x.onnx", **GOOD)
    pull(url)
    assert server.ranges_asked() == [None]
    assert kept(cache) == {"tiny.onnx": CONTENT}


def test_a_server_that_gives_no_parts_leaves_none(server, cache):
    break_off(server, ranges=False)
    assert kept(cache) == {}


def test_a_weak_tag_tells_no_contents_apart(server, cache):
    url = break_off(server, tag='W/"weak"')
    server.serve(CONTENT, "/x.onnx", ranges=True)
    pull(url)
    assert "If-Range" not in server.asked[0][1]
    assert kept(cache) == {"tiny.onnx": CONTENT}


# Two at once


def test_two_who_pull_at_once_download_it_once(server, cache):
    url = server.serve(CONTENT, **GOOD)
    code = "import sys; from mercli import registry; from dataclasses import replace; "
    code += "registry.NETWORKS['yunet'] = replace(registry.NETWORKS['yunet'], file='tiny.onnx', "
    code += f"size_bytes={len(CONTENT)}, sha256={sha256(CONTENT)!r}); registry.pull('yunet', {url!r})"
    both = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]
    assert len(server.asked) == 1
    assert kept(cache) == {"tiny.onnx": CONTENT}


def test_who_comes_second_waits_and_takes_what_the_first_one_got(server, cache):
    url = server.serve(CONTENT)
    second = threading.Thread(target=pull, args=(url,))
    with alone_with(NETWORK.place):
        second.start()
        while not list(cache.glob(".*.lock")):
            time.sleep(0.01)
        time.sleep(0.3)
        assert server.asked == []
        (cache / "tiny.onnx").write_bytes(CONTENT)
    second.join(30)
    assert not second.is_alive()
    assert server.asked == []
    assert kept(cache) == {"tiny.onnx": CONTENT}


def test_a_lock_that_a_dead_process_left_holds_nobody_up(server, cache):
    cache.mkdir()
    (cache / ".tiny.onnx.lock").touch()
    pull(server.serve(CONTENT))
    assert kept(cache) == {"tiny.onnx": CONTENT}


# Where it is got from


def nothing_at(server: Server, path: str) -> str:
    return f"http://127.0.0.1:{server.server_port}{path}"


@pytest.mark.parametrize("broken", [0, 1])
def test_what_one_address_gave_stays_where_another_gives_nothing(server, cache, monkeypatch, broken):
    urls = [nothing_at(server, "/absent.onnx"), nothing_at(server, "/none.onnx")]
    urls[broken] = server.serve(CONTENT, "/x.onnx", cuts=(61_440, 0, 0), **GOOD)
    monkeypatch.setitem(registry.NETWORKS, "yunet", replace(NETWORK, url=urls[0], mirrors=(urls[1],)))
    with pytest.raises(MercliError, match="61,440 bytes are kept, and the same command goes on from there"):
        pull()
    assert kept(cache)["tiny.onnx.part"] == CONTENT[:61_440]
    server.asked.clear()
    server.serve(CONTENT, "/x.onnx", **GOOD)
    pull()
    assert kept(cache) == {"tiny.onnx": CONTENT}
    assert [headers.get("Range") for path, headers in server.asked if path == "/x.onnx"] == ["bytes=61440-"]


def test_a_mirror_is_asked_where_the_first_address_fails(server, cache, monkeypatch):
    urls = [f"http://127.0.0.1:{server.server_port}/gone", server.serve(OTHER), server.serve(CONTENT)]
    monkeypatch.setitem(registry.NETWORKS, "yunet", replace(NETWORK, url=urls[0], mirrors=tuple(urls[1:])))
    pull()
    assert kept(cache) == {"tiny.onnx": CONTENT}
    assert len(server.asked) == 3


def test_where_all_addresses_fail_each_is_named_with_its_reason(server, cache, monkeypatch):
    urls = [f"http://127.0.0.1:{server.server_port}/gone", server.serve(OTHER)]
    monkeypatch.setitem(registry.NETWORKS, "yunet", replace(NETWORK, url=urls[0], mirrors=(urls[1],)))
    with pytest.raises(MercliError) as caught:
        pull()
    assert "the server says 404" in str(caught.value)
    assert f"{urls[1]} gave another file than yunet" in str(caught.value)
    assert kept(cache) == {}


def test_a_proxy_of_the_environment_is_asked(server, cache, monkeypatch):
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.server_port}")
    server.serve(CONTENT, "http://networks.invalid/tiny.onnx")
    pull("http://networks.invalid/tiny.onnx")
    assert [path for path, _ in server.asked] == ["http://networks.invalid/tiny.onnx"]
    assert kept(cache) == {"tiny.onnx": CONTENT}


@pytest.mark.usefixtures("server")
def test_a_proxy_that_cannot_be_reached_is_named(cache, monkeypatch):
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with pytest.raises(MercliError, match="the proxy cannot be reached, or refuses"):
        pull("http://networks.invalid/tiny.onnx")
    assert kept(cache) == {}


# Offline


@pytest.mark.parametrize(("variable", "offline"), [(None, True), ("1", False), ("yes", False), ("TRUE", False)])
def test_offline_nothing_is_asked_for_and_what_is_missing_is_said(server, cache, monkeypatch, variable, offline):
    if variable is not None:
        monkeypatch.setenv(registry.OFFLINE, variable)
    with pytest.raises(
        MercliError, match=r"yunet is not on this machine, and .* forbids to download it"
    ) as caught:
        pull(server.serve(CONTENT), offline=offline)
    for fact in (str(cache / "tiny.onnx"), "179,200 bytes", NETWORK.sha256, "--offline" if offline else "OFFLINE"):
        assert fact in str(caught.value)
    assert server.asked == []
    assert not cache.exists()


def test_offline_what_is_there_is_found(server, cache):
    cache.mkdir()
    (cache / "tiny.onnx").write_bytes(CONTENT)
    assert pull(server.serve(OTHER), offline=True) == cache / "tiny.onnx"
    assert server.asked == []


@pytest.mark.parametrize("variable", ["", "0", "false", "No", " off "])
def test_a_variable_that_says_no_does_not_mean_offline(server, cache, monkeypatch, variable):
    monkeypatch.setenv(registry.OFFLINE, variable)
    pull(server.serve(CONTENT))
    assert kept(cache) == {"tiny.onnx": CONTENT}


def test_a_network_that_is_there_is_found_in_a_cache_that_cannot_be_written(server, cache, monkeypatch):
    cache.mkdir()
    (cache / "tiny.onnx").write_bytes(CONTENT)
    monkeypatch.setattr("mercli.registry.pulling.alone_with", lambda _: pytest.fail("nothing is to be written"))
    assert pull(server.serve(CONTENT)) == cache / "tiny.onnx"


def test_a_full_disk_is_named(server, cache, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mercli.registry.download.os.fsync", full)
    with pytest.raises(UsageError, match=r"cannot write .*tiny.onnx: No space left on device; name another"):
        pull(server.serve(CONTENT))
    assert kept(cache) == {}


def test_who_interrupts_a_download_is_told_that_it_can_go_on(server, cache, monkeypatch):
    url = server.serve(CONTENT, **GOOD)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mercli.registry.download.os.fsync", interrupt)
    with pytest.raises(
        KeyboardInterrupt, match="interrupted; 179,200 bytes are kept, and the same command goes on"
    ):
        pull(url)
    monkeypatch.undo()
    monkeypatch.setenv(registry.CACHE, str(cache))
    monkeypatch.setitem(registry.NETWORKS, "yunet", NETWORK)
    pull(url)
    assert kept(cache) == {"tiny.onnx": CONTENT}
