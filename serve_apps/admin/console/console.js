"use strict";
// Draws /api/status once a second, for whoever has a key; it stays in this tab. Text is only ever set as textContent:
// nothing a model says can become markup. The API's page comes from the server, which has escaped what was declared.

const element = (tag, attributes = {}, ...children) => {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children.map((child) => (child instanceof Node ? child : document.createTextNode(String(child)))));
  return node;
};

const number = (value, digits = 0) =>
  value === null || value === undefined ? "–" : value.toLocaleString("en", { maximumFractionDigits: digits });

const figure = (value, label) => element("div", {}, element("strong", {}, value), element("span", {}, label));

function splitBar(split) {
  if (!split) return element("p", { class: "bad" }, "no split in force");
  const total = split.arms.reduce((sum, arm) => sum + arm.weight, 0);
  const bar = element("div", { class: "split" });
  for (const arm of split.arms.filter((each) => each.weight > 0)) {
    const share = (100 * arm.weight) / total;
    const part = element("div", { class: arm.name }, `v${arm.version} · ${number(share, 1)} % ${arm.name}`);
    part.style.width = `${share}%`;
    bar.append(part);
  }
  return bar;
}

function rolloutPart(rollout) {
  if (!rollout) return [element("p", {}, "no rollout yet")];
  const head = element("p", {}, `v${rollout.candidate} against v${rollout.champion}: ${rollout.where} · ${rollout.reason}`);
  const approval = rollout.approval;
  const gate = approval && approval.waits ? [element("p", { class: "NOT_YET" }, `v${rollout.candidate} ${approval.waits}`)] : [];
  if (["shadow", "step", "bake"].includes(rollout.phase)) gate.push(element("p", {}, rollout.times));
  if (!rollout.verdict) return [head, ...gate];
  const table = element("table");
  for (const guardrail of rollout.verdict.guardrails) {
    table.append(element("tr", {},
      element("td", { class: guardrail.outcome }, guardrail.outcome.replace("_", " ")),
      element("td", {}, guardrail.name), element("td", {}, guardrail.sentence)));
  }
  return [head, ...gate, table];
}

const REPEATING = ["finding", "assessment"]; // told window after window: one line a kind until something else happens

function folded(events) {
  const lines = [];
  let run = new Map();
  for (const event of events) {
    const repeats = REPEATING.includes(event.kind);
    const words = repeats ? String((event.facts || {}).notice || "").split(":").pop() : event.detail;
    const said = JSON.stringify([event.kind, event.version, words]);
    const before = run.get(said);
    if (before) lines.splice(lines.indexOf(before), 1);
    else if (!repeats) run = new Map();
    const line = { ...event, count: before ? before.count + 1 : 1, since: before ? before.since : event.at };
    run.set(said, line);
    lines.push(line);
  }
  return lines;
}

function causes(counts, verb) {
  if (!counts || !counts.length) return [];
  const told = counts.slice(0, 6).map((each) => `${each.field || "request"} ${each.reason.replaceAll("_", " ")} ${number(each.count)}`);
  if (counts.length > 6) told.push(`and ${counts.length - 6} more`);
  return [element("p", { class: "causes" }, `${verb}: ${told.join(" · ")}`)];
}

function eventTable(events) {
  const table = element("table");
  for (const event of folded(events).reverse()) {
    table.append(element("tr", {},
      element("td", { class: "when" }, event.at.slice(11, 19)),
      element("td", { class: "when" }, (event.event_time || "").slice(0, 10)),
      element("td", { class: event.kind }, event.kind.replace("_", " ")),
      element("td", {}, event.version ? `v${event.version}` : ""),
      element("td", {}, event.count > 1 ? `${event.detail} (${event.count} times since ${event.since.slice(11, 19)})` : event.detail)));
  }
  return table;
}

