"""500 damaged corpora of relations and of questions.

Each ends in the right examples, with all others counted, or in one error with
the file and the place. Entities: data/ner/corpus_conll_test.py.
"""

import json
import random
import re
from collections import Counter
from collections.abc import Callable

import pytest

from biobert_jax.data.qa import squad
from biobert_jax.data.relation import corpus
from biobert_jax.data.relation.pair_words import Placeholders
from biobert_jax.errors import InputError

_TRIES = 500
_PAIR = Placeholders('@GENE$', '@DISEASE$', ('@GENE-DISEASE$',))
_WORDS = ('mice', 'rats', 'β-cells', '患者', 'a\u00adb', 'x\u2028y')
_ROWS = [
  f'{i}\tThe @GENE$ of {word} and @DISEASE$.\t{i % 2}\n'
  for i, word in enumerate(_WORDS)
] * 3
_ODD = [
  *('\t', '\n', '\r', '\x00', '\ufeff', '\u200b', ' ', '"', '@', '\ud83d'),
  *('2', '\t1\n', 'index\tsentence\tlabel\n', '\n\n', '\x85'),
]
# Rows of these kinds are left out; the others are kept.
_LEFT_OUT = (
  *('rows_with_wrong_columns', 'rows_without_sentence'),
  *('rows_with_unknown_labels', 'headers_amid_rows'),
)


def _damaged(text: str, drawn: random.Random) -> bytes:
  """The text with a few characters and bytes replaced, added or cut."""
  for _ in range(drawn.randint(0, 3)):
    at = drawn.randrange(len(text) + 1)
    text = text[:at] + drawn.choice(_ODD) + text[at + drawn.randint(0, 2) :]
  data = bytearray(text.encode('utf-8', 'surrogatepass'))
  if drawn.random() < 0.2:
    data[drawn.randrange(len(data))] ^= 1 << drawn.randrange(8)
  if drawn.random() < 0.1:
    del data[drawn.randrange(len(data)) :]
  return bytes(data)


def _outcome(read: Callable[..., list], *arguments) -> tuple[list, str]:
  """What is read, or the error."""
  try:
    return read(*arguments), ''
  except InputError as error:
    return [], str(error)


def test_500_hostile_files_of_relations(tmp_path):
  path, outcomes = tmp_path / 'x.tsv', Counter()
  rules = corpus.RelationRules(_PAIR, ('0', '1'), max_broken=0.3)
  for seed in range(_TRIES):
    data = _damaged(''.join(_ROWS), random.Random(seed))
    path.write_bytes(data)
    counts = Counter()
    examples, refused = _outcome(corpus.read_rows, path, counts, rules)
    if refused:
      outcomes['refused'] += 1
      assert re.fullmatch(rf'{re.escape(str(path))}:(\d+:)? .+', refused)
      continue
    lines = data.decode('utf-8-sig').split('\n')
    rows = [line.removesuffix('\r') for line in lines if line.strip()]
    header = rows[0].split('\t')[-1].lower() in ('label', 'labels')
    left_out = sum(counts[kind] for kind in _LEFT_OUT)
    outcomes['left out' if left_out else 'read'] += 1
    assert len(rows) - header == len(examples) + left_out
    for example in examples:
      assert f'{example.text}\t' in lines[example.line - 1]
      assert example.label in ('0', '1')
  assert min(outcomes[x] for x in ('refused', 'left out', 'read')) >= 40


def _questions() -> dict:
  context = 'In rats 🐀 ATM causes gout, and ATM is large.'
  answer = {'text': 'gout', 'answer_start': context.index('gout')}
  rows = [
    {'id': f'q{i}', 'question': 'What?', 'answers': [dict(answer)]}
    for i in range(6)
  ]
  parts = [{'context': context, 'qas': rows[i : i + 2]} for i in (0, 2, 4)]
  return {'data': [{'title': 't', 'paragraphs': parts}]}


_VALUES = (
  *(None, '', ' ', 0, -1, 10**9, 1.5, True, [], {}, 'gout', 'flu', 'ATM', 'q1'),
  *(['x'], {'text': []}, float('nan'), 'a\x00b', '\ud800'),
)


def _edit(node, drawn: random.Random) -> None:
  """Replaces, removes or repeats something, somewhere."""
  while isinstance(node, dict | list) and node:
    key = drawn.choice(
      [*(node if isinstance(node, dict) else range(len(node)))]
    )
    inner = node[key]
    if not isinstance(inner, dict | list) or drawn.random() < 0.1:
      kind = drawn.random()
      if kind < 0.6:
        node[key] = drawn.choice(_VALUES)
      elif kind < 0.8 or isinstance(node, dict):
        del node[key]
      else:
        node.append(inner)
      return
    node = inner


def _asked(content: dict) -> int:
  parts = [p for article in content['data'] for p in article['paragraphs']]
  return sum(len(part['qas']) for part in parts)


@pytest.mark.parametrize('training', [True, False])
def test_500_hostile_files_of_questions(tmp_path, training):
  path, outcomes = tmp_path / 'x.json', Counter()
  rules = squad.SquadRules('1.1', training, 0.5)
  for seed in range(_TRIES // 2):
    drawn, content = random.Random(seed), _questions()
    for _ in range(drawn.randint(0, 3)):
      _edit(content, drawn)
    text = json.dumps(content, ensure_ascii=drawn.random() < 0.5)
    as_bytes = drawn.random() < 0.2
    data = text.encode('utf-8', 'surrogatepass')
    path.write_bytes(_damaged(text, drawn) if as_bytes else data)
    counts = Counter()
    found, refused = _outcome(squad.read_files, [str(path)], counts, rules)
    if refused:
      outcomes['refused'] += 1
      assert re.fullmatch(rf'{re.escape(str(path))}(:\d+)?: .+', refused)
      continue
    outcomes['left out' if counts['questions_dropped'] else 'read'] += 1
    if not as_bytes:
      assert len(found) + counts['questions_dropped'] == _asked(content)
    for question in found:
      assert question.text
      assert not training or question.located
      for answer in question.answers:
        end = answer.start + len(answer.text)
        stands = question.context[answer.start : end] == answer.text
        assert answer.start < 0 or stands
  assert min(outcomes['refused'], outcomes['read']) >= 50
  assert not training or outcomes['left out'] >= 10
