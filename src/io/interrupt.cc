#include "io/interrupt.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>

namespace mcloud::io {

Result<Interrupt> Interrupt::make() {
  Fd fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!fd.is_open()) return errno_error(errno, "eventfd");
  return Interrupt(std::move(fd));
}

void Interrupt::ring() const {
  uint64_t one = 1;
  static_cast<void>(!::write(fd_.get(), &one, sizeof one));  // fails only when it is readable anyway
}

}  // namespace mcloud::io
