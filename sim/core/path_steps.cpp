// Steps that concern a file as a whole: its attributes, its size, its names, its opens.
#include "sim/core/world.hpp"

namespace lockstep::sim {

using namespace core;  // NOLINT

void World::path_operation(const Step& step, Client& client) {
  if (client.protocol == Protocol::nlm) return;
  Operation operation = Operation::get_attributes;
  bool by_handle = client.smb();
  switch (step.verb) {
    case Verb::truncates:
      return write(step, client);
    case Verb::downgrades: {
      Op op;
      op.kind = Op::Kind::downgrade;
      op.client = step.who;
      op.file = step.file;
      op.handle = handle_of(client, step.file, step.number);
      if (!client.nfs4() || op.handle < 0) return;
      op.owner = client.handles[static_cast<std::size_t>(op.handle)].owner;
      op.access = step.access.without(AccessBit::remove);
      op.deny = step.deny.without(AccessBit::remove);
      // It keeps the access that its locks need.
      const PosixLocks& held = client.posix[step.file][op.owner - 1U];
      if (op.access.empty() || (held.shared | held.exclusive) != 0) return;
      const int dirty = cache_for(client, step.file, op.handle, kRW);
      if (dirty >= 0) return flush(client, static_cast<std::size_t>(dirty), op);
      submit(op);
      return;
    }
    case Verb::deletes: {
      Op op;
      op.kind = Op::Kind::disposition;
      op.client = step.who;
      op.file = step.file;
      op.handle = handle_of(client, step.file, step.number);
      if (client.smb() && op.handle >= 0) submit(op);
      return;
    }
    case Verb::chmods:
      operation = Operation::set_attributes;
      break;
    case Verb::removes:
      if (client.smb()) return;
      operation = Operation::remove;
      break;
    case Verb::renames:
      operation = Operation::rename_source;
      break;
    case Verb::links:
      operation = Operation::link;
      break;
    default:
      by_handle = false;  // a query by name
  }
  if (operation == Operation::remove && step.file == kDirectory) return;
  int handle = by_handle ? handle_of(client, step.file, step.number) : -1;
  if (by_handle && handle < 0) return;
  Op op = access_op(client, step.file, operation, handle);
  op.other = step.other;
  if (operation == Operation::rename_source && step.file == kDirectory) {
    op.operation = Operation::rename_ancestor;
  }
  submit(op);
}

}  // namespace lockstep::sim
