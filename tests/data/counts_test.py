"""Counts of a corpus in the log."""

import logging
from collections import Counter

from biobert_jax.data import counts


def test_counts_are_logged_by_name_without_zeros(caplog):
  with caplog.at_level(logging.INFO):
    counts.log_counts(Counter(words_cut=2, crlf_lines=1, blank_lines=0))
  assert caplog.messages == ['corpus: 1 crlf lines', 'corpus: 2 words cut']
