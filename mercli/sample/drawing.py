"""A drawn human face, shaded enough for a face detector to take it for one."""

from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from mercli.emotions import FER2013

Picture = NDArray[np.float32]
Points = NDArray[np.float64]

# The drawing's own units: the head is 300 high, hair to chin; its centre is the origin, x right, y down.
HEAD_HEIGHT = 300.0
CANVAS_WIDTH, CANVAS_HEIGHT = 640, 560
ORIGIN = np.array([320.0, 230.0])
MOUTH_Y = 78.0

# Right halves of what is symmetric, from the top to the bottom, and the hair, parted on one side.
BODY = "0,150 60,166 130,196 190,232 214,300 218,345 218,420 0,420"
NECK = "0,80 58,90 57,140 64,178 40,206 0,216"
FACE = "0,-140 52,-132 86,-100 99,-48 98,0 92,45 78,86 52,122 24,138 0,141"
HAIR = (
    "99,2 111,-38 111,-84 92,-128 50,-156 0,-164 -50,-156 -92,-128 -111,-84 -111,-38 -99,2 -94,-38 -86,-74 "
    "-62,-94 -24,-106 16,-108 40,-116 60,-104 82,-82 93,-44"
)


@dataclass(frozen=True)
class Pose:
    """How far each part of the face is from rest, in drawing units or as a share from 0 to 1."""

    brow_inner: float = 0.0  # downwards
    brow_middle: float = 0.0
    brow_outer: float = 0.0
    brow_squeeze: float = 0.0  # towards the nose
    lid: float = 1.0  # opening of the upper lid
    squint: float = 0.0  # rise of the lower lid
    corner: float = 0.0  # corners of the mouth, downwards
    width: float = 34.0  # half the mouth
    gape: float = 0.0
    lip_raise: float = 0.0
    lips: float = 1.0  # fullness
    teeth: float = 0.0
    fold: float = 0.12  # from the nose to the corners of the mouth
    frown: float = 0.0
    wrinkle: float = 0.0  # across the nose
    forehead: float = 0.0


POSES = {
    "angry": Pose(13, 5, -5, 6, 0.86, 0.25, 6, 32, 7, 1, 0.65, 0.9, 0.35, 1.0, 0.25, 0.0),
    "disgust": Pose(9, 6, 1, 4, 0.6, 0.55, 8, 33, 3, 8, 0.9, 0.8, 1.0, 0.4, 1.0, 0.0),
    "fear": Pose(-15, -11, -1, 4, 1.38, 0.0, 6, 39, 11, 0, 0.8, 0.8, 0.15, 0.35, 0.0, 0.8),
    "happy": Pose(-2, -5, -1, 0, 0.84, 0.5, -15, 47, 13, 2, 0.9, 1.0, 0.9, 0.0, 0.0, 0.0),
    "sad": Pose(-15, -2, 7, 5, 0.7, 0.1, 11, 30, 0, 0, 1.1, 0.0, 0.45, 0.3, 0.0, 0.5),
    "surprise": Pose(-19, -24, -15, 0, 1.5, 0.0, 2, 25, 34, 0, 0.9, 0.55, 0.05, 0.0, 0.0, 1.0),
    "neutral": Pose(),
}


def draw_face(
    size_px: int,
    *,
    expression: str = "neutral",
    strength: float = 1.0,
    mouth_open: float = 0.0,
    eyes_open: float = 1.0,
    gaze: float = 0.0,
) -> NDArray[np.uint8]:
    """Draw a face that fills a square picture.

    Parameters
    ----------
    size_px : int
        Side of the picture; the head, hair to chin, takes 0.84 of it.
    expression : str
        One of `mercli.emotions.FER2013`.
    strength, mouth_open, eyes_open, gaze : float
        As in `draw_portrait`.

    Returns
    -------
    ndarray [size_px, size_px] of uint8
        A grey picture.

    Raises
    ------
    ValueError
        If the size is not above 0 or the expression is unknown.
    """
    return draw_portrait(
        size_px,
        size_px,
        head_px=0.84 * size_px,
        expression=expression,
        strength=strength,
        mouth_open=mouth_open,
        eyes_open=eyes_open,
        gaze=gaze,
    )


