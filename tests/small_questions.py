"""Invented questions beside passages, in the forms of PubMedQA and BioASQ."""

import json
import pathlib

DRUGS = ('aspirin', 'insulin', 'digoxin', 'heparin', 'lithium', 'codeine')
ENDS = ('fever', 'rashes', 'pain', 'cough', 'nausea')
VERBS = {'yes': 'lowered', 'no': 'spared', 'maybe': 'blurred'}


def pubmedqa_records(labels: str = 'yyyynnnnmm') -> dict[str, dict]:
  """Records by id: the verb of the passage alone tells the decision."""
  names = {name[0]: name for name in VERBS}
  records = {}
  for drug in DRUGS:
    for end in ENDS:
      label = names[labels[len(records) % len(labels)]]
      first = f'We gave {drug} to mice.'
      records[str(1000 + len(records))] = {
        'QUESTION': f'Does {drug} help against {end}?',
        'CONTEXTS': [first, f'It {VERBS[label]} {end}.'],
        'LABELS': ['METHODS', 'RESULTS'],
        'LONG_ANSWER': f'Perhaps {label}.',
        'final_decision': label,
      }
  return records


def write_pubmedqa(folder: pathlib.Path) -> pathlib.Path:
  """The corpus as published, but for its size: 60 records."""
  folder.mkdir(parents=True, exist_ok=True)
  records = pubmedqa_records()
  more = {f'2{id_}': record for id_, record in records.items()}
  text = json.dumps(records | more)
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
