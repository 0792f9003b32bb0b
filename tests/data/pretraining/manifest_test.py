"""The manifest of shards and the tokenizer that it names."""

import pathlib

import pytest

from biobert_jax.data.pretraining import manifest as pretraining_manifest
from biobert_jax.errors import InputError
from biobert_jax.text.wordpiece import WordPieceTokenizer
from tests.fixtures import small_corpus
from tests.fixtures.small_corpus import TOKENIZER


@pytest.mark.parametrize('text', ['', '[]', '{}', '{"format": "other"}'])
def test_a_damaged_manifest_is_named(tmp_path: pathlib.Path, text: str) -> None:
  with pytest.raises(InputError, match='manifest.json: cannot be read'):
    pretraining_manifest.read_manifest(tmp_path)
  (tmp_path / pretraining_manifest.MANIFEST).write_text(text)
  with pytest.raises(InputError, match='manifest.json: is '):
    pretraining_manifest.read_manifest(tmp_path)


def test_the_tokenizer_of_shards_is_read_back(tmp_path: pathlib.Path) -> None:
  folder = small_corpus.make(tmp_path)
  assert pretraining_manifest.read_tokenizer(folder) == TOKENIZER
  other = WordPieceTokenizer((*TOKENIZER.pieces, 'z9'), True)
  other.save(tmp_path / 'other')
  vocab = str(tmp_path / 'other' / 'vocab.txt')
  with pytest.raises(InputError, match='another vocabulary, of .*--vocab'):
    pretraining_manifest.read_tokenizer(folder, vocab)
