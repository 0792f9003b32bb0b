"""Raw corpora to the files that training reads, from the command line."""

import collections
import json
import pathlib
import subprocess
import sys

import pytest

from biobert_jax.commands.main import main
from biobert_jax.data.relation import corpus as relation_corpus
from biobert_jax.data.relation.pair_words import Markers, Placeholders
from tests.fixtures import small_relations

ROOT = pathlib.Path(__file__).parents[2]


def rows_of(folder, split, summary):
  words = Placeholders.from_config(
    summary['placeholders'], summary['joint_placeholders']
  )
  form = relation_corpus.RelationRules(words, tuple(summary['labels']), 0.0)
  found = relation_corpus.read_split(folder, split, collections.Counter(), form)
  return [(example.text, example.label) for example in found]


def run(capsys, *arguments):
  code = main(['prepare-relation', *arguments])
  out, err = capsys.readouterr()
  return code, out and json.loads(out), err


ROWS = [
  ('@CHEMICAL$ and @GENE$.', 'false'),
  ('@CHEMICAL$ inhibits @GENE$ and COX-2.', 'cpr:4'),
  ('@CHEMICAL$ inhibits COX-1 and @GENE$.', 'cpr:4'),
  ('@CHEMICAL$ inhibits COX-1 and @GENE$.', 'cpr:9'),
  ('@CHEM-GENE$ is bound.', 'cpr:3'),
]


def test_chemprot(tmp_path):
  raw, out = tmp_path / 'raw', tmp_path / 'out'
  small_relations.write_chemprot(raw, ('training', 'development', 'test'))
  child = subprocess.run(
    [
      *(sys.executable, '-m', 'biobert_jax', 'prepare-relation'),
      *('--input', str(raw), '--output', str(out)),
    ],
    cwd=ROOT,
    capture_output=True,
    text=True,
  )
  assert child.returncode == 0, child.stderr
  (line,) = child.stdout.splitlines()
  summary = json.loads(line)
  assert summary['labels'] == ['cpr:3', 'cpr:4', 'cpr:9', 'false']
  assert summary['entities'] == 'anonymised'
  for split in ('train', 'devel', 'test'):
    assert rows_of(out, split, summary) == ROWS
  first = {
    name: (out / name).read_text().split('\n')[0]
    for name in ('train.tsv', 'dev.tsv', 'test.tsv')
  }
  assert first['train.tsv'] == first['dev.tsv'] == '\t'.join(ROWS[0])
  assert first['test.tsv'] == 'index\tsentence\tlabel'
  counts = json.loads((out / 'counts.json').read_text())
  assert counts == summary['counts']
  assert counts['train'] == {
    'documents': 2,
    'sentences': 6,
    'mentions': 9,
    'mentions_repeated': 1,
    'pairs': 4,
    'pairs_nested': 1,
    'pairs_of_unwanted_relations': 1,
    'pairs_with_several_relations': 1,
    'relations': 5,
    'relations_unwanted': 1,
    'relations_across_sentences': 1,
    'rows false': 1,
    'rows cpr:3': 1,
    'rows cpr:4': 2,
    'rows cpr:9': 1,
  }
  assert 'relations across sentences' in child.stderr


def test_markers(tmp_path, capsys):
  raw, out = tmp_path / 'raw', tmp_path / 'out'
  small_relations.write_chemprot(raw, ('training', 'test'))
  arguments = ('--input', str(raw), '--output', str(out))
  code, summary, _ = run(capsys, *arguments, '--entities', 'markers')
  assert code == 0
  assert summary['entities'] == 'markers'
  pieces = tuple(f'[unused{i}]' for i in range(1, 5))
  form = relation_corpus.RelationRules(
    Markers(pieces), tuple(summary['labels']), 0.0
  )
  for split in ('train', 'test'):
    found = relation_corpus.read_split(out, split, collections.Counter(), form)
    # The labels are those of the anonymised rows, in the same order.
    assert [e.label for e in found] == [label for _, label in ROWS]
    texts = [example.text for example in found]
    assert texts[1] == '[E1] Aspirin [/E1] inhibits [E2] COX-1 [/E2] and COX-2.'
    assert texts[4] == '[E2] [E1] Insulin [/E1] receptor [/E2] is bound.'
  code, summary, _ = run(
    capsys, *arguments, '--entities', 'markers', '--overlapping', 'drop'
  )
  assert summary['counts']['train']['pairs_overlapping_dropped'] == 1
  assert 'rows cpr:3' not in summary['counts']['train']


