// Names without regard to case, as SMB clients see them: Unicode simple case folding (statuses C
// and S of CaseFolding.txt, Unicode 14), code point by code point. Nothing is normalized: NTFS
// does not either. Bytes that are no UTF-8 stand for themselves.
#pragma once

#include <string>
#include <string_view>

namespace lockstep::files {

char32_t fold_code_point(char32_t point);
std::string fold_name(std::string_view name);

}  // namespace lockstep::files