function modelSection(model) {
  const traffic = model.traffic || {};
  const retrain = model.retrain ? `${model.retrain.status}: ${model.retrain.reason}` : "none";
  return element("section", {},
    element("h2", {}, `${model.name} `, element("span", { class: "owner" }, model.owner)),
    element("div", { class: "figures" },
      figure(model.champion ? `v${model.champion}` : "none", "champion"),
      figure(number(traffic.decisions_per_second, 1), "decisions/s"),
      figure(number(traffic.latency_p50_ms, 2), "p50 ms"),
      figure(number(traffic.latency_p99_ms, 2), "p99 ms"),
      figure(number(traffic.decisions), "decisions"),
      figure(number(traffic.errors), "errors"),
      figure(number(traffic.refused), "refused")),
    ...causes(traffic.refusals, "refused"), ...causes(traffic.warnings, "answered with a warning"),
    splitBar(model.split),
    element("h3", {}, "Rollout"), ...rolloutPart(model.rollout),
    element("h3", {}, "Retraining"), element("p", {}, retrain),
    element("h3", {}, "Events"), eventTable(model.events || []));
}

const KEY = "windvane-key"; // in sessionStorage: gone with the tab, and in no address
const SENDABLE = /^[\x21-\x7e]+$/; // what a header can hold; a key pasted with a blank in it is none
const VIEWS = ["status", "docs", "metrics"];
let view = "status";

class Unknown extends Error {}

async function ask(path) {
  const key = sessionStorage.getItem(KEY);
  if (key && !SENDABLE.test(key)) throw new Unknown("this is not a key: copy it whole, without blanks");
  const headers = key ? { authorization: `Bearer ${key}` } : {};
  const reply = await fetch(path, { cache: "no-store", headers });
  if (reply.status === 401) throw new Unknown(key ? "this key is not known, or no longer" : "who is asking?");
  if (reply.status === 403) throw new Unknown("this key may not see this: it takes an owner, operator, compliance officer or admin");
  if (!reply.ok) throw new Error(`${reply.status} ${reply.statusText}`);
  return reply;
}

async function drawn() {
  if (view === "docs") {
    const page = new DOMParser().parseFromString(await (await ask("docs")).text(), "text/html");
    return ["described for this key", [...page.querySelector("main").children]];
  }
  if (view === "metrics") return ["as of now", [element("pre", {}, await (await ask("metrics")).text())]];
  const status = await (await ask("api/status")).json();
  const none = "no model is deployed yet: windvane train, windvane deploy";
  const waits = status.waits.map((wait) => element("p", { class: "bad" }, `since ${wait.since.slice(11, 19)} UTC ${wait.sentence}`));
  return [status.models.length ? `as of ${status.at.slice(11, 19)} UTC` : none, [...waits, ...status.models.map(modelSection)]];
}

async function refresh() {
  const state = document.getElementById("state");
  const entry = document.getElementById("entry");
  const asked = view;
  try {
    const [sentence, nodes] = await drawn();
    if (asked !== view) return;
    document.getElementById("models").replaceChildren(...nodes);
    state.textContent = sentence;
    state.className = "";
    entry.hidden = true;
  } catch (error) {
    const unknown = error instanceof Unknown;
    entry.hidden = !unknown;
    if (unknown) document.getElementById("models").replaceChildren();
    state.textContent = unknown ? error.message : `control does not answer (${error.message}); replicas go on with the last split`;
    state.className = "bad";
  }
}

async function draw() {
  if (view === "status" && document.getElementById("entry").hidden) await refresh();
  setTimeout(draw, 1000);
}

document.getElementById("entry").addEventListener("submit", (event) => {
  event.preventDefault();
  const field = document.getElementById("key");
  sessionStorage.setItem(KEY, field.value.trim());
  field.value = "";
  refresh();
});

window.addEventListener("hashchange", () => {
  const wanted = location.hash.slice(1);
  if (!VIEWS.includes(wanted)) return; // a place on the API's page
  view = wanted;
  refresh();
});

if (VIEWS.includes(location.hash.slice(1))) view = location.hash.slice(1);
if (view !== "status") refresh();
draw();
