#include "shell/admin/http.hpp"

namespace lockstep::admin {

// Names come from clients: everything is put into the page as text, never as markup.
std::string page() {
  return R"html(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Lockstep</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body { font: 14px/1.5 system-ui, sans-serif; margin: 2rem; color: #1c2330; background: #fafbfc; }
h1 { font-size: 1.3rem; margin: 0 0 .2rem; } h2 { font-size: 1rem; margin: 1.6rem 0 .4rem; }
table { border-collapse: collapse; width: 100%; background: #fff; }
th, td { text-align: left; padding: .3rem .7rem; border-bottom: 1px solid #e4e8ee; }
th { font-weight: 600; color: #5a6678; } td.smb { color: #8a3ffc; } td.nfs { color: #0b62c4; }
tr.breaking { background: #fff4e0; } .none { color: #8a94a3; } #status { color: #5a6678; }
</style></head><body>
<h1>Lockstep</h1><div id="status">...</div>
<h2>Locks and caching rights</h2><div id="locks"></div>
<h2>Waiters</h2><div id="waiters"></div>
<h2>Opens</h2><div id="opens"></div>
<h2>Clients</h2><div id="clients"></div>
<script>
const columns = {
  locks: ["file", "protocol", "client", "kind", "owner", "mode", "range", "breaking_to", "since",
          "deadline"],
  waiters: ["file", "protocol", "client", "owner", "what", "mode", "range", "waits_for", "since",
            "deadline"],
  opens: ["file", "protocol", "client", "owner", "access", "deny"],
  clients: ["protocol", "client", "address", "opens", "locks", "rights", "waiters", "reclaiming"],
};
function cell(row, tag, value, kind) {
  const made = document.createElement(tag);
  made.textContent = value === null || value === undefined ? "" : String(value);
  if (kind) made.className = kind;
  row.appendChild(made);
}
function show(name, entries) {
  const place = document.getElementById(name);
  place.replaceChildren();
  if (!entries || !entries.length) {
    const none = document.createElement("span");
    none.className = "none";
    none.textContent = "none";
    place.appendChild(none);
    return;
  }
  const table = document.createElement("table");
  const head = table.insertRow();
  for (const column of columns[name]) cell(head, "th", column.replace("_", " "));
  for (const entry of entries) {
    const row = table.insertRow();
    if (entry.breaking_to !== undefined) row.className = "breaking";
    for (const column of columns[name]) {
      const kind = column === "protocol" ? (entry.protocol === "smb" ? "smb" : "nfs") : "";
      cell(row, "td", entry[column], kind);
    }
  }
  place.appendChild(table);
}
async function refresh() {
  const status = document.getElementById("status");
  try {
    const state = await (await fetch("state.json")).json();
    for (const name of Object.keys(columns)) show(name, state[name]);
    const s = state.status;
    status.textContent = s.name + ", version " + s.version + ": " + s.clients + " clients, " +
      s.opens + " opens, " + s.locks + " locks, " + s.rights + " caching rights, " + s.waiters +
      " waiters" + (s.grace.grace ? ", in grace until " + s.grace.until : "") +
      (s.journal_failed ? ", THE JOURNAL CANNOT BE WRITTEN" : "");
  } catch (error) {
    status.textContent = "no answer from the server: " + error;
  }
  setTimeout(refresh, 1000);
}
refresh();
</script></body></html>
)html";
}

}  // namespace lockstep::admin
