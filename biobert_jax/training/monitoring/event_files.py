"""TensorBoard's event files, local and in buckets."""

import io
import logging
import sys

from biobert_jax.io import storage

_log = logging.getLogger(__name__)
# tensorboardX looks for Google's client, which takes a second to import, for a
# writer that stops for good at the first error: ours takes its place.
_CLIENT = 'google.cloud.storage'
_hidden = _CLIENT not in sys.modules
if _hidden:
  sys.modules[_CLIENT] = None  # type: ignore[assignment]
from tensorboardX import SummaryWriter, record_writer  # noqa: E402

if _hidden:
  del sys.modules[_CLIENT]
__all__ = ['SummaryWriter']


class _BucketFile:
  """An event file in a bucket, which is sent as a whole; no error ends a run.

  tensorboardX writes in a thread of its own: when that ends, the run stands
  still.
  """

  def __init__(self, path: str):
    self._place, self._content = storage.path(path), io.BytesIO()
    self._sent = 0

  def write(self, content: bytes) -> None:
    self._content.write(content)

  def flush(self) -> None:
    content = self._content.getvalue()
    if len(content) == self._sent:
      return
    try:
      storage.write(self._place, content)
      self._sent = len(content)
    except OSError as error:
      _log.warning('%s: %s', self._place, error.strerror)

  close = flush


class _BucketFiles:
  """What tensorboardX asks for such a file, and whether its folder is there."""

  def open(self, path: str) -> _BucketFile:
    return _BucketFile(path)

  def directory_check(self, path: str) -> None:
    del path


record_writer.register_writer_factory('gs', _BucketFiles())
