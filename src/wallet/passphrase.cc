#include "wallet/passphrase.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>

#include "io/file.h"

namespace mcloud::wallet {
namespace {

constexpr size_t kPassphraseBytesMax = 1024;
constexpr int kAnswerTimeoutMs = 120'000;

std::optional<std::string> from_environment() {
  const char* value = std::getenv("MCLOUD_PASSPHRASE");
  if (value == nullptr) return std::nullopt;
  return std::string(value);
}

// Echo off while it lives. Ctrl-C and Ctrl-Z wait until the echo is back, so that no shell is left mute; signals()
// becomes readable when one waits, and it takes effect after the end.
class Mute {
 public:
  explicit Mute(int terminal) : terminal_(terminal) {
    sigset_t held;
    sigemptyset(&held);
    for (int number : {SIGINT, SIGTERM, SIGTSTP, SIGHUP}) sigaddset(&held, number);
    pthread_sigmask(SIG_BLOCK, &held, &before_mask_);
    signals_ = io::Fd(signalfd(-1, &held, SFD_CLOEXEC));
    if (tcgetattr(terminal_, &before_) != 0) return;
    termios quiet = before_;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    quiet.c_lflag |= ECHONL;
    muted_ = tcsetattr(terminal_, TCSAFLUSH, &quiet) == 0;
  }
  ~Mute() {
    if (muted_) tcsetattr(terminal_, TCSAFLUSH, &before_);
    pthread_sigmask(SIG_SETMASK, &before_mask_, nullptr);
  }
  Mute(const Mute&) = delete;
  Mute& operator=(const Mute&) = delete;
  bool is_muted() const { return muted_ && signals_.is_open(); }
  int signals() const { return signals_.get(); }

 private:
  int terminal_;
  bool muted_ = false;
  io::Fd signals_;
  termios before_{};
  sigset_t before_mask_{};
};

Result<std::string> read_line(int terminal, const Mute& mute) {
  std::string line;
  for (;;) {
    pollfd waited[] = {{terminal, POLLIN, 0}, {mute.signals(), POLLIN, 0}};
    if (poll(waited, 2, kAnswerTimeoutMs) <= 0)
      return make_error(Code::TimedOut, "no passphrase was typed for two minutes");
    if (waited[1].revents != 0) return make_error(Code::Cancelled, "interrupted");
    char letter = 0;
    if (read(terminal, &letter, 1) != 1) return make_error(Code::Cancelled, "the terminal was closed");
    if (letter == '\n' || letter == '\r') return line;
    if (line.size() == kPassphraseBytesMax) return make_error(Code::Invalid, "a passphrase has at most 1024 bytes");
    line += letter;
  }
}

Result<std::string> ask(const std::string& question, const std::string& without_terminal) {
  io::Fd terminal(open("/dev/tty", O_RDWR | O_CLOEXEC));
  if (!terminal.is_open()) {
    return make_error(Code::Denied, "a passphrase is needed and there is no terminal to ask on: " + without_terminal);
  }
  Mute mute(terminal.get());
  if (!mute.is_muted()) return make_error(Code::Denied, "cannot switch off the terminal's echo: set MCLOUD_PASSPHRASE");
  std::string prompt = question + ": ";
  if (write(terminal.get(), prompt.data(), prompt.size()) < 0) return errno_error(errno, "write to /dev/tty");
  return read_line(terminal.get(), mute);
}

Error empty_passphrase() {
  return make_error(Code::Invalid, "an empty passphrase protects nothing; say --no-passphrase if that is meant");
}

}  // namespace

Result<std::string> TerminalPassphrase::existing(const std::string& key_name) {
  if (auto given = from_environment()) return *given;
  return ask("Passphrase of key " + key_name, "set MCLOUD_PASSPHRASE");
}

Result<std::string> TerminalPassphrase::fresh(const std::string& key_name) {
  if (auto given = from_environment()) {
    if (given->empty()) return empty_passphrase();
    return *given;
  }
  const char* otherwise = "set MCLOUD_PASSPHRASE, or say --no-passphrase";
  std::string first = TRY(ask("New passphrase for key " + key_name, otherwise));
  if (first.empty()) return empty_passphrase();
  std::string second = TRY(ask("The same again", otherwise));
  if (first != second) return make_error(Code::Invalid, "the two passphrases differ");
  return first;
}

}  // namespace mcloud::wallet
