// The timeline as a page: data as JSON, and a small program that shows it.
#include <cstdio>

#include "sim/timeline.hpp"

namespace lockstep::sim {

namespace {

std::string json_text(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == '<') {
      char code[8];
      std::snprintf(code, sizeof code, "\\u%04x", static_cast<unsigned>(c));
      out += code;
    } else {
      out += c;
    }
  }
  return out + "\"";
}

constexpr const char* kPageHead = R"(<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root { color-scheme: light dark; --line: #8884; --now: #fc63; --bad: #c33; }
body { font: 14px/1.35 system-ui, sans-serif; margin: 0; }
header { position: sticky; top: 0; background: Canvas; padding: .5rem 1rem; border-bottom: 1px solid var(--line); z-index: 2; }
h1 { font-size: 1rem; margin: 0 0 .3rem; }
#found { color: var(--bad); font-weight: 600; white-space: pre-wrap; }
#tools > * { margin-right: .6rem; }
table { border-collapse: collapse; width: 100%; }
th, td { border-left: 1px solid var(--line); padding: .1rem .4rem; text-align: left; vertical-align: top; overflow-wrap: anywhere; }
th { min-width: 6rem; }
thead th { position: sticky; top: var(--below, 0); background: Canvas; z-index: 1; }
td:first-child, th:first-child { width: 5.5rem; border-left: 0; font-variant-numeric: tabular-nums; opacity: .7; }
tr.step td { background: #8881; font-weight: 600; opacity: 1; }
tr.now { outline: 2px solid #e80; background: var(--now); }
tr.dim { opacity: .25; }
</style></head><body>
)";

constexpr const char* kProgram = R"(
const body = document.querySelector('tbody'), search = document.querySelector('#word');
const shown = new Set(columns);
const rows = moments.map(([step, time, column, text]) => {
  const row = document.createElement('tr');
  const clock = row.insertCell();
  clock.textContent = (time / 1e6).toFixed(3);
  if (column === '') {
    row.className = 'step';
    const cell = row.insertCell();
    cell.colSpan = columns.length;
    cell.textContent = text;
  } else {
    for (const name of columns) {
      const cell = row.insertCell();
      cell.dataset.column = name;
      if (name === column) cell.textContent = text;
    }
  }
  row.dataset.column = column;
  row.dataset.text = text.toLowerCase();
  row.onclick = () => go(rows.indexOf(row));
  body.append(row);
  return row;
});
let now = -1;
function go(index) {
  if (rows[now]) rows[now].classList.remove('now');
  now = Math.max(0, Math.min(rows.length - 1, index));
  rows[now].classList.add('now');
  rows[now].scrollIntoView({block: 'center'});
}
function step(by, only) {
  let index = now + by;
  while (rows[index] && (rows[index].hidden || rows[index].classList.contains('dim') ||
         (only && !rows[index].classList.contains('step')))) index += by;
  if (rows[index]) go(index);
}
function filter() {
  const word = search.value.toLowerCase();
  for (const row of rows) {
    const column = row.dataset.column;
    row.hidden = column !== '' && !shown.has(column);
    row.classList.toggle('dim', word !== '' && !row.dataset.text.includes(word));
  }
  for (const cell of document.querySelectorAll('[data-column]')) {
    if (cell.tagName !== 'TR') cell.hidden = !shown.has(cell.dataset.column);
  }
}
for (const name of columns) {
  const label = document.createElement('label'), box = document.createElement('input');
  box.type = 'checkbox';
  box.checked = true;
  box.onchange = () => { box.checked ? shown.add(name) : shown.delete(name); filter(); };
  label.append(box, ' ' + name);
  document.querySelector('#columns').append(label, ' ');
}
search.oninput = filter;
document.onkeydown = event => {
  if (event.target === search) return;
  if (event.key === 'j' || event.key === 'ArrowDown') { step(1); event.preventDefault(); }
  if (event.key === 'k' || event.key === 'ArrowUp') { step(-1); event.preventDefault(); }
  if (event.key === 'n' || event.key === 'ArrowRight') { step(1, true); event.preventDefault(); }
  if (event.key === 'p' || event.key === 'ArrowLeft') { step(-1, true); event.preventDefault(); }
  if (event.key === 'End') go(rows.length - 1);
  if (event.key === 'Home') go(0);
};
document.querySelector('#end').onclick = () => go(rows.length - 1);
// The names of the columns stay in sight, below the header.
new ResizeObserver(([header]) => document.documentElement.style.setProperty(
    '--below', header.target.offsetHeight + 'px')).observe(document.querySelector('header'));
if (failed) go(rows.length - 1);
</script></body></html>
)";

}  // namespace

std::string page(const std::string& title, const Script& script, const Outcome& outcome) {
  const std::vector<std::string> columns = used_columns(outcome.story);
  std::string out = kPageHead;
  out +=
      "<title></title><header><h1></h1><div id=\"found\"></div><div id=\"tools\">"
      "<input id=\"word\" placeholder=\"filter by a word\"><span id=\"columns\"></span>"
      "<button id=\"end\">to the end</button>"
      "<small>j, k: next and previous; n, p: by steps</small>"
      "</div></header><table><thead><tr><th>s</th>";
  for (const std::string& column : columns) {
    out += "<th data-column=" + json_text(column) + ">" + column + "</th>";
  }
  out +=
      "</tr></thead><tbody></tbody></table>\n<details><summary>the script</summary><pre "
      "id=\"script\"></pre></details>\n<script>\nconst columns = [";
  for (const std::string& column : columns) out += json_text(column) + ",";
  out += "];\nconst moments = [\n";
  for (const Moment& moment : outcome.story.moments) {
    out += "[" + std::to_string(moment.step) + "," + std::to_string(moment.time / 1000) + "," +
           json_text(moment.column) + "," + json_text(moment.text) + "],\n";
  }
  std::string text = "level " + script.level + "\n";
  for (const Line& line : script.lines) text += line.text + "\n";
  const std::string found =
      outcome.found ? std::string(name(outcome.found->kind)) + ": " + outcome.found->what : "";
  out += "];\ndocument.title = " + json_text(title) +
         ";\ndocument.querySelector('h1').textContent = " + json_text(title) +
         ";\ndocument.querySelector('#found').textContent = " + json_text(found) +
         ";\ndocument.querySelector('#script').textContent = " + json_text(text) +
         ";\nconst failed = " + (outcome.found ? "true" : "false") + ";\n";
  return out + kProgram;
}

}  // namespace lockstep::sim
