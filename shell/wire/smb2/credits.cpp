#include "shell/wire/smb2/credits.hpp"

#include <algorithm>

namespace lockstep::wire::smb2 {

CreditWindow::CreditWindow(std::uint32_t credits_max)
    : used_(std::clamp<std::uint32_t>(credits_max, 1, 65'535)) {}

bool CreditWindow::consume(std::uint64_t message_id, std::uint16_t charge) {
  if (charge == 0 || message_id < low_ || message_id >= high_ || charge > high_ - message_id) {
    return false;
  }
  for (std::uint64_t id = message_id; id != message_id + charge; ++id) {
    if (used(id)) return false;
  }
  for (std::uint64_t id = message_id; id != message_id + charge; ++id) {
    used_[id % used_.size()] = true;
  }
  for (; low_ != high_ && used(low_); ++low_) used_[low_ % used_.size()] = false;
  return true;
}

std::uint16_t CreditWindow::grant(std::uint32_t wanted) {
  // The last id is that of break notifications; it is never granted.
  const std::uint64_t room =
      std::min<std::uint64_t>(used_.size() - (high_ - low_), (~std::uint64_t{0} - 1) - high_);
  const auto given = static_cast<std::uint16_t>(std::min<std::uint64_t>({wanted, room, 65'535}));
  high_ += given;
  return given;
}

}  // namespace lockstep::wire::smb2
