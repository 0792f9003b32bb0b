"""What readers count, told to the user."""

import logging
from collections import Counter

_log = logging.getLogger(__name__)


def log_counts(counts: Counter[str]) -> None:
  """Logs what reading the corpus noticed."""
  for what, count in sorted((+counts).items()):
    _log.info('corpus: %d %s', count, what.replace('_', ' '))
