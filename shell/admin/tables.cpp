#include "shell/admin/tables.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

namespace lockstep::admin {

namespace {

using Row = std::vector<std::string>;

/// Columns as wide as they need to be, headings in capitals.
std::string aligned(const std::vector<Row>& rows) {
  std::vector<std::size_t> widths;
  for (const Row& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const Row& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += row[i] + std::string(widths[i] - row[i].size() + 2, ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

std::string shown(const Json& value) {
  if (value.is_null()) return "";
  if (value.is_string()) return value.get<std::string>();
  if (value.is_boolean()) return value.get<bool>() ? "yes" : "";
  if (value.is_array()) {
    std::string text;
    for (const Json& one : value) text += (text.empty() ? "" : ",") + shown(one);
    return text;
  }
  return value.dump();
}

std::string field(const Json& entry, const char* name) {
  const auto found = entry.find(name);
  return found == entry.end() ? "" : shown(*found);
}

std::string upper(std::string text) {
  for (char& c : text) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
    if (c == '_') c = ' ';
  }
  return text;
}

std::string list(const Json& entries, const std::vector<const char*>& columns, const char* none) {
  if (entries.empty()) return std::string(none) + "\n";
  std::vector<Row> rows(1);
  for (const char* column : columns) rows[0].push_back(upper(column));
  for (const Json& entry : entries) {
    Row row;
    for (const char* column : columns) row.push_back(field(entry, column));
    rows.push_back(std::move(row));
  }
  return aligned(rows);
}

const std::vector<const char*> kLockColumns = {"file",  "protocol", "client", "kind",
                                               "owner", "mode",     "range",  "breaking_to",
                                               "since", "deadline"};
const std::vector<const char*> kOpenColumns = {"file",   "protocol", "client",         "owner",
                                               "access", "deny",     "attributes_only"};
const std::vector<const char*> kWaiterColumns = {"file",  "protocol", "client", "owner",
                                                 "what",  "mode",     "range",  "waits_for",
                                                 "since", "deadline"};
const std::vector<const char*> kClientColumns = {"protocol", "client",    "address", "opens",
                                                 "locks",    "rights",    "waiters", "reclaiming",
                                                 "courtesy", "lost_state"};

std::vector<const char*> without_file(std::vector<const char*> columns) {
  columns.erase(columns.begin());
  return columns;
}

std::string grace(const Json& report) {
  if (!report.value("grace", false)) return "no grace period: everything is granted\n";
  return "grace until " + field(report, "until") + " (" + field(report, "seconds_left") +
         " s left); still reclaiming:\n" +
         list(report["reclaiming"], {"protocol", "client", "address"}, "nobody");
}

/// Every plain value a line; what has parts of its own is indented below its name.
void outline(std::string& text, const Json& report, const std::string& indent) {
  std::vector<Row> rows;
  const auto flush = [&] {
    if (!rows.empty()) text += aligned(rows);
    rows.clear();
  };
  for (const auto& [name, value] : report.items()) {
    const bool nested =
        value.is_object() || (value.is_array() && !value.empty() && value.front().is_object());
    if (!nested) {
      rows.push_back({indent + name, shown(value)});
      continue;
    }
    flush();
    text += indent + name + "\n";
    if (value.is_object()) outline(text, value, indent + "  ");
    for (std::size_t i = 0; value.is_array() && i < value.size(); ++i) {
      outline(text, value[i], indent + (i == 0 ? "- " : "  "));
    }
  }
  flush();
}

std::string explanation(const Json& report) {
  std::string text = field(report, "file") + " (inode " + field(report, "node") + ")" +
                     (report.value("delete_pending", false) ? ", to be deleted" : "") + "\n\n";
  text += "Holders\n" + list(report["locks"], without_file(kLockColumns), "no lock, no right");
  text += "\nOpens\n" + list(report["opens"], without_file(kOpenColumns), "none");
  text += "\nWaiters\n" + list(report["waiters"], without_file(kWaiterColumns), "none");
  text += "\nWhat a request of somebody else would meet now\n";
  std::vector<Row> rows;
  for (const Json& request : report["requests"]) {
    std::string why;
    for (const Json& holder : request["held_by"]) {
      why += (why.empty() ? "held by " : ", ") + field(holder, "protocol") + ":" +
             field(holder, "client") + " (" + field(holder, "kind") + ")";
    }
    for (const Json& right : request["to_break"]) {
      why += (why.empty() ? "" : ", ") + std::string("breaks ") + field(right, "kind") + " " +
             field(right, "mode") + " of " + field(right, "protocol") + ":" +
             field(right, "client");
    }
    if (request.value("waits_for_grace", false)) why += why.empty() ? "grace" : ", grace";
    rows.push_back({"  " + field(request, "request"), field(request, "answer"), why});
  }
  return text + aligned(rows);
}

}  // namespace

std::string table_of(const std::string& command, const Json& report) {
  if (command == "locks") return list(report, kLockColumns, "no locks");
  if (command == "opens") return list(report, kOpenColumns, "nothing is open");
  if (command == "waiters") return list(report, kWaiterColumns, "nobody waits");
  if (command == "clients") return list(report, kClientColumns, "no clients");
  if (command == "grace") return grace(report);
  if (command == "explain") return explanation(report);
  if (command == "metrics") return report.get<std::string>();
  std::string text;
  outline(text, report, "");
  return text;
}

}  // namespace lockstep::admin
