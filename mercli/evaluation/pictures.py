"""The pictures of an evaluation, as files."""

from pathlib import Path

from mercli.charts import drawing
from mercli.charts.dimensions import dimensions
from mercli.emotions import ordered
from mercli.errors import CorpusError
from mercli.evaluation.verdict import Evaluation
from mercli.files import replaced_file


def draw_dimensions(found: Evaluation, path: Path, option: str = "--pca") -> None:
    """Draw the clips in the leading dimensions of their features.

    Parameters
    ----------
    found : Evaluation
        With a ranking.
    path : Path
        A .png or .svg file.
    option : str
        What named it, for the error message.

    Raises
    ------
    CorpusError
        If there are no dimensions: too few clips have a voice.
    UsageError
        If it cannot be written.
    """
    ranking = found.ranking
    if ranking is None:
        raise CorpusError(f"{option}: too few clips with a voice to find dimensions")
    spec = dimensions(ranking.points.tolist(), ranking.labels, ranking.explained, ordered(ranking.labels))
    with replaced_file(path, option) as part:
        part.write_bytes(drawing.draw(spec, path.suffix))
