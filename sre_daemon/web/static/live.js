// Makes the pages live: listens to what happens and reads the same page again. All HTML is made by the
// server; this only puts its parts in place of the old ones. Without this script everything works, slower.
"use strict";

const stream = document.body.dataset.stream;
const badge = document.getElementById("live-state");
let source = null;
let last = "";
let wanted = false;
let reading = false;

function show(text, live) {
  if (!badge) return;
  badge.hidden = false;
  badge.textContent = text;
  badge.classList.toggle("off", !live);
}

// Parts with data-live are replaced when they differ; what a person has opened or is typing in stays.
function replace(from) {
  for (const old of document.querySelectorAll("[data-live]")) {
    const fresh = from.getElementById(old.id);
    if (!fresh) old.remove();
    else if (old.dataset.live === "list") replaceItems(old, fresh);
    else if (!same(old, fresh) && !busy(old)) swap(old, fresh);
  }
  // Parts that are new come after the same neighbour as in the fresh page.
  for (const fresh of from.querySelectorAll("[data-live]")) {
    if (document.getElementById(fresh.id)) continue;
    const before = fresh.previousElementSibling && document.getElementById(fresh.previousElementSibling.id);
    const parent = before ? before.parentElement : document.querySelector(".findings");
    if (before) before.after(document.importNode(fresh, true));
    else if (parent) parent.prepend(document.importNode(fresh, true));
  }
  document.title = from.title;
}

function replaceItems(old, fresh) {
  const known = new Map([...old.children].map((item) => [item.id, item]));
  for (const item of fresh.children) {
    const mine = known.get(item.id);
    known.delete(item.id);
    if (!mine) old.append(document.importNode(item, true));
    else if (!same(mine, item) && !busy(mine)) swap(mine, item);
  }
  for (const gone of known.values()) gone.remove();
}

function same(one, other) {
  const copy = one.cloneNode(true);
  for (const item of copy.querySelectorAll("details[open]")) item.removeAttribute("open");
  // Ages go on by themselves; they are no difference.
  for (const age of copy.querySelectorAll("[data-age]")) age.textContent = "";
  const clean = other.cloneNode(true);
  for (const age of clean.querySelectorAll("[data-age]")) age.textContent = "";
  return copy.outerHTML === clean.outerHTML;
}

function busy(part) {
  const active = document.activeElement;
  return part.contains(active) && active.matches("input, textarea, select");
}

function swap(old, fresh) {
  const copy = document.importNode(fresh, true);
  for (const item of old.querySelectorAll("details[open]")) {
    const again = item.id && copy.querySelector(`#${CSS.escape(item.id)}`);
    if (again) again.open = true;
  }
  const focused = old.contains(document.activeElement) ? document.activeElement : null;
  const place = focused && (focused.id ? `#${CSS.escape(focused.id)}` : focused.getAttribute("href") && `a[href="${CSS.escape(focused.getAttribute("href"))}"]`);
  old.replaceWith(copy);
  if (place) copy.querySelector(place)?.focus({ preventScroll: true });
}

async function read() {
  wanted = true;
  if (reading) return;
  reading = true;
  try {
    while (wanted) {
      wanted = false;
      const answer = await fetch(location.href, { headers: { Accept: "text/html" }, redirect: "manual", cache: "no-store" });
      if (answer.type === "opaqueredirect") {
        location.reload(); // the session is over: the server says where to log in
        return;
      }
      if (answer.ok) replace(new DOMParser().parseFromString(await answer.text(), "text/html"));
      await new Promise((done) => setTimeout(done, 300));
    }
  } catch {
    show("not live: no answer", false);
  } finally {
    reading = false;
  }
}

function listen() {
  const joint = stream.includes("?") ? "&" : "?";
  source = new EventSource(last ? `${stream}${joint}after=${last}` : stream);
  const heard = (event) => {
    last = event.lastEventId || last;
    read();
  };
  for (const name of ["timeline", "status", "reset"]) source.addEventListener(name, heard);
  source.addEventListener("ready", (event) => {
    last = event.lastEventId || last;
    show("live", true);
    read();
  });
  source.onerror = () => {
    show("not live: connecting again", false);
    if (source.readyState !== EventSource.CLOSED) return; // the browser tries again by itself
    source.close();
    setTimeout(() => { read(); listen(); }, 2000);
  };
}

function age(then) {
  const seconds = Math.max(0, Math.floor((Date.now() - then) / 1000));
  for (const [size, unit] of [[86400, "d"], [3600, "h"], [60, "min"]]) {
    if (seconds >= size) return `${Math.floor(seconds / size)} ${unit}`;
  }
  return `${seconds} s`;
}

function tick() {
  for (const item of document.querySelectorAll("[data-age]")) {
    item.textContent = age(Date.parse(item.dateTime));
  }
}

// A claim leads to the tool call that it rests on: opened, not folded.
function open() {
  const target = location.hash && document.getElementById(location.hash.slice(1));
  const folded = target && target.querySelector("details");
  if (folded) folded.open = true;
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, textarea, select")) return;
  if (event.key === "/") {
    const search = document.querySelector("[data-search]");
    if (search) { event.preventDefault(); search.focus(); }
  }
  if (event.key === "j" || event.key === "k") {
    const rows = [...document.querySelectorAll("a.row")];
    const at = rows.indexOf(document.activeElement);
    const next = rows[event.key === "j" ? at + 1 : Math.max(0, at - 1)];
    if (next) next.focus();
  }
});
window.addEventListener("hashchange", open);
open();
setInterval(tick, 1000);
if (stream) listen();
