"""Runs the Beam pipeline on a file system that only Beam knows.

    python remote_run.py FOLDER ARGUMENTS...

`fake://` is FOLDER. The arguments are those of prepare-corpus-beam. It is
run by the other interpreter, and answers with files.
"""

import os
import pathlib
import sys
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from apache_beam.io import filesystem, localfilesystem  # noqa: E402

from biobert_jax.commands.main import main  # noqa: E402

_SCHEME = 'fake://'
_FOLDER = sys.argv[1]


class FakeFileSystem(localfilesystem.LocalFileSystem):
  """A folder under another name; Beam finds it among the subclasses."""

  @classmethod
  def scheme(cls) -> str:
    return 'fake'

  def match(self, patterns: list[str], limits: Any = None) -> Any:
    return [
      filesystem.MatchResult(
        pattern,
        [
          filesystem.FileMetadata(
            _SCHEME + os.path.relpath(file.path, _FOLDER),
            file.size_in_bytes,
            file.last_updated_in_seconds,
          )
          for file in result.metadata_list
        ],
      )
      for pattern, result in zip(
        patterns, super().match(list(map(_real, patterns)), limits), strict=True
      )
    ]

  def exists(self, path: str) -> bool:
    return super().exists(_real(path))

  def open(self, path: str, *args: Any, **options: Any) -> Any:
    return super().open(_real(path), *args, **options)

  def create(self, path: str, *args: Any, **options: Any) -> Any:
    os.makedirs(os.path.dirname(_real(path)), exist_ok=True)
    return super().create(_real(path), *args, **options)


def _real(path: str) -> str:
  return os.path.join(_FOLDER, path.removeprefix(_SCHEME))


if __name__ == '__main__':
  sys.exit(main(['prepare-corpus-beam', *sys.argv[2:]]))
