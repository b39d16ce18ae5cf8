#include "io/tls.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "io/tls_openssl.h"

namespace mcloud::io {
namespace {

constexpr size_t kPieceBytes = 16 << 10;      // a TLS record holds no more
constexpr size_t kOwnBytesMax = 256 << 10;    // of answers to the peer's handshake messages that wait to be sent
constexpr size_t kKeptBytes = 64 << 10;       // of an empty buffer

// The two ends of a session that OpenSSL reads and writes. What is not read yet belongs to receive()'s caller.
struct Ends {
  BytesView incoming;
  Bytes outgoing;
};

Ends* ends_of(BIO* bio) { return static_cast<Ends*>(BIO_get_data(bio)); }

int take_incoming(BIO* bio, char* to, size_t size, size_t* taken) {
  BIO_clear_retry_flags(bio);
  Ends* ends = ends_of(bio);
  *taken = std::min(size, ends->incoming.size());
  if (*taken == 0) {
    BIO_set_retry_read(bio);
    return 0;
  }
  std::memcpy(to, ends->incoming.data(), *taken);
  ends->incoming.remove_prefix(*taken);
  return 1;
}

int add_outgoing(BIO* bio, const char* from, size_t size, size_t* added) {
  BIO_clear_retry_flags(bio);
  ends_of(bio)->outgoing.append(from, size);
  *added = size;
  return 1;
}

long control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

int create(BIO* bio) {
  BIO_set_init(bio, 1);
  return 1;
}

BIO_METHOD* make_method() {
  BIO_METHOD* method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "bytes");
  BIO_meth_set_read_ex(method, take_incoming);
  BIO_meth_set_write_ex(method, add_outgoing);
  BIO_meth_set_ctrl(method, control);
  BIO_meth_set_create(method, create);
  return method;
}

// Made once for the process: a constant table that OpenSSL wants to be made at run time.
const BIO_METHOD* bytes_method() {
  static BIO_METHOD* method = make_method();
  return method;
}

bool speaks_protocol(const SSL* ssl, const TlsPin* pin) {
  const unsigned char* chosen = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl, &chosen, &size);
  return pin == nullptr || BytesView(reinterpret_cast<const char*>(chosen), size) == pin->protocol;
}

bool is_address(const std::string& host) {
  in6_addr address;
  return inet_pton(AF_INET, host.c_str(), &address) == 1 || inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

}  // namespace

struct TlsSession::Inside {
  std::shared_ptr<const TlsContext> context;
  std::unique_ptr<Ends> ends;
  std::unique_ptr<SSL, SslFree> ssl;
  size_t sent = 0;  // of outgoing
  uint64_t records = 0;  // written with the key of now
  size_t own_bytes = 0;  // that receive() has added since outgoing was empty
  std::optional<Error> failure;
  bool has_ended = false;
};

TlsSession::TlsSession(std::unique_ptr<Inside> inside) : inside_(std::move(inside)) {}
TlsSession::~TlsSession() = default;

Result<std::unique_ptr<TlsSession>> TlsSession::make(std::shared_ptr<const TlsContext> context) {
  ERR_clear_error();
  auto inside = std::make_unique<Inside>();
  inside->context = std::move(context);
  inside->ends = std::make_unique<Ends>();
  inside->ssl.reset(SSL_new(inside->context->inside_->context.get()));
  BIO* bio = BIO_new(bytes_method());
  if (inside->ssl == nullptr || bio == nullptr) {
    BIO_free(bio);
    return make_error(Code::Exhausted, "TLS: " + take_openssl_reason());
  }
  BIO_set_data(bio, inside->ends.get());
  SSL_set_bio(inside->ssl.get(), bio, bio);  // owns it
  return std::unique_ptr<TlsSession>(new TlsSession(std::move(inside)));
}

Result<std::unique_ptr<TlsSession>> TlsSession::accept(std::shared_ptr<const TlsContext> context) {
  auto session = TRY(make(std::move(context)));
  SSL_set_accept_state(session->inside_->ssl.get());
  return session;
}

Result<std::unique_ptr<TlsSession>> TlsSession::connect(std::shared_ptr<const TlsContext> context,
                                                        const std::string& host) {
  auto session = TRY(make(std::move(context)));
  SSL* ssl = session->inside_->ssl.get();
  bool is_number = is_address(host), is_pinned = session->inside_->context->inside_->pin != nullptr;
  bool is_set = is_pinned ? host.empty() : is_number ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host.c_str()) == 1
                          : SSL_set1_host(ssl, host.c_str()) == 1 && SSL_set_tlsext_host_name(ssl, host.c_str()) == 1;
  if (host.empty() != is_pinned || !is_set)
    return make_error(Code::Invalid, "TLS: " + host.substr(0, 100) + " is no name of a host");
  SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  SSL_set_connect_state(ssl);
  Bytes none;
  TRY(session->receive({}, none));
  return session;
}

