"""Invented questions about genes and diseases, in the form of SQuAD."""

import json
import pathlib
from typing import Any

GENES = ('BRCA1', 'ATM', 'p53', 'KRAS', 'EGFR', 'MYC')
DISEASES = ('fever', 'asthma', 'gout', 'flu', 'rickets', 'anaemia')


def paragraphs(first: int, step: int, version: str) -> list[dict[str, Any]]:
  """Every so many of the passages, with their questions."""
  pairs = [(gene, disease) for gene in GENES for disease in DISEASES]
  found = []
  for number, (gene, disease) in [*enumerate(pairs)][first::step]:
    context = f'In rats {gene} causes {disease}, as seen in {1950 + number}.'
    asked = [
      (f'What causes {disease}?', gene),
      (f'What does {gene} cause?', disease),
      ('When was it seen?', str(1950 + number)),
    ]
    if version == '2.0':
      asked.append((f'Who found {gene}?', ''))
    questions = []
    for k, (question, answer) in enumerate(asked):
      row: dict[str, Any] = {'id': f'{number}-{k}', 'question': question}
      row['answers'] = []
      if answer:
        place = {'text': answer, 'answer_start': context.index(answer)}
        row['answers'].append(place)
      if version == '2.0':
        row['is_impossible'] = not answer
      questions.append(row)
    found.append({'context': context, 'qas': questions})
  return found


def content_of(rows: list[dict[str, Any]], version: str) -> str:
  """The text of a file."""
  articles = [{'title': 'Rats', 'paragraphs': rows}]
  return json.dumps({'version': version, 'data': articles})


def write(folder: pathlib.Path, version: str = '1.1') -> pathlib.Path:
  """A folder with train.json, dev.json and test.json."""
  folder.mkdir(parents=True, exist_ok=True)
  for name, first, step in (('train', 0, 2), ('dev', 1, 6), ('test', 3, 6)):
    rows = paragraphs(first, step, version)
    (folder / f'{name}.json').write_text(content_of(rows, version))
  return folder
