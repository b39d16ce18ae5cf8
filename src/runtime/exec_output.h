// Inside this room: what a program writes on its two pipes, bounded; the rest is read and dropped.
#pragma once

#include <string>

#include "io/file.h"

namespace mcloud::runtime {

class ExecOutput {
 public:
  static constexpr size_t kBytesMax = 64 << 10;  // of each

  static Result<ExecOutput> create();
  int output_end() const { return output_.write_end.get(); }  // for the child
  int errors_end() const { return errors_.write_end.get(); }
  void close_child_ends();
  // Until the process has ended; false when the deadline (monotonic) came first. Somebody in the background
  // who keeps the pipes open does not keep us.
  Result<bool> collect(int pidfd, uint64_t deadline_ms);
  std::string take_output() { return std::move(output_.text); }
  std::string take_errors() { return std::move(errors_.text); }

 private:
  struct Pipe {
    io::Fd read_end;
    io::Fd write_end;
    std::string text;
    void read_available(int rounds);
  };
  static Result<Pipe> make_pipe();

  Pipe output_;
  Pipe errors_;
};

}  // namespace mcloud::runtime
