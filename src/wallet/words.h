// A key's seed as words that people can write on paper and read to each other: proquints
// (arXiv 0901.4016), 16 bits a word, and one checksum word. docs/decisions/0004-backup-words.md says why.
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"

namespace mcloud::wallet {

inline constexpr size_t kSeedSize = 32;
inline constexpr size_t kWordCount = kSeedSize / 2 + 1;  // the last one is the checksum

// "lusab-babad-...": kWordCount words of five letters, joined by '-'. `seed` has kSeedSize bytes.
std::string words_of_seed(BytesView seed);

// The seed of such words; separated by '-', blanks or line ends, in any case. Invalid names the word that cannot
// be one, the wrong count, or says that the words do not fit together. The message never holds more than one word.
Result<Bytes> seed_of_words(std::string_view words);

}  // namespace mcloud::wallet
