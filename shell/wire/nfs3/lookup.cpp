// LOOKUP and READLINK (RFC 1813 3.3.3, 3.3.5). Neither contradicts any cache.
#include <utility>

#include "shell/wire/nfs3/procedures.hpp"
#include "shell/wire/rpc/xdr.hpp"

namespace lockstep::wire::nfs3 {

using rpc::Reply;

Task<Reply> lookup(Service& service, const rpc::CallContext& call) {
  BigReader in = call.reader();
  DirectoryOp what = get_directory_op(in);
  if (in.failed()) co_return Reply::garbage();
  const Subject dir = co_await locate(service, call, std::move(what.handle));
  if (!dir.ok()) co_return reply_post_op(dir.status, std::nullopt);

  Status status = check_name(what.name);
  if (status == Status::ok && dir.node->type() != files::FileType::directory) {
    status = Status::notdir;
  }
  files::Found found;
  if (status == Status::ok) {
    files::Result<files::Found> result = co_await dir.files().lookup(
        dir.who, dir.node, std::move(what.name), files::NameCase::exact);
    if (result)
      found = std::move(*result);
    else
      status = status_of_errno(result.error().value());
  }
  const std::optional<files::Attributes> dir_attributes = co_await attributes_of(dir.of, dir.node);
  if (status != Status::ok) co_return reply_post_op(status, dir_attributes);
  BigWriter out = begin(Status::ok);
  rpc::put_opaque(out, dir.files().handle(found.node));
  put_post_op(out, found.attributes);
  put_post_op(out, dir_attributes);
  co_return Reply::done(std::move(out));
}

Task<Reply> readlink(Service& service, const rpc::CallContext& call) {
  BigReader in = call.reader();
  Bytes handle = get_handle(in);
  if (in.failed()) co_return Reply::garbage();
  const Subject link = co_await locate(service, call, std::move(handle));
  if (!link.ok()) co_return reply_post_op(link.status, std::nullopt);
  Status status = Status::ok;
  std::string target;
  if (link.node->type() != files::FileType::symlink) {
    status = Status::inval;
  } else {
    files::Result<std::string> result = co_await link.files().read_link(link.who, link.node);
    if (result)
      target = std::move(*result);
    else
      status = status_of_errno(result.error().value());
  }
  const std::optional<files::Attributes> attributes = co_await attributes_of(link.of, link.node);
  if (status != Status::ok) co_return reply_post_op(status, attributes);
  BigWriter out = begin(Status::ok);
  put_post_op(out, attributes);
  rpc::put_string(out, target);
  co_return Reply::done(std::move(out));
}

}  // namespace lockstep::wire::nfs3
