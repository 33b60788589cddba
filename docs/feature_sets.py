"""The page on the feature sets, from the descriptions that `mercli_kernels.described` gives."""

from collections.abc import Iterable

from mercli.voice.sets import DEFAULT, NAMES, default_spec, feature_set
from mercli_kernels import described
from mercli_kernels.described import SOURCES, Pattern

PAGE = "feature-sets.md"

INTRODUCTION = """\
<!-- made by `make docs` from mercli_kernels/described.py: change it there -->

# The feature sets

What mercli measures in a sound, column by column: what [mercli features](features.md) writes, and what the
voice classifier of [mercli fit](fit.md) is given.

## In plain words

- A **short-term feature** says what a very short piece of the sound is like, a window of 25 or 50 ms: how loud
  it is, how high the voice, how bright. Window after window it makes a curve over time, a contour.
- A **functional** turns a contour into one number: its mean, how much it varies, how it rises. A sound of any
  length so becomes a row of the same number of columns.
- A **mid-term window** is a stretch, 1 or 10 s, that has a row of functionals of its own. The row of a **clip**
  is the mean over its mid-term windows.
- A **view** is a row for the clip as it is, or as it would be if it were played a little faster and higher, or
  slower and lower: the same emotion from another speaker. A classifier is asked about each view, and its
  answers are averaged. `mercli features` writes the first view: the sound as it is.

**A set is fixed.** Its name stands for its columns and for how each of them is worked out; what would change a
number gets a new name. So a table measured today can be compared with one of another year, and a bundle goes on
seeing what it was trained on.

All sets listen to one channel at 16 kHz, with its mean taken off and its peak at 1: how loud a recording is as
a whole changes nothing. In the tables, a unit of 1 means that a number has none; a decade is a factor of ten.
"""

ORIGINAL = """\
The features of pyAudioAnalysis as the original program used them, without that library's errors in the mel
filters and pitch classes. Windows of {window_ms:g} ms follow each other every {hop_ms:g} ms, without a taper;
x[t] are the samples of a window, W of them, X[k] are the K = W / 2 magnitudes of its spectrum. A mid-term
window is {mid_s:g} s. A clip has one view.
"""

SPEECH = """\
Made for speech. Windows of {window_ms:g} ms, here called frames, follow each other every {hop_ms:g} ms; a
mid-term window, or stretch, is {mid_s:g} s. A clip has three views: as it is, played 12 % faster, and 12 %
slower. Its row is the mean over its stretches, each weighted by how long somebody speaks in it; a stretch whose
loudest frame is 35 dB or more under that of the loudest stretch has no say.

In the formulas, x[t] are the W = 400 samples of a frame; P[k] is its power spectrum at the frequencies f[k] = k
31.25 Hz, with a Hamming taper of energy 1, filled up with zeros to 512 samples; D = 10 log10 P, not below the
level of the loudest frame less 90 dB. Sums and means are over the bins from 0 to 7 kHz. In the other views,
frequencies and times are those of the sound as it is played; jitter and shimmer stay as they are.
"""

FUNCTIONALS = """\
They describe the part of a stretch in which somebody speaks: from 50 ms before the first to 50 ms after the
last frame within 35 dB of the loudest. Of the frames within 35 dB of the loudest the mean level is taken, and
subtracted from `level`, from the mel bands and so from `mfcc_0`. **Voiced frames** are those that have an `f0`;
where there are fewer than five, as in a whisper, all frames take their place. Where a formula wants `f0` of an
unvoiced frame, a straight line joins the voiced ones around it. A functional of too few frames is 0.
"""


def page() -> str:
    """Give the whole page."""
    parts = [INTRODUCTION, _overview(), *(_section(name) for name in NAMES if name in described.PATTERNS)]
    parts.append(
        "## Sources\n\n" + "\n".join(f"- **{key}**: {text}" for key, text in sorted(SOURCES.items())) + "\n"
    )
    return "\n".join(parts)


def _overview() -> str:
    rows = []
    for name in (name for name in NAMES if name in described.PATTERNS):
        features = feature_set(default_spec(name))
        default = " (the default)" if name == DEFAULT else ""
        counts = (len(features.short_term_names()), len(features.mid_term_names()), len(features.clip_names()))
        rows.append((f"[{name}](#{name}){default}", *(str(count) for count in counts)))
    return _table(("set", "short-term columns", "mid-term columns", "clip columns"), rows)


def _section(name: str) -> str:
    spec = default_spec(name)
    lengths = {"window_ms": 1000 * spec.window_s, "hop_ms": 1000 * spec.hop_s, "mid_s": spec.mid_window_s}
    if name == "original-34":
        parts = [
            f"## {name}\n\n{ORIGINAL.format(**lengths)}",
            f"### Short-term features of {name}\n\n{_features(described.ORIGINAL_CONTOURS)}",
            f"### Deltas and statistics of {name}\n\n"
            f"{_patterns((*described.ORIGINAL_DELTAS, *described.ORIGINAL_STATISTICS))}",
        ]
    else:
        parts = [
            f"## {name}\n\n{SPEECH.format(**lengths)}",
            f"### Short-term features of {name}\n\n{_features(described.SPEECH_CONTOURS)}",
            f"### Functionals of {name}\n\n{FUNCTIONALS}\n{_patterns(described.SPEECH_FUNCTIONALS)}",
            f"### Measures of the whole stretch in {name}\n\n{_patterns(described.SPEECH_SPECIALS)}",
        ]
    return "\n".join(parts)


def _features(patterns: Iterable[Pattern]) -> str:
    rows = []
    for pattern in patterns:
        names = [entry.name for entry in pattern.columns()]
        about = pattern.general()
        label = ", ".join(f"`{name}`" for name in names) if len(names) < 3 else f"`{names[0]}` … `{names[-1]}`"
        rows.append((label, about.unit, about.formula, about.source))
    return _table(("feature", "unit", "formula", "source"), rows)


def _patterns(patterns: Iterable[Pattern]) -> str:
    rows = []
    for pattern in patterns:
        about = pattern.general()
        count = len(pattern.columns())
        rows.append((f"`{about.name}`", str(count), pattern.which, about.unit, about.formula, about.source))
    return _table(("columns", "how many", "of which x", "unit", "formula", "source"), rows)


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
