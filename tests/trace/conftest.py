"""Modules of a user's that the tests import by name, and what the tests share."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "users"))
