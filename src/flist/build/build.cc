#include "flist/build.h"

#include "flist/build/config_edit.h"
#include "flist/build/debian.h"
#include "flist/build/edit_tree.h"
#include "flist/convert/sources.h"
#include "io/file.h"

namespace mcloud::flist {
namespace {

constexpr size_t kRecipeBytesMax = 1 << 20;

std::string folder_of(const std::string& path) {
  size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

// Relative paths are seen from the recipe.
std::string seen_from(const std::string& folder, const std::string& from) {
  for (std::string_view kind : {"oci:", "docker-archive:", "fl:"}) {
    if (!from.starts_with(kind)) continue;
    std::string rest = from.substr(kind.size());
    bool is_elsewhere = rest.starts_with('/') || rest.starts_with("http://") || rest.starts_with("https://");
    return is_elsewhere ? from : std::string(kind) + folder + "/" + rest;
  }
  return from.starts_with('.') ? folder + "/" + from : from;
}

Status load_base(const Recipe& recipe, const std::string& folder, const BuildOptions& options, Assembly& assembly) {
  if (recipe.from == "debian") return load_debian(recipe, options, assembly);
  if (recipe.from != "nothing") return load_source(seen_from(folder, recipe.from), assembly);
  image::Node root;
  root.mode = 0755;
  root.modified_s = recipe.time;
  return assembly.tree().set_facts(GrowingTree::kRoot, root);
}

}  // namespace

Result<Converted> build(const std::string& path, const BuildOptions& options) {
  if (options.convert.stores.empty()) return make_error(Code::Invalid, "build: at least one store is needed");
  Bytes text = TRY(io::read_file(path, kRecipeBytesMax));
  Recipe recipe = TRY(parse_recipe(text, path));
  std::unique_ptr<image::Routes> stores = TRY(image::Routes::open(options.convert.stores));
  Assembly assembly(*stores, options.convert);
  std::string folder = folder_of(path);
  TRY(load_base(recipe, folder, options, assembly).with_context("build " + path));
  assembly.outside = Flist();  // what the base's makers said is about the base
  TRY(edit_tree(recipe, path, folder, assembly));
  assembly.config = TRY(edit_config(assembly.config, recipe).with_context("build " + path));
  assembly.origin.push_back("recipe " + image::Digest::of(text).text());
  return assembly.finish().with_context("build " + path);
}

}  // namespace mcloud::flist
