"""Broken rows: counted, logged, and refused above a share."""

import logging
from collections import Counter

import pytest

from biobert_jax.data.broken_rows import BrokenRows, log_counts
from biobert_jax.errors import InputError


def broken_rows(counts):
  broken = BrokenRows('a.tsv', counts)
  broken.add(3, 'rows_without_label', 'no label; write one')
  broken.add(7, 'rows_without_label', 'no label; write one')
  broken.add(7, 'empty_rows', 'empty; delete it')
  return broken


def test_up_to_the_share_rows_are_counted_and_logged(caplog):
  counts = Counter()
  broken = broken_rows(counts)
  assert len(broken) == 2  # Line 7 has two faults.
  assert counts == {'rows_without_label': 2, 'empty_rows': 1}
  with caplog.at_level(logging.WARNING):
    broken.check(200, 0.01)
  assert caplog.messages[0] == 'a.tsv:3: no label; write one'
  assert len(caplog.messages) == 3


def test_above_the_share_the_file_is_refused():
  message = (
    r'a.tsv:3: no label; write one \(2 of 199 rows are broken, also lines 7, 7;'
    ' more than 1 % is refused'
  )
  with pytest.raises(InputError, match=message):
    broken_rows(Counter()).check(199, 0.01)


def test_a_place_in_json_stands_apart_from_the_path():
  broken = BrokenRows('a.json', Counter(), 'questions')
  broken.add('data[0]', 'empty_questions', 'empty; write one')
  message = (
    r'a.json: data\[0\]: empty; write one \(1 of 1 questions are broken;'
  )
  with pytest.raises(InputError, match=message):
    broken.check(1, 0.5)


def test_a_file_without_broken_rows_passes():
  BrokenRows('a.tsv', Counter()).check(0, 0.0)


def test_counts_are_logged_by_name_without_zeros(caplog):
  with caplog.at_level(logging.INFO):
    log_counts(Counter(words_cut=2, crlf_lines=1, blank_lines=0))
  assert caplog.messages == ['corpus: 1 crlf lines', 'corpus: 2 words cut']
