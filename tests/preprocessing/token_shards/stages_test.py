"""The work of one process: tallies, and which version of an article stays."""

from biobert_jax.preprocessing.token_shards import external_sort, stages


def record(order: int, version: int | None) -> external_sort.SortRecord:
  return external_sort.SortRecord(
    'pmid:1', version or 0, (0, order), 5, version is None, b'', 0
  )


def test_the_tally_says_why_the_others_go() -> None:
  # A deletion withdraws the first; of the rest the higher version stays.
  records = [record(0, 3), record(1, None), record(2, 2), record(3, 1)]
  tally = stages.Tally()
  assert stages.keep_latest(records, tally) is records[2]
  assert tally.counts == {'articles kept': 1, 'deleted': 1, 'repeated': 1}
  assert tally.notes == [
    ('deleted', 'pmid:1', '0 5'),
    ('repeated', 'pmid:1', '0 5'),
  ]


def test_notes_are_bounded_for_each_reason() -> None:
  tally = stages.Tally()
  for number in range(stages._NAMED + 5):
    tally.note('excluded', f'pmid:{number}', 'a.xml')
  tally.note('without text', 'pmid:1', 'a.xml')
  assert len(tally.notes) == stages._NAMED + 1
  total = stages.Tally()
  for _ in range(2):
    total.add(tally.as_dict(), 3)
  assert [note[0] for note in total.notes] == [
    *['excluded'] * 3,
    *['without text'] * 2,
  ]


def test_fingerprints_follow_the_values() -> None:
  assert stages.fingerprint(1, 'a') == stages.fingerprint(1, 'a')
  assert stages.fingerprint(1, 'a') != stages.fingerprint(1, 'b')
