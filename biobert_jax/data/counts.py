"""The log of the counts that the readers of a corpus keep."""

import logging
from collections import Counter

_log = logging.getLogger(__name__)


def log_counts(counts: Counter[str]) -> None:
  """Logs each count that is not zero."""
  for what, count in sorted((+counts).items()):
    _log.info('corpus: %d %s', count, what.replace('_', ' '))
