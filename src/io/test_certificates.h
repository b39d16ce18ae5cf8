// For tests: an authority that lives in a folder, and certificates that it signs, made afresh.
#pragma once

#include <doctest/doctest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <memory>
#include <string>

#include "io/tls.h"

namespace mcloud::io {

class TestAuthority {
 public:
  TestAuthority(std::string folder, const std::string& name) : folder_(std::move(folder)), name_(name) {
    key_.reset(EVP_EC_gen("P-256"));
    certificate_ = make(name, "", *key_);
    save_certificate(path(), *certificate_);
  }
  std::string path() const { return folder_ + "/" + name_ + ".pem"; }

  // FOLDER/NAME.pem and FOLDER/NAME.key; `names` as OpenSSL writes them: "DNS:localhost,IP:127.0.0.1".
  TlsFiles issue(const std::string& name, const std::string& names = "DNS:localhost,IP:127.0.0.1") {
    Key key(EVP_EC_gen("P-256"));
    Certificate made = make(name, names, *key);
    TlsFiles files{folder_ + "/" + name + ".pem", folder_ + "/" + name + ".key", ""};
    save_certificate(files.certificate, *made);
    File file(std::fopen(files.key.c_str(), "w"));
    REQUIRE(PEM_write_PrivateKey(file.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1);
    return files;
  }

 private:
  template <auto Free>
  struct Deleter {
    template <typename T>
    void operator()(T* object) const {
      static_cast<void>(Free(object));
    }
  };
  using Key = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;
  using Certificate = std::unique_ptr<X509, Deleter<X509_free>>;
  using File = std::unique_ptr<FILE, Deleter<std::fclose>>;

  Certificate make(const std::string& name, const std::string& names, EVP_PKEY& key) {
    Certificate made(X509_new());
    X509_set_version(made.get(), 2);
    ASN1_INTEGER_set(X509_get_serialNumber(made.get()), ++serial_);
    X509_gmtime_adj(X509_getm_notBefore(made.get()), -3600);
    X509_gmtime_adj(X509_getm_notAfter(made.get()), 86'400);
    X509_set_pubkey(made.get(), &key);
    X509_NAME* subject = X509_get_subject_name(made.get());
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1,
                               0);
    X509* issuer = certificate_ ? certificate_.get() : made.get();
    X509_set_issuer_name(made.get(), X509_get_subject_name(issuer));
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, made.get(), nullptr, nullptr, 0);
    auto extend = [&](int kind, const std::string& value) {
      X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
      REQUIRE(extension != nullptr);
      X509_add_ext(made.get(), extension, -1);
      X509_EXTENSION_free(extension);
    };
    extend(NID_basic_constraints, certificate_ ? "critical,CA:FALSE" : "critical,CA:TRUE");
    extend(NID_subject_key_identifier, "hash");
    if (!names.empty()) extend(NID_subject_alt_name, names);
    REQUIRE(X509_sign(made.get(), key_.get(), EVP_sha256()) > 0);
    return made;
  }
  static void save_certificate(const std::string& path, X509& certificate) {
    File file(std::fopen(path.c_str(), "w"));
    REQUIRE(file != nullptr);
    REQUIRE(PEM_write_X509(file.get(), &certificate) == 1);
  }

  std::string folder_, name_;
  Key key_;
  Certificate certificate_;
  long serial_ = 0;
};

}  // namespace mcloud::io
