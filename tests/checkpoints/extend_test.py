"""New pieces start from the old ones; nothing else changes."""

import dataclasses
import pathlib
from collections import Counter

import numpy as np
import pytest

from biobert_jax.checkpoints import detect, extend, model_card
from biobert_jax.checkpoints.name_map import Imported
from biobert_jax.checkpoints.pretrained import Pretrained
from biobert_jax.errors import InputError
from biobert_jax.models.config import BertConfig
from biobert_jax.text.added_tokens import AddedToken
from biobert_jax.text.vocabulary import SPECIALS, UNK
from biobert_jax.text.wordpiece import WordPieceTokenizer

# As in Google's: [PAD], [unused1] and [unused2], the specials, then pieces.
OLD = (
  *('[PAD]', '[unused1]', '[unused2]', *SPECIALS[1:]),
  *('gen', 'osteo', '##cyt', '##cyte', '##e', '##s', '##gen', 'x', 'α', '[z]'),
)
BIAS = 'cls/predictions/bias'
OTHER = 'cls/predictions/transform/dense/kernel'


def model_of(old=OLD, do_lower_case=True, form=detect.HUGGINGFACE, **changes):
  draw = np.random.default_rng(7).normal
  shapes = {
    extend.WORDS: (len(old), 4),
    extend.POSITIONS: (6, 4),
    BIAS: (len(old),),
    OTHER: (4, 4),
  }
  params = {k: draw(size=v).astype(np.float32) for k, v in shapes.items()}
  here = pathlib.Path('/models/old')
  values = {
    'source': detect.Source(str(here), form, here, here, {}),
    'bert': BertConfig.tiny(vocab_size=len(old), max_position_embeddings=6),
    'tokenizer': WordPieceTokenizer(old, do_lower_case),
    'contents': Imported(params, {'global_step': None}, Counter()),
    'head': 'masked_lm',
    'labels': (),
    'settings': {},
    'about': {},
  }
  return Pretrained(**values | changes)


def rows(model, *pieces):
  return [model.tokenizer.pieces.index(piece) for piece in pieces]


@pytest.mark.parametrize('path', [extend.WORDS, BIAS])
@pytest.mark.parametrize('over_unused', [False, True])
def test_a_new_row_is_the_mean_of_its_old_ones(path, over_unused):
  old = model_of()
  new, _ = extend.add_tokens(old, ['osteocytes', '##gens'], over_unused)
  for piece, parts in {
    'osteocytes': ('osteo', '##cyte', '##s'),
    '##gens': ('##gen', '##s'),
  }.items():
    wanted = old.params[path][rows(old, *parts)].mean(axis=0)
    (place,) = rows(new, piece)
    np.testing.assert_allclose(new.params[path][place], wanted, rtol=1e-6)


def test_a_vocabulary_with_added_tokens_does_not_grow():
  """The remedy that the message names is carried out."""
  pieces = (*OLD, '@gene$')
  added = tuple(
    AddedToken(pieces[i], i, False, True, False) for i in (1, len(OLD))
  )
  tokenizer = WordPieceTokenizer(pieces, True, added=added, appended=1)
  old = model_of(pieces, tokenizer=tokenizer)
  with pytest.raises(InputError, match='cannot grow; give --over_unused'):
    extend.add_tokens(old, ['gens'], over_unused=False)
  new, _ = extend.add_tokens(old, ['gens'], over_unused=True)
  ids = new.tokenizer.encode('gens @gene$ [unused1]')[0]
  assert ids == [2, len(OLD), 1]


def test_markers_of_a_model_of_relations_are_not_filled():
  settings = {'entities': 'markers', 'markers': ['[unused1]', 'a', 'b', 'c']}
  new, _ = extend.add_tokens(model_of(settings=settings), ['gens'], True)
  assert new.tokenizer.pieces[1:3] == ('[unused1]', 'gens')
  with pytest.raises(InputError, match=r'only 1 \[unused\*\] slots'):
    extend.add_tokens(model_of(settings=settings), ['gens', 'gene'], True)


