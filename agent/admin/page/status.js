// The page: asks the agent, and brings what is shown up to date. Elements that stay are changed and
// not made anew, so that neither the eye, the focus nor a screen reader loses its place.

const ASK_MS = 2000;
const SOON_MS = 700; // a rate needs two answers
const PATIENCE_MS = 5000;
const STALE_SAMPLES_MS = 20000; // after a longer sleep rates begin anew

const byId = (id) => document.getElementById(id);

function make(name, className, attributes = {}) {
  const node = document.createElement(name);
  if (className) node.className = className;
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
}

function setClass(node, className) {
  if (node.className !== className) node.className = className;
}

// Children of the parent, one for each item, found again by their key.
function patchList(parent, items, create, update) {
  const have = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let place = parent.firstElementChild;
  for (const item of items) {
    let child = have.get(item.key);
    have.delete(item.key);
    if (!child) {
      child = create(item);
      child.dataset.key = item.key;
    }
    if (child === place) place = place.nextElementSibling;
    else parent.insertBefore(child, place);
    update(child, item);
  }
  have.forEach((child) => child.remove());
}

// ---- now ----

function showNow(figures) {
  const problems = findProblems(figures), verdict = findVerdict(figures, problems);
  setClass(byId("verdict"), `verdict ${verdict.level}`);
  setText(byId("verdict"), verdict.text);
  patchList(byId("problems"), problems, () => {
    const item = make("li");
    item.append(make("strong"), make("span", "since"), make("p"));
    return item;
  }, (item, problem) => {
    const [title, since, text] = item.children;
    setClass(item, problem.level);
    setText(title, problem.title);
    setText(since, problem.since);
    setText(text, problem.text);
  });
  const mark = { bad: "✗ ", warn: "! ", good: "" }[verdict.level];
  document.title = `${mark}${figures.host || "Spillway"} – Spillway`;
}

// ---- tables ----

function makeRow(labels) {
  const row = make("tr", "", { role: "row" });
  labels.forEach((label, i) => {
    const isNumber = label.startsWith("#"), name = label.replace("#", "");
    row.append(i === 0 ? make("th", "", { role: "rowheader", scope: "row" })
      : make("td", isNumber ? "number" : "", { role: "cell", "data-label": name }));
    row.lastElementChild.append(make("span"));
  });
  return row;
}

function setCells(row, texts) {
  texts.forEach((text, i) => {
    if (text !== null) setText(row.children[i].firstElementChild, text);
  });
}

function makeBars() {
  const svg = document.createElementNS(SVG, "svg");
  setAttributes(svg, { class: "bars", viewBox: "0 0 120 30", preserveAspectRatio: "none", role: "img" });
  svgNode(svg, "rect", { class: "floor", x: 0, y: 29, width: 120, height: 1 });
  for (let i = 0; i < 60; i++) svgNode(svg, "rect", { x: i * 2, width: 1.6, y: 29, height: 0 });
  return svg;
}

function updateBars(svg, minutes, nowMs) {
  const most = Math.max(1, ...minutes), at = minutes.lastIndexOf(Math.max(...minutes));
  minutes.forEach((count, i) => {
    const height = count > 0 ? Math.max(2, 28 * count / most) : 0;
    setAttributes(svg.children[i + 1], { y: (29 - height).toFixed(1), height: height.toFixed(1) });
  });
  const time = sayTime(nowMs - (minutes.length - 1 - at) * MINUTE_MS, nowMs, false);
  setAttributes(svg, { "aria-label": `The most: ${sayCount(most)} events in the minute of ${time}` });
}

function showDrops(figures) {
  byId("drops").hidden = figures.drops.length === 0;
  byId("no-drops").hidden = figures.drops.length > 0 && figures.leftOut === 0;
  setText(byId("no-drops"), figures.leftOut > 0 ? `${figures.leftOut} more pairs of lane and reason are in /stats.`
    : "Nothing was dropped in the last hour.");
  patchList(byId("drops").tBodies[0], figures.drops, () => {
    const row = makeRow(["Lane", "Reason", "#Now", "#Last hour", "Since", "By minute"]);
    row.children[1].firstElementChild.append(make("span"), make("span", "why"));
    row.children[4].className = "nowrap";
    row.children[5].firstElementChild.append(makeBars());
    return row;
  }, (row, drop) => {
    const [name, why] = row.children[1].firstElementChild.children;
    setText(name, drop.reason);
    setText(why, drop.meaning);
    setCells(row, [`${drop.input} → ${drop.output}`, null, drop.isNow ? sayRate(drop.now) : "none",
      `${sayCount(drop.events)} events`,
      drop.isNow ? saySince(drop.since_seconds, figures.nowMs).replace("since ", "")
        : `ended ${sayDuration(drop.last_seconds)} ago`]);
    setClass(row.children[2].firstElementChild, drop.isNow ? "bad-text" : "");
    updateBars(row.children[5].firstElementChild.firstElementChild, drop.events_by_minute, figures.nowMs);
  });
}

