"""Golden cases of `conlleval.pl`: tags written here, text printed by perl.

The script is version 2004-01-26 as shipped by dmis-lab/biobert
(`biocodes/conlleval.pl`), run under perl 5.36.
"""

from typing import NamedTuple


class Case(NamedTuple):
  """Tags by sentence, and what the script prints for them."""

  name: str
  gold: list[list[str]]
  predicted: list[list[str]]
  text: str


def _read(block: str) -> Case:
  """Reads a name, lines of gold and of predicted tags, and the text."""
  name, *lines = block.splitlines()
  tags = {'gold ': '', 'pred ': ''}
  text = ''
  for line in lines:
    if line[:5] in tags:
      tags[line[:5]] += line[5:] + ' '
    else:
      text += line + '\n'
  gold, predicted = (
    [sentence.split() for sentence in side.split('|')] for side in tags.values()
  )
  return Case(name, gold, predicted, text)


# Tags are parted by spaces, sentences by `|`.
_GOLDEN = """\
# all_right
gold B-D I-D O B-D | O B-D I-D
pred B-D I-D O B-D | O B-D I-D
processed 7 tokens with 3 phrases; found: 3 phrases; correct: 3.
accuracy: 100.00%; precision: 100.00%; recall: 100.00%; FB1: 100.00
                D: precision: 100.00%; recall: 100.00%; FB1: 100.00  3
# all_outside
gold O O O
pred O O O
processed 3 tokens with 0 phrases; found: 0 phrases; correct: 0.
accuracy: 100.00%; precision:   0.00%; recall:   0.00%; FB1:   0.00
# nothing_predicted
gold B-D I-D O
pred O O O
processed 3 tokens with 1 phrases; found: 0 phrases; correct: 0.
accuracy:  33.33%; precision:   0.00%; recall:   0.00%; FB1:   0.00
                D: precision:   0.00%; recall:   0.00%; FB1:   0.00  0
# nothing_gold
gold O O O
pred B-D I-D O
processed 3 tokens with 0 phrases; found: 1 phrases; correct: 0.
accuracy:  33.33%; precision:   0.00%; recall:   0.00%; FB1:   0.00
                D: precision:   0.00%; recall:   0.00%; FB1:   0.00  1
# untyped
gold B I O B | O B I I
pred B I O O | O B I O
processed 8 tokens with 3 phrases; found: 2 phrases; correct: 1.
accuracy:  75.00%; precision:  50.00%; recall:  33.33%; FB1:  40.00
                 : precision:  50.00%; recall:  33.33%; FB1:  40.00  2
                 : precision:  50.00%; recall:  33.33%; FB1:  40.00  2
# untyped_in_gold_only
gold B I O
pred O O O
processed 3 tokens with 1 phrases; found: 0 phrases; correct: 0.
accuracy:  33.33%; precision:   0.00%; recall:   0.00%; FB1:   0.00
                 : precision:   0.00%; recall:   0.00%; FB1:   0.00  0
# untyped_against_typed
gold B I O B-D
pred B-D I-D O B-D
processed 4 tokens with 2 phrases; found: 2 phrases; correct: 1.
accuracy:  50.00%; precision:  50.00%; recall:  50.00%; FB1:  50.00
                 : precision:   0.00%; recall:   0.00%; FB1:   0.00  0
                D: precision:  50.00%; recall: 100.00%; FB1:  66.67  2
# inside_after_outside
gold O B-D I-D O
pred O I-D I-D O
processed 4 tokens with 1 phrases; found: 1 phrases; correct: 1.
accuracy:  75.00%; precision: 100.00%; recall: 100.00%; FB1: 100.00
                D: precision: 100.00%; recall: 100.00%; FB1: 100.00  1
# inside_starts_a_sentence
gold B-D | B-D I-D
pred I-D | I-D I-D
processed 3 tokens with 2 phrases; found: 2 phrases; correct: 2.
accuracy:  33.33%; precision: 100.00%; recall: 100.00%; FB1: 100.00
                D: precision: 100.00%; recall: 100.00%; FB1: 100.00  2
# sentence_break_ends_an_entity
gold B-D I-D | I-D O
pred B-D I-D | B-D O
processed 4 tokens with 2 phrases; found: 2 phrases; correct: 2.
accuracy:  75.00%; precision: 100.00%; recall: 100.00%; FB1: 100.00
                D: precision: 100.00%; recall: 100.00%; FB1: 100.00  2
# break_inside_a_longer_prediction
gold B-D O | B-D
pred B-D I-D | I-D
processed 3 tokens with 2 phrases; found: 2 phrases; correct: 1.
accuracy:  33.33%; precision:  50.00%; recall:  50.00%; FB1:  50.00
                D: precision:  50.00%; recall:  50.00%; FB1:  50.00  2
# type_changes_without_b
gold B-D I-C I-C O
pred B-D B-C I-C O
processed 4 tokens with 2 phrases; found: 2 phrases; correct: 2.
accuracy:  75.00%; precision: 100.00%; recall: 100.00%; FB1: 100.00
                C: precision: 100.00%; recall: 100.00%; FB1: 100.00  1
                D: precision: 100.00%; recall: 100.00%; FB1: 100.00  1
# wrong_type
gold B-D I-D O B-C
pred B-C I-C O B-C
processed 4 tokens with 2 phrases; found: 2 phrases; correct: 1.
accuracy:  50.00%; precision:  50.00%; recall:  50.00%; FB1:  50.00
                C: precision:  50.00%; recall: 100.00%; FB1:  66.67  2
                D: precision:   0.00%; recall:   0.00%; FB1:   0.00  0
# type_wrong_on_the_second_token
gold B-D I-D I-D
pred B-D I-D I-C
processed 3 tokens with 1 phrases; found: 2 phrases; correct: 0.
accuracy:  66.67%; precision:   0.00%; recall:   0.00%; FB1:   0.00
                C: precision:   0.00%; recall:   0.00%; FB1:   0.00  1
                D: precision:   0.00%; recall:   0.00%; FB1:   0.00  1
# too_long
gold B-D I-D O O
pred B-D I-D I-D O
processed 4 tokens with 1 phrases; found: 1 phrases; correct: 0.
accuracy:  75.00%; precision:   0.00%; recall:   0.00%; FB1:   0.00
                D: precision:   0.00%; recall:   0.00%; FB1:   0.00  1
# too_short
gold B-D I-D I-D O
pred B-D I-D O O
processed 4 tokens with 1 phrases; found: 1 phrases; correct: 0.
accuracy:  75.00%; precision:   0.00%; recall:   0.00%; FB1:   0.00
                D: precision:   0.00%; recall:   0.00%; FB1:   0.00  1
# starts_late
gold B-D I-D O
pred O B-D O
processed 3 tokens with 1 phrases; found: 1 phrases; correct: 0.
accuracy:  33.33%; precision:   0.00%; recall:   0.00%; FB1:   0.00
                D: precision:   0.00%; recall:   0.00%; FB1:   0.00  1
# neighbours_joined
gold B-D B-D I-D
pred B-D I-D I-D
processed 3 tokens with 2 phrases; found: 1 phrases; correct: 0.
accuracy:  66.67%; precision:   0.00%; recall:   0.00%; FB1:   0.00
                D: precision:   0.00%; recall:   0.00%; FB1:   0.00  1
# neighbours_apart
gold B-D I-D B-D
pred B-D I-D B-D
processed 3 tokens with 2 phrases; found: 2 phrases; correct: 2.
accuracy: 100.00%; precision: 100.00%; recall: 100.00%; FB1: 100.00
                D: precision: 100.00%; recall: 100.00%; FB1: 100.00  2
# hyphens_in_types
gold B-cell-line I-cell-line B-cell I-cell O
pred B-cell-line I-cell-line B-cell I-cell-line O
processed 5 tokens with 2 phrases; found: 3 phrases; correct: 1.
accuracy:  80.00%; precision:  33.33%; recall:  50.00%; FB1:  40.00
             cell: precision:   0.00%; recall:   0.00%; FB1:   0.00  1
        cell-line: precision:  50.00%; recall: 100.00%; FB1:  66.67  2
# hyphen_without_type
gold B- I- O B-
pred B I O B-D
processed 4 tokens with 2 phrases; found: 2 phrases; correct: 1.
accuracy:  75.00%; precision:  50.00%; recall:  50.00%; FB1:  50.00
                 : precision: 100.00%; recall:  50.00%; FB1:  66.67  1
                 : precision: 100.00%; recall:  50.00%; FB1:  66.67  1
                D: precision:   0.00%; recall:   0.00%; FB1:   0.00  1
# type_zero_is_no_type
gold B-0 I-0 O B-00
pred B I O B-00
processed 4 tokens with 2 phrases; found: 2 phrases; correct: 2.
accuracy: 100.00%; precision: 100.00%; recall: 100.00%; FB1: 100.00
                 : precision: 100.00%; recall: 100.00%; FB1: 100.00  1
                 : precision: 100.00%; recall: 100.00%; FB1: 100.00  1
               00: precision: 100.00%; recall: 100.00%; FB1: 100.00  1
# type_names_sort_by_code_point
gold B-a O B-Z O B-é O B-10 O B-9
pred B-a O B-Z O B-é O B-10 O B-9
processed 9 tokens with 5 phrases; found: 5 phrases; correct: 5.
accuracy: 100.00%; precision: 100.00%; recall: 100.00%; FB1: 100.00
               10: precision: 100.00%; recall: 100.00%; FB1: 100.00  1
                9: precision: 100.00%; recall: 100.00%; FB1: 100.00  1
                Z: precision: 100.00%; recall: 100.00%; FB1: 100.00  1
                a: precision: 100.00%; recall: 100.00%; FB1: 100.00  1
               é: precision: 100.00%; recall: 100.00%; FB1: 100.00  1
# type_longer_than_the_column
gold B-Negative-Regulation-Site O
pred B-Negative-Regulation-Site O
processed 2 tokens with 1 phrases; found: 1 phrases; correct: 1.
accuracy: 100.00%; precision: 100.00%; recall: 100.00%; FB1: 100.00
Negative-Regulation-Site: precision: 100.00%; recall: 100.00%; FB1: 100.00  1
# five_types
gold B-DNA I-DNA O B-RNA O B-protein I-protein O B-cell_type O B-cell_line
pred B-DNA I-DNA O B-DNA O B-protein O O B-cell_type I-cell_type B-cell_line
processed 11 tokens with 5 phrases; found: 5 phrases; correct: 2.
accuracy:  72.73%; precision:  40.00%; recall:  40.00%; FB1:  40.00
              DNA: precision:  50.00%; recall: 100.00%; FB1:  66.67  2
              RNA: precision:   0.00%; recall:   0.00%; FB1:   0.00  0
        cell_line: precision: 100.00%; recall: 100.00%; FB1: 100.00  1
        cell_type: precision:   0.00%; recall:   0.00%; FB1:   0.00  1
          protein: precision:   0.00%; recall:   0.00%; FB1:   0.00  1
# thirds
gold B-D O B-D O B-D O B-C
pred B-D O O O O O B-C
processed 7 tokens with 4 phrases; found: 2 phrases; correct: 2.
accuracy:  71.43%; precision: 100.00%; recall:  50.00%; FB1:  66.67
                C: precision: 100.00%; recall: 100.00%; FB1: 100.00  1
                D: precision: 100.00%; recall:  33.33%; FB1:  50.00  1
# iobes
gold S-D O B-D E-D O B-C I-C E-C
pred S-D O B-D E-D O B-C E-C O
processed 8 tokens with 3 phrases; found: 3 phrases; correct: 2.
accuracy:  75.00%; precision:  66.67%; recall:  66.67%; FB1:  66.67
                C: precision:   0.00%; recall:   0.00%; FB1:   0.00  1
                D: precision: 100.00%; recall: 100.00%; FB1: 100.00  2
# iobes_neighbours_are_one
gold B-D E-D B-D E-D O
pred B-D E-D O B-D E-D
processed 5 tokens with 1 phrases; found: 2 phrases; correct: 0.
accuracy:  40.00%; precision:   0.00%; recall:   0.00%; FB1:   0.00
                D: precision:   0.00%; recall:   0.00%; FB1:   0.00  2
# iobes_ends
gold E-D E-D I-D O E-D
pred E-D I-D E-D O B-D
processed 5 tokens with 4 phrases; found: 3 phrases; correct: 2.
accuracy:  40.00%; precision:  66.67%; recall:  50.00%; FB1:  57.14
                D: precision:  66.67%; recall:  50.00%; FB1:  57.14  3
# single_after_single_is_one
gold S-D S-D O
pred S-D O S-D
processed 3 tokens with 1 phrases; found: 2 phrases; correct: 0.
accuracy:  33.33%; precision:   0.00%; recall:   0.00%; FB1:   0.00
                D: precision:   0.00%; recall:   0.00%; FB1:   0.00  2
# untyped_single_is_none
gold S O B S O B
pred S O B S O B
processed 6 tokens with 2 phrases; found: 2 phrases; correct: 1.
accuracy: 100.00%; precision:  50.00%; recall:  50.00%; FB1:  50.00
                 : precision:  50.00%; recall:  50.00%; FB1:  50.00  2
                 : precision:  50.00%; recall:  50.00%; FB1:  50.00  2
# untyped_end
gold B E O E E I
pred B E O E I I
processed 6 tokens with 4 phrases; found: 3 phrases; correct: 2.
accuracy:  83.33%; precision:  66.67%; recall:  50.00%; FB1:  57.14
                 : precision:  66.67%; recall:  50.00%; FB1:  57.14  3
                 : precision:  66.67%; recall:  50.00%; FB1:  57.14  3
# open_over_a_break
gold B S | B
pred B S | B
processed 3 tokens with 2 phrases; found: 2 phrases; correct: 1.
accuracy: 100.00%; precision:  50.00%; recall:  50.00%; FB1:  50.00
                 : precision:  50.00%; recall:  50.00%; FB1:  50.00  2
                 : precision:  50.00%; recall:  50.00%; FB1:  50.00  2
# open_over_two_breaks
gold B S | | B O
pred B S | | B O
processed 4 tokens with 2 phrases; found: 2 phrases; correct: 1.
accuracy: 100.00%; precision:  50.00%; recall:  50.00%; FB1:  50.00
                 : precision:  50.00%; recall:  50.00%; FB1:  50.00  2
                 : precision:  50.00%; recall:  50.00%; FB1:  50.00  2
# brackets
gold [ I ] O [-D ]-D
pred [ I ] O [-D ]-D
processed 6 tokens with 4 phrases; found: 4 phrases; correct: 4.
accuracy: 100.00%; precision: 100.00%; recall: 100.00%; FB1: 100.00
                 : precision: 100.00%; recall: 100.00%; FB1: 100.00  2
                 : precision: 100.00%; recall: 100.00%; FB1: 100.00  2
                D: precision: 100.00%; recall: 100.00%; FB1: 100.00  2
# bracket_in_a_chunk
gold B-D [-D I-D O
pred B-D [-D I-D O
processed 4 tokens with 2 phrases; found: 2 phrases; correct: 1.
accuracy: 100.00%; precision:  50.00%; recall:  50.00%; FB1:  50.00
                D: precision:  50.00%; recall:  50.00%; FB1:  50.00  2
# full_stop_tag
gold B-D .-D O B-D | . B-D
pred B-D .-D O B-D | . B-D
processed 6 tokens with 3 phrases; found: 3 phrases; correct: 2.
accuracy: 100.00%; precision:  66.67%; recall:  66.67%; FB1:  66.67
                D: precision:  66.67%; recall:  66.67%; FB1:  66.67  3
# full_stop_at_the_end_of_file
gold B-D .-D
pred B-D .-D
processed 2 tokens with 1 phrases; found: 1 phrases; correct: 1.
accuracy: 100.00%; precision: 100.00%; recall: 100.00%; FB1: 100.00
                D: precision: 100.00%; recall: 100.00%; FB1: 100.00  1
# typed_outside
gold B-D O-D I-D O-C
pred B-D O-D I-D O
processed 4 tokens with 2 phrases; found: 2 phrases; correct: 2.
accuracy:  75.00%; precision: 100.00%; recall: 100.00%; FB1: 100.00
                D: precision: 100.00%; recall: 100.00%; FB1: 100.00  2
# lower_case_is_another_head
gold b-D i-D o
pred b-D i-D O
processed 3 tokens with 2 phrases; found: 1 phrases; correct: 1.
accuracy:  66.67%; precision: 100.00%; recall:  50.00%; FB1:  66.67
                 : precision:   0.00%; recall:   0.00%; FB1:   0.00  0
                D: precision: 100.00%; recall: 100.00%; FB1: 100.00  1
# words_as_tags
gold X X Y-D X
pred X X Y-D O
processed 4 tokens with 2 phrases; found: 1 phrases; correct: 1.
accuracy:  75.00%; precision: 100.00%; recall:  50.00%; FB1:  66.67
                 : precision:   0.00%; recall:   0.00%; FB1:   0.00  0
                D: precision: 100.00%; recall: 100.00%; FB1: 100.00  1
# no_head
gold -D - O
pred -D -D O
processed 3 tokens with 2 phrases; found: 1 phrases; correct: 0.
accuracy:  66.67%; precision:   0.00%; recall:   0.00%; FB1:   0.00
                 : precision:   0.00%; recall:   0.00%; FB1:   0.00  0
                D: precision:   0.00%; recall:   0.00%; FB1:   0.00  1
# two_letter_heads
gold - IB O | BO - O | B-D
pred - IB O | BO - O | B-D
processed 7 tokens with 1 phrases; found: 1 phrases; correct: 1.
accuracy: 100.00%; precision: 100.00%; recall: 100.00%; FB1: 100.00
                D: precision: 100.00%; recall: 100.00%; FB1: 100.00  1
# types_part_after_a_full_stop
gold B-D .-D .-C O
pred B-D .-D .-D O
processed 4 tokens with 1 phrases; found: 1 phrases; correct: 0.
accuracy:  75.00%; precision:   0.00%; recall:   0.00%; FB1:   0.00
                D: precision:   0.00%; recall:   0.00%; FB1:   0.00  1
# random_untyped
gold B O O O O O O B I | B B O | B O I | O O B B O O B | O O O O O I O O | O O
gold B O O O O O | B O I O B | I O O O B I | I I B I O
pred B O O O O O O B I | B B O | I O I | O B B B O O O | O O O I O I O O | B O
pred I O O O B O | B O O O O | I O O I B I | B I B O O
processed 54 tokens with 18 phrases; found: 20 phrases; correct: 14.
accuracy:  77.78%; precision:  70.00%; recall:  77.78%; FB1:  73.68
                 : precision:  70.00%; recall:  77.78%; FB1:  73.68  20
                 : precision:  70.00%; recall:  77.78%; FB1:  73.68  20
# random_typed
gold B-D B-C I-C B-C I-C O O O I-D | O | B-D O | I-D B-D I-C B-C O I-D B-C I-C
gold | O | B-C I-D B-C B-C | B-D O I-C O O B-D B-C | O B-D | I-D
pred B-D B-D I-C B-C I-C O O O I-D | O | B-D O | I-D B-D I-C O O I-D B-C I-C |
pred O | B-C I-D B-C B-C | I-C O I-C O O B-D B-C | O I-D | I-D
processed 35 tokens with 21 phrases; found: 21 phrases; correct: 18.
accuracy:  88.57%; precision:  85.71%; recall:  85.71%; FB1:  85.71
                C: precision:  80.00%; recall:  80.00%; FB1:  80.00  10
                D: precision:  90.91%; recall:  90.91%; FB1:  90.91  11
# random_iobes
gold I-D E-D | B-C B-C O I-C B-D S-D I-D S-C | I-D S-C | O B-D B-C S-C B-D I-D
gold S-C O E-D | S-C I-D B-D B-D I-C E-C | I-D O B-C S-D E-D B-D B-D E-D I-D |
gold I-C E-D E-D E-D S-C I-C O | B-C I-C E-D S-C | O E-C O O O I-C I-D O
pred I-D E-C | B-C B-C O I-C B-D I-C I-D S-D | I-D S-C | O B-D B-C S-C B-D S-D
pred S-C O E-D | S-C S-C S-C I-C I-C E-C | I-D O B-C E-D E-D B-D B-D E-D I-D |
pred I-C E-D B-D E-D S-C I-C O | B-C I-C E-D I-D | O E-C O O S-D I-C I-D O
processed 55 tokens with 34 phrases; found: 32 phrases; correct: 21.
accuracy:  80.00%; precision:  65.62%; recall:  61.76%; FB1:  63.64
                C: precision:  80.00%; recall:  75.00%; FB1:  77.42  15
                D: precision:  52.94%; recall:  50.00%; FB1:  51.43  17
# random_mixture
gold B-D | S | . I O I-D ]-D [ B-D - | . E-D I-D E-D | [ | I | O-D ]-D B-D [
gold E-D O I | I-D . - I I-D O-D I-D | [ O [ O [ I E-D
pred B-D | . | . [ O E-D ]-D B B-D - | . E-D I-D E-D | [ | I | O-D [ B-D [ S O
pred I | I-D . - I I-D O-D S | [ O [ O [ I E-D
processed 37 tokens with 21 phrases; found: 22 phrases; correct: 16.
accuracy:  81.08%; precision:  72.73%; recall:  76.19%; FB1:  74.42
                 : precision:  66.67%; recall:  88.89%; FB1:  76.19  12
                 : precision:  66.67%; recall:  88.89%; FB1:  76.19  12
                D: precision:  80.00%; recall:  66.67%; FB1:  72.73  10
"""

CASES = tuple(map(_read, _GOLDEN.removeprefix('# ').split('\n# ')))
