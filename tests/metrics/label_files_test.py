"""Relation labels, gold and predicted, in the layouts that people have.

What `read_tags` does is tested through tests/commands/score_test.py.
"""

import pytest

from biobert_jax.errors import InputError
from biobert_jax.metrics import label_files

GAD = ('0', '1')
CHEMPROT = ('cpr:3', 'cpr:4', 'cpr:5', 'cpr:6', 'cpr:9', 'false')
GOLD = 'index\tsentence\tlabel\n0\tOne @GENE$\t1\n1\tTwo @GENE$\t0\n'


@pytest.fixture
def path(tmp_path):
  """Writes a file; errors show it as FILE."""

  def write(content):
    file = tmp_path / 'FILE'
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(file)

  return write


def gold(path, *sets):
  return label_files.read_relation_gold(path, sets or (GAD, CHEMPROT))


@pytest.mark.parametrize(
  'content',
  [
    GOLD,
    GOLD.replace('\n', '\r\n'),
    GOLD.rstrip('\n'),
    GOLD + '\n\n',
    '\ufeff' + GOLD,
    GOLD.replace('One', '"One'),
    GOLD.replace('Two', 'Two " and \u2028 "" three'),
    'sentence\tlabel\na\t1\nb\t0\n',
    'Label\tsentence\n1\ta\n0\tb\n',
    'a\t1\nb\t0\n',
    '7\ta\t1\n8\tb\t0\n',
  ],
  ids=[
    'test_tsv', 'crlf', 'no_last_newline', 'blank_at_end', 'bom',
    'quote_at_start', 'quotes_and_separators', 'port', 'label_first', 'train',
    'no_header',
  ],
)  # fmt: skip
def test_forms_of_one_gold_file_read_alike(path, content):
  assert gold(path(content)) == (['1', '0'], GAD)


def test_labels_tell_the_corpus(path):
  content = 'index\tsentence\tlabel\n0\ta\tCPR:9\n1\tb\tFalse\n'
  assert gold(path(content)) == (['cpr:9', 'false'], CHEMPROT)


@pytest.mark.parametrize(
  ('content', 'message'),
  [
    ('', 'FILE:1: is blank'),
    ('index\tsentence\tlabel\n', 'FILE: holds a header but no example'),
    (GOLD.replace('\n1', '\n\n1'), 'FILE:3: is blank; write one example in'),
    (GOLD.replace('One ', 'One\t'), 'FILE:2: has 4 tab-separated columns; wan'),
    (GOLD + 'x\n', 'FILE:4: has 1 tab-separated columns; want 3'),
    (GOLD + '2\tx\t2\n', "FILE:4: label '2' is not one of 0, 1; fix it"),
    (GOLD + '2\tx\tcpr:3\n', "FILE:4: label 'cpr:3' is not one of 0, 1"),
    (GOLD + '2\tx\t\n', "FILE:4: label '' is not one of 0, 1"),
    ('i\tcpr:3\nj\tcpr:2\n', "FILE:2: label 'cpr:2' is not one of cpr:3, cpr"),
    ('index\tsentence\tclass\n0\ta\t1\n', "FILE:1: label 'class' is not one o"),
    ('a sentence\n', 'FILE:1: has 1 tab-separated columns; want 2'),
    (b'a\t1\n\xff\t0\n', 'FILE:2: is not UTF-8; convert'),
  ],
)  # fmt: skip
def test_bad_gold_is_named_with_its_line(path, content, message):
  with pytest.raises(InputError) as caught:
    gold(path(content))
  assert message in str(caught.value)


def test_a_task_that_is_named_is_kept_to(path):
  with pytest.raises(
    InputError, match=r"FILE:2: label '1' is not one of cpr:3"
  ):
    gold(path(GOLD), CHEMPROT)


@pytest.mark.parametrize(
  'content',
  [
    '1\n0\n',
    '1\r\n0\r\n',
    '0.25\t0.75\n0.5\t0.5\n',
    '-7e-1\t-.5\n 3.5\t1\n',
    'index\tprediction\n0\t1\n1\t0\n',
  ],
  ids=['labels', 'crlf', 'probabilities', 'logits', 'port'],
)
def test_forms_of_predictions_read_alike(path, content):
  found = label_files.read_relation_predictions(path(content), GAD)
  assert found == ['1', '0']


def test_columns_are_in_the_order_of_the_labels(path):
  rows = ['0 0 0 0 0 1', '1 0 0 0 0 0', '.1 .1 .2 .2 .2 .2']
  content = '\n'.join(row.replace(' ', '\t') for row in rows)
  found = label_files.read_relation_predictions(path(content), CHEMPROT)
  assert found == ['false', 'cpr:3', 'cpr:5']  # Of equals, the first.
  content = 'CPR:4\nfalse\n'
  found = label_files.read_relation_predictions(path(content), CHEMPROT)
  assert found == ['cpr:4', 'false']


@pytest.mark.parametrize(
  ('content', 'message'),
  [
    ('', 'FILE:1: is blank'),
    ('index\tprediction\n', 'FILE: holds a header but no prediction'),
    ('1\n\n0\n', 'FILE:2: is blank'),
    ('1\n2\n', "FILE:2: label '2' is not one of 0, 1; write one of these"),
    ('0.3\n', "FILE:1: label '0.3' is not one of 0, 1"),
    ('.5\t.5\n.5\n', 'FILE:2: has 1 tab-separated columns; write one label, o'),
    ('.1\t.2\t.7\n', 'FILE:1: has 3 tab-separated columns'),
    ('.5\t.5\n.5\tx\n', "FILE:2: 'x' is not a finite number"),
    ('.5\tnan\n', "FILE:1: 'nan' is not a finite number"),
    ('inf\t.5\n', "FILE:1: 'inf' is not a finite number"),
    ('.5\t\n', "FILE:1: '' is not a finite number"),
    ('index\tprediction\n0\tyes\n', "FILE:2: label 'yes' is not one of 0, 1"),
  ],
)  # fmt: skip
def test_bad_predictions_are_named_with_their_line(path, content, message):
  with pytest.raises(InputError) as caught:
    label_files.read_relation_predictions(path(content), GAD)
  assert message in str(caught.value)