function makeMeter() {
  const meter = make("span", "meter", { role: "meter", "aria-valuemin": 0, "aria-valuemax": 100 });
  meter.append(make("span"));
  return meter;
}

function updateMeter(meter, share, name) {
  const percent = Math.round(Math.min(1, share) * 100);
  setAttributes(meter, { "aria-valuenow": percent, "aria-label": name });
  setClass(meter, percent >= 80 ? "meter full" : "meter");
  if (meter.firstElementChild.style.width !== `${percent}%`) meter.firstElementChild.style.width = `${percent}%`;
}

function sayLaneState(lane) {
  if (lane.dropped > 0) return { level: "bad", text: lane.isShedding ? "shedding, drops" : "drops" };
  if (lane.isShedding) return { level: "warn", text: "shedding" };
  if (lane.held > 0 && lane.delivered === 0) return { level: "", text: "waits for its output" };
  if (!lane.isOfNow) return { level: "", text: "of the start before" };
  if (lane.fill > 0.95) return { level: "warn", text: "full" };
  return { level: "", text: lane.received > 0 ? "flows" : "quiet" };
}

function showLanes(figures) {
  patchList(byId("lanes").tBodies[0], figures.lanes, () => {
    const row = makeRow(["Lane", "State", "#Received", "#Delivered", "#Dropped", "#Held", "Memory", "#Oldest waits"]);
    row.children[6].firstElementChild.append(make("span"), makeMeter());
    return row;
  }, (row, lane) => {
    const state = sayLaneState(lane), [percent, meter] = row.children[6].firstElementChild.children;
    setCells(row, [`${lane.input} → ${lane.output}`, state.text, sayRate(lane.received), sayRate(lane.delivered),
      sayRate(lane.dropped), sayCount(lane.held), null, lane.oldest > 0 ? sayDuration(lane.oldest) : "–"]);
    setClass(row.children[1].firstElementChild, state.level ? `${state.level}-text` : "");
    setClass(row.children[4].firstElementChild, lane.dropped > 0 ? "bad-text" : "");
    setText(percent, `${Math.round(lane.fill * 100)} %`);
    updateMeter(meter, lane.fill, `Memory of ${lane.input} → ${lane.output}`);
  });
}

// ---- outputs ----

function sayLag(output) {
  const bound = (seconds) => (seconds === Infinity ? "over 2 h" : `≤ ${sayDuration(seconds)}`);
  if (output.lagMost === null) return "–";
  return `half ${bound(output.lagHalf)}, 99 % ${bound(output.lagMost)}`;
}

function outputFacts(output) {
  const facts = [
    ["Delivered", sayRate(output.delivered) + (output.sent === null ? "" : `, ${sayBytes(output.sent)}/s`)],
    ["Requests", `${sayRate(output.requests)}${output.failures > 0 ? `, ${sayRate(output.failures)} fail` : ""}`],
    ["In flight", `${output.inFlight}, limit ${output.limit >= 1 ? Math.floor(output.limit) : output.limit.toFixed(2)} of ${output.limitMax}`],
    ["Breaker", BREAKER_WORDS[output.breaker] || String(output.breaker)],
    ["Held up by", output.cause === 0 ? "nothing" : CAUSE_WORDS[output.cause] || String(output.cause)],
    ["Lag, last minute", sayLag(output)],
    ["Oldest waits", output.oldest > 0 ? sayDuration(output.oldest) : "–"],
    ["Sealed batches", `${sayBytes(output.memory)} of ${sayBytes(output.memoryMax)}`],
  ];
  if (output.spoolMax > 0)
    facts.push(["Spool on disk", `${sayBytes(output.spool)} of ${sayBytes(output.spoolMax)}${output.spoolFails ? ", its disk fails" : ""}`]);
  return facts.map(([name, text]) => ({ key: name, name, text }));
}

function showOutputs(figures) {
  patchList(byId("outputs"), figures.outputs.map((output) => ({ ...output, key: output.name })), (output) => {
    const card = make("article", "card"), title = make("h3");
    title.textContent = output.name;
    card.append(title, make("p", "state"), make("dl"));
    return card;
  }, (card, output) => {
    const state = sayOutputState(output), [, word, list] = card.children;
    setText(word, state.text);
    setClass(word, `state ${state.level}-text`);
    outputFacts(output).forEach((fact, i) => {
      if (list.children.length < 2 * i + 2) list.append(make("dt"), make("dd"));
      setText(list.children[2 * i], fact.name);
      setText(list.children[2 * i + 1], fact.text);
    });
  });
}

