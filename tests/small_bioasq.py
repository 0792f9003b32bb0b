"""Invented questions beside passages, in the forms of PubMedQA and BioASQ."""

import json
import pathlib

DRUGS = ('aspirin', 'insulin', 'digoxin', 'heparin', 'lithium', 'codeine')
ENDS = ('fever', 'rashes', 'pain', 'cough', 'nausea')
VERBS = {'yes': 'lowered', 'no': 'spared', 'maybe': 'blurred'}


def pubmedqa_records(count: int = 100) -> dict[str, dict]:
  """Records by id: the verb of the passage alone tells the decision."""
  labels = ('yes', 'no', 'yes', 'no', 'maybe')
  records = {}
  for i in range(count):
    drug, end, label = DRUGS[i % 6], ENDS[i // 6 % 5], labels[i % 5]
    records[str(1000 + i)] = {
      'QUESTION': f'Does {drug} help against {end}?',
      'CONTEXTS': [f'We gave {drug} to {i} mice.', f'It {VERBS[label]} {end}.'],
      'LABELS': ['METHODS', 'RESULTS'],
      'LONG_ANSWER': f'Perhaps {label}.',
      'final_decision': label,
    }
  return records


def write_pubmedqa(folder: pathlib.Path) -> pathlib.Path:
  """The corpus as published, but for its size: 50 for test, ten folds of 5."""
  folder.mkdir(parents=True, exist_ok=True)
  text = json.dumps(pubmedqa_records())
  (folder / 'ori_pqal.json').write_text(text)
  return folder


def squad_form(pairs: list[tuple[str, str, str, str]]) -> dict:
  """(id, question, passage, answer) in the form of BioASQ's yes/no files."""
  paragraphs = []
  for id_, question, passage, answer in pairs:
    qas = {'id': id_, 'question': question}
    if answer:
      qas |= {'answers': answer, 'is_impossible': answer == 'no'}
    paragraphs.append({'context': passage, 'qas': [qas]})
  return {'version': 'BioASQ', 'data': [{'paragraphs': paragraphs}]}


def raw_bioasq() -> dict:
  """The challenge's form: factoid, list, yes/no and summary questions."""
  questions = []

  def add(type_: str, body: str, exact: object, *texts: str) -> None:
    number = len(questions) + 1
    documents = [f'{number}{i}' for i in range(len(texts))]
    snippets = [
      {
        'text': text,
        'document': f'http://www.ncbi.nlm.nih.gov/pubmed/{pmid}',
        'beginSection': 'abstract',
        'endSection': 'abstract',
        'offsetInBeginSection': 0,
        'offsetInEndSection': len(text),
      }
      for pmid, text in zip(documents, texts, strict=True)
    ]
    question = {
      'id': f'{number:024x}',
      'type': type_,
      'body': body,
      'documents': [s['document'] for s in snippets],
      'snippets': snippets,
      'ideal_answer': ['In words.'],
    }
    if exact is not None:
      question['exact_answer'] = exact
    questions.append(question)

  for i, drug in enumerate(DRUGS):
    end, other = ENDS[i % 5], ENDS[(i + 1) % 5]
    texts = (f'In mice {drug} lowered {end}.', f'{end.title()} fell by {drug}.')
    add(
      'factoid', f'What lowers {end} in mice {i}?', [[drug, f'{drug}s']], *texts
    )
    add(
      'list',
      f'List two ends that {drug} lowered.',
      [[end], [other]],
      f'We saw that {drug} lowered {end} and {other} in mice.',
    )
    answer = 'yes' if i % 2 else 'no'
    verb = 'lowered' if i % 2 else 'spared'
    add(
      'yesno',
      f'Does {drug} help against {end}?',
      answer,
      f'It {verb} {end}.',
      f'All {drug} {verb} it.',
    )
  add('summary', 'What is known of mice?', None, 'Mice are small.')
  return {'questions': questions}
