"""Sentence ends of real abstracts and paragraphs, checked by reading them.

272 ends of 30 abstracts drawn at random, by which the rules were made, and
213 of 24 more and 85 of 24 full-text paragraphs that were read only when the
rules stood. The text is not copied: a line is an article and the offsets
where its sentences end. The last sentence of a section, which nobody can
miss, is not counted. Set BIOBERT_DATA to the folder that holds the corpora.
"""

import json
import os
import pathlib
from collections import Counter

import pytest

from biobert_jax.text import documents
from biobert_jax.text.readers import pubtator
from biobert_jax.text.sentence_splitter import sentence_spans, split_sentences

DATA = pathlib.Path(
  os.environ.get(
    'BIOBERT_DATA', pathlib.Path(__file__).parents[2] / '../shared/data'
  )
)
ARTICLES = DATA / 'pmc-oa-ccby'
NCBI = DATA / 'ncbi-disease' / 'original-pubtator'

# In the sections of an abstract, joined by newlines.
FIRST = """
PMC3951509 275 551 906 1040 1169 1277 1511 1665
PMC4386813 417 553 646 773 927 999 1197 1402 1510
PMC3136370 81 179 261 393 582 710 753 927 1012 1137 1195 1332 1504 1602
PMC4867750 139 281 492 1258 1348 1415 1490 1614 1721 1779 1980 2354 2506 2616
  2661
PMC5434251 97 196 671 768 944 1279 1347 1471 1571 1601 1819 2013
PMC3556334 179 472 521 706 1195 1573
PMC2967509 135 273 354 470 728 1082 1305 1353 1612
PMC2741450 143 236 832 956
PMC1590049 98 195 443 577 746 1033
PMC4898395 130 371 523 629 680 1105 1203 1343
PMC5807510 135 270 526 650 682 760 966 1164 1408 1600 1858
PMC4305224 88 378 675 769 811 840 991 1036 1319 1551 1800 2043 2188
PMC2660282 154 332 817 1043 1195
PMC3854786 179 269 337 464 1037 1210 1333 1412
PMC5668343 574 708 823 1189 1248 1484
PMC5753454 66 149 235 347 686 836 1029 1129 1234 1439
PMC4702321 153 518 590 750 904 1121 1184 1272 1586 1698
PMC4226213 75 246 296 452 561 906 1108 1354 1549 1716 2026 2111 2242
PMC3626857 84 160 684 886 1012 1323 1387 1709 1886 2076 2138 2301
PMC3154486 179 341 541 695 872
PMC4138551 112 379 998 1150 1648
PMC3814588 150 732 1040 1411 1569 1975
PMC1794491 85 156 197 526 615 822 1019 1294 1474 1568
PMC4124480 173 638 844 1066 1186
PMC4204994 134 308 528 668 772 866 976 1087 1244 1326
PMC3693661 94 559 652 954 1075 1177 1251 1517
PMC3598394 94 186 307 653 724 829 909 1020 1122 1199 1266 1401 1610
PMC4429825 163 292 804 947 1132 1352 1580 1671 1836
PMC4306068 108 162 489 537 621 878 937 1124 1398
PMC4752985 10 160 182 453 509 663 718 795 981 1052 1060 1203 1215
"""
SECOND = """
PMC4074832 234 716 850 1123 1163 1366 1536 1656 1728 1803 2050
PMC4689586 65 414 734 860 968 1346
PMC5729252 191 679 1091 1257
PMC1831737 531 596 694 897 1034 1274 1616
PMC5367005 87 204 789 1445 1551 1600 1698 1835 1987 2136
PMC4023937 74 157 628 736 1136 1309 1400 1479 1705
PMC2518926 122 443 642 912 1027
PMC3564767 140 671 989 1314 1394 1467
PMC3215945 11 106 338 347 462 552 561 852 1001 1013 1176
PMC4749804 176 472 629 710 1184 1306
PMC5381869 204 430 660 915 1108 1291 1396 1489 1748 1928
PMC4015723 234 566 786 881 1170 1273 1347 1435 1613
PMC4796457 65 213 627 723 797 859 909 1146 1286
PMC5781264 119 197 576 813 1018 1216 1490 1705 1975
PMC3123563 61 348 565 786 949 1108
PMC5888649 195 337 479 587 913 1117 1430 1573 1827 2025 2162 2285 2364 2432
PMC4028010 145 364 545 1039 1327 1590 1713 1840 1949 2401
PMC1513247 209 455 550 1000 1103 1158 1343 1646 1691 1774 1891 2109 2149 2340
  2484
PMC3833322 10 204 213 381 460 514 642 651 884 988 1071 1156 1169
PMC4947243 176 304 469 874 1177 1492 1635 1749 2020 2324 2388 2529 2596
PMC4233234 179 273 523 799 1081 1416 1567 1790
PMC3659039 139 309 412 774 1177 1285 1467
PMC4834398 188 303 415 507 700 891 1122
PMC3575357 410 550 749 958 1013 1267 1363 1526
"""
# In sections of the body, by their place.
PARAGRAPHS = """
PMC2447849/8 190 304 540 719
PMC4235200/37 138 272 387 440
PMC3563445/17 283 455
PMC1779263/49 252 389
PMC493273/3 168 287 451 539
PMC2944304/2 187 401
PMC4213554/16 206 416 690 856
PMC3850933/5 176 325 525 744 837 967
PMC3682309/7 202 416
PMC1550259/9 154 340 437 558
PMC3598551/9 69 374
PMC4247720/31 31 241 341 527 669
PMC3269419/22 175 296
PMC3977448/19 257 404
PMC2656477/11 295 418 533 681
PMC3228678/24 104 331 501 727
PMC3571647/21 104 278 504 642 930
PMC2596788/10 136 277 411
PMC4017968/14 203 316
PMC3718642/2 80 268 477
PMC2656477/2 199 393 574 696
PMC3806786/23 121 369
PMC3967502/14 66 142 324 487 629 661 772 997 1408 1559 1664
PMC3529678/9 238 478
"""


