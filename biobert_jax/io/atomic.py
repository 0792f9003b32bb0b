"""Files that appear under their names only when they are whole."""

import contextlib
import os
import pathlib
from collections.abc import Iterator
from typing import IO, Any

from etils import epath

from biobert_jax.errors import InputError


@contextlib.contextmanager
def atomic_write(
  path: str | os.PathLike[str], binary: bool = False
) -> Iterator[IO[Any]]:
  """Opens a file to write, which is renamed into place if nothing fails.

  Args:
    path: The file; its folder is made where it is missing.
    binary: Bytes; else UTF-8 text with newlines as they are given.

  Raises:
    InputError: It cannot be written.
  """
  target, aside = pathlib.Path(path), pathlib.Path(f'{os.fspath(path)}.tmp')
  how: dict[str, Any] = {'mode': 'wb'}
  if not binary:
    how = {'mode': 'w', 'encoding': 'utf-8', 'newline': '\n'}
  with contextlib.ExitStack() as stack:
    try:
      if target.is_dir():
        raise InputError(f'{target}: is a folder; name a file')
      target.parent.mkdir(parents=True, exist_ok=True)
      file = stack.enter_context(open(aside, **how))
    except OSError as error:
      raise InputError(f'{target}: cannot write: {error.strerror}') from error
    stack.callback(aside.unlink, missing_ok=True)
    yield file
    file.close()
    os.replace(aside, target)


def write_text(path: epath.Path, text: str) -> None:
  """Writes a file aside and renames it."""
  aside = path.parent / (path.name + '.tmp')
  aside.write_text(text, encoding='utf-8')
  aside.replace(path)
