// A bell for threads that wait in poll(2): once rung, its descriptor is readable for ever.
#pragma once

#include "io/file.h"

namespace mcloud::io {

// Thread-safe.
class Interrupt {
 public:
  static Result<Interrupt> make();
  void ring() const;
  int fd() const { return fd_.get(); }

 private:
  explicit Interrupt(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

}  // namespace mcloud::io
