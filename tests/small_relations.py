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
