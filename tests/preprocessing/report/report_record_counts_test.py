"""The section on records: every article is accounted for."""

import copy
import pathlib
from typing import Any

import pytest

from biobert_jax.data.pretraining import manifest as pretraining_manifest
from biobert_jax.io.report import markdown
from biobert_jax.preprocessing.report import report
from tests.fixtures import small_corpus


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
  return small_corpus.make(
    tmp_path_factory.mktemp('corpus'), exclude_ids=['7', 'PMC1']
  )


@pytest.fixture(scope='module')
def manifest(folder: pathlib.Path) -> dict[str, Any]:
  return pretraining_manifest.read_manifest(folder)


def section(manifest: dict[str, Any], folder: pathlib.Path) -> str:
  return markdown(list(report.record_counts(manifest, folder)))


def rows(text: str) -> list[list[str]]:
  lines = [line for line in text.splitlines() if line.startswith('|')]
  return [[c.strip() for c in line.strip('|').split('|')] for line in lines]


def test_articles_are_accounted_for_to_the_last(
  folder: pathlib.Path, manifest: dict[str, Any]
) -> None:
  text = section(manifest, folder)
  table = [row[:2] for row in rows(text)[2:7]]
  # 7 stands in both files, PMC1 in one; nine of the ten repeats are left.
  assert table == [['+', '78'], ['−', '3'], ['−', '3'], ['−', '9'], ['=', '63']]
  assert 'These add up.' in text
  named = {row[0]: row[1:] for row in rows(text) if len(row) == 3}
  assert named['title without abstract'] == [
    '3',
    'pmid:1000, pmid:1001, pmid:1002',
  ]
  assert named['excluded'][0] == '3'
  ids = named['repeated'][1].split(', ')
  assert len(ids) == 5
  assert {id.partition(':')[0] for id in ids} == {'pmid'}


def test_counts_that_do_not_add_up_are_reported(
  folder: pathlib.Path, manifest: dict[str, Any]
) -> None:
  changed = copy.deepcopy(manifest)
  changed['readers']['json_lines'] += 1
  assert report.unexplained(changed) == -1
  assert 'do not add up by -1' in section(changed, folder)
