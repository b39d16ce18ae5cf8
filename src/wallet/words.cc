#include "wallet/words.h"

#include <cctype>
#include <vector>

#include "base/check.h"
#include "crypto/box.h"
#include "crypto/hash.h"

namespace mcloud::wallet {
namespace {

constexpr std::string_view kConsonants = "bdfghjklmnprstvz";  // 4 bits
constexpr std::string_view kVowels = "aiou";                  // 2 bits
constexpr size_t kTextBytesMax = 1024;

std::string word_of(unsigned bits) {
  return {kConsonants[bits >> 12 & 15], kVowels[bits >> 10 & 3], kConsonants[bits >> 6 & 15], kVowels[bits >> 4 & 3],
          kConsonants[bits & 15]};
}

Result<unsigned> bits_of(std::string_view word, size_t position) {
  unsigned bits = 0;
  bool good = word.size() == 5;
  for (size_t i = 0; good && i < word.size(); i++) {
    bool consonant = i % 2 == 0;
    size_t index = (consonant ? kConsonants : kVowels).find(word[i]);
    good = index != std::string_view::npos;
    bits = bits << (consonant ? 4 : 2) | static_cast<unsigned>(index);
  }
  if (good) return bits;
  return make_error(Code::Invalid, "word " + std::to_string(position) + " \"" + std::string(word.substr(0, 16)) +
                                       "\" is none: a word is consonant, vowel, consonant, vowel, consonant out of " +
                                       std::string(kConsonants) + " and " + std::string(kVowels));
}

unsigned checksum_of(BytesView seed) {
  Hash hash = crypto::blake2b({"mcloud/backup-words", seed});
  return static_cast<unsigned>(hash.data()[0] << 8 | hash.data()[1]);
}

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> words;
  bool inside = false;
  for (char letter : text) {
    bool part = std::isalnum(static_cast<unsigned char>(letter)) != 0;
    if (part && !inside) words.emplace_back();
    if (part) words.back() += static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
    inside = part;
  }
  return words;
}

}  // namespace

std::string words_of_seed(BytesView seed) {
  CHECK(seed.size() == kSeedSize);
  std::string words;
  for (size_t i = 0; i < seed.size(); i += 2) {
    words += word_of(static_cast<unsigned>(static_cast<uint8_t>(seed[i]) << 8 | static_cast<uint8_t>(seed[i + 1])));
    words += '-';
  }
  return words + word_of(checksum_of(seed));
}

Result<Bytes> seed_of_words(std::string_view text) {
  if (text.size() > kTextBytesMax) return make_error(Code::Invalid, "too long for backup words");
  std::vector<std::string> words = split(text);
  if (words.size() != kWordCount) {
    return make_error(Code::Invalid, std::to_string(words.size()) + " words instead of " + std::to_string(kWordCount));
  }
  Bytes seed;
  unsigned last = 0;
  for (size_t i = 0; i < words.size(); i++) {
    last = TRY(bits_of(words[i], i + 1));
    if (i + 1 == words.size()) break;
    seed += static_cast<char>(last >> 8);
    seed += static_cast<char>(last & 255);
  }
  for (std::string& word : words) crypto::wipe(word);
  if (last != checksum_of(seed)) {
    crypto::wipe(seed);
    return make_error(
        Code::Invalid,
        "the words do not fit together: one is wrong, missing or in another's place; compare them with your copy");
  }
  return seed;
}

}  // namespace mcloud::wallet
