// TLS 1.2 and 1.3 between bytes and bytes: no socket, no thread, nothing waits (OpenSSL 3 inside). A shell feeds a
// session what its peer sent and sends what outgoing() holds. No renegotiation, no tickets, no early data.
// A context may be shared by threads; a session belongs to one.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/bytes.h"

namespace mcloud::io {

// PEM files. The key may not be encrypted: nobody is there to type a passphrase.
struct TlsFiles {
  std::string certificate;  // with the chain behind it
  std::string key;
  std::string authority;  // whose certificates are believed
  friend bool operator==(const TlsFiles&, const TlsFiles&) = default;
};

// Two that know each other's Ed25519 keys: TLS 1.3 with a certificate made in memory, and no authority, name or date. The
// peer proves that it holds a key (TLS's CertificateVerify), and `is_believed` says whether it is one of those we expect.
struct TlsPin {
  Bytes seed;            // of our own key, 32 bytes
  std::string protocol;  // ALPN: both must speak it
  std::function<bool(BytesView key)> is_believed;  // 32 bytes; called by any thread that has a session
  uint64_t records_per_key = 1 << 23;  // then ours is changed (RFC 8446 section 5.5: AES-GCM is good for 2^24.5)
};

// What all sessions of one side share. Reload: make a new one; sessions keep theirs.
class TlsContext {
 public:
  // With an authority, clients must show a certificate of it. Invalid names the file and what is wrong with it.
  static Result<std::shared_ptr<const TlsContext>> for_server(const TlsFiles& files);
  // Without an authority the machine's are believed. Certificate and key are for servers that ask for them.
  static Result<std::shared_ptr<const TlsContext>> for_client(const TlsFiles& files);
  // Both sides of pinned sessions. Invalid: the seed.
  static Result<std::shared_ptr<const TlsContext>> pinned(const TlsPin& pin);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

 private:
  friend class TlsSession;
  struct Inside;
  explicit TlsContext(std::unique_ptr<Inside> inside);
  std::unique_ptr<Inside> inside_;
};

class TlsSession {
 public:
  static Result<std::unique_ptr<TlsSession>> accept(std::shared_ptr<const TlsContext> context);
  // outgoing() holds the first message. `host`: the name or address that the server's certificate must have.
  // Pinned: "".
  static Result<std::unique_ptr<TlsSession>> connect(std::shared_ptr<const TlsContext> context, const std::string& host);
  ~TlsSession();
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

  // All of `bytes` is taken; what the peer said in them is appended to `plain`, at most as many bytes. An error is
  // final (Denied: a certificate that is not believed; Corrupt: no TLS, or broken): send what is outgoing, then close.
  Status receive(BytesView bytes, Bytes& plain);
  // All of `plain` goes to outgoing(), in order. Invalid before is_ready().
  Status write(BytesView plain);
  // For the peer. At most what was written, and some KiB of TLS's own.
  BytesView outgoing() const;
  void sent(size_t bytes);

  bool is_ready() const;                           // the handshake is done
  bool has_ended() const;                          // the peer said that it sends no more
  void end();                                      // says so to the peer
  Bytes peer_key() const;                          // of a pinned session that is ready: 32 bytes
  static constexpr size_t kMemoryBytes = 24 << 10;  // what a quiet session costs, about

 private:
  struct Inside;
  explicit TlsSession(std::unique_ptr<Inside> inside);
  static Result<std::unique_ptr<TlsSession>> make(std::shared_ptr<const TlsContext> context);
  Error fail(int outcome);
  Status change_key_when_due();
  std::unique_ptr<Inside> inside_;
};

}  // namespace mcloud::io
