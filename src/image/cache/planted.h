// Bugs that a test build plants (ARCHITECTURE 5): the tests of this room must catch each. No product build defines the
// macros.
#pragma once

namespace mcloud::image::planted {

#ifdef MCLOUD_PLANTED_BUG_IMAGE_SETTLE
inline constexpr bool kMarksFirst = true;  // blocks are marked as being on the disk before they are
#else
inline constexpr bool kMarksFirst = false;
#endif

}  // namespace mcloud::image::planted
