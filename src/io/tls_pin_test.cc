#include <doctest/doctest.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <memory>
#include <optional>
#include <set>

#include "io/test_tls_talk.h"
#include "io/tls.h"

using namespace mcloud;
using namespace mcloud::io;

namespace {

using Context = std::shared_ptr<const TlsContext>;

// One that has a key and believes some others.
struct Somebody {
  explicit Somebody(char name, uint64_t records_per_key = 1 << 23, const std::string& protocol = "test/1")
      : seed(32, name) {
    context = TlsContext::pinned({.seed = seed,
                                  .protocol = protocol,
                                  .is_believed = [this](BytesView key) { return friends.contains(Bytes(key)); },
                                  .records_per_key = records_per_key})
                  .value();
  }
  Bytes key() const {
    std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> made(
        EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, reinterpret_cast<const unsigned char*>(seed.data()),
                                     32),
        EVP_PKEY_free);
    Bytes raw(32, '\0');
    size_t size = 32;
    EVP_PKEY_get_raw_public_key(made.get(), reinterpret_cast<unsigned char*>(raw.data()), &size);
    return raw;
  }
  Bytes seed;
  std::set<Bytes> friends;
  Context context;
};


// OpenSSL by hand, for what our clients never do; what the server says to it.
std::optional<Error> meet(const Somebody& server, const std::function<void(SSL_CTX*)>& set_up) {
  std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
  SSL_CTX_set_alpn_protos(context.get(), reinterpret_cast<const unsigned char*>("\x06test/1"), 7);
  set_up(context.get());
  std::unique_ptr<SSL, void (*)(SSL*)> ssl(SSL_new(context.get()), SSL_free);
  BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
  SSL_set_bio(ssl.get(), in, out);
  SSL_set_connect_state(ssl.get());
  auto session = TlsSession::accept(server.context).value();
  Bytes plain;
  for (int i = 0; i < 4; ++i) {
    SSL_do_handshake(ssl.get());
    Bytes said(BIO_ctrl_pending(out), '\0');
    BIO_read(out, said.data(), static_cast<int>(said.size()));
    Status received = session->receive(said, plain);
    if (!received) return received.error();
    BIO_write(in, session->outgoing().data(), static_cast<int>(session->outgoing().size()));
    session->sent(session->outgoing().size());
  }
  CHECK(session->is_ready());
  return std::nullopt;
}

// A certificate of `name`'s key, valid in the years given.
void show_certificate(SSL_CTX* context, char name, const char* from, const char* until) {
  Bytes seed(32, name);
  EVP_PKEY* key =
      EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, reinterpret_cast<const unsigned char*>(seed.data()), 32);
  X509* made = X509_new();
  X509_set_version(made, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(made), 1);
  ASN1_TIME_set_string_X509(X509_getm_notBefore(made), from);
  ASN1_TIME_set_string_X509(X509_getm_notAfter(made), until);
  X509_set_pubkey(made, key);
  X509_sign(made, key, nullptr);
  CHECK(SSL_CTX_use_certificate(context, made) == 1);
  CHECK(SSL_CTX_use_PrivateKey(context, key) == 1);
  X509_free(made);
  EVP_PKEY_free(key);
}

}  // namespace

TEST_CASE("two that know each other's keys talk, and each knows whom it talks to") {
  Somebody a('a'), b('b');
  a.friends = {b.key()};
  b.friends = {a.key()};
  Talk talk(a.context, b.context, "");
  REQUIRE(talk.server->is_ready());
  REQUIRE(talk.client->is_ready());
  CHECK(talk.server->peer_key() == b.key());
  CHECK(talk.client->peer_key() == a.key());
  REQUIRE(talk.client->write("hello").has_value());
  REQUIRE(talk.server->write("hello back").has_value());
  talk.settle();
  CHECK(talk.server_heard == "hello");
  CHECK(talk.client_heard == "hello back");
}

