#include "wallet/words.h"

#include <doctest/doctest.h>

#include "crypto/box.h"

using namespace mcloud;
using namespace mcloud::wallet;

TEST_CASE("words are proquints: the paper's own examples") {
  // 127.0.0.1 = lusab-babad, 63.84.220.193 = gutih-tugad, 140.98.193.141 = mudof-sakat, 255.255.255.255 = zuzuz-zuzuz
  Bytes seed = from_hex(
                   "7f000001"
                   "3f54dcc1"
                   "8c62c18d"
                   "ffffffff")
                   .value() +
               Bytes(16, '\0');
  CHECK(words_of_seed(seed).starts_with("lusab-babad-gutih-tugad-mudof-sakat-zuzuz-zuzuz-babab-babab-"));
}

TEST_CASE("any seed comes back from its words, however they are written") {
  for (int round = 0; round < 200; round++) {
    Bytes seed = crypto::random_bytes(kSeedSize);
    std::string words = words_of_seed(seed);
    CHECK_EQ(words.size(), kWordCount * 6 - 1);
    CHECK_EQ(seed_of_words(words).value(), seed);
    std::string spoken = "  ";
    for (char letter : words)
      spoken += letter == '-' ? std::string(" \n") : std::string(1, static_cast<char>(toupper(letter)));
    CHECK_EQ(seed_of_words(spoken).value(), seed);
  }
}

TEST_CASE("a wrong word is named, a wrong count is counted") {
  std::string words = words_of_seed(Bytes(kSeedSize, 'k'));
  std::string typo = words;
  typo[7] = 'e';
  CHECK_NE(seed_of_words(typo).error().message.find("word 2"), std::string::npos);
  CHECK_NE(seed_of_words(words.substr(6)).error().message.find("16 words instead of 17"), std::string::npos);
  CHECK_EQ(seed_of_words("").error().code, Code::Invalid);
  CHECK_EQ(seed_of_words(std::string(2000, 'a')).error().code, Code::Invalid);
}

TEST_CASE("two words that changed places are noticed") {
  std::string words =
      words_of_seed(from_hex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f").value());
  std::string swapped = words.substr(6, 5) + "-" + words.substr(0, 5) + words.substr(11);
  CHECK_EQ(seed_of_words(swapped).error().code, Code::Invalid);
}
