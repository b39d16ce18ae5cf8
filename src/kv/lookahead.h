// Looks at requests before they are run and has the store fetch what their keys need: at a million keys and more, most of
// a request's time is waiting for memory, and many waits at once take as long as one. A hint, without any effect on what
// requests do.
#pragma once

#include <array>
#include <string_view>

#include "base/bytes.h"
#include "kv/server_state.h"

namespace mcloud::kv {

class Lookahead {
 public:
  // The key of the whole request at the front of `bytes`; the request's size. 0: none is seen, or there is no room.
  // `space` and `bytes` stay as they are until fetch().
  size_t look(const Space& space, BytesView bytes);
  // For all keys that were seen since the last fetch(). For one alone it does nothing: that comes no sooner.
  void fetch();

 private:
  static constexpr size_t kKeysMax = 16;  // what they need stays in the processor's first cache until it is used

  const Space* space_ = nullptr;
  std::array<std::string_view, kKeysMax> keys_;
  size_t count_ = 0;
};

}  // namespace mcloud::kv
