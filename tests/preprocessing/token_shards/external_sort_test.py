"""Sorting on disk: every range, every run, and which version stands."""

import itertools
import pathlib

import numpy as np
import pytest

from biobert_jax.errors import InputError
from biobert_jax.preprocessing.token_shards import external_sort

END = 1 << external_sort.KEY_BITS
IDS = [f'pmid:{i}' for i in range(300)]


def document(text: str) -> external_sort.Document:
  return external_sort.Document(text.encode(), 1, 2, 3, 4)


def part(
  path: pathlib.Path, ids: list[str], run_bytes: int
) -> external_sort.Part:
  with path.open('wb') as file:
    writer = external_sort.PartWriter(file, run_bytes)
    for id in ids:
      writer.add(id, 1, [document(id), document('second')])
    writer.finish({'of': path.name})
  return external_sort.Part(str(path))


def read(
  parts: list[external_sort.Part], low: int, high: int, group_bytes: int
) -> list[list[external_sort.SortRecord]]:
  sizes = sum(
    (p.sizes() for p in parts), np.zeros(external_sort.PARTITIONS, np.int64)
  )
  return list(
    external_sort.records_by_article(parts, sizes, low, high, group_bytes)
  )


@pytest.mark.parametrize('run_bytes', [1, 1000, 1 << 20])
@pytest.mark.parametrize('group_bytes', [1, 5000, 1 << 20])
def test_ranges_together_give_all_in_the_order_of_keys(
  tmp_path: pathlib.Path, run_bytes: int, group_bytes: int
) -> None:
  parts = [
    part(tmp_path / 'a', IDS[:200], run_bytes),
    part(tmp_path / 'b', IDS[150:], run_bytes),
    part(tmp_path / 'c', [], run_bytes),
  ]
  places = sorted(
    external_sort.hash_position(external_sort.article_key(id)) for id in IDS
  )
  edges = [0, 1, places[99], places[99] + 1, places[200], END]
  found = [
    said
    for low, high in itertools.pairwise(edges)
    for said in read(parts, low, high, group_bytes)
  ]
  assert [said[0].id for said in found] == sorted(
    IDS, key=external_sort.article_key
  )
  twice = {said[0].id for said in found if len(said) == 2}
  assert twice == set(IDS[150:200])
  for said in found:
    records = [d.record for entry in said for d in entry.read()]
    assert records == [said[0].id.encode(), b'second'] * len(said)
  assert next(found[0][0].read()) == document(found[0][0].id)
  assert parts[0].summary() == {'of': 'a'}


def test_a_group_holds_no_more_than_it_may() -> None:
  sizes = np.full(external_sort.PARTITIONS, 10)
  found = list(external_sort.partition_groups(sizes, 0, END, 100))
  assert {last - first for first, last in found} == {
    10,
    external_sort.PARTITIONS % 10,
  }
  assert [first for first, _ in found[1:]] == [last for _, last in found[:-1]]
  assert list(external_sort.partition_groups(sizes, 0, 0, 100)) == []


def said(*what: int | None) -> list[external_sort.SortRecord]:
  return [
    external_sort.SortRecord(
      'a', version or 0, (0, order), 0, version is None, b'', 0
    )
    for order, version in enumerate(what)
  ]


@pytest.mark.parametrize(
  ('what', 'stands'),
  [
    ((1,), 0),
    ((1, 1), 1),
    ((2, 1), 0),
    ((1, 2, 2), 2),
    ((1, None), None),
    ((None, 1), 1),
    ((3, None, 1), 2),
    ((None,), None),
  ],
)
def test_the_latest_version_stands(
  what: tuple[int | None, ...], stands: int | None
) -> None:
  entries = said(*what)
  kept = external_sort.latest_record(entries)
  assert kept is (None if stands is None else entries[stands])


def test_order_holds_within_a_part_and_across(tmp_path: pathlib.Path) -> None:
  for name, texts in (('a', ['a0', 'a1']), ('b', ['b0'])):
    with (tmp_path / name).open('wb') as file:
      writer = external_sort.PartWriter(file, 1)
      for text in texts:
        writer.add('pmid:1', 1, [document(text)])
      writer.add('pmid:2', 2**40, None)
      writer.finish({})
  a, b = (external_sort.Part(str(tmp_path / name)) for name in 'ab')
  orders = ((a, b), b'b0'), ((b, a), b'a1')
  for parts, last in orders:
    found = read(list(parts), 0, END, 1 << 20)
    kept = {said[0].id: external_sort.latest_record(said) for said in found}
    entry = kept['pmid:1']
    assert entry is not None
    assert [d.record for d in entry.read()] == [last]
    assert kept['pmid:2'] is None


def test_a_cut_part_is_refused(tmp_path: pathlib.Path) -> None:
  part(tmp_path / 'a', IDS, 1000)
  data = (tmp_path / 'a').read_bytes()
  for size in (0, 10, len(data) - 1):
    (tmp_path / 'a').write_bytes(data[:size])
    with pytest.raises(InputError, match='damaged'):
      external_sort.Part(str(tmp_path / 'a'))
