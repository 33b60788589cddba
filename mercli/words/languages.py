"""Codes of languages: two letters, and the three that containers and names of files may have instead."""

import re

_CODE = re.compile(r"[a-z]{2}")

# ISO 639-1, and what ISO 639-2 has for it: by the language's own name, then by its English one where that differs.
_CODES = """
af=afr ar=ara bg=bul bn=ben bs=bos ca=cat cs=ces/cze cy=cym/wel da=dan de=deu/ger el=ell/gre en=eng es=spa
et=est eu=eus/baq fa=fas/per fi=fin fr=fra/fre ga=gle gl=glg gu=guj he=heb hi=hin hr=hrv hu=hun hy=hye/arm
id=ind is=isl/ice it=ita ja=jpn jv=jav ka=kat/geo kk=kaz km=khm kn=kan ko=kor lt=lit lv=lav mk=mkd/mac ml=mal
mn=mon mr=mar ms=msa/may my=mya/bur ne=nep nl=nld/dut no=nor pa=pan pl=pol pt=por ro=ron/rum ru=rus sk=slk/slo
sl=slv sq=sqi/alb sr=srp su=sun sv=swe sw=swa ta=tam te=tel th=tha tl=tgl tr=tur uk=ukr ur=urd uz=uzb vi=vie
zh=zho/chi zu=zul
"""
_THREE_LETTERS = {code: three.split("/") for code, three in (entry.split("=") for entry in _CODES.split())}


def check_code(code: object) -> None:
    """Raise a ValueError if something is no code of two letters."""
    if not (isinstance(code, str) and _CODE.fullmatch(code)):
        raise ValueError(f"language {code!r} is no code of two letters")


def speaks(tag: str | None, language: str) -> bool:
    """Tell whether a tag names a language; without a tag it may be any.

    Parameters
    ----------
    tag : str or None
        Such as ``"eng"`` or ``"en-GB"``.
    language : str
        A code of two letters.

    Examples
    --------
    >>> speaks("en-GB", "en"), speaks("ger", "de"), speaks(None, "en"), speaks("de", "en")
    (True, True, True, False)
    """
    if tag is None or tag.lower() in ("", "und"):
        return True
    first = re.split(r"[-_]", tag.lower(), maxsplit=1)[0]
    return first == language or first in _THREE_LETTERS.get(language, ())
