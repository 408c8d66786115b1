"""Reads JSON files that people write: an error names the file and the place in it."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from local import SetupError

_T = TypeVar("_T")


class FileError(SetupError):
    """The file cannot be used. The text says why, and where in the file."""


def read_json(path: Path, parse: Callable[[Any], _T]) -> _T:
    """Return what ``parse`` makes of the content of a file; its ValueError is reported with the name of the file.

    Raises:
        FileError: the file cannot be read, is not JSON, or its content is not valid.
    """
    try:
        return parse(json.loads(path.read_bytes().decode("utf-8-sig"), object_pairs_hook=_unique))
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror}.") from None
    except json.JSONDecodeError as error:
        raise FileError(f"{path} is not JSON: {error}.") from None
    except (ValueError, RecursionError) as error:  # includes text that is not UTF-8, and JSON that is nested too deeply
        raise FileError(f"{path}: {error}.") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object. Its names must be unique: the json module would keep only the last value."""
    if repeated := [name for name, count in Counter(name for name, _ in pairs).items() if count > 1]:
        raise ValueError(f"an object has the field {json.dumps(repeated[0])} more than once")
    return dict(pairs)
