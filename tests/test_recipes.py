"""The recipes that made what ships can still be started."""

import subprocess
import sys
from pathlib import Path

import pytest

RECIPES = sorted(
    path
    for path in (Path(__file__).parents[1] / "models" / "training").glob("*.py")
    if "ArgumentParser" in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
@pytest.mark.long
def test_a_recipe_says_what_it_takes(recipe):
    needed = {"import torch": "torch", "from transformers": "transformers"}
    for line, package in needed.items():
        if line in recipe.read_text(encoding="utf-8"):
            pytest.importorskip(package)
    said = subprocess.run([sys.executable, recipe, "--help"], capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    assert said.stdout.startswith("usage: ")