def test_appended_pieces_leave_every_old_number_alone():
  old = model_of()
  new, report = extend.add_tokens(old, ['osteocyte', 'gens'], False)
  assert new.tokenizer.pieces == (*OLD, 'osteocyte', 'gens')
  assert new.bert == old.bert.replace(vocab_size=len(OLD) + 2)
  assert report['vocab_size'] == [len(OLD), len(OLD) + 2]
  assert list(new.params) == list(old.params)
  for path, array in old.params.items():
    assert new.params[path].dtype == np.float32
    np.testing.assert_array_equal(new.params[path][: len(array)], array)
  assert new.params[BIAS].shape == (len(OLD) + 2,)
  assert new.params[OTHER] is old.params[OTHER]


def test_unused_slots_are_taken_lowest_first():
  old = model_of()
  kept = old.params[extend.WORDS].copy()
  new, report = extend.add_tokens(old, ['gens'], over_unused=True)
  assert new.tokenizer.pieces == ('[PAD]', 'gens', *OLD[2:])
  assert new.bert == old.bert
  assert report['vocab_size'] == [len(OLD)] * 2
  changed = (new.params[extend.WORDS] != kept).any(axis=1)
  assert changed.nonzero()[0].tolist() == [1]
  np.testing.assert_array_equal(old.params[extend.WORDS], kept)


def test_too_few_slots_are_counted():
  with pytest.raises(InputError, match=r'3 new .* only 2 \[unused'):
    extend.add_tokens(model_of(), ['gens', 'gene', '##es', 'gen'], True)


def test_pieces_there_already_are_counted():
  new, report = extend.add_tokens(model_of(), ['gen', 'gens', '[PAD]'], False)
  assert (report['already_there'], report['new_pieces']) == (2, 1)
  assert report['new'] == {'gens': ['gen', '##s']}
  assert new.tokenizer.tokenize('gens gen') == ['gens', 'gen']
  same, report = extend.add_tokens(model_of(), ['gen'], False)
  assert (same.tokenizer.pieces, report['new']) == (OLD, {})
  assert same.about == {}


def test_what_was_unknown_starts_from_the_mean_of_real_pieces():
  old = model_of()
  new, report = extend.add_tokens(old, ['β', 'gens'], False)
  assert report['unknown_before'] == ['β']
  assert report['new'] == {'β': [UNK], 'gens': ['gen', '##s']}
  real = old.params[extend.WORDS][OLD.index('gen') :]
  row = new.params[extend.WORDS][len(OLD)]
  np.testing.assert_allclose(row, real.mean(axis=0), rtol=1e-6)


@pytest.mark.parametrize(
  'word', ['osteocytes', 'gens', 'xgenosteo', 'xα', 'α', 'xgengenes', 'β']
)
def test_words_are_cut_as_the_tokenizer_cuts_them(word):
  tokenizer = model_of().tokenizer
  parts = extend.split_token(word, dict.fromkeys(OLD, 0))
  assert (parts or [UNK]) == tokenizer.tokenize(word)


def test_a_continuation_is_cut_as_one():
  known = dict.fromkeys(OLD, 0)
  assert extend.split_token('##cytes', known) == ['##cyte', '##s']
  assert extend.split_token('##genx', known) == []


@pytest.mark.parametrize(
  ('piece', 'lower', 'reason'),
  [
    ('IL-2', False, "'IL-2' is cut into IL - 2 before"),
    ('@GENE$', False, 'is cut into @ GENE \\$ before'),
    ('##-2', False, "'##-2' is cut into x - 2 before"),
    ('[drug]', True, r'cut into \[ drug \] before'),
    ('糖尿', True, 'cut into 糖 尿 before'),
    ('##糖', True, 'cut into x 糖 before'),
    ('BRCA1', True, r"into 'brca1' first \(do_lower_case=true\); write"),
    ('##Cyte', True, "into 'cyte' first"),
    ('naïve', True, "into 'naive' first"),
    ('lung cancer', True, 'holds white space'),
    ('a\u00a0b', True, 'holds white space'),
    ('##', True, 'holds no character'),
    ('\u200b', True, 'dropped from text'),
    ('a' * 201, True, 'longer than the 200 characters'),
    ('##' + 'a' * 200, True, 'longer than the 200 characters'),
  ],
)
def test_what_no_text_could_meet_is_refused(tmp_path, piece, lower, reason):
  path = tmp_path / 'pieces.txt'
  path.write_text(f'gen\ngens\n{piece}\n', 'utf-8')
  model = model_of(do_lower_case=lower)
  with pytest.raises(InputError, match=rf'pieces.txt:3: .*{reason}'):
    extend.read_new_tokens(path, model)
  with pytest.raises(InputError, match=reason):
    extend.add_tokens(model, [piece], False)


