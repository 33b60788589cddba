"""URLs as text: told from paths, taken apart, and shown without what is secret in them."""

import hashlib
import re
from urllib.parse import unquote

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+(://|::)")  # two letters at least: C:// is a drive
_CHAIN = re.compile(r"::(?=[A-Za-z][A-Za-z0-9+.-]*(?:://|::|$))")
_WEB = ("http://", "https://")
_SIGNED = (*_WEB, "abfs://", "abfss://", "az://")  # by a query, which gives whoever has it the file
_PROTOCOL = re.compile(r"(?:^|(?<=::))[A-Za-z][A-Za-z0-9+.-]*(?=://)")
_USER = re.compile(r"(?<=://)[^/\s]*@")
_QUERY = re.compile(r"[?#][^\s'\"]*")


def is_url(text: str) -> bool:
    """Tell whether a text has the form of a URL.

    Examples
    --------
    >>> is_url("s3://bucket/clips"), is_url("clips/a.mp4"), is_url("C:/clips")
    (True, False, False)
    """
    return _URL.match(text) is not None


def shown(url: str) -> str:
    """Give a URL without what may be secret in it: user and password, and the query that signs it.

    A path stays what it is.

    Examples
    --------
    >>> shown("https://me:secret@host/a.mp4?signature=1")
    'https://host/a.mp4'
    >>> shown("file:///clips/what?.mp4")
    'file:///clips/what?.mp4'
    """
    if not is_url(url):
        return url
    parts = (_USER.sub("", part) for part in chain(url))
    return "::".join(_QUERY.sub("", part) if part.lower().startswith(_SIGNED) else part for part in parts)


def plain(url: str) -> str:
    """Give a URL with its protocols in small letters.

    Examples
    --------
    >>> plain("ZIP://A.mp4::HTTPS://Host/X.zip")
    'zip://A.mp4::https://Host/X.zip'
    """
    return _PROTOCOL.sub(lambda found: found.group().lower(), url)


def distinct(url: str) -> str:
    """Give a URL without what may be secret in it, and so that it can be told from others that look the same."""
    bare = shown(url)
    return bare if bare == url else f"{bare}#{hashlib.sha256(url.encode()).hexdigest()[:8]}"


def without_secrets(line: str) -> str:
    """Take user, password and query out of all URLs in a sentence of somebody else's."""
    return _QUERY.sub("", _USER.sub("", line)) if "://" in line else line


def chain(url: str) -> list[str]:
    """Give the parts of a URL of a file within another, the file's own first."""
    return _CHAIN.split(url)


def is_pattern(url: str) -> bool:
    """Tell whether a URL stands for whatever matches it; on the web a question mark begins a query."""
    return not set(_path_of(chain(url)[0])).isdisjoint("*?[")


def folder_of(url: str) -> str:
    """Give the path of the folder that a file lies in."""
    return _path_of(chain(url)[0]).rpartition("/")[0]


def name_of(url: str) -> str:
    """Give the last part of a file's path, as people read it."""
    return readable(_path_of(_first_with_path(url)).rpartition("/")[2], url)


def readable(path: str, url: str) -> str:
    """Give a path behind a URL, or a part of it, as people read it: on the web signs stand for letters.

    Examples
    --------
    >>> readable("day%202/a.mp4", "https://host/day%202/a.mp4"), readable("a%20b.mp4", "s3://bucket/a%20b.mp4")
    ('day 2/a.mp4', 'a%20b.mp4')
    """
    return unquote(path) if _first_with_path(url).startswith(_WEB) else path


def _first_with_path(url: str) -> str:
    parts = chain(url)
    return next((part for part in parts if "://" in part), parts[0])


def _path_of(part: str) -> str:
    """Give what follows the protocol; on the web, without query and fragment."""
    path = part.partition("://")[2] or part
    return _QUERY.sub("", path) if part.startswith(_WEB) else path
