// FsRtlIsNameInExpression's rules (MS-FSA 2.1.4.4):
//   *  any characters, also none
//   ?  one character
//   <  (DOS_STAR) any characters, also none, up to and including the last dot; a name without a
//      dot it takes whole
//   >  (DOS_QM) one character; at a dot or at the end of the name it takes nothing
//   "  (DOS_DOT) a dot; at the end of the name nothing
#include <vector>

#include "shell/wire/smb2/names.hpp"
#include "shell/wire/smb2/unicode.hpp"

namespace lockstep::wire::smb2 {
namespace {

std::u16string upper_units(std::string_view disk_name) {
  // As the wire shows the name: that is what the client's pattern speaks of.
  const std::optional<std::string> shown = utf8_from_utf16(wire_name(disk_name));
  const Bytes bytes = utf16_from_utf8(upper_case(shown ? *shown : std::string(disk_name)));
  std::u16string units;
  for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) {
    units.push_back(static_cast<char16_t>(bytes[i] | (bytes[i + 1] << 8)));
  }
  return units;
}

/// One row for each character of the pattern: which prefixes of the name are matched so far. Time
/// is bounded by pattern times name, whatever the stars.
class Matcher {
 public:
  explicit Matcher(std::u16string_view name)
      : name_(name), last_dot_(name.rfind(u'.')), now_(name.size() + 1, false) {
    now_[0] = true;
  }

  void step(char16_t wild) {
    std::vector<bool> next(now_.size(), false);
    bool run = false;      // `*`: something before this point matches
    bool dos_run = false;  // `<`: the same, while the star may still go on
    for (std::size_t i = 0; i < now_.size(); ++i) {
      const bool end = i == name_.size();
      const char16_t before = i == 0 ? u'\0' : name_[i - 1];
      switch (wild) {
        case u'*':
          run = run || now_[i];
          next[i] = run;
          break;
        case u'<':
          // What began at or before the last dot ends with it; what began after it goes on.
          if (last_dot_ != std::u16string_view::npos && i == last_dot_ + 2) dos_run = now_[i - 1];
          dos_run = dos_run || now_[i];
          next[i] = dos_run;
          break;
        case u'?':
          next[i] = i > 0 && now_[i - 1];
          break;
        case u'>':
          if (i > 0 && now_[i - 1] && before != u'.') next[i] = true;
          if (now_[i] && (end || name_[i] == u'.')) next[i] = true;
          break;
        case u'"':
          if (i > 0 && now_[i - 1] && before == u'.') next[i] = true;
          if (now_[i] && end) next[i] = true;
          break;
        default:
          next[i] = i > 0 && now_[i - 1] && before == wild;
      }
    }
    now_ = std::move(next);
  }

  bool matched() const { return now_.back(); }

 private:
  std::u16string_view name_;
  std::size_t last_dot_;
  std::vector<bool> now_;
};

}  // namespace

bool SearchPattern::matches(std::string_view disk_name) const {
  if (everything_) return true;
  const std::u16string name = upper_units(disk_name);
  Matcher matcher(name);
  for (char16_t unit : pattern_) matcher.step(unit);
  return matcher.matched();
}

}  // namespace lockstep::wire::smb2