// ---- the log ----

function splitLine(text) {
  const found = /^msg=(?:"((?:[^"\\]|\\.)*)"|(\S+)) ?(.*)$/.exec(text);
  return found ? { msg: found[1] || found[2], rest: found[3] } : { msg: text, rest: "" };
}

function showLog(figures) {
  const seen = new Map();
  const items = figures.log.map((line) => {
    const key = `${line.unix_ms} ${line.text}`, again = seen.get(key) || 0;
    seen.set(key, again + 1);
    return { ...line, key: `${key} ${again}` };
  });
  patchList(byId("log"), items, (line) => {
    const item = make("li"), time = make("time"), level = make("span", "level"), code = make("code"), msg = make("b");
    const { msg: text, rest } = splitLine(line.text);
    time.dateTime = new Date(line.unix_ms).toISOString();
    time.textContent = sayTime(line.unix_ms, figures.nowMs, true);
    level.textContent = line.level;
    level.classList.add({ warn: "warn-text", error: "bad-text" }[line.level] || "plain");
    msg.textContent = text;
    code.append(msg, rest ? ` ${rest}` : "");
    item.append(time, level, code);
    return item;
  }, () => {});
}

function showAbout(figures) {
  const started = Math.round(figures.agent.started_unix_ns / 1e6);
  setText(byId("host"), figures.host ? `on ${figures.host}` : "");
  setText(byId("about"), `Version ${figures.agent.version}, running ${saySince((figures.nowMs - started) / 1000, figures.nowMs)}.`);
}

// ---- asking ----

const drawFlow = makeDrawing(byId("drawing"));
let samples = [], recent = null, timer = 0, isPaused = false, answeredAt = 0, isAsking = false;

function show() {
  if (samples.length === 0 || recent === null) return;
  const figures = readFigures(samples, recent);
  showNow(figures);
  drawFlow(figures);
  showDrops(figures);
  showOutputs(figures);
  showLanes(figures);
  showLog(figures);
  showAbout(figures);
}

async function ask(path) {
  const answer = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
  if (!answer.ok) throw new Error(`it answers ${answer.status} for ${path}`);
  return answer.json();
}

// Samples of another start, or from before a sleep, tell nothing about now.
function addSample(stats) {
  const at = performance.now(), last = samples[samples.length - 1];
  const isOther = last && (last.stats.agent.start_id !== stats.agent.start_id || at - last.at > STALE_SAMPLES_MS);
  samples = isOther ? [] : samples.filter((sample) => at - sample.at <= MINUTE_MS + ASK_MS);
  samples.push({ at, stats });
}

function tellSilence(why) {
  const silence = byId("silence");
  const since = answeredAt > 0 ? ` since ${sayTime(answeredAt, Date.now(), true)}. What is shown is from then` : "";
  if (silence.hidden) silence.textContent = `The agent does not answer${since}${why ? ` (${why})` : ""}.`;
  silence.hidden = false;
  document.body.classList.add("is-old");
  setText(byId("pulse"), answeredAt > 0 ? `no answer for ${sayDuration(Math.round((Date.now() - answeredAt) / 1000))}` : "no answer");
}

function tellAnswer() {
  answeredAt = Date.now();
  byId("silence").hidden = true;
  document.body.classList.remove("is-old");
  setText(byId("pulse"), `as of ${sayTime(answeredAt, answeredAt, true)}`);
}

async function askAll() {
  if (isAsking) return;
  isAsking = true;
  try {
    const [stats, news] = await Promise.all([ask("/stats"), ask("/recent")]);
    addSample(stats);
    recent = news;
    tellAnswer();
    show();
  } catch (error) {
    tellSilence(/^it answers/.test(error.message) ? error.message : "");
  }
  isAsking = false;
  plan();
}

// Nobody looks at a hidden page.
function plan() {
  clearTimeout(timer);
  if (!isPaused && document.visibilityState === "visible") timer = setTimeout(askAll, samples.length === 1 ? SOON_MS : ASK_MS);
}

byId("pause").addEventListener("click", () => {
  isPaused = !isPaused;
  byId("pause").setAttribute("aria-pressed", String(isPaused));
  if (isPaused) plan();
  else askAll();
  if (isPaused) setText(byId("pulse"), `paused, as of ${sayTime(answeredAt, Date.now(), true)}`);
});
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible" && !isPaused) askAll();
  else plan();
});
new ResizeObserver(show).observe(byId("drawing"));
askAll();
