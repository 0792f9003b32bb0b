"""Documents with relations of every form: the same mentions and relations."""

import collections
import json

import pytest

from biobert_jax.data.relation.pair_words import Placeholders
from biobert_jax.errors import InputError
from biobert_jax.preprocessing import annotated_documents, relation_corpora
from biobert_jax.text import bioc, brat, documents
from biobert_jax.text.readers import any_format

# One relation of each kind of id: a variant's, parts at each sign, a whole.
BIORED = """\
5|t|Variants.
5|a|R132H and rs99 with breast or ovarian cancer, 132 with gout and flu.
5\t10\t15\tR132H\tVariant\tp|SUB|R|132|H
5\t20\t24\trs99\tVariant\trs99;c|DEL|35|G
5\t30\t54\tbreast or ovarian cancer\tDisease\tD1,D2|D3
5\t56\t59\t132\tVariant\t132
5\t65\t69\tgout\tDisease\t-
5\t74\t77\tflu\tDisease\tD4
5\tA\tp|SUB|R|132|H\tD1\tNovel
5\tB\tc|DEL|35|G\tD3\tNo
5\tC\trs99;c|DEL|35|G\tD1,D2|D3\tNo
5\tD\t132\tD4\tNo
"""
FOUND = [
  ('R132H', 'breast or ovarian cancer', 'A'),
  ('R132H', 'gout', 'false'),
  ('R132H', 'flu', 'false'),
  ('rs99', 'breast or ovarian cancer', 'B'),
  ('rs99', 'breast or ovarian cancer', 'C'),
  ('rs99', 'gout', 'false'),
  ('rs99', 'flu', 'false'),
  ('132', 'breast or ovarian cancer', 'false'),
  ('132', 'gout', 'false'),
  ('132', 'flu', 'D'),
]
CHOICES = relation_corpora.Choices(('Variant', 'Disease'), (), False, True, 0.0)


def made(source, folder, **changes):
  summary = relation_corpora.prepare(
    str(source), str(folder), CHOICES._replace(**changes)
  )
  lines = (folder / 'pairs_train.tsv').read_text().splitlines()[1:]
  rows = [line.split('\t') for line in lines]
  return [(row[5], row[9], row[10]) for row in rows], summary


@pytest.mark.parametrize('form', ['pubtator', 'jsonl', 'bioc', 'bioc-json'])
def test_every_form_of_documents_gives_the_same_rows(tmp_path, form):
  (tmp_path / 'in.pubtator').write_text(BIORED)
  read = any_format.read_documents(tmp_path / 'in.pubtator')
  ending = {'bioc': 'xml', 'bioc-json': 'json'}.get(form, form)
  path = tmp_path / f'train.{ending}'
  write = {
    'pubtator': documents.write_pubtator,
    'jsonl': documents.write_jsonl,
    'bioc': bioc.write_xml,
    'bioc-json': bioc.write_json,
  }[form]
  write(read, path)
  # A file, and the folder that it lies in.
  for source in (path, tmp_path):
    assert made(source, tmp_path / 'out')[0] == FOUND


def test_brat_has_relations_between_mentions(tmp_path):
  text = 'COX-1 and gout. COX-1 and flu.'
  (tmp_path / 'train').mkdir()
  (tmp_path / 'train/a.txt').write_text(text)
  (tmp_path / 'train/a.ann').write_text(
    'T7\tVariant 0 5\tCOX-1\nT2\tDisease 10 14\tgout\n'
    'T3\tVariant 16 21\tCOX-1\nT4\tDisease 26 29\tflu\n'
    'R1\tLink Arg1:T3 Arg2:T4\n'
  )
  rows = [('COX-1', 'gout', 'false'), ('COX-1', 'flu', 'Link')]
  for source in (tmp_path, tmp_path / 'train'):
    found, summary = made(source, tmp_path / 'out')
    assert found == rows
  assert '--config.data.test_split=' in summary['overrides']
  found, summary = made(tmp_path, tmp_path / 'out', window=2)
  assert len(found) == 4
  assert '--config.data.sentence_window=2' in summary['overrides']
  (document,) = brat.read_folder(tmp_path / 'train', collections.Counter())
  assert len(document.relations) == 1


SENTENCES = [
  {
    'text': 'The << Ang II >>-induced [[ [3H]X ]], e.g. so.',
    'label': 'INHIBITOR',
  },
  {'text': '[[ A ]]/<< B >> bind.', 'label': 'SUBSTRATE'},
]


@pytest.mark.parametrize(
  ('markers', 'types', 'texts'),
  [
    (
      *(False, ()),
      ['The @ENTITY$-induced @ENTITY$, e.g. so.', '@ENTITY$/@ENTITY$ bind.'],
    ),
    (
      *(False, ('GENE', 'CHEMICAL')),
      ['The @GENE$-induced @CHEMICAL$, e.g. so.', '@CHEMICAL$/@GENE$ bind.'],
    ),
    (
      *(True, ()),
      [
        'The [E1] Ang II [/E1] -induced [E2] [3H]X [/E2] , e.g. so.',
        '[E2] A [/E2] / [E1] B [/E1] bind.',
      ],
    ),
  ],
)
def test_sentences_of_scibert(tmp_path, markers, types, texts):
  lines = ''.join(f'{json.dumps(row)}\n' for row in SENTENCES)
  (tmp_path / 'train.txt').write_text(lines)
  made(tmp_path, tmp_path / 'out', markers=markers, types=types)
  rows = (tmp_path / 'out/train.tsv').read_text().splitlines()
  assert rows == [f'{texts[0]}\tINHIBITOR', f'{texts[1]}\tSUBSTRATE']
  one, _ = made(
    *(tmp_path / 'train.txt', tmp_path / 'out'),
    markers=markers,
    types=types,
    relations=('inhibitor',),
  )
  assert [label for _, _, label in one] == ['INHIBITOR', 'false']


@pytest.mark.parametrize(
  'row',
  [
    {'text': 'No [[ pair ]].', 'label': 'X'},
    {'text': SENTENCES[0]['text'], 'label': ''},
  ],
)
def test_a_broken_sentence_is_counted_or_refused(tmp_path, row):
  path = tmp_path / 'train.txt'
  path.write_text(f'{json.dumps(SENTENCES[0])}\n{json.dumps(row)}\n')
  words = Placeholders.from_types(*annotated_documents.UNTYPED)
  counts = collections.Counter()
  given = (path, counts, 0.5, words, False)
  assert len(annotated_documents.read_sentences(*given)) == 1
  assert counts['broken_rows'] == 1
  with pytest.raises(InputError, match='train.txt:2: want "text" with << one'):
    annotated_documents.read_sentences(path, counts, 0.4, words, False)


def test_a_file_that_is_no_corpus_is_refused(tmp_path):
  (tmp_path / 'a.txt').write_text('Plain text.')
  with pytest.raises(InputError, match=r'a\.txt: no corpus of relations: want'):
    relation_corpora.find_splits(tmp_path / 'a.txt')
