"""Vocabularies from a corpus: the same bytes, from a bounded sample."""

import json
import pathlib
import random
from typing import Any

import pytest

from biobert_jax.commands.main import main
from biobert_jax.preprocessing.vocabulary import TextSample, rare_characters
from biobert_jax.text.readers.article import Article, Section
from biobert_jax.text.wordpiece import WordPieceTokenizer

WORDS = ['gene', 'protein', 'kinase', 'Receptor', 'binding', 'β-catenin']


def article(id: str, text: str, version: int = 1) -> Article:
  return Article(id, version, (Section('', (text,)),), 'file')


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
  draw = random.Random(1)
  for name in 'ab':
    (tmp_path / name).mkdir()
    rows = [
      {
        'id': f'{name}{i}',
        'title': f'Title {i}.',
        'abstract': ' '.join(draw.choice(WORDS) for _ in range(20)) + '.',
      }
      for i in range(60)
    ]
    rows[7]['abstract'] += ' ☃'
    # Of equal versions, the last file's stands.
    rows[9]['id'] = 'both'
    rows[9]['abstract'] = ' '.join(
      ['axolotl' if name == 'a' else 'zugzug'] * 20
    )
    lines = (json.dumps(row) for row in rows)
    (tmp_path / name / 'x.jsonl').write_text('\n'.join(lines) + '\n')
  return tmp_path


def build(
  folder: pathlib.Path,
  output: str,
  capsys: pytest.CaptureFixture[str],
  *more: str,
  patterns: tuple[str, ...] = ('a/*', 'b/*'),
) -> dict[str, Any]:
  arguments = [
    *(
      'build-vocabulary',
      '--input',
      *(str(folder / pattern) for pattern in patterns),
    ),
    *('--output', str(folder / output), '--size', '120'),
    *('--do_lower_case', 'false', *more),
  ]
  assert main(arguments) == 0, capsys.readouterr().err
  found: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
  return found


def test_the_same_bytes_whatever_the_order(
  folder: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
  one = build(folder, 'one', capsys)
  two = build(folder, 'two/vocab.txt', capsys, patterns=('b/*', 'a/*', 'a/x*'))
  for name in ('vocab.txt', 'tokenizer_config.json'):
    text = (folder / 'one' / name).read_bytes()
    assert (folder / 'two' / name).read_bytes() == text
  assert sorted(p.name for p in (folder / 'one').iterdir()) == [
    'tokenizer_config.json',
    'vocab.txt',
  ]
  tokenizer = WordPieceTokenizer.from_directory(folder / 'one')
  assert not tokenizer.do_lower_case
  assert one['sha256'] == two['sha256'] == tokenizer.sha256
  assert one['size'] == tokenizer.vocab_size <= 120
  assert one['articles'] == 1 + one['sampled_articles'] == 120
  assert tokenizer.tokenize('The Receptor kinase β')[-2:] == ['kinase', 'β']


def test_measured_on_what_was_held_out(
  folder: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
  one = build(folder, 'one', capsys)
  more = ('--compare', str(folder / 'one' / 'vocab.txt'))
  two = build(folder, 'two', capsys, *more)
  assert two['held_out'] == two['compared'] == one['held_out']
  # Five words in six are one piece; 'β-catenin' is three.
  assert 1 < one['held_out']['pieces_per_word'] < 2
  held_out = TextSample(10**6)
  for name in 'ab':
    for i in range(60):
      held_out.add(article('both' if i == 9 else f'{name}{i}', 'x'))
  assert one['held_out']['words'] == 22 * len(held_out.split()[1])


def test_rare_characters_have_no_piece(
  folder: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
  all_of_it = build(folder, 'all', capsys, '--character_coverage', '1')
  less = build(folder, 'less', capsys, '--character_coverage', '0.9995')
  assert all_of_it['covered'] == 1
  assert all_of_it['characters_left_out'] == 0
  assert '☃' in (folder / 'all' / 'vocab.txt').read_text()
  assert '☃' not in (folder / 'less' / 'vocab.txt').read_text()
  assert less['characters_left_out'] > 0
  assert 0.9995 <= less['covered'] < 1


def test_rare_characters_within_the_coverage() -> None:
  texts = [('a' * 90 + 'b' * 6,), ('c' * 3 + 'd',)]
  assert rare_characters(texts, 0.95) == ('dc', 4)
  assert rare_characters(texts, 0.985) == ('d', 1)
  assert rare_characters(texts, 1) == ('', 0)


def test_a_sample_is_bounded_and_of_no_order() -> None:
  articles = [article(f'pmid:{i}', 'x' * (1 + i % 50)) for i in range(2000)]
  samples = []
  for seed in range(3):
    random.Random(seed).shuffle(articles)
    sample = TextSample(10_000)
    for one in articles:
      sample.add(one)
      assert sample._size <= 10_000
    samples.append(sample)
  texts, held_out = samples[0].split()
  size = sum(len(text[0]) for text in texts + held_out)
  assert 3000 < size == samples[0]._size <= 10_000
  assert samples[0].share in (1 / 8, 1 / 16)
  assert samples[0].articles == 2000
  assert 2 <= len(held_out) < len(texts) / 10
  assert samples[0].split() == samples[1].split() == samples[2].split()


def test_versions_and_withdrawals() -> None:
  sample = TextSample(1000)
  sample.add(article('pmid:1', 'second', 2))
  sample.add(article('pmid:1', 'first', 1))
  sample.add(article('pmid:2', 'gone'))
  sample.add(article('pmid:3', 'early'))
  sample.add(article('pmid:3', 'late'))
  sample.remove('pmid:2')
  sample.remove('pmid:4')
  texts, held_out = sample.split()
  assert sorted(texts + held_out) == [('late',), ('second',)]
  assert sample._size == len('secondlate')


@pytest.mark.parametrize(
  ('changed', 'message'),
  [
    (('--input', 'none/*'), 'no file matches'),
    (('--size', '20'), 'too small'),
    (('--sample_characters', '3'), 'not one article fits; raise it'),
    (('--sample_characters', '0'), 'at least 1'),
    (('--output', 'words.txt'), 'has to be named vocab.txt'),
    (('--output', 'there'), 'already exists'),
    (('--compare', 'gone.txt'), 'gone.txt: cannot read'),
  ],
)
def test_bad_input_is_one_line(
  changed: tuple[str, str],
  message: str,
  folder: pathlib.Path,
  capsys: pytest.CaptureFixture[str],
  monkeypatch: pytest.MonkeyPatch,
) -> None:
  monkeypatch.chdir(folder)
  (folder / 'there').mkdir()
  (folder / 'there' / 'vocab.txt').write_text('x\n')
  flags = {
    '--input': 'a/*',
    '--output': 'out',
    '--size': '120',
    '--do_lower_case': 'false',
    **dict([changed]),
  }
  arguments = [part for flag in flags.items() for part in flag]
  assert main(['build-vocabulary', *arguments]) == 3
  out, err = capsys.readouterr()
  assert out == ''
  assert message in err
  assert err.count('\n') == 1
  assert not (folder / 'out').exists()
  assert (folder / 'there' / 'vocab.txt').read_text() == 'x\n'
