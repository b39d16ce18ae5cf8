#include "wire/sigv4.h"

#include <doctest/doctest.h>

#include "crypto/hash.h"

using namespace mcloud;
using namespace mcloud::wire;

namespace {

// The credentials of AWS's published examples.
const SigV4Key kS3 = {"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "us-east-1", "s3"};
const SigV4Key kSuite = {"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "us-east-1", "service"};
const std::string kEmpty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const std::string kS3Time = "20130524T000000Z";
const std::string kSuiteTime = "20150830T123600Z";

std::string signature(const SigV4Request& request, const SigV4Key& key, const std::string& time) {
  std::string text = sigv4_authorization(request, key, time);
  return text.substr(text.find("Signature=") + 10);
}

SigV4Request s3_request(const std::string& method, const std::string& path, const std::string& query) {
  return {method, path, query,
          {{"host", "examplebucket.s3.amazonaws.com"}, {"x-amz-content-sha256", kEmpty}, {"x-amz-date", kS3Time}},
          kEmpty};
}

SigV4Request suite_request(const std::string& method, const std::string& query) {
  return {method, "/", query, {{"host", "example.amazonaws.com"}, {"x-amz-date", kSuiteTime}}, kEmpty};
}

}  // namespace

TEST_CASE("signatures are those of the examples in the S3 API reference") {
  SigV4Request get = s3_request("GET", "/test.txt", "");
  get.headers["range"] = "bytes=0-9";
  CHECK_EQ(sigv4_authorization(get, kS3, kS3Time),
           "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
           "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
           "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");

  SigV4Request put = s3_request("PUT", "/test%24file.text", "");
  put.payload_hash = to_hex(crypto::sha256("Welcome to Amazon S3."));
  put.headers["x-amz-content-sha256"] = put.payload_hash;
  put.headers["date"] = "Fri, 24 May 2013 00:00:00 GMT";
  put.headers["x-amz-storage-class"] = "REDUCED_REDUNDANCY";
  CHECK_EQ(signature(put, kS3, kS3Time), "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");

  CHECK_EQ(signature(s3_request("GET", "/", "lifecycle"), kS3, kS3Time),
           "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
  CHECK_EQ(signature(s3_request("GET", "/", "max-keys=2&prefix=J"), kS3, kS3Time),
           "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

TEST_CASE("signatures are those of the signature test suite") {
  CHECK_EQ(signature(suite_request("GET", ""), kSuite, kSuiteTime),
           "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
  CHECK_EQ(signature(suite_request("GET", "Param2=value2&Param1=value1"), kSuite, kSuiteTime),
           "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500");
  CHECK_EQ(signature(suite_request("POST", ""), kSuite, kSuiteTime),
           "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b");
  SigV4Request trimmed = suite_request("GET", "");
  trimmed.headers["my-header1"] = "  value1";
  trimmed.headers["my-header2"] = " \"a   b   c\"";
  CHECK_EQ(signature(trimmed, kSuite, kSuiteTime),
           "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736");
}

TEST_CASE("a canonical request has the query in order, and values without spare blanks") {
  SigV4Request request = suite_request("GET", "b=2&a=&a-=1&c&b=1");
  request.headers["x"] = "  a \t b  ";
  CHECK_EQ(sigv4_canonical_request(request),
           "GET\n/\na=&a-=1&b=1&b=2&c=\nhost:example.amazonaws.com\nx:a b\nx-amz-date:20150830T123600Z\n\n"
           "host;x;x-amz-date\n" + kEmpty);
}

TEST_CASE("a request is signed with all that it sends, where it is sent to") {
  HttpRequest request;
  request.method = "PUT";
  request.target = "/bucket/key?x=1";
  request.body = "body";
  sigv4_sign(request, Endpoint::parse("http://127.0.0.1:9000").value(), kS3, 1'440'938'160'000);
  CHECK_EQ(request.headers["x-amz-date"], "20150830T123600Z");
  CHECK_EQ(request.headers["x-amz-content-sha256"], to_hex(crypto::sha256("body")));
  SigV4Request same = {"PUT", "/bucket/key", "x=1",
                       {{"host", "127.0.0.1:9000"},
                        {"x-amz-content-sha256", to_hex(crypto::sha256("body"))},
                        {"x-amz-date", "20150830T123600Z"}},
                       to_hex(crypto::sha256("body"))};
  CHECK_EQ(request.headers["authorization"], sigv4_authorization(same, kS3, "20150830T123600Z"));
  CHECK_EQ(request.headers["authorization"].find(kS3.secret), std::string::npos);
}
