#include "flist/convert.h"

#include "flist/convert/sources.h"

namespace mcloud::flist {

Result<Converted> convert(const std::string& source, const ConvertOptions& options) {
  if (options.stores.empty()) return make_error(Code::Invalid, "convert: at least one store is needed");
  std::unique_ptr<image::Routes> stores = TRY(image::Routes::open(options.stores));
  Assembly assembly(*stores, options);
  TRY(load_source(source, assembly).with_context("convert " + source.substr(0, 300)));
  return assembly.finish().with_context("convert " + source.substr(0, 300));
}

}  // namespace mcloud::flist
