#include "io/tls.h"

#include <doctest/doctest.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <optional>
#include <random>

#include "io/scratch_folder.h"
#include "io/test_certificates.h"
#include "io/test_tls_talk.h"

using namespace mcloud;
using namespace mcloud::io;

namespace {

using Context = std::shared_ptr<const TlsContext>;

struct Fixture {
  ScratchFolder folder;
  TestAuthority authority{folder.path, "authority"};
  TlsFiles files = authority.issue("server");
  Context server = TlsContext::for_server(files).value();
  Context client = TlsContext::for_client({.authority = authority.path()}).value();
};


// OpenSSL by hand, for what our clients never do.
struct RawClient {
  std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context{SSL_CTX_new(TLS_client_method()), SSL_CTX_free};
  std::unique_ptr<SSL, void (*)(SSL*)> ssl{nullptr, SSL_free};
  BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
  explicit RawClient(int version) {
    SSL_CTX_set_security_level(context.get(), 0);
    SSL_CTX_set_min_proto_version(context.get(), version);
    SSL_CTX_set_max_proto_version(context.get(), version);
    SSL_CTX_set_cipher_list(context.get(), "ALL:@SECLEVEL=0");
    ssl.reset(SSL_new(context.get()));
    SSL_set_bio(ssl.get(), in, out);
    SSL_set_connect_state(ssl.get());
  }
  Bytes said() {
    Bytes bytes(BIO_ctrl_pending(out), '\0');
    BIO_read(out, bytes.data(), static_cast<int>(bytes.size()));
    return bytes;
  }
  // With a server of ours, until both are ready.
  void meet(TlsSession& server) {
    Bytes plain;
    for (int i = 0; i < 4 && SSL_do_handshake(ssl.get()) != 1; i++) {
      REQUIRE(server.receive(said(), plain).has_value());
      hear(server);
    }
    REQUIRE(server.receive(said(), plain).has_value());
    REQUIRE(server.is_ready());
  }
  void hear(TlsSession& server) {
    BIO_write(in, server.outgoing().data(), static_cast<int>(server.outgoing().size()));
    server.sent(server.outgoing().size());
  }
};

}  // namespace

TEST_CASE("what one side writes the other reads, both ways, in any pieces") {
  Fixture fixture;
  Talk talk(fixture.server, fixture.client);
  REQUIRE(talk.server->is_ready());
  REQUIRE(talk.client->is_ready());
  Bytes large(1'000'000, 'x');
  for (size_t i = 0; i < large.size(); i++) large[i] = static_cast<char>(i * 7 + i / 256);
  REQUIRE(talk.client->write(large).has_value());
  Bytes cipher(talk.client->outgoing());
  CHECK_EQ(cipher.find(large.substr(0, 100)), Bytes::npos);
  for (size_t at = 0, size = 1; at < cipher.size(); at += size, size = size * 3 % 9973 + 1)
    REQUIRE(talk.server->receive(BytesView(cipher).substr(at, size), talk.server_heard).has_value());
  CHECK(talk.server_heard == large);
  talk.client->sent(cipher.size());
  REQUIRE(talk.server->write("hello").has_value());
  talk.settle();
  CHECK_EQ(talk.client_heard, "hello");
}

TEST_CASE("a handshake goes on byte by byte, and nothing can be written before it is done") {
  Fixture fixture;
  auto server = TlsSession::accept(fixture.server).value();
  auto client = TlsSession::connect(fixture.client, "127.0.0.1").value();
  CHECK_EQ(server->write("early").error().code, Code::Invalid);
  Bytes heard;
  for (int round = 0; round < 4; round++) {
    for (auto [from, to] : {std::pair(client.get(), server.get()), std::pair(server.get(), client.get())}) {
      Bytes bytes(from->outgoing());
      from->sent(bytes.size());
      for (char c : bytes) REQUIRE(to->receive(BytesView(&c, 1), heard).has_value());
    }
  }
  CHECK(server->is_ready());
  CHECK(client->is_ready());
  CHECK(heard.empty());
}