@pytest.mark.parametrize(
  ('piece', 'lower'),
  [
    ('BRCA1', False),
    ('naïve', False),
    ('naive', True),
    ('##xx', True),
    ('糖', True),
    ('ꟊ', False),
    ('a' * 200, True),
  ],
)
def test_what_a_text_can_meet_is_taken(tmp_path, piece, lower):
  path = tmp_path / 'pieces.txt'
  path.write_text(f' {piece} \r\n', 'utf-8')
  model = model_of(do_lower_case=lower)
  assert extend.read_new_tokens(path, model) == (piece,)
  new, _ = extend.add_tokens(model, [piece], False)
  word = piece.replace('##', 'x')
  assert piece in new.tokenizer.tokenize(f'gen {word} gen')


def test_ideographs_join_where_the_vocabulary_joins_them():
  tokenizer = WordPieceTokenizer(OLD, True, tokenize_chinese_chars=False)
  new, _ = extend.add_tokens(model_of(tokenizer=tokenizer), ['糖尿'], False)
  assert new.tokenizer.tokenize('糖尿') == ['糖尿']


def test_repeats_are_refused(tmp_path):
  path = tmp_path / 'pieces.txt'
  path.write_text('gens\ngene\ngens\n', 'utf-8')
  with pytest.raises(InputError, match='txt:3: .*line 1'):
    extend.read_new_tokens(path, model_of())
  with pytest.raises(InputError, match='twice'):
    extend.add_tokens(model_of(), ['gens', 'gens'], False)


def test_positions_are_tiled():
  old = model_of()
  new = extend.extend_positions(old, 15)
  assert new.bert == old.bert.replace(max_position_embeddings=15)
  table = old.params[extend.POSITIONS]
  for i, row in enumerate(new.params[extend.POSITIONS]):
    np.testing.assert_array_equal(row, table[i % 6])
  assert len(new.params[extend.POSITIONS]) == 15
  for path in (extend.WORDS, BIAS, OTHER):
    assert new.params[path] is old.params[path]
  with pytest.raises(InputError, match='=5: the model has 6'):
    extend.extend_positions(old, 5)


def test_about_tells_each_step_and_keeps_the_training():
  old = model_of(about={'task': 'ner'})
  new, _ = extend.add_tokens(old, ['gens'], True)
  new = extend.extend_positions(new, 8)
  assert new.about == {
    'task': 'ner',
    'extended': [
      {
        'of': 'old',
        'vocab_size': [len(OLD), len(OLD)],
        'new_pieces': 1,
        'over_unused': True,
      },
      {'of': 'old', 'max_position_embeddings': [6, 8]},
    ],
  }
  assert old.about == {'task': 'ner'}
  assert extend.extend_positions(new, 8).about == new.about
  card = model_card.write(
    dataclasses.replace(new, about={'extended': new.about['extended']}),
    detect.HUGGINGFACE,
    {},
  )
  assert '1 tokens added over [unused*] slots' in card
  assert 'positions 6 → 8: position i starts as i modulo 6' in card


def test_optimizer_slots_are_dropped():
  old = model_of()
  assert old.contents.slots
  assert not extend.extend_positions(old, 8).contents.slots
  assert not extend.add_tokens(old, ['gens'], False)[0].contents.slots


def test_the_table_lists_every_new_row():
  new, report = extend.add_tokens(model_of(), ['osteocytes', 'β'], True)
  assert extend.new_token_table(new, report['new']) == (
    'id\tpiece\told_pieces\n1\tosteocytes\tosteo ##cyte ##s\n2\tβ\t[UNK]\n'
  )


def test_a_compiled_model_is_refused():
  model = model_of(form=detect.ONNX)
  with pytest.raises(InputError, match='no parameters to extend'):
    extend.add_tokens(model, ['gens'], False)
  with pytest.raises(InputError, match='no parameters to extend'):
    extend.extend_positions(model, 8)
