// image_node DATA RUN MCLOUD: a node's images and containers without a ledger, for bench/image (and for people who want to
// look at them alone). One JSON object a line on standard input, one answer a line: {"error": ...} or what is asked for.
//   {"do":"prepare","source":S,"digest":D}                        -> {"root":FOLDER}
//   {"do":"start","id":I,"source":S,"digest":D,"arguments":[..]}  -> {"prepared_ms":..,"started_ms":..}   (arguments: else the image's)
//   {"do":"end","id":I}   {"do":"detach","digest":D}   {"do":"trace","digest":D}   {"do":"figures"} -> {"rss_bytes":..}
//   {"do":"ping"}         {"do":"stop"}: ends everything
// Containers share the network namespace of this process.
#include <sys/stat.h>
#include <time.h>

#include <iostream>
#include <nlohmann/json.hpp>

#include "flist/lazy_images.h"
#include "io/file.h"
#include "runtime/cgroup.h"
#include "runtime/container.h"
#include "wire/json.h"

using namespace mcloud;
using Json = nlohmann::json;

namespace {

double now_ms() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

class BenchNode {
 public:
  static Result<std::unique_ptr<BenchNode>> open(const std::string& data, const std::string& run, const std::string& mcloud) {
    auto node = std::unique_ptr<BenchNode>(new BenchNode);
    node->data_ = data;
    TRY(io::make_folders(run));
    TRY(io::make_folders(data));
    image::MountOptions mount{.folder = run + "/images", .cache_folder = data + "/cache"};
    mount.program = mcloud.substr(0, mcloud.find_last_of('/') + 1) + "mcloud-imagefs";
    node->mount_ = TRY(image::ImageMount::open(mount));
    node->import_.program = mcloud;
    node->images_ = TRY(flist::open_lazy_images(flist::lazy_images_options(data + "/images", mount, node->import_)));
    runtime::RuntimeOptions options;
    options.folder = run + "/rt";
    options.cgroup_parent = "bench-image";
    TRY(io::make_folders(options.folder));
    node->runtime_ = TRY(runtime::Runtime::open(options));
    return node;
  }

  Result<Json> answer(const Json& request) {
    std::string what = TRY(wire::json_string(request, "do"));
    if (what == "ping") return Json::object();
    if (what == "figures") return figures();
    if (what == "stop") return stop();
    if (what == "end") return end(TRY(wire::json_string(request, "id")));
    std::string digest = TRY(wire::json_string(request, "digest"));
    if (what == "detach") return detach(digest);
    if (what == "trace") return Json{{"trace", TRY(mount_->trace(digest))}};
    std::string source = TRY(wire::json_string(request, "source"));
    image::PreparedImage prepared = TRY(prepare(source, digest));
    if (what == "prepare") return Json{{"root", prepared.root_folder}};
    return start(request, prepared);
  }

 private:
  Result<image::PreparedImage> prepare(const std::string& source, const std::string& digest) {
    began_ms_ = now_ms();
    return images_->prepare({source, digest, {}});
  }

  Result<Json> start(const Json& request, const image::PreparedImage& prepared) {
    double prepared_ms = now_ms();
    runtime::ContainerSpec spec;
    spec.id = TRY(wire::json_string(request, "id"));
    spec.image_root = prepared.root_folder;
    spec.disk_folder = data_ + "/disk-" + spec.id;
    spec.base_uid = 1'000'000'000;
    spec.arguments = prepared.config.entrypoint;
    spec.arguments.insert(spec.arguments.end(), prepared.config.command.begin(), prepared.config.command.end());
    if (request.contains("arguments")) spec.arguments = request["arguments"].get<std::vector<std::string>>();
    spec.environment = prepared.config.environment;
    spec.network_namespace = "/proc/self/ns/net";
    spec.log_path = data_ + "/" + spec.id + ".log";
    TRY(runtime_->start(spec));
    return Json{{"prepared_ms", prepared_ms - began_ms_}, {"started_ms", now_ms() - began_ms_}};
  }

  Result<Json> end(const std::string& id) {
    TRY(runtime_->stop(id, 0));
    TRY(runtime_->remove(id));
    return Json::object();
  }

  Result<Json> detach(const std::string& digest) {
    TRY(mount_->detach(digest));
    return Json::object();
  }

  Result<Json> figures() {
    image::MountFigures figures = TRY(mount_->figures());
    Bytes status = TRY(io::read_file("/proc/" + std::to_string(figures.process) + "/status", 1 << 16));
    size_t at = status.find("VmRSS:");
    uint64_t kib = at == std::string::npos ? 0 : std::strtoull(status.c_str() + at + 6, nullptr, 10);
    uint64_t read_errors = 0, cached = 0;
    for (const image::ImageFigures& one : figures.images) {
      read_errors += one.read_errors;
      cached += one.cached_bytes;
    }
    return Json{{"rss_bytes", kib << 10}, {"images", figures.images.size()}, {"passthrough", figures.has_passthrough},
                {"read_errors", read_errors}, {"cached_bytes", cached}};
  }

  Result<Json> stop() {
    for (const std::string& id : TRY(runtime_->list())) TRY(end(id));
    TRY(runtime::sweep_cgroups("bench-image"));
    TRY(mount_->stop());
    return Json::object();
  }

  std::string data_;
  flist::ImportOptions import_;
  std::unique_ptr<image::ImageMount> mount_;
  std::unique_ptr<image::Images> images_;
  std::unique_ptr<runtime::Runtime> runtime_;
  double began_ms_ = 0;
};

void say(const Result<Json>& answer) {
  Json out = answer.has_value() ? *answer : Json{{"error", answer.error().message}};
  std::cout << wire::json_text(out) << std::endl;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 4) {
    std::cerr << "image_node DATA RUN MCLOUD\n";
    return 2;
  }
  Result<std::unique_ptr<BenchNode>> node = BenchNode::open(arguments[1], arguments[2], arguments[3]);
  if (!node.has_value()) {
    say(node.error());
    return 1;
  }
  say(Json::object());
  for (std::string line; std::getline(std::cin, line);) {
    Result<Json> request = wire::parse_json(line);
    say(request.has_value() ? (*node)->answer(*request) : Result<Json>(request.error()));
  }
}