TEST_CASE("a server of another authority, or of another name, is not believed") {
  Fixture fixture;
  TestAuthority other(fixture.folder.path, "other");
  Talk wrong(fixture.server, TlsContext::for_client({.authority = other.path()}).value());
  REQUIRE(wrong.client_error.has_value());
  CHECK_EQ(wrong.client_error->code, Code::Denied);
  REQUIRE(wrong.server_error.has_value());  // the alert came
  CHECK_FALSE(wrong.client->is_ready());
  Talk name(fixture.server, fixture.client, "example.org");
  REQUIRE(name.client_error.has_value());
  CHECK_EQ(name.client_error->code, Code::Denied);
  Talk address(fixture.server, fixture.client, "127.0.0.2");
  REQUIRE(address.client_error.has_value());
  for (const char* good : {"localhost", "127.0.0.1"}) CHECK_FALSE(Talk(fixture.server, fixture.client, good).client_error);
  CHECK_FALSE(TlsSession::connect(fixture.client, "").has_value());
}

TEST_CASE("with an authority a server takes only clients with a certificate of it") {
  Fixture fixture;
  TestAuthority other(fixture.folder.path, "other");
  TlsFiles files = fixture.files, good = fixture.authority.issue("ida"), bad = other.issue("eve");
  files.authority = good.authority = bad.authority = fixture.authority.path();
  Context strict = TlsContext::for_server(files).value();
  Talk known(strict, TlsContext::for_client(good).value());
  CHECK_FALSE(known.server_error.has_value());
  CHECK(known.server->is_ready());
  for (const Context& client : {fixture.client, TlsContext::for_client(bad).value()}) {
    Talk unknown(strict, client);
    REQUIRE(unknown.server_error.has_value());
    CHECK_EQ(unknown.server_error->code, Code::Denied);
    CHECK_FALSE(unknown.server->is_ready());
    CHECK_FALSE(unknown.server->write("x").has_value());
  }
}

TEST_CASE("bytes that are no TLS, and TLS whose bytes were changed, end the session for good") {
  Fixture fixture;
  for (const Bytes& text : {Bytes("*1\r\n$4\r\nPING\r\n"), Bytes("GET / HTTP/1.1\r\n\r\n"), Bytes(5000, '\0'), Bytes(5000, '\xff')}) {
    auto server = TlsSession::accept(fixture.server).value();
    Bytes plain;
    Status received = server->receive(text, plain);
    REQUIRE_FALSE(received.has_value());
    CHECK_EQ(received.error().code, Code::Corrupt);
    CHECK(plain.empty());
    auto client = TlsSession::connect(fixture.client, "localhost").value();
    CHECK_FALSE(server->receive(client->outgoing(), plain).has_value());
  }
  Talk talk(fixture.server, fixture.client);
  REQUIRE(talk.client->write("pay ida 10").has_value());
  Bytes cipher(talk.client->outgoing());
  cipher[cipher.size() - 20] ^= 1;
  Bytes plain;
  CHECK_FALSE(talk.server->receive(cipher, plain).has_value());
  CHECK(plain.empty());
}

TEST_CASE("no hostile bytes, wherever they come, make a session ready, say what was not said, or end us") {
  Fixture fixture;
  std::mt19937_64 chance(7);
  int unharmed = 0;
  for (int seed = 0; seed < 600; seed++) {
    CAPTURE(seed);
    auto server = TlsSession::accept(fixture.server).value();
    auto client = TlsSession::connect(fixture.client, "localhost").value();
    Bytes heard, answers;
    bool is_good = true, is_harmed = false;
    for (int turn = 0; turn < 6 && is_good; turn++) {
      if (client->is_ready()) static_cast<void>(client->write("said"));
      Bytes bytes(client->outgoing());
      client->sent(bytes.size());
      if (!bytes.empty() && chance() % 3 == 0) {
        is_harmed = true;
        size_t at = chance() % bytes.size(), size = chance() % 64 + 1;
        switch (chance() % 5) {
          case 0: bytes[at] = static_cast<char>(bytes[at] ^ (1 << chance() % 8)); break;
          case 1: bytes.erase(at, size); break;
          case 2: bytes.insert(at, bytes.substr(0, size)); break;
          case 3: bytes.insert(at, size, static_cast<char>(chance())); break;
          default: bytes += bytes; break;
        }
      }
      is_good = server->receive(bytes, heard).has_value();
      Bytes reply(server->outgoing());
      server->sent(reply.size());
      CHECK_LT(reply.size(), 64u << 10);
      is_good &= client->receive(reply, answers).has_value();
    }
    for (size_t at = 0; at < heard.size(); at += 4) CHECK_EQ(heard.substr(at, 4), "said");
    CHECK(answers.empty());
    if (!is_harmed) CHECK(server->is_ready());
    unharmed += !is_harmed;
  }
  CHECK_GT(unharmed, 10);
}

