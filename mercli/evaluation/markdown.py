"""An evaluation as a Markdown file."""

from mercli.evaluation.sections import markdown, sections
from mercli.evaluation.verdict import Evaluation
from mercli.wording import count


def write(found: Evaluation) -> str:
    """Write an evaluation as Markdown: what was tested and how, what to beware of, and every table."""
    parts = [f"# Evaluation on {_plain(found.corpus)}\n", *(f"**{_plain(each)}**\n" for each in found.warnings)]
    parts.append(f"{_plain(found.how)} {count(found.n_clips, 'clip')} of {count(found.n_speakers, 'speaker')}.\n")
    for section in sections(found):
        parts.append(f"## {section.title}\n\n{markdown(section)}")
    if found.command:
        parts.append(f"## The command\n\n```\n{found.command}\n```\n")
    return "\n".join(parts)


def _plain(text: str) -> str:
    """Keep a text on its line, and from being taken for markup."""
    flat = " ".join(text.split())
    return "".join(f"\\{letter}" if letter in "*_`<>[]#|" else letter for letter in flat)
