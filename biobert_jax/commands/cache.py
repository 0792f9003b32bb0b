"""`cache list` and `cache clear`: the local copies of what lies in buckets."""

import sys
import time
from typing import TYPE_CHECKING

from biobert_jax.commands.command import Command, Flag, Flags, Summary
from biobert_jax.errors import InputError

if TYPE_CHECKING:
  from biobert_jax.io import storage

_KEPT = """\
Commands that read gs:// keep verified copies in $BIOBERT_CACHE (default
~/.cache/biobert_jax), one for all processes of a machine."""


def _below(flags: Flags) -> 'storage.BucketPath | None':
  """The place of the argument; None stands for all."""
  from biobert_jax.io import storage

  place = storage.path(flags.place) if flags.place else None
  if place is None or isinstance(place, storage.BucketPath):
    return place
  what = f'PLACE is {flags.place!r}; give a gs:// path, or none for all copies'
  raise InputError(what)


def _list(flags: Flags) -> Summary:
  from biobert_jax.io.buckets import cache

  copies = cache.copies(_below(flags))
  for copy in copies:
    used = time.strftime('%Y-%m-%d %H:%M', time.localtime(copy.used))
    size = f'{copy.size / 1e6:,.1f} MB'
    print(f'{used}  {size:>14}  {copy.place}', file=sys.stderr)
  return {
    'folder': str(cache.folder()),
    'copies': [
      {'place': str(copy.place), 'files': copy.files, 'bytes': copy.size}
      for copy in copies
    ],
    'bytes': sum(copy.size for copy in copies),
  }


def _clear(flags: Flags) -> Summary:
  from biobert_jax.io.buckets import cache

  freed = cache.clear(_below(flags))
  return {'folder': str(cache.folder()), 'freed_bytes': freed}


_PLACE = Flag(
  'PLACE', 'only of what lies below this gs:// path', '', unset='all'
)
_EXAMPLES = ('gs://my-bucket/corpus', 'gs://my-bucket')
LIST = Command(
  'cache list',
  f'List the local copies of what lies in buckets.\n\n{_KEPT}',
  (_PLACE,),
  _list,
  _EXAMPLES,
  'none; a table on standard error, the copies as JSON',
)
CLEAR = Command(
  'cache clear',
  f"""\
Delete the local copies of what lies in buckets.

{_KEPT} They are fetched again when they are
needed; no process that still reads one may run meanwhile.""",
  (_PLACE,),
  _clear,
  _EXAMPLES,
  'none; the freed bytes as JSON',
)
COMMANDS = (LIST, CLEAR)