TEST_CASE("a key that is not expected is not let in, on either side") {
  Somebody a('a'), b('b');
  a.friends = {b.key()};
  Talk no_server(a.context, b.context, "");  // b expects nobody
  REQUIRE(no_server.client_error.has_value());
  CHECK(no_server.client_error->code == Code::Denied);
  CHECK(!no_server.server->is_ready());
  b.friends = {a.key()};
  a.friends.clear();
  Talk no_client(a.context, b.context, "");
  REQUIRE(no_client.server_error.has_value());
  CHECK(no_client.server_error->code == Code::Denied);
  CHECK(!no_client.server->is_ready());
  REQUIRE(no_client.client_error.has_value());  // an alert
}

TEST_CASE("whoever was let in once is asked again: nothing is resumed") {
  Somebody a('a'), b('b');
  a.friends = {b.key()};
  b.friends = {a.key()};
  Talk first(a.context, b.context, "");
  REQUIRE(first.server->is_ready());
  a.friends.clear();
  Talk second(a.context, b.context, "");
  CHECK(second.server_error.has_value());
}

TEST_CASE("a client without a certificate, of another protocol or an older TLS is refused, and so is garbage") {
  Somebody server('a'), client('c');
  server.friends = {client.key()};
  auto good = [](SSL_CTX* context) { show_certificate(context, 'c', "20000101000000Z", "20990101000000Z"); };
  CHECK(!meet(server, good).has_value());
  auto nameless = meet(server, [](SSL_CTX*) {});
  REQUIRE(nameless.has_value());
  CHECK(nameless->code == Code::Denied);
  CHECK(meet(server, [&](SSL_CTX* context) {
    good(context);
    SSL_CTX_set_alpn_protos(context, reinterpret_cast<const unsigned char*>("\x02h2"), 3);
  }));
  auto mute = meet(server, [&](SSL_CTX* context) {
    good(context);
    SSL_CTX_set_alpn_protos(context, nullptr, 0);
  });
  REQUIRE(mute.has_value());
  CHECK(mute->message == "TLS: the peer does not speak test/1");
  CHECK(meet(server, [&](SSL_CTX* context) {
    good(context);
    SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
  }));
  auto session = TlsSession::accept(server.context).value();
  Bytes plain;
  CHECK(!session->receive("GET / HTTP/1.1\r\nHost: x\r\n\r\n", plain).has_value());
  CHECK(!session->is_ready());
}

TEST_CASE("only the key counts: the dates of a certificate are nobody's business") {
  Somebody server('a'), client('c');
  server.friends = {client.key()};
  CHECK(!meet(server, [](SSL_CTX* context) { show_certificate(context, 'c', "20000101000000Z", "20010101000000Z"); }));
  auto other =
      meet(server, [](SSL_CTX* context) { show_certificate(context, 'd', "20000101000000Z", "20990101000000Z"); });
  REQUIRE(other.has_value());
  CHECK(other->code == Code::Denied);
}

TEST_CASE("keys change after so many records, and nothing is lost by it") {
  Somebody a('a', 10), b('b', 7);
  a.friends = {b.key()};
  b.friends = {a.key()};
  Talk talk(a.context, b.context, "");
  Bytes sent;
  for (int i = 0; i < 100; ++i) {
    Bytes piece = std::to_string(i) + ",";
    sent += piece;
    REQUIRE(talk.client->write(piece).has_value());
    REQUIRE(talk.server->write(piece).has_value());
    if (i % 3 == 0) talk.settle();
  }
  talk.settle();
  CHECK(!talk.server_error.has_value());
  CHECK(!talk.client_error.has_value());
  CHECK(talk.server_heard == sent);
  CHECK(talk.client_heard == sent);
}

TEST_CASE("a pinned context needs a whole key and a protocol") {
  auto believe = [](BytesView) { return true; };
  CHECK(!TlsContext::pinned({.seed = Bytes(31, 'x'), .protocol = "p", .is_believed = believe}).has_value());
  CHECK(!TlsContext::pinned({.seed = Bytes(32, 'x'), .protocol = "", .is_believed = believe}).has_value());
  auto context = TlsContext::pinned({.seed = Bytes(32, 'x'), .protocol = "p", .is_believed = believe}).value();
  CHECK(!TlsSession::connect(context, "localhost").has_value());
}
