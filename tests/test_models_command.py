"""Getting public networks: downloaded, checked, kept; what is not the file wanted leaves the cache as it was."""

import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mercli import registry
from mercli.cli import app
from mercli.errors import MercliError, UsageError
from mercli.face.choice import locate
from mercli.face.detect import open_detector
from mercli.files import sha256
from mercli.setup import make_setup, open_bundle

CONTENT = bytes(range(256)) * 700
NETWORK = replace(
    registry.NETWORKS["yunet"], file="tiny.onnx", size_bytes=len(CONTENT), sha256=sha256(CONTENT), licence="MIT"
)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache; the registry holds one small network."""
    monkeypatch.setenv(registry.CACHE, str(tmp_path / "cache"))
    monkeypatch.setitem(registry.NETWORKS, "yunet", NETWORK)
    return tmp_path / "cache"


@pytest.fixture
def mercli() -> Callable[..., tuple[int, str, str]]:
    """``mercli(*words)`` gives exit code, stdout and stderr."""

    def run(*words: str) -> tuple[int, str, str]:
        done = CliRunner().invoke(app, list(words))
        return done.exit_code, done.stdout, done.stderr

    return run


def kept(cache: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in cache.glob("*")}


def test_a_network_is_pulled_and_its_place_printed(mercli, server, cache):
    code, out, err = mercli("models", "pull", "yunet", "--url", server.serve(CONTENT))
    assert (code, out, err) == (0, f"{cache / 'tiny.onnx'}\n", "")
    assert kept(cache) == {"tiny.onnx": CONTENT}
    assert registry.pulled("yunet") == cache / "tiny.onnx"


def test_it_is_got_from_where_it_is_published_unless_another_address_is_given(mercli, server, cache, monkeypatch):
    monkeypatch.setitem(registry.NETWORKS, "yunet", replace(NETWORK, url=server.serve(CONTENT)))
    assert mercli("models", "pull", "yunet")[0] == 0
    assert kept(cache) == {"tiny.onnx": CONTENT}


def test_a_network_that_is_there_is_not_downloaded_again(mercli, server):
    url = server.serve(CONTENT)
    answers = [mercli("models", "pull", "yunet", "--url", url) for _ in range(2)]
    assert answers[0] == answers[1]
    assert len(server.asked) == 1


def test_a_network_that_was_damaged_is_refused_and_pulled_anew(mercli, server, cache):
    cache.mkdir()
    for damaged in (CONTENT[:-1], CONTENT[:-1] + b"x", b""):
        (cache / "tiny.onnx").write_bytes(damaged)
        with pytest.raises(UsageError, match="was damaged or changed: type `mercli models pull yunet` again"):
            registry.pulled("yunet")
        assert mercli("models", "pull", "yunet", "--url", server.serve(CONTENT))[0] == 0
        assert kept(cache) == {"tiny.onnx": CONTENT}


@pytest.mark.parametrize("there", [None, b"an older one"])
@pytest.mark.parametrize(
    ("body", "said", "sentence"),
    [
        (CONTENT[:-1] + b"x", None, "gave another file than yunet: its SHA-256 is not"),
        (CONTENT[:-1], None, "gave another file than yunet: 179,199 of 179,200 bytes"),
        (CONTENT + b"x", None, "gave another file than yunet: more than 179,200 bytes"),
        (b"", None, "gave another file than yunet: 0 of 179,200 bytes"),
        (CONTENT[:1000], len(CONTENT), "the connection broke before all of it was there"),
    ],
)
def test_what_is_not_the_file_wanted_is_refused_and_the_cache_left_as_it_was(
    mercli, server, cache, body, said, sentence, there
):
    cache.mkdir()
    if there is not None:
        (cache / "tiny.onnx").write_bytes(there)
    before, url = kept(cache), server.serve(body, said=said)
    code, out, err = mercli("models", "pull", "yunet", "--url", url)
    assert (code, out) == (1, "")
    assert sentence in err
    assert url in err
    assert err.count("\n") == 1
    assert kept(cache) == before


def test_more_than_was_asked_for_is_not_read_to_its_end(server, cache):
    sent = len(CONTENT) * 1000
    with pytest.raises(MercliError, match="more than"):
        registry.pull("yunet", server.serve(CONTENT * 20, said=sent))
    assert kept(cache) == {}


def test_a_server_that_is_not_there_or_lacks_the_file_is_named_in_a_sentence(mercli, server, cache):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{unused.getsockname()[1]}/x.onnx"
        answers = {nobody: "there is no connection to the server"}
        answers[f"http://127.0.0.1:{server.server_port}/none"] = "the server says 404"
        for odd in ("", "x", "file:///etc/hosts", "http://", "http://[", "ftp://127.0.0.1/x"):
            answers[odd] = "this is no address"
        for url, sentence in answers.items():
            code, out, err = mercli("models", "pull", "yunet", "--url", url)
            assert (code, out, err.count("\n")) == (1, "", 1), url
            assert sentence in err
    assert kept(cache) == {}


def test_a_cache_that_cannot_be_written_is_named(mercli, server, cache):
    cache.write_text("a file")
    code, _, err = mercli("models", "pull", "yunet", "--url", server.serve(CONTENT))
    assert code == 2
    assert err.startswith(f"mercli: cannot write {cache / 'tiny.onnx'}: ")
    assert registry.CACHE in err


def test_an_unknown_network_is_refused_with_what_there_is(mercli):
    assert mercli("models", "pull", "yolo") == (
        2,
        "",
        "mercli: no network 'yolo'; there is yunet, emotion-ferplus-8\n",
    )


def test_the_list_says_what_each_is_and_where_it_lies(mercli, server, cache):
    for line in ("not pulled", str(cache / "tiny.onnx")):
        code, out, _ = mercli("models", "list")
        assert code == 0
        assert "yunet" in out
        assert "179,200 bytes" in out
        assert "MIT" in out
        assert out.splitlines()[1].strip() == line
        registry.pull("yunet", server.serve(CONTENT))


def test_without_a_name_of_its_own_the_cache_is_the_users(monkeypatch):
    monkeypatch.delenv(registry.CACHE)
    assert registry.cache_folder().is_absolute()
    assert registry.cache_folder().name == "mercli"


def test_every_network_says_where_it_comes_from_and_what_it_may_be_used_for():
    for name, network in registry.NETWORKS.items():
        assert network.name == name
        assert network.url.startswith("https://")
        assert network.licence
        assert len(network.sha256) == 64
        assert Path(network.file).name == network.file


@pytest.mark.data
def test_the_yunet_of_the_registry_is_the_published_file(shared_data, monkeypatch):
    monkeypatch.undo()
    published = registry.find("yunet")
    content = (shared_data / "models" / published.file).read_bytes()
    assert (len(content), sha256(content)) == (published.size_bytes, published.sha256)


# As a face detector


def test_a_detector_that_was_not_pulled_says_how_to_get_it():
    for use in (open_detector, locate):
        with pytest.raises(UsageError, match="yunet is not on this machine yet: type `mercli models pull yunet`"):
            use("yunet")


def test_the_detector_yunet_is_the_file_that_was_pulled(server, cache, monkeypatch):
    registry.pull("yunet", server.serve(CONTENT))
    opened: list[str] = []
    monkeypatch.setattr("mercli.face.detect.open_detector", opened.append)
    setup = make_setup(*open_bundle(), ["face"], "yunet")
    assert setup.detector == str(cache / "tiny.onnx")
    with pytest.raises(UsageError, match=r"tiny.onnx is not a YuNet"):
        open_detector("yunet")
