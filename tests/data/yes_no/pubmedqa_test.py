"""PubMedQA's split, draw by draw; what is not the published file is refused."""

import json
import re
from collections import Counter

import pytest

from biobert_jax.data.yes_no import pubmedqa
from biobert_jax.errors import InputError
from tests.fixtures import small_bioasq


@pytest.fixture
def folder(tmp_path):
  return small_bioasq.write_pubmedqa(tmp_path / 'pubmedqa')


def ids(folder, split, fold=0):
  counts = Counter()
  pairs = pubmedqa.read_split(folder, split, fold, 'required', counts)
  return [pair.id for pair in pairs]


def test_the_split_is_that_of_the_published_script(folder):
  """The ids that split_dataset.py itself wrote for these 100 records."""
  assert ids(folder, 'devel', 0) == GOLDEN['fold 0']
  assert ids(folder, 'devel', 9) == GOLDEN['fold 9']
  assert ids(folder, 'test')[:8] == GOLDEN['test']


GOLDEN = {
  'fold 0': ['1000', '1037', '1073', '1096', '1009'],
  'fold 9': ['1072', '1030', '1036', '1003', '1069'],
  'test': ['1020', '1087', '1007', '1082', '1022', '1010', '1090', '1015'],
}


def test_folds_share_out_what_is_not_test(folder):
  test = ids(folder, 'test')
  folds = [ids(folder, 'devel', i) for i in range(10)]
  assert len(test) == 50
  assert [len(fold) for fold in folds] == [5] * 10
  everything = test + [id_ for fold in folds for id_ in fold]
  assert sorted(everything) == sorted(small_bioasq.pubmedqa_records())
  for i in (0, 9):
    train = ids(folder, 'train', i)
    assert sorted(train + folds[i]) == sorted(set(everything) - set(test))
    assert sorted(ids(folder, 'train_dev', i)) == sorted(train + folds[i])


def test_uneven_parts_are_evened_out():
  """Of 500, the script's last fold has 41, so each other gives it one."""
  labels = ('yes',) * 276 + ('no',) * 169 + ('maybe',) * 55
  test, folds = pubmedqa.split_ids(
    {str(i): x for i, x in enumerate(labels * 2)}
  )
  assert len(test) == 500
  assert [len(fold) for fold in folds] == [50] * 10
  assert len({id_ for fold in folds for id_ in fold}) == 500


def test_the_passage_is_the_abstract_or_its_conclusion():
  (record,) = small_bioasq.pubmedqa_records(1).values()
  for reasoning, passage in (
    ('required', 'We gave aspirin to 0 mice. It lowered fever.'),
    ('free', 'Perhaps yes.'),
  ):
    counts = Counter()
    (pair,) = pubmedqa.question_pairs('f', {'7': record}, reasoning, counts)
    assert pair.passage == passage
    assert (pair.id, pair.question_id, pair.label) == ('7', '7', 'yes')
    assert not +counts
  record = {'QUESTION': 'Is it?', 'CONTEXTS': []}
  (pair,) = pubmedqa.question_pairs('f', {'7': record}, 'required', counts)
  assert (pair.passage, pair.label) == ('', '')
  assert +counts == {'questions_without_passage': 1}


@pytest.mark.parametrize(
  ('change', 'message'),
  [
    (lambda r: r['1003'].pop('QUESTION'), "1003: 'QUESTION' is missing"),
    (lambda r: r['1003'].pop('CONTEXTS'), "1003: 'CONTEXTS' is missing"),
    (lambda r: r['1003'].update(CONTEXTS=[1]), '1003: a paragraph of CONTEXTS'),
    (
      lambda r: r['1003'].update(final_decision='no!'),
      "1003: final_decision 'n",
    ),
    (
      lambda r: r['1003'].pop('final_decision'),
      "1003: 'final_decision' is mis",
    ),
    (lambda r: [r.pop(str(i)) for i in range(1010, 1100)], 'too few for 10'),
  ],
)
def test_what_is_wrong_is_named(folder, change, message):
  records = small_bioasq.pubmedqa_records()
  change(records)
  (folder / pubmedqa.FILE).write_text(json.dumps(records))
  with pytest.raises(InputError, match=re.escape(message)) as caught:
    [ids(folder, split) for split in ('test', 'train_dev')]
  assert pubmedqa.FILE in str(caught.value)


def test_a_file_in_another_order_is_no_published_one(folder):
  gold = dict.fromkeys(ids(folder, 'test'), 'yes')
  (folder / 'test_ground_truth.json').write_text(json.dumps(gold))
  assert ids(folder, 'test') == list(gold)
  records = small_bioasq.pubmedqa_records()
  turned = dict(reversed(records.items()))
  (folder / pubmedqa.FILE).write_text(json.dumps(turned))
  with pytest.raises(InputError, match='its split has other test ids'):
    ids(folder, 'test')
