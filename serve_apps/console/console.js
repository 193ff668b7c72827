"use strict";
// Draws /api/status once a second. Text is only ever set as textContent: nothing a model says can become markup.

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
  if (!rollout.verdict) return [head, ...gate];
  const table = element("table");
  for (const guardrail of rollout.verdict.guardrails) {
    table.append(element("tr", {},
      element("td", { class: guardrail.outcome }, guardrail.outcome.replace("_", " ")),
      element("td", {}, guardrail.name), element("td", {}, guardrail.sentence)));
  }
  return [head, ...gate, table];
}

function eventTable(events) {
  const table = element("table");
  for (const event of [...events].reverse()) {
    table.append(element("tr", {},
      element("td", { class: "when" }, event.at.slice(11, 19)),
      element("td", { class: "when" }, (event.event_time || "").slice(0, 10)),
      element("td", { class: event.kind }, event.kind.replace("_", " ")),
      element("td", {}, event.version ? `v${event.version}` : ""),
      element("td", {}, event.detail)));
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
      figure(number(traffic.errors), "errors")),
    splitBar(model.split),
    element("h3", {}, "Rollout"), ...rolloutPart(model.rollout),
    element("h3", {}, "Retraining"), element("p", {}, retrain),
    element("h3", {}, "Events"), eventTable(model.events || []));
}

async function refresh() {
  const state = document.getElementById("state");
  try {
    const reply = await fetch("api/status", { cache: "no-store" });
    if (!reply.ok) throw new Error(`${reply.status} ${reply.statusText}`);
    const status = await reply.json();
    document.getElementById("models").replaceChildren(...status.models.map(modelSection));
    state.textContent = status.models.length ? `as of ${status.at.slice(11, 19)} UTC` : "no model is deployed yet: windvane train, windvane deploy";
    state.className = "";
  } catch (error) {
    state.textContent = `control does not answer (${error.message}); replicas go on with the last split`;
    state.className = "bad";
  }
  setTimeout(refresh, 1000);
}

refresh();
