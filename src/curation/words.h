/// \file
/// Words and sentences of short texts.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace medseg {

/// Runs of letters and digits, in lower case (ASCII); everything else parts them, but an
/// apostrophe with one letter behind it ("Heschl's") and characters of no width, which are dropped.
/// Bytes above 127 count as letters.
std::vector<std::string> words_of(std::string_view text);
/// The same without the change of case.
std::vector<std::string> words_as_written(std::string_view text);

/// Pieces that end in '.', '?', '!' or ';' before a blank or the end.
std::vector<std::string> sentences_of(std::string_view text);

/// Share of the words of `a` and `b` together that both hold (Jaccard); 1 where both are empty.
double word_overlap(std::string_view a, std::string_view b);

/// Flesch-Kincaid grade; syllables are counted as groups of vowels.
double reading_grade(std::string_view text);

/// Numbers written in digits: "1,250" is one, "3.5" too.
std::vector<std::string> numbers_in(std::string_view text);

/// True if letters of other scripts than Latin and Greek occur, or if a text of eight words or more
/// has no frequent English word.
bool looks_foreign(std::string_view text);

}  // namespace medseg