def draw_portrait(
    width_px: int,
    height_px: int,
    *,
    head_px: float,
    centre_px: tuple[float, float] | None = None,
    tilt_deg: float = 0.0,
    expression: str = "neutral",
    strength: float = 1.0,
    mouth_open: float = 0.0,
    eyes_open: float = 1.0,
    gaze: float = 0.0,
) -> NDArray[np.uint8]:
    """Draw a person before a plain wall.

    Parameters
    ----------
    width_px, height_px : int
        Size of the picture.
    head_px : float
        Height of the head, hair to chin.
    centre_px : (float, float), optional
        The middle of the head (x, y); the middle of the picture when not given.
    tilt_deg : float
        Lean of the head, clockwise.
    expression : str
        One of `mercli.emotions.FER2013`.
    strength : float
        From 0 (neutral) to 1 (the whole expression).
    mouth_open, eyes_open : float
        From 0 (closed, or as far as the expression closes it) to 1.
    gaze : float
        From -1 (to the left of the picture) to 1.

    Returns
    -------
    ndarray [height_px, width_px] of uint8
        A grey picture.

    Raises
    ------
    ValueError
        If a size is not above 0 or the expression is unknown.
    """
    if min(width_px, height_px, head_px) <= 0:
        raise ValueError(f"sizes are above 0 px, not {width_px}x{height_px} with a head of {head_px}")
    if expression not in POSES:
        raise ValueError(f"unknown expression {expression!r}; known are {', '.join(FER2013)}")
    pose = _between(POSES["neutral"], POSES[expression], strength)
    bare, opacity = _bare_head()
    canvas = _Canvas(bare.copy())
    for side in (-1, 1):
        _draw_eye(canvas, side, pose, eyes_open, gaze)
        _draw_brow(canvas, side, pose)
        _draw_creases(canvas, side, pose)
    _draw_mouth(canvas, pose, mouth_open)

    scale = head_px / HEAD_HEIGHT
    to_frame = cv2.getRotationMatrix2D((float(ORIGIN[0]), float(ORIGIN[1])), -tilt_deg, scale)
    to_frame[:, 2] += np.array(centre_px or (width_px / 2, height_px / 2)) - ORIGIN
    head = canvas.picture
    if scale < 0.6:
        # warpAffine looks at four pixels: unblurred, a small face would lose its thin lines.
        head = np.asarray(cv2.GaussianBlur(head, (0, 0), 0.35 / scale), np.float32)
    # Replicated, the body goes on below the canvas, however tall the frame.
    size, border = (width_px, height_px), cv2.BORDER_REPLICATE
    placed, cover = (cv2.warpAffine(layer, to_frame, size, borderMode=border) for layer in (head, opacity))
    wall = _wall(width_px, height_px)
    return np.clip(wall + (placed - wall) * cover, 0, 255).astype(np.uint8)


def _between(rest: Pose, full: Pose, strength: float) -> Pose:
    pairs = ((getattr(rest, field.name), getattr(full, field.name)) for field in fields(Pose))
    return Pose(*(a + (b - a) * strength for a, b in pairs))


class _Canvas:
    """A grey picture [CANVAS_HEIGHT, CANVAS_WIDTH] that is painted in drawing units."""

    def __init__(self, picture: Picture) -> None:
        self.picture = picture

    def fill(
        self,
        outline: Points,
        tone: float | Picture,
        *,
        soft: float = 0.6,
        opacity: float = 1.0,
        within: Points | None = None,
    ) -> None:
        """Fill an outline, its edge blurred by `soft`, and only inside another outline where one is given."""
        if opacity <= 0:
            return
        margin = 3 * soft + 2
        left, top = (int(v) for v in np.maximum(outline.min(axis=0) + ORIGIN - margin, 0))
        right, bottom = (
            int(v) for v in np.minimum(outline.max(axis=0) + ORIGIN + margin, (CANVAS_WIDTH, CANVAS_HEIGHT))
        )
        corner, size = ORIGIN - (left, top), (bottom - top, right - left)
        mask = np.asarray(cv2.GaussianBlur(_mask(outline + corner, size), (0, 0), soft), np.float32)
        if within is not None:
            mask = mask * _mask(within + corner, size)
        region = self.picture[top:bottom, left:right]
        paint = tone[top:bottom, left:right] if isinstance(tone, np.ndarray) else tone
        region += (paint - region) * mask * np.float32(opacity)

    def oval(self, x: float, y: float, rx: float, ry: float, tone: float, **how: Any) -> None:
        """Fill an ellipse."""
        self.fill(_ellipse(x, y, rx, ry), tone, **how)

    def line(self, points: ArrayLike, thickness: ArrayLike, tone: float, **how: Any) -> None:
        """Draw a curve through the points, its thickness changing along it."""
        spine, given = _curve(points), np.asarray(thickness, np.float64)
        half = np.interp(np.linspace(0, 1, len(spine)), np.linspace(0, 1, len(given)), given)[:, None] / 2
        along = np.gradient(spine, axis=0)
        normal = along[:, ::-1] * (-1, 1) / np.maximum(np.hypot(along[:, :1], along[:, 1:]), 1e-9)
        self.fill(np.concatenate([spine + half * normal, (spine - half * normal)[::-1]]), tone, **how)


