#include "flist/build/debian.h"

#include "flist/convert/layer_tree.h"
#include "flist/convert/work_folder.h"
#include "image/oci/layer.h"
#include "io/process.h"

namespace mcloud::flist {
namespace {

constexpr const char* kDocumentation[] = {"/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*"};

// What differs from build to build or belongs to the building machine. "/*": only what is in it.
constexpr const char* kLeftOut[] = {
    "dev/*",           "var/cache/apt/*",      "var/lib/apt/lists/*",       "var/log/apt",      "var/log/dpkg.log",
    "etc/hostname",    "etc/resolv.conf",      "var/log/alternatives.log",  "var/log/bootstrap.log",
    "var/cache/ldconfig/aux-cache", "var/cache/debconf/templates.dat-old", "var/cache/debconf/config.dat-old",
    "var/lib/dpkg/status-old", "var/lib/dpkg/diversions-old", "etc/passwd-", "etc/group-", "etc/shadow-", "etc/gshadow-"};

Result<std::string> machine_sources(const std::string& suite) {
  std::vector<std::string> places = {"/etc/apt/sources.list"};
  Result<std::vector<std::string>> more = io::list_folder("/etc/apt/sources.list.d");
  if (more.has_value()) {
    for (const std::string& name : *more) places.push_back("/etc/apt/sources.list.d/" + name);
  }
  for (const std::string& place : places) {
    if (!place.ends_with(".list") && !place.ends_with(".sources")) continue;
    Result<Bytes> text = io::read_file(place, 1 << 20);
    if (text.has_value() && text->find("/debian") != std::string::npos && text->find(suite) != std::string::npos) return place;
  }
  return make_error(Code::NotFound, "no sources file in /etc/apt names Debian's " + suite);
}

std::vector<std::string> command_line(const Recipe& recipe, const BuildOptions& options, const std::string& sources,
                                      const std::string& tar) {
  std::vector<std::string> out = {options.mmdebstrap, "--variant=" + recipe.variant, "--mode=root", "--quiet"};
  std::string packages;
  for (const std::string& name : recipe.packages) packages += (packages.empty() ? "" : ",") + name;
  if (!packages.empty()) out.push_back("--include=" + packages);
  for (const char* pattern : kDocumentation) {
    if (!recipe.documentation) out.push_back(std::string("--dpkgopt=path-exclude=") + pattern);
  }
  out.insert(out.end(), {recipe.suite, tar, sources});
  return out;
}

Status make_tar(const Recipe& recipe, const BuildOptions& options, const std::string& tar) {
  std::string sources = options.debian_sources;
  if (sources.empty()) sources = TRY(machine_sources(recipe.suite));
  io::Command command;
  command.arguments = command_line(recipe, options, sources, tar);
  // Times in the packages stay; what is made while they are installed gets this one.
  command.environment = {"SOURCE_DATE_EPOCH=" + std::to_string(recipe.time), "LC_ALL=C.UTF-8", "TZ=UTC"};
  Result<io::Outcome> outcome = io::run_checked(command, {options.timeout_ms, 1 << 20});
  if (outcome.has_value()) return {};
  Code code = outcome.error().code == Code::TimedOut ? Code::TimedOut : Code::Unavailable;
  return make_error(code, "Debian packages: " + outcome.error().message);
}

}  // namespace

Status load_debian(const Recipe& recipe, const BuildOptions& options, Assembly& assembly) {
  WorkFolder work = TRY(WorkFolder::make());
  std::string tar = work.path() + "/root.tar";
  TRY(make_tar(recipe, options, tar));
  std::unique_ptr<image::Stream> stream = TRY(image::open_file_stream(tar, "Debian's packages"));
  LayerTree layers(assembly.tree(), assembly.blocks(), options.convert.limits);
  TRY(image::unpack_tar(*stream, options.convert.limits, layers, "Debian's packages"));
  for (const char* path : kLeftOut) TRY(assembly.tree().remove_path(path));
  assembly.origin.push_back("debian " + recipe.suite + " " + recipe.variant);
  return {};
}

}  // namespace mcloud::flist