def offsets(block):
  """The ends of each article; what is indented goes on with the line above."""
  joined = block.strip().replace('\n  ', ' ')
  fields = [line.split() for line in joined.split('\n')]
  return {name: set(map(int, ends)) for name, *ends in fields}


def score(gold, texts):
  """(found, wrong, missed) ends."""
  counts = Counter()
  for name, ends in gold.items():
    text = texts[name]
    found = {
      end
      for _, end in sentence_spans(text)
      if text[end:].split('\n')[0].strip()
    }
    counts['found'] += len(found & ends)
    counts['wrong'] += len(found - ends)
    counts['missed'] += len(ends - found)
  return counts['found'], counts['wrong'], counts['missed']


def articles(file):
  path = ARTICLES / file
  if not path.is_file():
    pytest.skip(f'no {path}: set BIOBERT_DATA')
  with path.open(encoding='utf-8') as lines:
    yield from map(json.loads, lines)


@pytest.mark.parametrize(
  ('block', 'expected'),
  [(FIRST, (269, 0, 3)), (SECOND, (210, 2, 3))],
)
def test_abstracts(block, expected):
  texts = {
    row['pmcid']: '\n'.join(section['text'] for section in row['abstract'])
    for row in articles('abstracts.jsonl')
  }
  assert score(offsets(block), texts) == expected


def test_paragraphs_of_full_texts():
  gold = offsets(PARAGRAPHS)
  texts = {
    f'{row["pmcid"]}/{i}': section['text']
    for row in articles('fulltext.jsonl')
    for i, section in enumerate(row['body'])
  }
  assert score(gold, texts) == (85, 0, 0)


@pytest.mark.skipif(not NCBI.is_dir(), reason=f'no {NCBI}: set BIOBERT_DATA')
def test_no_disease_is_cut():
  """6,881 mentions of raw abstracts, many with "0. 05" and "EC 1. 1. 1. 49"."""
  mentions = 0
  for path in sorted(NCBI.glob('*.txt')):
    for document in pubtator.read_pubtator(path, Counter()):
      words = documents.split_words(document.text)
      sentences = split_sentences(document.text, words, document.title_length)
      starts = [sentence[0][0] for sentence in sentences]
      for entity in document.entities:
        assert not any(entity.start < s < entity.end for s in starts), entity
      mentions += len(document.entities)
  assert mentions == 6881