def _mask(outline: Points, size: tuple[int, int]) -> Picture:
    mask = np.zeros(size, np.uint8)
    cv2.fillPoly(mask, [np.round(outline * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    return mask.astype(np.float32) / np.float32(255)


def _curve(points: ArrayLike, *, closed: bool = False) -> Points:
    """Return a Catmull-Rom curve through the points, 8 steps a span."""
    knots = np.asarray(points, dtype=np.float64)
    padded = np.concatenate([knots[-1:], knots, knots[:2]] if closed else [knots[:1], knots, knots[-1:]])
    p0, p1, p2, p3 = padded[:-3, None], padded[1:-2, None], padded[2:-1, None], padded[3:, None]
    t = np.linspace(0, 1, 9)[None, :-1, None]
    spans = p1 + t / 2 * (p2 - p0 + t * (2 * p0 - 5 * p1 + 4 * p2 - p3 + t * (3 * (p1 - p2) + p3 - p0)))
    curve = spans.reshape(-1, 2)
    return curve if closed else np.concatenate([curve, knots[-1:]])


def _outline(text: str, *, mirror: bool = False) -> Points:
    """Return a closed curve through "x,y x,y ..." and, mirrored, back through its left half."""
    knots = np.array([[float(number) for number in pair.split(",")] for pair in text.split()])
    if mirror:
        knots = np.concatenate([knots, (knots[knots[:, 0] != 0] * (-1, 1))[::-1]])
    return _curve(knots, closed=True)


def _ellipse(x: float, y: float, rx: float, ry: float) -> Points:
    turn = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    return np.stack([x + rx * np.cos(turn), y + ry * np.sin(turn)], axis=1)


@lru_cache(maxsize=8)
def _wall(width_px: int, height_px: int) -> Picture:
    y, x = np.mgrid[0:height_px, 0:width_px].astype(np.float32)
    return np.asarray(150 - 70 * np.hypot(x / width_px - 0.4, y / height_px - 0.3), np.float32)


@lru_cache(maxsize=1)
def _bare_head() -> tuple[Picture, Picture]:
    """Return head and shoulders without brows, eyes and mouth, and their opacity (0 to 1)."""
    canvas = _Canvas(np.full((CANVAS_HEIGHT, CANVAS_WIDTH), 60, np.float32))
    y, x = np.mgrid[0:CANVAS_HEIGHT, 0:CANVAS_WIDTH].astype(np.float32)
    x, y = x - ORIGIN[0], y - ORIGIN[1]
    grain = np.random.default_rng(7).standard_normal((CANVAS_HEIGHT, CANVAS_WIDTH)).astype(np.float32)
    body, neck, face = (_outline(text, mirror=True) for text in (BODY, NECK, FACE))
    hair = _outline(HAIR)
    ears = [_ellipse(side * 101, 6, 14, 30) for side in (-1, 1)]
    silhouette = _Canvas(np.zeros_like(canvas.picture))
    for part in (body, neck, face, hair, *ears):
        silhouette.fill(part, 1.0, soft=1.0)

    canvas.fill(body, np.asarray(78 - 0.05 * x + 0.06 * (y - 160), np.float32))
    canvas.fill(neck, np.asarray(150 - 0.35 * x, np.float32))
    canvas.oval(8, 122, 80, 40, 88, soft=14, opacity=0.75, within=neck)
    for side, ear in zip((-1, 1), ears, strict=True):
        canvas.fill(ear, 168 - 12 * side)
        canvas.oval(side * 103, 6, 6, 19, 112, soft=3, opacity=0.7)
    # A ball lit from the upper left: the skin darkens towards its edges and away from the lamp.
    edge = (x / 104) ** 2 + ((y + 5) / 150) ** 2
    skin = 208 - 46 * edge**1.5 - 0.11 * x - 0.05 * y + cv2.GaussianBlur(grain, (0, 0), 2.2) * 9
    canvas.fill(face, np.asarray(skin, np.float32))
    # The hair falls in strands: noise drawn out along them.
    strands = cv2.GaussianBlur(grain, (0, 0), sigmaX=1.0, sigmaY=14) * 38
    shine = 38 * np.exp(-(((x + 42) / 42) ** 2) - ((y + 118) / 16) ** 2)
    canvas.fill(hair, 120, soft=7, opacity=0.55, within=face)
    canvas.fill(hair, np.asarray(46 + strands + shine, np.float32), soft=1.2)
    _draw_bare_features(canvas)
    return canvas.picture, silhouette.picture


def _draw_bare_features(canvas: _Canvas) -> None:
    """Shade what no expression moves: sockets, cheeks, nose and chin."""
    for side in (-1, 1):
        lit = side < 0
        canvas.oval(side * 42, -24, 33, 19, 112, soft=8, opacity=0.55)
        canvas.oval(side * 18, -20, 8, 16, 108, soft=5, opacity=0.45)
        canvas.oval(side * 50, 26, 24, 15, 222, soft=12, opacity=0.55 if lit else 0.35)
        canvas.oval(side * 74, 62, 16, 32, 132, soft=13, opacity=0.5)
        canvas.oval(side * 14, 36, 10, 9, 158 if lit else 138, soft=3.5, opacity=0.65)
        nostril = [(side * 19, 28), (side * 24, 36), (side * 19, 45)]
        canvas.line(nostril, [1, 3, 1], 108, soft=1.6, opacity=0.7)
        canvas.oval(side * 9.5, 47, 5.5, 2.8, 48, soft=1.3, opacity=0.9)
    canvas.oval(-6, -82, 50, 16, 226, soft=14, opacity=0.5)
    canvas.fill(_outline("8,-28 13,8 16,34 6,36 4,0"), 128, soft=5, opacity=0.5)
    canvas.fill(_outline("-5,-30 2,-30 4,30 -6,30"), 232, soft=3.5, opacity=0.7)
    canvas.oval(-2, 33, 9, 8, 226, soft=4, opacity=0.75)
    canvas.oval(0, 52, 20, 3.5, 126, soft=3, opacity=0.6)
    canvas.oval(0, 60, 4.5, 7, 150, soft=2.5, opacity=0.5)
    canvas.oval(0, 121, 19, 9, 208, soft=7, opacity=0.6)


def _draw_eye(canvas: _Canvas, side: int, pose: Pose, eyes_open: float, gaze: float) -> None:
    centre, flip = np.array([side * 42.0, -20.0]), (side, 1)
    up = 11.5 * pose.lid * eyes_open - 2.5 * (1 - eyes_open)
    low = 7.0 * (1 - 0.75 * pose.squint) * (0.4 + 0.6 * eyes_open)
    lid = centre + np.array([(-20, 3), (-10, 1 - 0.86 * up), (3, -up), (14, -0.7 * up), (22, -1.5)]) * flip
    under = centre + np.array([(22, -1.5), (11, 0.8 * low), (-4, low), (-20, 3)]) * flip
    canvas.line(lid - (0, 6.5), [1, 3, 1], 104, soft=1.5, opacity=0.6)
    canvas.line(under - (0, -7), [1, 3, 1], 122, soft=2.2, opacity=0.3 + 0.4 * pose.squint)
    if up + low > 3:
        opening = np.concatenate([_curve(lid), _curve(under)[1:]])
        canvas.fill(opening, 214, soft=0.7)
        x, y = centre - (-side - 6 * gaze, 1)
        canvas.oval(x, y, 10.5, 10.5, 74, soft=0.8, within=opening)
        canvas.oval(x, y + 4, 6.5, 4.5, 112, soft=2, opacity=0.7, within=opening)
        canvas.oval(x, y, 4.6, 4.6, 18, soft=0.6, within=opening)
        canvas.line(lid - (0, -2.5), [2, 6, 2], 90, soft=1.8, opacity=0.6, within=opening)
        canvas.oval(x - 3.5, y - 3.5, 2.1, 2.1, 250, soft=0.5, within=opening)
    canvas.line(lid, [1.5, 3.4, 4.4, 2.2], 34)
    canvas.line(under, [2.2, 1.4, 1.0], 96, opacity=0.8)


def _draw_brow(canvas: _Canvas, side: int, pose: Pose) -> None:
    inner, middle, outer = pose.brow_inner, pose.brow_middle, pose.brow_outer
    rest = [(19 - pose.brow_squeeze, -48 + inner), (40, -54 + middle), (58, -53 + (middle + outer) / 2)]
    spine = np.array([*rest, (71, -45 + outer)]) * (side, 1)
    canvas.line(spine - (0, -6), [4, 12, 4], 120, soft=5, opacity=0.4)
    canvas.line(spine, [4, 10, 10.5, 9, 7, 2], 52, soft=1.8, opacity=0.9)


def _draw_creases(canvas: _Canvas, side: int, pose: Pose) -> None:
    flip = (side, 1)
    fold = [(24, 38), (pose.width + 1, 55 + 0.3 * pose.corner), (pose.width + 9, 74 + 0.6 * pose.corner)]
    canvas.line(np.array(fold) * flip, [1.5, 4, 2], 104, soft=1.8, opacity=0.75 * pose.fold)
    frown = np.array([(7, -56), (5.5, -46), (7.5, -36)]) * flip
    canvas.line(frown, [1, 3.2, 1], 92, soft=1.3, opacity=0.8 * pose.frown)
    for y in (-26, -17, -8):
        wrinkle = np.array([(2, y), (8, y - 1), (14, y + 5)]) * flip
        canvas.line(wrinkle, [1.5, 3, 1], 100, soft=1.3, opacity=0.75 * pose.wrinkle)
    cheek = np.array([(26, 4), (44, 9), (62, 2)]) * flip
    canvas.line(cheek, [1, 3.5, 1], 122, soft=2.2, opacity=0.7 * pose.squint)
    crow_foot = np.array([(70, -16), (78, -20), (83, -25)]) * flip
    canvas.line(crow_foot, [1, 2.2, 1], 116, soft=1.2, opacity=0.6 * pose.squint)
    for y in (-76, -88):
        half = np.array([(0, y), (24, y + 1), (46, y + 3)]) * flip
        canvas.line(half, [2.6, 2, 1], 132, soft=1.6, opacity=0.6 * pose.forehead)


def _draw_mouth(canvas: _Canvas, pose: Pose, mouth_open: float) -> None:
    gape = pose.gape + 22 * mouth_open
    wide = pose.width - 4 * mouth_open
    thick = 8.5 * pose.lips
    corner = MOUTH_Y + pose.corner
    top, low = MOUTH_Y - 0.3 * gape - pose.lip_raise, MOUTH_Y + 0.7 * gape
    turn = np.linspace(-np.pi / 2, np.pi / 2, 25)
    across, height = wide * np.sin(turn), np.maximum(np.cos(turn), 0)
    roundness = 1.9 - 0.9 * min(1.0, gape / 30)  # from a parabola to an ellipse as the mouth opens

    def lip(y: float, bow: float = 0.0) -> Points:
        """Return a line from corner to corner whose middle is at `y`, a Cupid's bow in it."""
        dip = bow * (np.exp(-((across / 6) ** 2)) - 1) * height
        return np.stack([across, corner + (y - corner) * height**roundness + dip], axis=1)

    upper, lower = lip(top), lip(low)
    canvas.oval(0, low + 1.35 * thick + 7, 22, 5, 124, soft=4, opacity=0.6)
    canvas.fill(np.concatenate([lower, lip(low + 1.35 * thick)[::-1]]), 134, soft=1.1)
    canvas.oval(-4, low + 0.65 * thick, 0.4 * wide, 0.22 * thick, 184, soft=2, opacity=0.7)
    canvas.fill(np.concatenate([lip(top - thick + 2.5, 2.5), upper[::-1]]), 108, soft=1.1)
    if gape > 1:
        inside = np.concatenate([upper, lower[::-1]])
        canvas.fill(inside, 34, soft=0.8)
        shown = pose.teeth * min(0.62 * (gape + pose.lip_raise), 11)
        teeth = np.concatenate([upper, upper[::-1] - (0, -shown)])
        canvas.fill(teeth, 224, soft=0.9, opacity=min(1.0, shown), within=inside)
        canvas.oval(0, low + 2, 0.5 * wide, 0.3 * gape, 92, soft=2, opacity=0.8, within=inside)
    canvas.line(upper[::3], [2.5, 1.8, 2.5], 48, soft=0.8, opacity=0.85)
    for side in (-1, 1):
        canvas.oval(side * wide, corner, 4, 3, 78, soft=2, opacity=0.7)