TEST_CASE("versions before TLS 1.2 and renegotiation are refused") {
  Fixture fixture;
  Bytes plain;
  RawClient eleven(TLS1_1_VERSION);
  SSL_do_handshake(eleven.ssl.get());
  auto server = TlsSession::accept(fixture.server).value();
  CHECK_FALSE(server->receive(eleven.said(), plain).has_value());

  RawClient twelve(TLS1_2_VERSION);
  server = TlsSession::accept(fixture.server).value();
  twelve.meet(*server);
  SSL_renegotiate(twelve.ssl.get());
  SSL_do_handshake(twelve.ssl.get());
  Bytes asked = twelve.said();
  REQUIRE_FALSE(asked.empty());
  static_cast<void>(server->receive(asked, plain));
  twelve.hear(*server);
  CHECK_NE(SSL_do_handshake(twelve.ssl.get()), 1);
  CHECK_EQ(SSL_get_error(twelve.ssl.get(), -1), SSL_ERROR_SSL);  // "no renegotiation"
  ERR_clear_error();
}

TEST_CASE("a peer that only asks for new keys and reads nothing cannot make the server hold much") {
  Fixture fixture;
  auto server = TlsSession::accept(fixture.server).value();
  RawClient client(TLS1_3_VERSION);
  client.meet(*server);
  Bytes plain;
  size_t most = 0;
  bool is_cut = false;
  for (int i = 0; i < 20'000 && !is_cut; i++) {
    SSL_key_update(client.ssl.get(), SSL_KEY_UPDATE_REQUESTED);
    REQUIRE(SSL_do_handshake(client.ssl.get()) == 1);
    is_cut = !server->receive(client.said(), plain).has_value();
    most = std::max(most, server->outgoing().size());
  }
  CHECK_LT(most, 300u << 10);
  CHECK((is_cut || most < 1000));  // cut off, or nothing piles up
}

TEST_CASE("an end that was said is told from a cut") {
  Fixture fixture;
  Talk talk(fixture.server, fixture.client);
  CHECK_FALSE(talk.server->has_ended());
  REQUIRE(talk.client->write("last").has_value());
  talk.client->end();
  talk.settle();
  CHECK_EQ(talk.server_heard, "last");
  CHECK(talk.server->has_ended());
  CHECK(talk.server->write("and an answer").has_value());
}

TEST_CASE("files that are wrong are named with what is wrong") {
  Fixture fixture;
  auto refused = [](const TlsFiles& files) {
    auto made = TlsContext::for_server(files);
    REQUIRE_FALSE(made.has_value());
    return made.error();
  };
  TlsFiles files = fixture.files;
  files.certificate = fixture.folder / "none.pem";
  CHECK_EQ(refused(files).code, Code::NotFound);
  REQUIRE(write_file(files.certificate, "hello", Durability::None).has_value());
  CHECK_EQ(refused(files).message, files.certificate + ": no PEM in it");
  files = fixture.files;
  files.key = fixture.authority.issue("another").key;
  CHECK_NE(refused(files).message.find(files.key + ": not the key of the certificate"), std::string::npos);
  files = fixture.files;
  files.authority = files.key;
  CHECK_NE(refused(files).message.find(files.key + ": no certificates of an authority"), std::string::npos);
  files = fixture.files;
  Bytes key = read_file(files.key).value();
  std::unique_ptr<BIO, int (*)(BIO*)> bio(BIO_new_mem_buf(key.data(), static_cast<int>(key.size())), BIO_free);
  EVP_PKEY* parsed = PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr);
  FILE* file = fopen((fixture.folder / "locked.key").c_str(), "w");
  char word[] = "word";
  PEM_write_PrivateKey(file, parsed, EVP_aes_256_cbc(), reinterpret_cast<unsigned char*>(word), 4, nullptr, nullptr);
  fclose(file);
  EVP_PKEY_free(parsed);
  files.key = fixture.folder / "locked.key";
  CHECK_NE(refused(files).message.find("without a passphrase"), std::string::npos);
}
