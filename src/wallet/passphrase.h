// Where a passphrase comes from: the environment, a terminal, or a test.
#pragma once

#include <string>

#include "base/result.h"

namespace mcloud::wallet {

class PassphraseSource {
 public:
  virtual ~PassphraseSource() = default;
  // The passphrase of an existing key. `key_name` is for the prompt.
  virtual Result<std::string> existing(const std::string& key_name) = 0;
  // One for a new key: asked twice on a terminal. Invalid when empty or the two differ.
  virtual Result<std::string> fresh(const std::string& key_name) = 0;
};

// MCLOUD_PASSPHRASE when set (and then never a prompt), else /dev/tty without echo. Denied, saying how to go on,
// when there is neither. The terminal's echo comes back whatever ends the question.
class TerminalPassphrase final : public PassphraseSource {
 public:
  Result<std::string> existing(const std::string& key_name) override;
  Result<std::string> fresh(const std::string& key_name) override;
};

}  // namespace mcloud::wallet