def test_the_mentions_behind_each_row(tmp_path, capsys):
  raw, out = tmp_path / 'raw', tmp_path / 'out'
  small_relations.write_chemprot(raw, ('test',))
  assert run(capsys, '--input', str(raw), '--output', str(out))[0] == 0
  pairs = (out / 'pairs_test.tsv').read_text().splitlines()
  assert pairs[0].split('\t')[:4] == [
    'index',
    'document',
    'first',
    'first_start',
  ]
  assert pairs[2].split('\t') == [
    *('1', '1', 'T3', '19', '26', 'Aspirin'),
    *('T4', '36', '41', 'COX-1', 'cpr:4'),
  ]


def test_cdr(tmp_path, capsys):
  (tmp_path / 'CDR_TrainingSet.PubTator.txt').write_text(small_relations.CDR)
  out = tmp_path / 'out'
  code, summary, said = run(
    capsys,
    *('--input', str(tmp_path), '--output', str(out), '--max_broken', '0.4'),
  )
  assert code == 0
  assert summary['placeholders'] == ['@CHEMICAL$', '@DISEASE$']
  assert rows_of(out, 'train', summary) == [
    ('@CHEMICAL$ and @DISEASE$.', 'CID'),
    ('@CHEMICAL$ caused @DISEASE$.', 'false'),
    ('@DISEASE$ and tremor were seen after @CHEMICAL$.', 'false'),
    ('Nausea and @DISEASE$ were seen after @CHEMICAL$.', 'CID'),
  ]
  assert not (out / 'test.tsv').exists()
  counts = summary['counts']['train']
  assert counts['relations'] == 2
  assert counts['relations_across_sentences'] == 1
  assert counts['relations_whose_concept_no_mention_has'] == 1
  assert summary['overrides'][:2] == [
    f'--config.data.dir={out}',
    '--config.data.labels=CID,false',
  ]
  command = said.splitlines()[-1]
  assert command.startswith('to train: biobert-jax train --config=re_chemprot')
  assert "'--config.data.placeholders=@CHEMICAL$,@DISEASE$'" in command
  assert command.endswith(
    '--config.data.devel_split= --config.data.test_split='
  )


def test_other_choices(tmp_path, capsys):
  raw, out = tmp_path / 'raw', tmp_path / 'out'
  small_relations.write_chemprot(raw, ('training',))
  arguments = ('--input', str(raw), '--output', str(out))
  code, summary, _ = run(
    capsys,
    *(*arguments, '--types', 'chemical', 'gene'),
    *('--relations', 'CPR:2', 'CPR:9', '--overlapping', 'drop'),
  )
  assert code == 0
  found = rows_of(out, 'train', summary)
  assert [label for _, label in found] == ['cpr:2', 'false', 'cpr:9']
  assert found[0][0] == ROWS[0][0]


@pytest.mark.parametrize(
  ('arguments', 'message'),
  [
    (('--input', 'nowhere'), 'no such folder'),
    (('--max_broken', '1'), '--max_broken is 1.0'),
    (('--relations', 'CPR:7'), 'look at --types and --relations'),
    (('--types', 'GENE', 'DISEASE'), 'no pair of GENE and DISEASE'),
  ],
)
def test_bad_input_is_one_line(tmp_path, capsys, arguments, message):
  raw = tmp_path / 'raw'
  small_relations.write_chemprot(raw, ('training',))
  code, out, err = run(
    capsys, '--input', str(raw), '--output', str(tmp_path / 'out'), *arguments
  )
  assert (code, out) == (3, '')
  assert err.startswith('error: ')
  assert message in err
  assert err.count('\n') == 1
  assert not (tmp_path / 'out').exists()


def test_three_types_have_to_be_chosen_from(tmp_path, capsys):
  text = small_relations.CDR.replace('Nausea\tDisease', 'Nausea\tGene')
  (tmp_path / 'train.txt').write_text(text)
  code, _, err = run(
    capsys,
    *('--input', str(tmp_path), '--output', str(tmp_path / 'out')),
    *('--max_broken', '0.4'),
  )
  assert code == 3
  assert '--types: say which two of the types Chemical, Disease, Gene' in err