Error TlsSession::fail(int outcome) {
  Inside& in = *inside_;
  long verified = SSL_get_verify_result(in.ssl.get());
  bool is_nameless = ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE;
  bool is_end = SSL_get_error(in.ssl.get(), outcome) == SSL_ERROR_ZERO_RETURN;
  std::string reason = take_openssl_reason();
  if (verified != X509_V_OK)
    in.failure = make_error(Code::Denied, std::string("TLS: the peer's certificate: ") + X509_verify_cert_error_string(verified));
  else
    in.failure = make_error(is_nameless ? Code::Denied : Code::Corrupt, "TLS: " + (is_end ? "it has ended" : reason));
  return *in.failure;
}

Status TlsSession::receive(BytesView bytes, Bytes& plain) {
  Inside& in = *inside_;
  if (in.failure) return *in.failure;
  SSL* ssl = in.ssl.get();
  ERR_clear_error();
  const size_t outgoing_before = in.ends->outgoing.size();
  in.ends->incoming = bytes;
  for (;;) {
    size_t got = 0, before = plain.size();
    int outcome = 0;
    if (!SSL_is_init_finished(ssl)) {
      outcome = SSL_do_handshake(ssl);
      if (outcome == 1 && !speaks_protocol(ssl, in.context->inside_->pin.get())) {
        in.failure = make_error(Code::Denied, "TLS: the peer does not speak " + in.context->inside_->pin->protocol);
        return *in.failure;
      }
      if (outcome == 1) continue;
    } else {
      plain.resize_and_overwrite(before + kPieceBytes, [&](char* data, size_t) {
        outcome = SSL_read_ex(ssl, data + before, kPieceBytes, &got);
        return before + got;
      });
      if (outcome == 1) continue;
    }
    int why = SSL_get_error(ssl, outcome);
    if (why == SSL_ERROR_ZERO_RETURN) in.has_ended = true;
    bool waits = why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE || in.has_ended;
    in.ends->incoming = {};  // it has been taken, or is behind the end
    if (!waits) return fail(outcome);
    in.own_bytes += in.ends->outgoing.size() - outgoing_before;
    if (in.own_bytes <= kOwnBytesMax) return {};
    in.failure = make_error(Code::Exhausted, "TLS: the peer asks for more than it reads");
    return *in.failure;
  }
}

Status TlsSession::write(BytesView plain) {
  Inside& in = *inside_;
  if (in.failure) return *in.failure;
  if (!is_ready()) return make_error(Code::Invalid, "TLS: the handshake is not done");
  ERR_clear_error();
  while (!plain.empty()) {
    size_t written = 0;
    int outcome = SSL_write_ex(in.ssl.get(), plain.data(), std::min(plain.size(), kPieceBytes), &written);
    if (outcome != 1) return fail(outcome);
    plain.remove_prefix(written);
    TRY(change_key_when_due());
  }
  return {};
}

Status TlsSession::change_key_when_due() {
  Inside& in = *inside_;
  const TlsPin* pin = in.context->inside_->pin.get();
  if (pin == nullptr || ++in.records < pin->records_per_key) return {};
  in.records = 0;
  bool is_changed = SSL_key_update(in.ssl.get(), SSL_KEY_UPDATE_NOT_REQUESTED) == 1;
  int outcome = is_changed ? SSL_do_handshake(in.ssl.get()) : 0;  // which sends it
  if (outcome != 1) return fail(outcome);
  return {};
}

BytesView TlsSession::outgoing() const { return BytesView(inside_->ends->outgoing).substr(inside_->sent); }

void TlsSession::sent(size_t bytes) {
  Inside& in = *inside_;
  in.sent += bytes;
  if (in.sent < in.ends->outgoing.size()) return;
  in.sent = 0;
  in.own_bytes = 0;
  in.ends->outgoing.clear();
  if (in.ends->outgoing.capacity() > kKeptBytes) in.ends->outgoing.shrink_to_fit();
}

bool TlsSession::is_ready() const { return SSL_is_init_finished(inside_->ssl.get()) == 1; }
bool TlsSession::has_ended() const { return inside_->has_ended; }

Bytes TlsSession::peer_key() const {
  X509* certificate = SSL_get0_peer_certificate(inside_->ssl.get());
  return certificate == nullptr ? Bytes() : raw_key(certificate);
}

void TlsSession::end() {
  if (inside_->failure || !is_ready()) return;
  ERR_clear_error();
  SSL_shutdown(inside_->ssl.get());
}

}  // namespace mcloud::io
