"""What each column of the feature sets is: its name, unit, formula and source."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

from mercli_kernels import functionals, speech
from mercli_kernels.chroma import N_CLASSES
from mercli_kernels.mel import N_COEFFICIENTS
from mercli_kernels.mid_term import delta_names, statistic_names
from mercli_kernels.short_term import SHORT_TERM_NAMES

SOURCES = {
    "Boersma 1993": (
        "Boersma, P. (1993). Accurate short-term analysis of the fundamental frequency and the "
        "harmonics-to-noise ratio of a sampled sound. IFA Proceedings 17, 97-110."
    ),
    "Boersma & Weenink": (
        "Boersma, P. and Weenink, D. Praat: doing phonetics by computer. Manual, Voice 2 (jitter) and Voice 3 "
        "(shimmer)."
    ),
    "Busso et al. 2009": (
        "Busso, C., Lee, S. and Narayanan, S. (2009). Analysis of emotionally salient aspects of fundamental "
        "frequency for emotion detection. IEEE Transactions on Audio, Speech, and Language Processing 17(4), "
        "582-596."
    ),
    "Davis & Mermelstein 1980": (
        "Davis, S. and Mermelstein, P. (1980). Comparison of parametric representations for monosyllabic word "
        "recognition in continuously spoken sentences. IEEE Transactions on Acoustics, Speech, and Signal "
        "Processing 28(4), 357-366."
    ),
    "Eyben et al. 2010": (
        "Eyben, F., Wöllmer, M. and Schuller, B. (2010). openSMILE: the Munich versatile and fast open-source "
        "audio feature extractor. Proceedings of ACM Multimedia, 1459-1462."
    ),
    "Eyben et al. 2016": (
        "Eyben, F. et al. (2016). The Geneva minimalistic acoustic parameter set (GeMAPS) for voice research "
        "and affective computing. IEEE Transactions on Affective Computing 7(2), 190-202."
    ),
    "Giannakopoulos 2015": (
        "Giannakopoulos, T. (2015). pyAudioAnalysis: an open-source Python library for audio signal analysis. "
        "PLoS ONE 10(12): e0144610."
    ),
    "Hammarberg et al. 1980": (
        "Hammarberg, B., Fritzell, B., Gauffin, J., Sundberg, J. and Wedin, L. (1980). Perceptual and "
        "acoustic correlates of abnormal voice qualities. Acta Oto-Laryngologica 90, 441-451."
    ),
    "Hanson 1997": (
        "Hanson, H. M. (1997). Glottal characteristics of female speakers: acoustic correlates. Journal of "
        "the Acoustical Society of America 101(1), 466-481."
    ),
    "Hillenbrand et al. 1994": (
        "Hillenbrand, J., Cleveland, R. A. and Erickson, R. L. (1994). Acoustic correlates of breathy vocal "
        "quality. Journal of Speech and Hearing Research 37(4), 769-778."
    ),
    "Misra et al. 2004": (
        "Misra, H., Ikbal, S., Bourlard, H. and Hermansky, H. (2004). Spectral entropy based feature for "
        "robust ASR. Proceedings of ICASSP, 193-196."
    ),
    "Peeters 2004": (
        "Peeters, G. (2004). A large set of audio features for sound description (similarity and "
        "classification) in the CUIDADO project. Technical report, IRCAM."
    ),
    "Slaney 1998": "Slaney, M. (1998). Auditory Toolbox. Technical report 1998-010, Interval "
    "Research Corporation.",
    "Sundberg & Nordenberg 2006": (
        "Sundberg, J. and Nordenberg, M. (2006). Effects of vocal loudness variation on spectrum balance as "
        "reflected by the alpha measure of long-term-average spectra of speech. Journal of the Acoustical "
        "Society of America 120(1), 453-457."
    ),
    "Talkin 1995": (
        "Talkin, D. (1995). A robust algorithm for pitch tracking (RAPT). In Speech Coding and Synthesis, "
        "495-518. Elsevier."
    ),
    "Williamson et al. 2013": (
        "Williamson, J. R. et al. (2013). Vocal biomarkers of depression based on motor incoordination. "
        "Proceedings of the 3rd ACM International Workshop on Audio/Visual Emotion Challenge, 41-48."
    ),
    "Wu et al. 2011": (
        "Wu, S., Falk, T. H. and Chan, W.-Y. (2011). Automatic speech emotion recognition using modulation "
        "spectral features. Speech Communication 53(5), 768-785."
    ),
    "Young et al. 2006": "Young, S. et al. (2006). The HTK book, chapter 5. Cambridge University "
    "Engineering Department.",
}
"""What the sources of the descriptions stand for."""


@dataclass(frozen=True, slots=True)
class Description:
    """Say what a column of a feature set is.

    Parameters
    ----------
    name : str
        The column.
    unit : str
        Of its values; ``"1"`` where they have none.
    formula : str
        How they come about.
    source : str
        Where it was described first, or best: keys of `SOURCES`, separated by semicolons.
    """

    name: str
    unit: str
    formula: str
    source: str


@dataclass(frozen=True, slots=True)
class Pattern:
    """Describe columns whose names have one form.

    Parameters
    ----------
    name, unit, formula, source : str
        As of `Description`, with places in braces, such as ``{x}``, that each column fills.
    fills : sequence of dict
        What fills the places, a column each; where there are no places, one that is empty.
    which : str
        What x may be, in words.
    """

    name: str
    unit: str
    formula: str
    source: str
    fills: Sequence[dict[str, str]] = field(default=({},))
    which: str = ""

    def columns(self) -> tuple[Description, ...]:
        """Describe each column."""
        return tuple(self._filled(fill) for fill in self.fills)

    def general(self) -> Description:
        """Describe the columns together: with letters in the places."""
        letters = {place: place for fill in self.fills for place in fill}
        return self._filled({**letters, "unit": "that of x", "signal": "x", "source": "that of x"})

    def _filled(self, fill: dict[str, str]) -> Description:
        source = "; ".join(dict.fromkeys(part for part in self.source.format(**fill).split("; ") if part))
        return Description(self.name.format(**fill), self.unit.format(**fill), self.formula.format(**fill), source)


def describe(feature_set: str) -> tuple[Description, ...]:
    """Describe every column of a feature set, at whatever level it occurs.

    Parameters
    ----------
    feature_set : str
        ``"original-34"`` or ``"mercli-1"``.

    Returns
    -------
    tuple of Description
        The short-term columns, then those of mid-term windows, which are those of a clip too.

    Raises
    ------
    ValueError
        If there is no such set.

    Examples
    --------
    >>> from mercli_kernels.described import describe
    >>> {entry.name: entry.unit for entry in describe("mercli-1")}["voiced_mel_7_p95"]
    'dB'
    """
    if feature_set not in PATTERNS:
        raise ValueError(f"no feature set {feature_set!r} is described")
    found = {entry.name: entry for pattern in PATTERNS[feature_set] for entry in pattern.columns()}
    if feature_set == "original-34":
        short = (*SHORT_TERM_NAMES, *delta_names(SHORT_TERM_NAMES))
        return tuple(found[name] for name in (*short, *statistic_names(short)))
    return tuple(found[name] for name in (*speech.SPEECH_NAMES, *functionals.clip_functionals_names()))


def _numbers(first: int, last: int) -> tuple[dict[str, str], ...]:
    return tuple({"n": str(n)} for n in range(first, last + 1))


# original-34

_PAA = "Giannakopoulos 2015"

ORIGINAL_CONTOURS = (
    Pattern(
        "zcr", "1 per sample", "sum over t of abs(sgn x[t] - sgn x[t-1]) / (2 (W - 1)), W samples a window", _PAA
    ),
    Pattern("energy", "1", "sum over t of x[t]^2 / W, of a sound whose peak is 1", _PAA),
    Pattern(
        "energy_entropy",
        "bit",
        "-sum over j of p[j] log2 p[j], p[j] the share of the window's energy in the j-th of ten equal parts",
        _PAA,
    ),
    Pattern(
        "spectral_centroid",
        "Nyquist frequency (8 kHz)",
        "C = sum f X / sum X over the K bins of the magnitude spectrum X, f[k] = (k + 1) / K",
        _PAA,
    ),
    Pattern("spectral_spread", "Nyquist frequency (8 kHz)", "sqrt(sum (f - C)^2 X / sum X)", _PAA),
    Pattern(
        "spectral_entropy",
        "bit",
        "-sum over j of p[j] log2 p[j], p[j] the share of sum X^2 in the j-th of ten equal parts of the spectrum",
        _PAA,
    ),
    Pattern(
        "spectral_flux",
        "1",
        "sum over k of (X[k] / sum X - X'[k] / sum X')^2, X' the spectrum before; 0 in the first window",
        _PAA,
    ),
    Pattern(
        "spectral_rolloff",
        "Nyquist frequency (8 kHz)",
        "k / K of the first bin k up to which more than 0.9 sum X^2 lies",
        _PAA,
    ),
    Pattern(
        "mfcc_{n}",
        "decade",
        "sum over j of D log10 B[j], B[j] the j-th of 40 mel bands of X (133 to 6855 Hz), D the "
        "orthonormal DCT-II, "
        "sqrt(2/40) cos(pi ({n} - 1) (j + 1/2) / 40); sqrt(1/40) for mfcc_1, the level",
        f"Davis & Mermelstein 1980; Slaney 1998; {_PAA}",
        _numbers(1, N_COEFFICIENTS),
    ),
    Pattern(
        "chroma_{n}",
        "1",
        "share of sum X^2 (without 0 Hz) in pitch class {n} of twelve (1 is A, 2 A sharp, ... 12 G sharp): summed "
        "over the octaves, a semitone counting with the mean over its bins",
        _PAA,
        _numbers(1, N_CLASSES),
    ),
    Pattern("chroma_std", "1", "population standard deviation of chroma_1 to chroma_12", _PAA),
)

_ORIGINAL_UNITS = {entry.name: entry for pattern in ORIGINAL_CONTOURS for entry in pattern.columns()}
_PLAIN = tuple({"x": x, "unit": about.unit, "source": about.source} for x, about in _ORIGINAL_UNITS.items())

ORIGINAL_DELTAS = (
    Pattern(
        "delta_{x}",
        "{unit}",
        "{x}[i] - {x}[i-1] from window to window; 0 in the first",
        "{source}",
        _PLAIN,
        "all 34",
    ),
)
_WITH_DELTAS = (*_PLAIN, *({**fill, "x": f"delta_{fill['x']}"} for fill in _PLAIN))
_OF_A_CLIP = "; of a clip, the mean of these over its mid-term windows"
ORIGINAL_STATISTICS = (
    Pattern(
        "{x}_mean",
        "{unit}",
        f"mean of {{x}} over the short-term windows of a mid-term one{_OF_A_CLIP}",
        "{source}",
        _WITH_DELTAS,
        "all 34 and their deltas",
    ),
    Pattern(
        "{x}_std",
        "{unit}",
        f"population standard deviation of {{x}} over the short-term windows of a mid-term one{_OF_A_CLIP}",
        "{source}",
        _WITH_DELTAS,
        "all 34 and their deltas",
    ),
)


# mercli-1

_GEMAPS, _SMILE, _SHAPE = "Eyben et al. 2016", "Eyben et al. 2010", "Peeters 2004"

SPEECH_CONTOURS = (
    Pattern("level", "dB", "10 log10 sum P; 0 dB is arbitrary but the same for all sounds of peak 1", _SHAPE),
    Pattern(
        "zcr", "1 per sample", "changes between x[t] < 0 and x[t] >= 0 in the frame, untapered, / (W - 1)", _SHAPE
    ),
    Pattern("spectral_centroid", "Hz", "C = sum f P / sum P", _SHAPE),
    Pattern("spectral_spread", "Hz", "sqrt(sum (f - C)^2 P / sum P)", _SHAPE),
    Pattern(
        "spectral_rolloff_{n}",
        "Hz",
        "frequency of the first bin up to which at least {n} % of sum P lies",
        _SHAPE,
        ({"n": "25"}, {"n": "85"}),
    ),
    Pattern("spectral_entropy", "bit", "-sum p log2 p with p = P / sum P", "Misra et al. 2004"),
    Pattern(
        "spectral_flatness",
        "dB",
        "mean of D less 10 log10 of the mean of P: 0 for a flat spectrum, else lower",
        _SHAPE,
    ),
    Pattern(
        "spectral_flux",
        "1",
        "sum (sqrt p - sqrt p')^2 with p = P / sum P and p' that of the frame before, 0 to 2; 0 in "
        "the first frame",
        _SHAPE,
    ),
    Pattern(
        "alpha_ratio",
        "dB",
        "10 log10 (sum of P from 50 Hz to below 1 kHz / sum of P from 1 to below 5 kHz)",
        f"Sundberg & Nordenberg 2006; {_GEMAPS}",
    ),
    Pattern(
        "hammarberg_index",
        "dB",
        "highest D below 2 kHz less the highest from 2 to below 5 kHz",
        f"Hammarberg et al. 1980; {_GEMAPS}",
    ),
    Pattern("slope_0_500", "dB/kHz", "slope of the linear regression of D on f below 500 Hz", _GEMAPS),
    Pattern(
        "slope_500_1500", "dB/kHz", "slope of the linear regression of D on f from 500 to below 1500 Hz", _GEMAPS
    ),
    Pattern(
        "slope_1500_7000", "dB/kHz", "slope of the linear regression of D on f from 1500 to below 7000 Hz", _GEMAPS
    ),
    Pattern(
        "mfcc_{n}",
        "decade",
        "(1 + 11 sin(pi {n} / 22)) sqrt(2/40) sum over j = 1 .. 40 of cos(pi {n} (j - 1/2) / 40) mel_j / 10",
        "Davis & Mermelstein 1980; Young et al. 2006",
        _numbers(0, speech.N_CEPSTRA - 1),
    ),
    Pattern(
        "mel_{n}",
        "dB",
        "10 log10 sum w P, w a triangle over f that sums to 1: of 42 edges that lie evenly from 50 "
        "to 7000 Hz on the "
        "scale 2595 log10(1 + f / 700 Hz) the edges {n} to {n} + 2; the nearest bin where it holds "
        "none; not below "
        "the loudest band of the stretch less 80 dB",
        "Young et al. 2006",
        _numbers(1, speech.N_MELS),
    ),
    Pattern(
        "f0",
        "semitone above 100 Hz",
        "12 log2(F0 / 100 Hz), 60 to 650 Hz: the best path through the peaks of the normalised "
        "cross-correlation r "
        "of 25 ms with the same some lags later; missing where the frame is unvoiced",
        "Talkin 1995",
    ),
    Pattern(
        "voicing",
        "1",
        "highest r at the lags of 60 to 667 Hz, whole samples at 8 kHz, so of the sound below 4 kHz; at most 1",
        "Talkin 1995; Boersma 1993",
    ),
    Pattern("hnr", "dB", "10 log10 (r / (1 - r)), r = voicing kept to 0.001 .. 0.999", "Boersma 1993"),
    Pattern(
        "h1_h2",
        "dB",
        "highest D within F0/4 of the first harmonic less that of the second; 0 where the frame is unvoiced",
        f"Hanson 1997; {_GEMAPS}",
    ),
    Pattern(
        "h1_a1",
        "dB",
        "highest D within F0/4 of the first harmonic less the highest from 300 to 1000 Hz, where the "
        "first formant "
        "lies; 0 where the frame is unvoiced",
        "Hanson 1997",
    ),
    Pattern(
        "h1_a3",
        "dB",
        "highest D within F0/4 of the first harmonic less the highest from 2400 to 3600 Hz, where "
        "the third formant "
        "lies; 0 where the frame is unvoiced",
        f"Hanson 1997; {_GEMAPS}",
    ),
    Pattern(
        "cpp",
        "dB",
        "highest point of the cepstrum (20 log10 of the inverse transform of D up to 8 kHz) above its regression "
        "line, both from 1.5 to 16 ms",
        "Hillenbrand et al. 1994",
    ),
)

_ABOUT = {entry.name: entry for pattern in SPEECH_CONTOURS for entry in pattern.columns()}


def _fills(names: Sequence[str]) -> tuple[dict[str, str], ...]:
    return tuple({"x": x, "unit": _ABOUT[x].unit, "source": _ABOUT[x].source} for x in names)


# How each of `functionals.FUNCTIONALS` is put: unit, formula over the frames, formula over the steps.
_HOW = {
    "mean": ("{unit}", "mean of {x} over {where}"),
    "std": ("{unit}", "population standard deviation of {x} over {where}"),
    **{
        f"p{share}": (
            "{unit}",
            f"{share}th percentile of {{x}} over {{where}}, by linear interpolation",
        )
        for share in (5, 25, 50, 75, 95)
    },
    "slope": (
        "{unit} per half of the time",
        "slope of the linear regression of {x} on time over {where} one after the other, the first "
        "at -1, the last "
        "at 1",
    ),
    "delta_std": (
        "{unit} per 10 ms",
        "population standard deviation of {x}[i+1] - {x}[i] over the frames i that are, like the "
        "next, among {where}",
    ),
    "delta_abs": (
        "{unit} per 10 ms",
        "mean of abs({x}[i+1] - {x}[i]) over the frames i that are, like the next, among {where}",
    ),
}


def _statistics(prefix: str, where: str, names: Sequence[str], which: str) -> tuple[Pattern, ...]:
    return tuple(
        Pattern(
            f"{prefix}{{x}}_{how}", unit, formula.replace("{where}", where), f"{{source}}; {_SMILE}",
            _fills(names), which,
        )
        for how, (unit, formula) in ((how, _HOW[how]) for how in functionals.FUNCTIONALS)
    )  # fmt: skip


_V, _ALL = "the voiced frames", "all frames"
_MOVING_TEXT = "f0, level, mfcc_0 to mfcc_7 and every fifth mel band from mel_1 to mel_36"
_SHAPED_TEXT = "f0, the contours from level to slope_1500_7000, and mfcc_0 to mfcc_12"
_SKEWNESS = "mean of z^3, z = (s - mean s) / std s with s = {s} over {where}; 0 where s does not move"


def _shape(name: str, formula: str, names: Sequence[str], which: str, **fill: str) -> Pattern:
    for place, text in fill.items():
        formula = formula.replace(f"{{{place}}}", text)
    return Pattern(name, "1", formula, f"{{source}}; {_SMILE}", _fills(names), which)


SPEECH_FUNCTIONALS = (
    *_statistics("voiced_", _V, functionals._VOICED, "all but voicing"),
    *_statistics("", _ALL, functionals._ALL, "voicing and cpp"),
    Pattern(
        "voiced_{x}_step_abs",
        "{unit} per 10 ms",
        "mean of abs({x}[i+1] - {x}[i]) over the voiced frames i, whether the next is voiced or not",
        f"{{source}}; {_SMILE}",
        _fills(functionals._MOVING),
        _MOVING_TEXT,
    ),
    _shape("{x}_step_skewness", _SKEWNESS, functionals._MOVING, _MOVING_TEXT, s="{x}[i+1] - {x}[i]", where=_ALL),
    Pattern(
        "{x}_step2_std",
        "{unit} per (10 ms)^2",
        "population standard deviation of {x}[i+1] - 2 {x}[i] + {x}[i-1] over all frames",
        f"{{source}}; {_SMILE}",
        _fills(functionals._JERKY),
        "f0, level, mfcc_0 to mfcc_7",
    ),
    _shape("{x}_skewness", _SKEWNESS, functionals._SHAPED, _SHAPED_TEXT, s="{x}", where=_ALL),
    _shape("voiced_{x}_skewness", _SKEWNESS, functionals._SHAPED, _SHAPED_TEXT, s="{x}", where=_V),
    _shape(
        "{x}_kurtosis_log",
        "ln(0.1 + mean of z^4), z = ({x} - mean) / std over all frames; ln 0.1 where {x} does not move",
        functionals._SHAPED,
        _SHAPED_TEXT,
    ),
)

_MODULATED = (
    *(
        (f"mel_group_{g + 1}", f"the mean of mel_{5 * g + 1} to mel_{5 * g + 5}")
        for g in range(functionals._MEL_GROUPS)
    ),
    *((name, name) for name in functionals._MODULATED),
)
_MODULATED_TEXT = "mel_group_1 to mel_group_8 (means of five neighbouring mel bands), level, f0, mfcc_1 to mfcc_4"
_SPECTRUM = (
    "the power spectrum (1024 points, Hann taper) of {signal} less its mean over all frames, at most 10.24 s"
)
_SEGMENT = "a segment is a voiced run of at least 50 ms"
_MELODY = "Busso et al. 2009"

SPEECH_SPECIALS = (
    Pattern(
        "corr_{a}_{b}",
        "1",
        "Pearson's correlation of {a} and {b} over the voiced frames; 0 where one does not move",
        "Williamson et al. 2013",
        tuple({"a": a, "b": b} for a, b in itertools.combinations(functionals._RELATED, 2)),
        "a before b among f0, level, hnr, spectral_centroid, spectral_spread, spectral_entropy, "
        "spectral_flatness, "
        "spectral_flux, alpha_ratio, hammarberg_index, slope_0_500, slope_500_1500, mfcc_1 to mfcc_8",
    ),
    Pattern(
        "mod_{x}_{band}_hz",
        "dB",
        "10 log10 (1e-4 + the share of {band} Hz, written low_high and without the upper end, in "
        "what lies from 0.5 "
        f"to 30 Hz) of {_SPECTRUM}",
        "Wu et al. 2011",
        tuple(
            {"x": x, "signal": signal, "band": f"{low:g}_{high:g}"}
            for low, high in functionals._MODULATION_HZ
            for x, signal in _MODULATED
        ),
        f"band: 0.5_2, 2_4, 4_8, 8_16, 16_30; x: {_MODULATED_TEXT}",
    ),
    Pattern(
        "mod_{x}_power",
        "dB",
        f"10 log10 (1e-6 + what lies from 0.5 to 30 Hz / number of frames) of {_SPECTRUM}",
        "Wu et al. 2011",
        tuple({"x": x, "signal": signal} for x, signal in _MODULATED),
        _MODULATED_TEXT,
    ),
    *(
        Pattern(
            f"{what}_{how}",
            unit,
            f"{text} of {formula}, over neighbouring glottal cycles of a voiced run; {without} do not "
            f"count; 0 where "
            "fewer than three pairs do",
            "Boersma & Weenink",
        )
        for what, unit, formula, without in (
            ("jitter", "%", "100 abs(T[i] - T[i-1]) / T[i], T the periods", "pairs that differ by 25 % or more"),
            (
                "shimmer",
                "dB",
                "20 abs(log10(A[i] / A[i-1])), A the root mean squares of the cycles",
                "pairs that differ by 8 dB or more",
            ),
        )
        for how, text in (("mean", "mean"), ("p50", "median"), ("p90", "90th percentile"))
    ),
    Pattern("voiced_runs_per_s", "1/s", "number of voiced runs / duration", _GEMAPS),
    Pattern(
        "level_peaks_per_s",
        "1/s",
        "number of maxima above -15 dB of the level, smoothed by a sliding mean over 7 frames, / duration",
        _GEMAPS,
    ),
    Pattern("voiced_share", "1", "voiced frames / all frames", _GEMAPS),
    *(
        Pattern(
            f"{kind}_run_{how}", "s", f"{text} of the lengths of the {kind} runs; 0 where there are none", _GEMAPS
        )
        for kind in ("voiced", "unvoiced")
        for how, text in (("mean", "mean"), ("std", "population standard deviation"))
    ),
    *(
        Pattern(name, unit, f"{formula}; {_SEGMENT}" if "segment" in formula else formula, _MELODY)
        for name, unit, formula in (
            (
                "segment_slope_mean",
                "semitone/s",
                "mean of the slopes of f0 over the segments, weighted by their lengths",
            ),
            (
                "segment_slope_std",
                "semitone/s",
                "standard deviation of the slopes of f0 over the segments, weighted by their lengths",
            ),
            (
                "segment_slope_abs",
                "semitone/s",
                "mean of the sizes of the slopes of f0 over the segments, weighted by their lengths",
            ),
            (
                "segment_range_mean",
                "semitone",
                "mean of max f0 - min f0 over the segments, weighted by their lengths",
            ),
            ("segment_range_max", "semitone", "largest max f0 - min f0 of a segment"),
            ("segment_f0_std", "semitone", "population standard deviation of the segments' mean f0"),
            ("segment_f0_last_less_first", "semitone", "mean f0 of the last segment less that of the first"),
            ("segment_slope_last", "semitone/s", "slope of f0 over the last segment"),
            ("segment_slope_first", "semitone/s", "slope of f0 over the first segment"),
            ("segment_f0_last", "semitone", "mean f0 of the last segment less the mean over all segments"),
            ("segment_f0_first", "semitone", "mean f0 of the first segment less the mean over all segments"),
            ("segment_f0_max", "semitone", "highest mean f0 of a segment less the mean over all segments"),
            ("segment_length_max", "s", "length of the longest segment"),
            ("segment_length_mean", "s", "mean length of the segments"),
            ("segments_per_s", "1/s", "number of segments / duration"),
            ("segment_level_std", "dB", "population standard deviation of the segments' mean levels"),
            ("segment_level_last_less_first", "dB", "mean level of the last segment less that of the first"),
            ("segment_level_max_std", "dB", "population standard deviation of the segments' highest levels"),
            ("segment_range_last", "semitone", "max f0 - min f0 of the last segment"),
            ("f0_peak_place", "1", "frames before the highest f0 / number of frames, voiced ones only"),
            ("level_peak_place", "1", "frames before the highest level / number of frames"),
            ("f0_speed_abs", "semitone/s", "mean of abs v, v = (f0[i+1] - f0[i]) / 10 ms within the segments"),
            ("f0_speed_std", "semitone/s", "population standard deviation of v within the segments"),
            ("f0_speed_p10", "semitone/s", "10th percentile of v within the segments"),
            ("f0_speed_p90", "semitone/s", "90th percentile of v within the segments"),
            ("f0_rising_share", "1", "share of the steps within the segments with v > 0"),
            ("f0_speed_abs_p50", "semitone/s", "median of abs v within the segments"),
            (
                "f0_bend_mean",
                "semitone per (10 ms)^2",
                "mean of abs(f0[i+1] - 2 f0[i] + f0[i-1]) within the segments",
            ),
            (
                "f0_bend_p50",
                "semitone per (10 ms)^2",
                "median of abs(f0[i+1] - 2 f0[i] + f0[i-1]) within the segments",
            ),
            ("f0_above_p50", "semitone", "highest f0 less the median f0, over the voiced frames"),
            ("f0_below_p50", "semitone", "median f0 less the lowest f0, over the voiced frames"),
            ("f0_range", "semitone", "99th less 1st percentile of f0 over the voiced frames"),
        )
    ),
)

PATTERNS = {
    "original-34": (*ORIGINAL_CONTOURS, *ORIGINAL_DELTAS, *ORIGINAL_STATISTICS),
    "mercli-1": (*SPEECH_CONTOURS, *SPEECH_FUNCTIONALS, *SPEECH_SPECIALS),
}
"""All patterns of a set."""
