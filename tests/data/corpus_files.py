"""Small files of every kind that the readers take."""

import gzip
import io
import pathlib
import tarfile
from collections import Counter

from biobert_jax.data import corpus

DOCTYPE = (
  '<?xml version="1.0" encoding="utf-8"?>\n<!DOCTYPE PubmedArticleSet PUBLIC '
  '"-//NLM//DTD PubMedArticle, 1st January 2024//EN" '
  '"https://dtd.nlm.nih.gov/ncbi/pubmed/out/pubmed_240101.dtd">\n'
)


def record(
  pmid='1',
  title='A title.',
  abstract='<AbstractText>One. Two.</AbstractText>',
  version='1',
  language='eng',
  more='',
):
  body = f'<Abstract>{abstract}</Abstract>' if abstract else ''
  return (
    '<PubmedArticle><MedlineCitation Status="MEDLINE">'
    f'<PMID Version="{version}">{pmid}</PMID><Article>'
    f'<ArticleTitle>{title}</ArticleTitle>{body}'
    f'<Language>{language}</Language></Article>{more}</MedlineCitation>'
    '<PubmedData><ReferenceList><Reference><ArticleIdList>'
    '<ArticleId>9</ArticleId></ArticleIdList></Reference></ReferenceList>'
    '</PubmedData></PubmedArticle>'
  )


def pubmed(*parts):
  inside = '\n'.join(parts)
  return (
    f'{DOCTYPE}<PubmedArticleSet>\n{inside}\n</PubmedArticleSet>\n'.encode()
  )


def jats(
  body='',
  ids='<article-id pub-id-type="pmc">7</article-id>',
  title='<article-title>A title</article-title>',
  abstract='<abstract><p>One. Two.</p></abstract>',
  attributes='',
  back='',
):
  return (
    '<!DOCTYPE article PUBLIC "-//NLM//DTD JATS v1.0//EN" "JATS.dtd">'
    '<article xmlns:mml="http://www.w3.org/1998/Math/MathML" '
    f'xmlns:xlink="http://www.w3.org/1999/xlink"{attributes}>'
    '<front><journal-meta><journal-title>J</journal-title></journal-meta>'
    f'<article-meta>{ids}<title-group>{title}</title-group>'
    '<author-notes><p>Equal.</p></author-notes>'
    f'<permissions><license><p>CC BY</p></license></permissions>{abstract}'
    f'</article-meta></front><body>{body}</body>{back}</article>'
  ).encode()


def tar(members, kind=tarfile.REGTYPE):
  """A tar of (name, bytes); of another kind, they link to the root."""
  file = io.BytesIO()
  with tarfile.open(fileobj=file, mode='w') as archive:
    for name, content in members:
      info = tarfile.TarInfo(name)
      info.type = kind
      info.linkname = '' if kind == tarfile.REGTYPE else '/'
      info.size = len(content) if kind == tarfile.REGTYPE else 0
      archive.addfile(info, io.BytesIO(content))
  return file.getvalue()


def written(folder, name, content):
  path = pathlib.Path(folder) / name
  path.write_bytes(
    gzip.compress(content, 1) if name.endswith('gz') else content
  )
  return path


def read(path, **options):
  """What is read of a file, with counts and notes."""
  counts, notes = Counter(), []
  found = list(
    corpus.read_file(
      path,
      counts,
      lambda reason, name: notes.append((reason, name)),
      corpus.Options(**options),
    )
  )
  return found, counts, notes
