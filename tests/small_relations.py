"""Invented sentences about genes and diseases, in the layout of GAD's folds."""

import pathlib

NOUNS = ('fever', 'rats', 'cells', 'asthma', 'trial', 'mice', 'liver', 'blood')
VERBS = {'1': ('causes', 'predicts'), '0': ('spares', 'ignores')}


def sentences() -> list[tuple[str, str]]:
  """(sentence, label): the verb alone tells the label."""
  found = []
  for i, noun in enumerate(NOUNS):
    for label, verbs in VERBS.items():
      for j, verb in enumerate(verbs):
        gene, disease = ('@GENE$', '@DISEASE$')[:: 1 if (i + j) % 2 else -1]
        more = f' and {NOUNS[i - 1]}' * (i % 3)
        found.append((f'In {noun}{more} {gene} {verb} {disease}.', label))
  return found


def write(folder: pathlib.Path) -> pathlib.Path:
  """A fold: train without a header, test with, dev empty; two also in train."""
  folder.mkdir(parents=True, exist_ok=True)
  train = sentences()
  test = [*train[::7], ('The @GENE$ causes @DISEASE$.', '1')][-4:]
  (folder / 'train.tsv').write_text(
    ''.join(f'{text}\t{label}\n' for text, label in train)
  )
  (folder / 'dev.tsv').write_text('')
  rows = (f'{i}\t{text}\t{label}\n' for i, (text, label) in enumerate(test))
  (folder / 'test.tsv').write_text('index\tsentence\tlabel\n' + ''.join(rows))
  return folder


def write_marked(folder: pathlib.Path) -> pathlib.Path:
  """The same fold, but with names inside of markers."""
  write(folder)
  for path in folder.glob('t*.tsv'):
    text = path.read_text().replace('@GENE$', '[E1] BRCA1 [/E1]')
    path.write_text(text.replace('@DISEASE$', '[E2] flu [/E2]'))
  return folder


# A corpus in the form of BioCreative VI: (title, abstract), mentions by the
# text that they stand on, relations of their numbers. T5 lies in T6, T8
# repeats T7.
_ABSTRACT = (
  'Aspirin and COX-1.',
  'Aspirin inhibits COX-1 and COX-2. Insulin receptor is bound. No insulin.',
)
_MENTIONS = (
  ('CHEMICAL', 'Aspirin', 0),
  ('GENE-Y', 'COX-1', 0),
  ('CHEMICAL', 'Aspirin', 1),
  ('GENE-N', 'COX-1', 1),
  ('CHEMICAL', 'Insulin', 0),
  ('GENE-Y', 'Insulin receptor', 0),
  ('GENE-Y', 'COX-2', 0),
  ('GENE-N', 'COX-2', 0),
  ('CHEMICAL', 'insulin', 0),
)
_RELATIONS = (
  ('CPR:4', 'Y ', 'INHIBITOR', 3, 4),
  ('CPR:2', 'N ', 'REGULATOR', 1, 2),
  ('CPR:4', 'Y', 'INHIBITOR', 3, 8),
  ('CPR:9', 'Y', 'SUBSTRATE', 3, 7),
  ('CPR:3', 'Y', 'ACTIVATOR', 5, 6),
  ('CPR:3', 'Y', 'ACTIVATOR', 9, 6),
)


def write_chemprot(folder: pathlib.Path, splits: tuple[str, ...]) -> None:
  """The raw corpus, a folder a split, with the same document in each."""
  text = '\t'.join(_ABSTRACT)
  entities, relations = [], []
  for number, (kind, mention, occurrence) in enumerate(_MENTIONS, 1):
    start = -1
    for _ in range(occurrence + 1):
      start = text.index(mention, start + 1)
    end = start + len(mention)
    cells = ('1', f'T{number}', kind, str(start), str(end), mention)
    entities.append('\t'.join(cells))
  for *cells, first, second in _RELATIONS:
    ends = (f'Arg1:T{first}', f'Arg2:T{second}')
    relations.append('\t'.join(('1', *cells, *ends)))
  for split in splits:
    inside = folder / f'chemprot_{split}'
    inside.mkdir(parents=True)
    suffix = '_gs' if split == 'test' else ''
    for kind, lines in (
      ('abstracts', [f'1\t{text}', '2\tNothing.\tHere either.']),
      ('entities', entities),
      ('relations', relations),
    ):
      name = f'chemprot_{split}_{kind}{suffix}.tsv'
      (inside / name).write_text('\n'.join(lines) + '\n')


CDR = """\
8|t|Lithium and tremor.
8|a|Lithium carbonate caused tremor. Nausea and tremor were seen after lithium.
8\t0\t7\tLithium\tChemical\tD008094
8\t12\t18\ttremor\tDisease\tD014202
8\t20\t37\tLithium carbonate\tChemical\tD016651
8\t45\t51\ttremor\tDisease\tD014202
8\t53\t59\tNausea\tDisease\tD009325
8\t64\t70\ttremor\tDisease\tD014202
8\t87\t94\tlithium\tChemical\tD008094|D000001\tlithium|other
8\tCID\tD008094\tD014202
8\tCID\tD016651\tD009325
8\tCID\tD016651\tD999999

"""
