"""Reading yes/no questions: forms, broken rows, what is drawn."""

import json
import re
from collections import Counter

import pytest

from biobert_jax.data.yes_no import corpus as yes_no_corpus
from biobert_jax.errors import InputError
from tests.fixtures.small_bioasq import squad_form, write_pubmedqa

FILES = {'train': 'train*.json', 'devel': 'dev*.json', 'test': 'test*.json'}
ONE, TWO = (f'{i:024x}' for i in (1, 2))
PAIRS = [
  (f'{ONE}_001', 'Is it?', 'It is.', 'yes'),
  (f'{ONE}_002', 'Is it?', 'It may be.', 'yes'),
  (f'{TWO}_001', 'Is he?', 'No.', 'no'),
]
FORM = yes_no_corpus.YesNoRules(('no', 'yes'))


def write(path, pairs, change=None):
  content = squad_form(pairs)
  if change:
    rows = [p['qas'][0] for p in content['data'][0]['paragraphs']]
    change(rows)
  path.write_text(json.dumps(content))
  return str(path)


def read(path, counts=None, form=FORM):
  return yes_no_corpus.read_files(
    [path], Counter() if counts is None else counts, form
  )


def test_passages_of_a_question_belong_together(tmp_path):
  counts = Counter()
  pairs = read(write(tmp_path / 'train.json', PAIRS), counts)
  assert [p.id for p in pairs] == [row[0] for row in PAIRS]
  assert [p.question_id for p in pairs] == [ONE, ONE, TWO]
  assert [p.label for p in pairs] == ['yes', 'yes', 'no']
  assert pairs[1].question == 'Is it?'
  assert pairs[1].passage == 'It may be.'
  assert not +counts


@pytest.mark.parametrize(
  ('answers', 'label'),
  [
    ('Yes', 'yes'),
    (['no'], 'no'),
    ([{'text': 'no'}], 'no'),
    ({'text': ['no'], 'answer_start': [0]}, 'no'),
    ({'text': [], 'answer_start': []}, ''),
    ([], ''),
  ],
)
def test_answers_in_other_forms(tmp_path, answers, label):
  path = write(
    tmp_path / 'a.json', PAIRS[2:], lambda rows: rows[0].update(answers=answers)
  )
  assert [pair.label for pair in read(path)] == [label]


def test_a_test_file_has_no_answers(tmp_path):
  bare = [(*row[:3], '') for row in PAIRS]
  pairs = read(write(tmp_path / 'test.json', bare))
  assert [pair.label for pair in pairs] == ['', '', '']
  with pytest.raises(InputError, match=f'{ONE}_001: has no answer, and test'):
    yes_no_corpus.check_labelled(pairs, 'test')


def test_splits_and_their_files(tmp_path):
  write(tmp_path / 'train.json', PAIRS[:2])
  write(tmp_path / 'dev.json', PAIRS[2:])
  for i, pair in enumerate(PAIRS):
    write(tmp_path / f'test-{i}.json', [pair])

  def ids(split):
    pairs = yes_no_corpus.read_split(tmp_path, split, FILES, Counter(), FORM)
    return [pair.id for pair in pairs]

  everything = [pair[0] for pair in PAIRS]
  assert ids('devel') == everything[2:]
  assert ids('train_dev') == ids('test') == everything
  with pytest.raises(InputError, match="split 'tset' is not one of"):
    ids('tset')
  write(tmp_path / 'test-3.json', PAIRS[:1])
  with pytest.raises(InputError, match=f'test-3.json: .* {ONE}_001 stands tw'):
    ids('test')


def test_pubmedqa_is_told_by_its_file(tmp_path):
  write_pubmedqa(tmp_path)
  form = yes_no_corpus.YesNoRules(('yes', 'no', 'maybe'), fold=3)
  pairs = yes_no_corpus.read_split(tmp_path, 'devel', FILES, Counter(), form)
  assert len(pairs) == 5
  narrow = yes_no_corpus.YesNoRules(('yes', 'no'), fold=3)
  with pytest.raises(InputError, match="answer 'maybe' is not one of yes, no"):
    yes_no_corpus.read_split(tmp_path, 'devel', FILES, Counter(), narrow)


@pytest.mark.parametrize(
  ('change', 'count', 'message'),
  [
    (
      lambda rows: rows[1].update(answers='perhaps'),
      'pairs_with_unknown_labels',
      f"{ONE}_002: answer 'perhaps' is not one of no, yes",
    ),
    (
      lambda rows: rows[1].update(question=' '),
      'pairs_without_question',
      f'{ONE}_002: the question is empty',
    ),
    (
      lambda rows: rows[1].update(is_impossible=True),
      'pairs_that_contradict_is_impossible',
      f'{ONE}_002: the answer is yes, but is_impossible is true',
    ),
  ],
)
def test_broken_rows_up_to_a_share(tmp_path, change, count, message):
  path = write(tmp_path / 'train.json', PAIRS, change)
  with pytest.raises(InputError, match=re.escape(message)) as caught:
    read(path)
  assert '(1 of 3 rows are broken; more than 1 % is refused)' in str(
    caught.value
  )
  counts = Counter()
  loose = yes_no_corpus.YesNoRules(('no', 'yes'), max_broken=0.5)
  assert [p.id for p in read(path, counts, loose)] == [PAIRS[0][0], PAIRS[2][0]]
  assert +counts == {count: 1}


@pytest.mark.parametrize(
  ('content', 'message'),
  [
    ('{}', 'holds no question'),
    ('{"data": []}', 'holds no question'),
    ('{"data": 1}', "'data' is '1'; write a list"),
    ('[1]', 'holds no JSON object'),
    (
      '{"data": [{"paragraphs": [{"qas": [{"id": 1}]}]}]}',
      "'context' is missing",
    ),
    ('{"5": {"QUESTION": "a"}}', "5: 'CONTEXTS' is missing"),
  ],
)
def test_other_files_are_refused(tmp_path, content, message):
  path = tmp_path / 'train.json'
  path.write_text(content)
  with pytest.raises(InputError, match=re.escape(message)) as caught:
    read(str(path))
  assert 'train.json' in str(caught.value)


def test_an_id_that_stands_twice_is_refused(tmp_path):
  path = write(tmp_path / 'train.json', [PAIRS[0], PAIRS[0]])
  with pytest.raises(InputError, match=f'the id {ONE}_001 stands twice'):
    read(path)


def test_passages_that_disagree_are_refused(tmp_path):
  pairs = [PAIRS[0], (*PAIRS[1][:3], 'no')]
  found = read(write(tmp_path / 'train.json', pairs))
  with pytest.raises(InputError, match=f"{ONE}_002: answer 'no', but another"):
    yes_no_corpus.check_agreement(found)


def test_pairs_are_drawn_by_the_seed(tmp_path):
  pairs = [
    (f'{i:024x}_001', 'Is it?', 'It is.', 'yes' if i % 4 else 'no')
    for i in range(40)
  ]
  found = read(write(tmp_path / 'train.json', pairs))

  def drawn(most, seed):
    return [p.id for p in yes_no_corpus.balanced(found, most, seed)]

  kept = yes_no_corpus.balanced(found, 12, 0)
  assert Counter(p.label for p in kept) == {'yes': 12, 'no': 10}
  assert drawn(12, 0) == drawn(12, 0) == sorted(drawn(12, 0))
  assert drawn(12, 0) != drawn(12, 1)
  assert drawn(100, 0) == [pair[0] for pair in pairs]
