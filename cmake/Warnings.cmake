# One interface target carries the house's compile flags.
option(MCLOUD_FUZZ "build the libFuzzer targets" OFF)
set(MCLOUD_SANITIZE "" CACHE STRING "sanitizers, comma separated, empty for none")

add_library(mcloud_house INTERFACE)
target_compile_options(mcloud_house INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wconversion
  -Wno-sign-conversion -Wno-gnu-statement-expression -Wno-gnu-zero-variadic-macro-arguments
  -Wno-missing-field-initializers -Wno-missing-designated-field-initializers -Werror -fno-omit-frame-pointer)
target_include_directories(mcloud_house INTERFACE ${CMAKE_SOURCE_DIR}/src)
if(MCLOUD_SANITIZE)
  target_compile_options(mcloud_house INTERFACE -fsanitize=${MCLOUD_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(mcloud_house INTERFACE -fsanitize=${MCLOUD_SANITIZE})
endif()
if(MCLOUD_FUZZ)
  target_compile_options(mcloud_house INTERFACE -fsanitize=fuzzer-no-link)
endif()
