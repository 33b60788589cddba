"""One file in, one result out: what a worker does."""

import functools
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mercli import bundle as bundles
from mercli import encoders, face_networks, kernel_cache, trust
from mercli.bundle import Bundle
from mercli.clock import CLASSIFIERS, FEATURES, Clock
from mercli.errors import BundleError, MediaError, sentence
from mercli.evidence import Evidence
from mercli.face.path import FacePath
from mercli.inference import Network, Opener
from mercli.judge import Judge
from mercli.observer import Observer
from mercli.result import Result
from mercli.setup import Setup
from mercli.view import View
from mercli.voice.sets import FeatureSet, feature_set

if TYPE_CHECKING:  # not every run looks at words
    from mercli.words.track import WordsReading


def start_worker(setup: Setup, first: bool) -> None:
    """Open the models in a worker before it is given a file.

    Parameters
    ----------
    setup : Setup
        What to open.
    first : bool
        Whether it is the first worker of a run: it compiles what all use, and checks what all trust, unless an
        earlier run has.

    Raises
    ------
    BundleError
        If the bundle is refused.
    """
    if "voice" in setup.modalities:
        kernel_cache.warm_up(first)
    if first:
        trust.check_once(_load(setup))
        if setup.face_network:
            face_networks.check(setup.face_network)
    _worker(setup)
    _load.cache_clear()  # what is open needs the files no more


def observe_file(path: Path, setup: Setup) -> Evidence:
    """Measure one file in a worker.

    Parameters
    ----------
    path : Path
        The file.
    setup : Setup
        What to use; the models are opened once a worker.

    Returns
    -------
    Evidence
        Where the file cannot be read, of nothing but the reason.
    """
    observer, _ = _worker(setup)
    try:
        return observer.observe(path)
    except Exception as error:
        return Evidence(missing=(sentence(error, debug=setup.debug),))


def predict_file(path: Path, setup: Setup) -> Result:
    """Give the result of one file in a worker; see `observe_file`."""
    return _row_of(_judge_file(path, setup))


def view_file(path: Path, setup: Setup) -> View:
    """Give the result of one file in a worker, and where its main face was; see `observe_file`."""
    result = _judge_file(path, setup)
    seen = result.evidence.face
    if seen is None:
        return View(_row_of(result))
    in_time = np.argsort(seen.times_s, kind="stable")  # a file's clock may be set back
    return View(_row_of(result), FacePath(seen.times_s[in_time], seen.boxes_px[in_time]))


def _judge_file(path: Path, setup: Setup) -> Result:
    observer, judge = _worker(setup)
    clock = Clock()
    try:
        with observer.observing(path, clock) as (evidence, voice):
            with clock(CLASSIFIERS):
                result = judge.judge(evidence)
            if setup.timeline:
                from mercli.moments import moments

                with clock(FEATURES):  # of each second; its judgement takes next to nothing
                    result = replace(result, timeline=judge.over_time(moments(evidence, voice)))
    except Exception as error:
        # What is wrong with a file stays wrong with it; anything else may be gone the next time.
        passing = not isinstance(error, MediaError)
        result = Result("failed", Evidence(), error=sentence(error, debug=setup.debug), passing=passing)
    return replace(result, spent=clock.spent) if setup.profile else result


def _row_of(result: Result) -> Result:
    """Leave behind what no row tells: the frames of an hour of film are megabytes to send."""
    seen = result.evidence.face
    evidence = replace(
        result.evidence,
        voice=None,
        voice_sequences=None,
        face=None if seen is None else seen.take(slice(0)),  # which face it is stays
        other_faces=(),
        words=None,  # what people say stays in the worker
    )
    return replace(result, evidence=evidence, others=tuple(map(_row_of, result.others)))


@functools.lru_cache(maxsize=1)
def _worker(setup: Setup) -> tuple[Observer, Judge]:
    bundle = _load(setup)
    if setup.face_network:
        bundle = setup.face_network.put_into(bundle)
    detector = None
    if "face" in setup.modalities:
        from mercli.face.detect import open_detector

        detector = open_detector(setup.detector)
    limits = setup.limits
    observer = Observer(
        bundle,
        setup.modalities,
        detector,
        max_duration_s=limits.max_duration_s,
        max_pixels=limits.max_pixels,
        voice=open_features(bundle, setup) if "voice" in setup.modalities else None,
        altered=setup.altered,
        sequences=setup.sequences,
        all_faces=setup.all_faces,
        frame_rate_hz=setup.frame_rate_hz,
        words=_words_reading(setup) if "words" in setup.modalities else None,
        open_network=_opener(setup),
    )
    return observer, Judge(bundle, setup.modalities)


def _words_reading(setup: Setup) -> "WordsReading":
    from mercli.words.track import WordsReading

    if setup.transcribe is None:
        return WordsReading(setup.language, setup.words_wanted)
    from mercli.words.recognition import Recogniser

    return WordsReading(setup.language, setup.words_wanted, Recogniser(Path(setup.transcribe), setup.language))


@functools.lru_cache(maxsize=1)
def _load(setup: Setup) -> Bundle:
    bundle = bundles.load(Path(setup.bundle))
    if bundle.digest != setup.digest:
        raise BundleError(f"bundle {setup.bundle} was changed while the run was going on")
    return bundle


def open_features(bundle: Bundle, setup: Setup) -> FeatureSet:
    """Give what measures the voice, its speech network open where it has one.

    Parameters
    ----------
    bundle : Bundle
        The bundle of the setup.
    setup : Setup
        Says how to measure, and where the network is.

    Returns
    -------
    FeatureSet
        Ready to measure.

    Raises
    ------
    BundleError
        If the network was changed, or does not do what it has to.
    """
    spec = setup.voice or bundle.voice_spec
    if spec.encoder is None or setup.encoder is None:
        return feature_set(spec)
    from mercli.voice.encoder import Encoder

    return Encoder(spec, encoders.load(Path(setup.encoder), spec.encoder, _opener(setup)))


def _opener(setup: Setup) -> Opener:
    """Give what opens the networks that take long: here, or on a server with a graphics processor."""
    if setup.server is None:
        return Network
    from mercli.serving.remote import RemoteNetwork

    return functools.partial(RemoteNetwork, address=setup.server)
