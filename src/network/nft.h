// Rules of the calling thread's network namespace, in nft's own language.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"

namespace mcloud::network {

// Bound to the network namespace it was opened in, and keeps that alive. Worth keeping where rules are replaced often:
// closing waits for the kernel to dispose of what was replaced, 5 to 10 ms. Not thread-safe.
class Nft {
 public:
  static Result<Nft> open();
  Nft(Nft&& other) noexcept;
  Nft& operator=(Nft&& other) noexcept;
  ~Nft();
  // All of `rules` in one transaction: after an error nothing has changed.
  Status run(const std::string& rules);

 private:
  struct Inside;
  explicit Nft(std::unique_ptr<Inside> inside);
  std::unique_ptr<Inside> inside_;
};

// The same, once.
Status run_nft(const std::string& rules);
// "table inet NAME", there or not, is gone afterwards.
std::string nft_remove_table(const std::string& family, const std::string& name);

}  // namespace mcloud::network
