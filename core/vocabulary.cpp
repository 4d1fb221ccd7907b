#include "core/vocabulary.hpp"

namespace lockstep::core {

std::string_view name(Protocol protocol) {
  switch (protocol) {
    case Protocol::nfs3:
      return "nfs3";
    case Protocol::nlm:
      return "nlm";
    case Protocol::nfs40:
      return "nfs4.0";
    case Protocol::nfs41:
      return "nfs4.1";
    case Protocol::smb:
      return "smb";
    case Protocol::admin:
      return "admin";
  }
  return "?";
}

std::string_view name(Flavour flavour) {
  switch (flavour) {
    case Flavour::none:
      return "none";
    case Flavour::lease:
      return "lease";
    case Flavour::oplock:
      return "oplock";
    case Flavour::delegation:
      return "delegation";
    case Flavour::directory_lease:
      return "directory lease";
    case Flavour::directory_delegation:
      return "directory delegation";
  }
  return "?";
}

std::string_view name(LockMode mode) { return mode == LockMode::shared ? "shared" : "exclusive"; }

std::string_view name(Operation operation) {
  switch (operation) {
    case Operation::read:
      return "read";
    case Operation::write:
      return "write";
    case Operation::set_size:
      return "set_size";
    case Operation::set_attributes:
      return "set_attributes";
    case Operation::get_attributes:
      return "get_attributes";
    case Operation::remove:
      return "remove";
    case Operation::rename_source:
      return "rename_source";
    case Operation::rename_target:
      return "rename_target";
    case Operation::rename_ancestor:
      return "rename_ancestor";
    case Operation::link:
      return "link";
    case Operation::change_directory:
      return "change_directory";
    case Operation::list_directory:
      return "list_directory";
  }
  return "?";
}

std::string_view name(Status status) {
  switch (status) {
    case Status::ok:
      return "ok";
    case Status::blocked:
      return "blocked";
    case Status::denied:
      return "denied";
    case Status::lock_conflict:
      return "lock_conflict";
    case Status::share_conflict:
      return "share_conflict";
    case Status::delete_pending:
      return "delete_pending";
    case Status::file_open:
      return "file_open";
    case Status::later:
      return "later";
    case Status::grace:
      return "grace";
    case Status::no_grace:
      return "no_grace";
    case Status::reclaim_bad:
      return "reclaim_bad";
    case Status::reclaim_conflict:
      return "reclaim_conflict";
    case Status::complete_already:
      return "complete_already";
    case Status::deadlock:
      return "deadlock";
    case Status::cancelled:
      return "cancelled";
    case Status::closed:
      return "closed";
    case Status::range_not_locked:
      return "range_not_locked";
    case Status::unknown_client:
      return "unknown_client";
    case Status::unknown_open:
      return "unknown_open";
    case Status::unknown_right:
      return "unknown_right";
    case Status::not_breaking:
      return "not_breaking";
    case Status::ack_exceeds:
      return "ack_exceeds";
    case Status::key_in_use:
      return "key_in_use";
    case Status::bad_mode:
      return "bad_mode";
    case Status::limit:
      return "limit";
    case Status::journal_failed:
      return "journal_failed";
  }
  return "?";
}

std::string name(Rights rights) {
  std::string text;
  if (rights.has(RightBit::read)) text += 'R';
  if (rights.has(RightBit::write)) text += 'W';
  if (rights.has(RightBit::handle)) text += 'H';
  return text.empty() ? "-" : text;
}

std::string name(Access access) {
  std::string text;
  if (access.has(AccessBit::read)) text += 'r';
  if (access.has(AccessBit::write)) text += 'w';
  if (access.has(AccessBit::remove)) text += 'd';
  return text.empty() ? "-" : text;
}

}  // namespace lockstep::core
